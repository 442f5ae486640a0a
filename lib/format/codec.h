/*
 * What decompress.c asks of a way of compressing: one file each, the door to its library.
 */
#ifndef BS_FORMAT_CODEC_H
#define BS_FORMAT_CODEC_H

#include "common/buffer.h"

/* A stream whose window is wider (128 MiB) is refused. */
enum { BS_WINDOW_LOG = 27 };

/* Moves on as bytes are taken and made. */
struct bs_flow {
    const char *in;
    size_t n_in;
    char *out;
    size_t n_out;
    bool last; /* the file holds nothing behind `in` */
};

/* Tapes and blocks are filled up with zero bytes. */
static inline void bs_flow_skip_zeros(struct bs_flow *flow) {
    for (; flow->n_in > 0 && *flow->in == 0; flow->n_in--)
        flow->in++;
}

enum bs_flow_state {
    BS_FLOW_WITHIN,  /* a stream, whose bytes were taken or made as far as could be */
    BS_FLOW_BETWEEN, /* a stream has ended, and no other begun */
    BS_FLOW_CUT,
    BS_FLOW_DAMAGED, /* see `why` */
    BS_FLOW_WIDE,    /* in its window */
    BS_FLOW_NO_MEMORY,
};

struct bs_codec {
    const char *name;
    void *(*open)(void); /* gives NULL without memory; NULL: only known by name */
    /* Called with bytes to take, or within a stream. `why` lasts as long as `decoder`. */
    enum bs_flow_state (*run)(void *decoder, struct bs_flow *flow, const char **why);
    void (*close)(void *decoder);
};
extern const struct bs_codec bs_codec_gzip, bs_codec_zstd, bs_codec_xz;

#endif
