/* zstd (RFC 8878), through libzstd. */
#include "format/codec.h"

#include <zstd.h>
#include <zstd_errors.h>

static void *open_zstd(void) {
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context)
        (void)ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, BS_WINDOW_LOG);
    return context;
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
    ZSTD_inBuffer in = {flow->in, flow->n_in, 0};
    ZSTD_outBuffer out = {flow->out, flow->n_out, 0};
    size_t status = ZSTD_decompressStream(decoder, &out, &in);
    flow->in += in.pos;
    flow->n_in -= in.pos;
    flow->out += out.pos;
    flow->n_out -= out.pos;
    return state_of(status, why);
}

static void close_zstd(void *decoder) {
    ZSTD_freeDCtx(decoder);
}

const struct bs_codec bs_codec_zstd = {
    .name = "zstd",
    .magic = {"\x28\xb5\x2f\xfd", 4},
    .open = open_zstd,
    .run = run,
    .close = close_zstd,
};
