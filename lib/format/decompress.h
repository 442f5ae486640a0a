/*
 * Reading compressed data (gzip, zstd, xz) as it comes, one stream or several behind
 * each other.
 *
 * Everything that the file holds is handed on before damage is told, and the checksums
 * are looked at: a turned bit in a text would go unseen otherwise. A stream that asks for
 * a window of more than 128 MiB is refused, so that no file, however small, takes more
 * memory than that.
 */
#ifndef BS_FORMAT_DECOMPRESS_H
#define BS_FORMAT_DECOMPRESS_H

#include "common/buffer.h"

struct bs_decompress;

/* What these first bytes of a file say that it is, or NULL: also bzip2 or lz4, which
 * opening refuses. Where `undecided` is set, more of them may yet say it. */
struct bs_codec;
const struct bs_codec *bs_decompress_sniff(struct bs_span begun, bool *undecided);

/* `begun` are the bytes read from `fd` before; they are copied. `fd` and `name` (for
 * messages) are borrowed until close, which takes what a failure has left, too. */
int bs_decompress_open(struct bs_decompress **decompress, const struct bs_codec *codec,
                       int fd, struct bs_span begun, const char *name,
                       struct bs_error *error) BS_MUST_CHECK;

/* BS_OK with `got` bytes (at most `size`, which is not 0), BS_END, or BS_DATA for damage.
 * Waits for input only where nothing is pending, and then gives at least one byte. */
int bs_decompress_read(struct bs_decompress *decompress, char *to, size_t size,
                       size_t *got, struct bs_error *error) BS_MUST_CHECK;

/* Whether the next read does not wait, since it may have something to hand on. */
bool bs_decompress_pending(const struct bs_decompress *decompress);

/* Bytes read from the file, those in `begun` counted. */
int64_t bs_decompress_stored(const struct bs_decompress *decompress);

void bs_decompress_close(struct bs_decompress *decompress);

#endif
