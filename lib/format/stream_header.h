/*
 * The header of a record stream: what made it, and what its ids mean.
 *
 *     ["bs", {"version": 1, "kind": "tokens", "tokenizer": "...", "max_length": 512,
 *             "tool": "bs-tokenize 0.1.0", "labels": [...]}]
 */
#ifndef BS_FORMAT_STREAM_HEADER_H
#define BS_FORMAT_STREAM_HEADER_H

#include "common/buffer.h"

enum bs_stream_kind { BS_STREAM_TOKENS, BS_STREAM_PREDICTIONS };

struct bs_stream_header {
    enum bs_stream_kind kind;
    char tokenizer[65]; /* digest in hexadecimal digits; "" if there is none */
    int64_t max_length; /* 0: no limit */
    char tool[64];
    char **labels; /* NULL unless the user gave them */
    size_t n_labels;
};

void bs_stream_header_free(struct bs_stream_header *header); /* its members */
int bs_stream_header_copy(struct bs_stream_header *to,
                          const struct bs_stream_header *from,
                          struct bs_error *error) BS_MUST_CHECK;

#endif
