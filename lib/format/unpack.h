/*
 * The door to libarchive: decompression (gzip in common/gzip.h), and the members of an
 * archive in order.
 */
#ifndef BS_FORMAT_UNPACK_H
#define BS_FORMAT_UNPACK_H

#include "common/buffer.h"

struct bs_input;

/* Decompression of gzip, zstd and xz (several ones behind each other too). */
struct bs_unpack;

/* `begun` are the bytes read from `fd` before; they are copied. */
int bs_unpack_open(struct bs_unpack **unpack, int fd, struct bs_span begun,
                   const char *name, struct bs_error *error) BS_MUST_CHECK;
/* BS_OK with `got` bytes (at least one), BS_END, or BS_DATA for damage. */
int bs_unpack_read(struct bs_unpack *unpack, char *to, size_t size, size_t *got,
                   struct bs_error *error) BS_MUST_CHECK;
/* Bytes read from the file, those in `begun` counted. */
int64_t bs_unpack_stored(const struct bs_unpack *unpack);
/* Whether something may be there that was read already (gzip alone can tell). */
bool bs_unpack_pending(const struct bs_unpack *unpack);
void bs_unpack_close(struct bs_unpack *unpack);

/* Whether these first bytes are those of an archive that can be read. */
bool bs_archive_sniff(struct bs_span data);

/* The regular files in an archive (tar, zip), one after the other, read from an input
 * as it comes. The input is borrowed until close. */
struct bs_archive;
int bs_archive_open(struct bs_archive **archive, struct bs_input *input,
                    struct bs_error *error) BS_MUST_CHECK;
/* Goes on to the next regular file: BS_OK, BS_END, or BS_DATA. `path` is borrowed until
 * the next call, its leading "./" taken off. */
int bs_archive_next(struct bs_archive *archive, const char **path,
                    struct bs_error *error) BS_MUST_CHECK;
/* Appends the content of the current file; what is more than `max` bytes is left and
 * `too_long` set. */
int bs_archive_read(struct bs_archive *archive, size_t max, struct bs_buffer *content,
                    bool *too_long, struct bs_error *error) BS_MUST_CHECK;
void bs_archive_close(struct bs_archive *archive);

#endif
