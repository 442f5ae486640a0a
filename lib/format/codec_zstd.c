/* zstd (RFC 8878), through libzstd. */
#include "format/codec.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { FRAME_BEGIN = 5, BLOCK_HEADER = 3 };

struct zstd {
    ZSTD_DCtx *context;
    size_t next; /* bytes that it is to be given: of one block, since it keeps what it has
                    of others when it meets a fault */
};

static void *open_zstd(void) {
    struct zstd *zstd = bs_alloc(1, sizeof *zstd);
    if (zstd && !(zstd->context = ZSTD_createDCtx())) {
        free(zstd);
        return NULL;
    }
    if (zstd) {
        (void)ZSTD_DCtx_setParameter(zstd->context, ZSTD_d_windowLogMax, BS_WINDOW_LOG);
        zstd->next = FRAME_BEGIN;
    }
    return zstd;
}

static enum bs_flow_state state_of(size_t status, const char **why) {
    if (!ZSTD_isError(status))
        return status == 0 ? BS_FLOW_BETWEEN : BS_FLOW_WITHIN;
    switch (ZSTD_getErrorCode(status)) {
    case ZSTD_error_memory_allocation:
        return BS_FLOW_NO_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge:
        return BS_FLOW_WIDE;
    default:
        *why = ZSTD_getErrorName(status);
        return BS_FLOW_DAMAGED;
    }
}

static enum bs_flow_state run(void *decoder, struct bs_flow *flow, const char **why) {
    struct zstd *zstd = decoder;
    /* Its hint includes the header of the block behind. */
    size_t most = zstd->next > BLOCK_HEADER ? zstd->next - BLOCK_HEADER : zstd->next;
    ZSTD_inBuffer in = {flow->in, flow->n_in < most ? flow->n_in : most, 0};
    ZSTD_outBuffer out = {flow->out, flow->n_out, 0};
    size_t status = ZSTD_decompressStream(zstd->context, &out, &in);
    zstd->next = status ? status : FRAME_BEGIN;
    flow->in += in.pos;
    flow->n_in -= in.pos;
    flow->out += out.pos;
    flow->n_out -= out.pos;
    return state_of(status, why);
}

static void close_zstd(void *decoder) {
    struct zstd *zstd = decoder;
    ZSTD_freeDCtx(zstd->context);
    free(zstd);
}

const struct bs_codec bs_codec_zstd = {
    .name = "zstd",
    .open = open_zstd,
    .run = run,
    .close = close_zstd,
};
