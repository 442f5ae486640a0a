/* Between a file and the libraries that decompress. */
#include "format/decompress.h"

#include "common/file.h"
#include "format/codec.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024 };

struct bs_decompress {
    const struct bs_codec *codec;
    void *decoder;
    struct bs_flow flow;
    enum bs_flow_state state;
    bool filled; /* the last read filled its buffer: there may be more */
    const char *why, *name;
    int fd;
    int64_t stored;
    struct bs_buffer block;
};

static const struct bs_codec not_bzip2 = {.name = "bzip2"}, not_lz4 = {.name = "lz4"};

/* What a stream begins with. Of one byte, bits are free: zstd may begin with one of 16
 * frames to be skipped, and bzip2 says how large its blocks are. */
static const struct {
    const struct bs_codec *codec;
    struct bs_span magic;
    size_t free_at;
    uint8_t free_bits;
} magics[] = {{&bs_codec_gzip, {"\x1f\x8b\x08", 3}, 0, 0},
              {&bs_codec_zstd, {"\x28\xb5\x2f\xfd", 4}, 0, 0},
              {&bs_codec_zstd, {"\x50\x2a\x4d\x18", 4}, 0, 15},
              {&bs_codec_xz,
               {"\xfd"
                "7zXZ\0",
                6},
               0,
               0},
              {&not_bzip2, {"BZh01AY&SY", 10}, 3, 15},
              {&not_lz4, {"\x04\x22\x4d\x18", 4}, 0, 0}};
enum { N_MAGICS = sizeof magics / sizeof *magics };

/* How many bytes are those of the magic. */
static size_t count_same(int i, struct bs_span begun) {
    size_t same = 0;
    for (; same < begun.size && same < magics[i].magic.size; same++) {
        int differ = begun.data[same] ^ magics[i].magic.data[same];
        if (differ & ~(same == magics[i].free_at ? magics[i].free_bits : 0))
            break;
    }
    return same;
}

const struct bs_codec *bs_decompress_sniff(struct bs_span begun, bool *undecided) {
    *undecided = false;
    for (int i = 0; i < N_MAGICS; i++) {
        size_t same = count_same(i, begun);
        if (same == magics[i].magic.size)
            return magics[i].codec;
        *undecided |= same == begun.size;
    }
    return NULL;
}

int bs_decompress_open(struct bs_decompress **result, const struct bs_codec *codec,
                       int fd, struct bs_span begun, const char *name,
                       struct bs_error *error) {
    *result = NULL;
    if (!codec->open)
        return bs_fail(
            error, BS_DATA,
            "%s: packed by %s, which is not read; unpack it first, with %s -dc", name,
            codec->name, codec->name);
    struct bs_decompress *own = bs_alloc(1, sizeof *own);
    *result = own;
    if (!own)
        return bs_fail_memory(error, sizeof *own, name);
    own->codec = codec;
    own->fd = fd;
    own->name = name;
    own->stored = (int64_t)begun.size;
    own->decoder = codec->open();
    if (!own->decoder || !bs_buffer_append_span(&own->block, begun))
        return bs_fail_memory(error, BLOCK, name);
    own->flow.in = own->block.data;
    own->flow.n_in = begun.size;
    return BS_OK;
}

static int read_block(struct bs_decompress *own, struct bs_error *error) {
    own->block.size = 0;
    if (!bs_buffer_reserve(&own->block, BLOCK))
        return bs_fail_memory(error, BLOCK, own->name);
    ssize_t n;
    do
        n = read(own->fd, own->block.data, BLOCK);
    while (n < 0 && errno == EAGAIN && bs_await(own->fd, POLLIN));
    if (n < 0)
        return bs_fail_errno(error, BS_DATA, "%s: cannot read", own->name);
    own->stored += n;
    own->flow.last = n == 0;
    own->flow.in = own->block.data;
    own->flow.n_in = (size_t)n;
    return BS_OK;
}

static void run(struct bs_decompress *own) {
    struct bs_flow *flow = &own->flow;
    size_t n_out = flow->n_out;
    bool nothing_left = flow->last && flow->n_in == 0;
    own->state = own->codec->run(own->decoder, flow, &own->why);
    if (nothing_left && own->state == BS_FLOW_WITHIN && flow->n_out == n_out)
        own->state = BS_FLOW_CUT;
}

static int fail(const struct bs_decompress *own, struct bs_error *error) {
    if (own->state == BS_FLOW_NO_MEMORY)
        return bs_fail_memory(error, BLOCK, own->name);
    if (own->state == BS_FLOW_CUT)
        return bs_fail(error, BS_DATA, "%s: truncated %s input", own->name,
                       own->codec->name);
    if (own->state == BS_FLOW_WIDE)
        return bs_fail(error, BS_DATA,
                       "%s: unpack it first: its %s window is more than %d MiB",
                       own->name, own->codec->name, 1 << (BS_WINDOW_LOG - 20));
    return bs_fail(error, BS_DATA, "%s: damaged %s input: %s", own->name,
                   own->codec->name, own->why);
}

int bs_decompress_read(struct bs_decompress *own, char *to, size_t size, size_t *got,
                       struct bs_error *error) {
    struct bs_flow *flow = &own->flow;
    size_t room = size < INT_MAX ? size : INT_MAX;
    bool may_wait = !bs_decompress_pending(own);
    flow->out = to;
    flow->n_out = room;
    do {
        if (own->state > BS_FLOW_BETWEEN)
            return fail(own, error);
        if (may_wait && flow->n_in == 0 && !flow->last && read_block(own, error))
            return error->code;
        if (flow->n_in == 0 && own->state == BS_FLOW_WITHIN)
            run(own);
        else if (flow->n_in == 0 && flow->last)
            return BS_END;
        /* What makes no byte is not left for a read that may wait. */
        while (flow->n_in > 0 && flow->n_out > 0 && own->state <= BS_FLOW_BETWEEN)
            run(own);
    } while (may_wait && flow->n_out == room);
    own->filled = flow->n_out == 0;
    *got = room - flow->n_out;
    return BS_OK;
}

bool bs_decompress_pending(const struct bs_decompress *own) {
    return own->filled || own->state > BS_FLOW_BETWEEN || own->flow.n_in > 0;
}

int64_t bs_decompress_stored(const struct bs_decompress *own) {
    return own->stored;
}

void bs_decompress_close(struct bs_decompress *own) {
    if (!own)
        return;
    if (own->decoder)
        own->codec->close(own->decoder);
    bs_buffer_free(&own->block);
    free(own);
}
