/*
 * Reading gzip data (RFC 1952) as it comes, one member or several behind each other.
 *
 * Everything that the file holds is handed on before damage is told, and the checksum of
 * each member is looked at: a turned bit in a text would go unseen otherwise.
 */
#ifndef BS_COMMON_GZIP_H
#define BS_COMMON_GZIP_H

#include "common/buffer.h"

struct bs_gzip;

bool bs_gzip_sniff(struct bs_span begun);

/* `begun` are the bytes read from `fd` before; they are copied. `fd` and `name` (for
 * messages) are borrowed until close. */
int bs_gzip_open(struct bs_gzip **gzip, int fd, struct bs_span begun, const char *name,
                 struct bs_error *error) BS_MUST_CHECK;

/* BS_OK with `got` bytes (at least one, at most `size`, which is not 0), BS_END, or
 * BS_DATA for damage. Waits for input only while there is no byte to hand on. */
int bs_gzip_read(struct bs_gzip *gzip, char *to, size_t size, size_t *got,
                 struct bs_error *error) BS_MUST_CHECK;

/* Whether the next read may have something to hand on without waiting. */
bool bs_gzip_pending(const struct bs_gzip *gzip);

/* Bytes read from the file, those in `begun` counted. */
int64_t bs_gzip_stored(const struct bs_gzip *gzip);

void bs_gzip_close(struct bs_gzip *gzip);

#endif
