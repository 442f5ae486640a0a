/* xz, through liblzma. */
#include "format/codec.h"

#include <lzma.h>
#include <stdlib.h>

/* What the decoder takes beside its window. */
enum { MOST_BESIDE = 1 << 20 };

struct xz {
    lzma_stream lzma;
    bool between;
};

static bool begin(struct xz *xz) {
    uint64_t most = ((uint64_t)1 << BS_WINDOW_LOG) + MOST_BESIDE;
    xz->between = false;
    return lzma_stream_decoder(&xz->lzma, most, 0) == LZMA_OK;
}

static void *open_xz(void) {
    struct xz *xz = bs_alloc(1, sizeof *xz);
    if (xz && !begin(xz)) {
        free(xz);
        return NULL;
    }
    return xz;
}

static enum bs_flow_state state_of(lzma_ret status, const char **why) {
    *why = status == LZMA_FORMAT_ERROR    ? "no xz data"
           : status == LZMA_OPTIONS_ERROR ? "a filter or option that is not known"
                                          : "incorrect data";
    switch (status) {
    case LZMA_OK:
    case LZMA_BUF_ERROR:
        return BS_FLOW_WITHIN;
    case LZMA_STREAM_END:
        return BS_FLOW_BETWEEN;
    case LZMA_MEM_ERROR:
        return BS_FLOW_NO_MEMORY;
    case LZMA_MEMLIMIT_ERROR:
        return BS_FLOW_WIDE;
    default:
        return BS_FLOW_DAMAGED;
    }
}

static enum bs_flow_state decode(lzma_stream *lzma, struct bs_flow *flow,
                                 const char **why) {
    lzma->next_in = (const uint8_t *)flow->in;
    lzma->avail_in = flow->n_in;
    lzma->next_out = (uint8_t *)flow->out;
    lzma->avail_out = flow->n_out;
    lzma_ret status = lzma_code(lzma, flow->last ? LZMA_FINISH : LZMA_RUN);
    flow->in += flow->n_in - lzma->avail_in;
    flow->n_in = lzma->avail_in;
    flow->out += flow->n_out - lzma->avail_out;
    flow->n_out = lzma->avail_out;
    return state_of(status, why);
}

/* Its decoder waits for 12 bytes before it says that they are none of xz. */
static enum bs_flow_state run(void *decoder, struct bs_flow *flow, const char **why) {
    struct xz *xz = decoder;
    if (xz->between) {
        bs_flow_skip_zeros(flow);
        if (flow->n_in == 0)
            return BS_FLOW_BETWEEN;
        *why = "something else follows it";
        if (*flow->in != '\xfd')
            return BS_FLOW_DAMAGED;
        if (!begin(xz))
            return BS_FLOW_NO_MEMORY;
    }
    enum bs_flow_state state = decode(&xz->lzma, flow, why);
    xz->between = state == BS_FLOW_BETWEEN;
    return state;
}

static void close_xz(void *decoder) {
    struct xz *xz = decoder;
    lzma_end(&xz->lzma);
    free(xz);
}

const struct bs_codec bs_codec_xz = {
    .name = "xz",
    .open = open_xz,
    .run = run,
    .close = close_xz,
};
