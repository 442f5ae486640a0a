/* gzip (RFC 1952), through zlib. */
#include "format/codec.h"

#include <stdlib.h>
#include <zlib.h>

enum { WINDOW_BITS = 15, GZIP_ALONE = 16 };

struct gzip {
    z_stream z;
    bool between;
};

static void *open_gzip(void) {
    struct gzip *gzip = bs_alloc(1, sizeof *gzip);
    if (gzip && inflateInit2(&gzip->z, WINDOW_BITS + GZIP_ALONE) != Z_OK) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

static int inflate_flow(z_stream *z, struct bs_flow *flow) {
    z->next_in = (Bytef *)flow->in;
    z->avail_in = (uInt)flow->n_in;
    z->next_out = (Bytef *)flow->out;
    z->avail_out = (uInt)flow->n_out;
    int status = inflate(z, Z_NO_FLUSH);
    flow->in += flow->n_in - z->avail_in;
    flow->n_in = z->avail_in;
    flow->out += flow->n_out - z->avail_out;
    flow->n_out = z->avail_out;
    return status;
}

static enum bs_flow_state state_of(const struct gzip *gzip, int status,
                                   const char **why) {
    switch (status) {
    case Z_OK:
    case Z_BUF_ERROR:
        return BS_FLOW_WITHIN;
    case Z_STREAM_END:
        return BS_FLOW_BETWEEN;
    case Z_MEM_ERROR:
        return BS_FLOW_NO_MEMORY;
    default:
        *why = gzip->z.msg ? gzip->z.msg : "no gzip data";
        return BS_FLOW_DAMAGED;
    }
}

static enum bs_flow_state run(void *decoder, struct bs_flow *flow, const char **why) {
    struct gzip *gzip = decoder;
    if (gzip->between) {
        bs_flow_skip_zeros(flow);
        if (flow->n_in == 0 || inflateReset(&gzip->z) != Z_OK)
            return BS_FLOW_BETWEEN;
    }
    int status = inflate_flow(&gzip->z, flow);
    gzip->between = status == Z_STREAM_END;
    return state_of(gzip, status, why);
}

static void close_gzip(void *decoder) {
    struct gzip *gzip = decoder;
    inflateEnd(&gzip->z);
    free(gzip);
}

const struct bs_codec bs_codec_gzip = {
    .name = "gzip",
    .open = open_gzip,
    .run = run,
    .close = close_gzip,
};
