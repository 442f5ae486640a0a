/*
 * The reference back end: one operation after the other as plain loops, in one thread,
 * sums in double precision and in the order of the text. It is what other back ends
 * are tested against, and what runs where no other is built. Read ref_linear.c first.
 *
 * Shapes as in compute.h: T tokens, B sequences, C hidden_size, H heads, D = C / H,
 * F intermediate_size, K labels.
 */
#ifndef BS_COMPUTE_REF_REF_H
#define BS_COMPUTE_REF_REF_H

#include "common/f16.h"
#include "compute/backend.h"
#include "compute/bf16.h"

struct ref_queue {
    double *score, *other; /* [max_length] each */
};

static inline struct ref_queue *ref_queue(const struct bs_queue *q) {
    return q->data;
}

/* Element [row, column] of rows of any type. */
static inline float ref_get(struct bs_rows rows, int64_t row, int64_t column) {
    int64_t at = row * rows.stride + column;
    if (rows.type == BS_F32)
        return ((const float *)rows.data)[at];
    uint16_t low = ((const uint16_t *)rows.data)[at];
    return rows.type == BS_BF16 ? bs_bf16_to_float(low) : bs_f16_to_float(low);
}

static inline void ref_set(struct bs_rows rows, int64_t row, int64_t column,
                           double value) {
    int64_t at = row * rows.stride + column;
    if (rows.type == BS_F32)
        ((float *)rows.data)[at] = (float)value;
    else
        ((uint16_t *)rows.data)[at] = rows.type == BS_BF16
                                          ? bs_bf16_from_float((float)value)
                                          : bs_f16_from_float((float)value);
}

/* What dropout multiplies an element by: 0, or 65536 / (65536 - threshold). */
float ref_dropout_factor(const struct bs_queue *q, struct bs_dropout dropout,
                         int64_t sequence, int64_t token, uint32_t channel);

/* The slots; see backend.h. */
bs_op_rows_upload ref_rows_upload;
bs_op_rows_download ref_rows_download;
bs_op_gather_first ref_gather_first;
bs_op_scatter_first ref_scatter_first;
bs_op_zero ref_zero;
bs_op_copy ref_copy;
bs_op_embedding ref_embedding;
bs_op_embedding_backward ref_embedding_backward;
bs_op_layer_norm ref_layer_norm;
bs_op_layer_norm_backward ref_layer_norm_backward;
bs_op_dropout ref_dropout;
bs_op_dropout_add ref_dropout_add;
bs_op_linear ref_linear;
bs_op_activate ref_activate;
bs_op_linear_backward ref_linear_backward;
bs_op_gelu_backward ref_gelu_backward;
bs_op_tanh_backward ref_tanh_backward;
bs_op_attention ref_attention;
bs_op_attention_backward ref_attention_backward;
bs_op_cross_entropy ref_cross_entropy;
bs_op_softmax ref_softmax;
bs_op_update ref_update;
bs_op_zero_gradients ref_zero_gradients;

#endif
