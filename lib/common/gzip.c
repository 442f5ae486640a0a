/* Reading gzip data through zlib. */
#include "common/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK = 64 * 1024 };

struct bs_gzip {
    z_stream z; /* next_in, avail_in: what was read and not inflated */
    const char *name;
    int fd;
    bool ended;   /* of the file */
    bool between; /* a member has ended, and no other begun */
    bool filled;  /* the last read filled its buffer: there may be more */
    int status;   /* of zlib, once it is an error */
    int64_t stored;
    struct bs_buffer block;
};

bool bs_gzip_sniff(struct bs_span begun) {
    return begun.size >= 3 && memcmp(begun.data, "\x1f\x8b\x08", 3) == 0;
}

int bs_gzip_open(struct bs_gzip **result, int fd, struct bs_span begun, const char *name,
                 struct bs_error *error) {
    struct bs_gzip *gzip = bs_alloc(1, sizeof *gzip);
    *result = gzip;
    if (!gzip || !bs_buffer_append_span(&gzip->block, begun) ||
        inflateInit2(&gzip->z, 15 + 16) != Z_OK) /* a window of 32 KiB; gzip alone */
        return bs_fail_memory(error, BLOCK, name);
    gzip->fd = fd;
    gzip->name = name;
    gzip->stored = (int64_t)begun.size;
    gzip->z.next_in = (Bytef *)gzip->block.data;
    gzip->z.avail_in = (uInt)begun.size;
    return BS_OK;
}

static int read_block(struct bs_gzip *gzip, struct bs_error *error) {
    gzip->block.size = 0;
    if (!bs_buffer_reserve(&gzip->block, BLOCK))
        return bs_fail_memory(error, BLOCK, gzip->name);
    ssize_t n = read(gzip->fd, gzip->block.data, BLOCK);
    if (n < 0)
        return bs_fail_errno(error, BS_DATA, "%s: cannot read", gzip->name);
    gzip->ended = n == 0;
    gzip->stored += n;
    gzip->z.next_in = (Bytef *)gzip->block.data;
    gzip->z.avail_in = (uInt)n;
    return BS_OK;
}

/* Tapes and blocks are filled up with zero bytes. */
static void begin_member(struct bs_gzip *gzip) {
    z_stream *z = &gzip->z;
    for (; z->avail_in > 0 && *z->next_in == 0; z->avail_in--)
        z->next_in++;
    if (z->avail_in == 0)
        return;
    gzip->between = false;
    gzip->status = inflateReset(z);
}

static int fail(const struct bs_gzip *gzip, struct bs_error *error) {
    if (gzip->status == Z_MEM_ERROR)
        return bs_fail_memory(error, BLOCK, gzip->name);
    if (gzip->status == Z_BUF_ERROR)
        return bs_fail(error, BS_DATA, "%s: truncated gzip input", gzip->name);
    return bs_fail(error, BS_DATA, "%s: damaged gzip input: %s", gzip->name,
                   gzip->z.msg ? gzip->z.msg : "no gzip data");
}

/* Inflates what is there, or finds that the file is at its end. */
static void inflate_some(struct bs_gzip *gzip) {
    int status = inflate(&gzip->z, Z_NO_FLUSH);
    gzip->between = status == Z_STREAM_END;
    if (status != Z_OK && status != Z_STREAM_END &&
        (status != Z_BUF_ERROR || gzip->ended))
        gzip->status = status;
}

int bs_gzip_read(struct bs_gzip *gzip, char *to, size_t size, size_t *got,
                 struct bs_error *error) {
    z_stream *z = &gzip->z;
    uInt room = size < INT_MAX ? (uInt)size : INT_MAX;
    z->next_out = (Bytef *)to;
    z->avail_out = room;
    while (z->avail_out == room) {
        if (gzip->status)
            return fail(gzip, error);
        if (z->avail_in == 0 && !gzip->filled && !gzip->ended && read_block(gzip, error))
            return error->code;
        gzip->filled = false;
        if (gzip->between)
            begin_member(gzip);
        if (gzip->between && gzip->ended)
            return BS_END;
        if (!gzip->between && !gzip->status)
            inflate_some(gzip);
    }
    gzip->filled = z->avail_out == 0;
    *got = room - z->avail_out;
    return BS_OK;
}

bool bs_gzip_pending(const struct bs_gzip *gzip) {
    return gzip->filled || gzip->status || gzip->z.avail_in > 0;
}

int64_t bs_gzip_stored(const struct bs_gzip *gzip) {
    return gzip->stored;
}

void bs_gzip_close(struct bs_gzip *gzip) {
    if (!gzip)
        return;
    inflateEnd(&gzip->z);
    bs_buffer_free(&gzip->block);
    free(gzip);
}
