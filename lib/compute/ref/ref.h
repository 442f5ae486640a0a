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

#include "compute/backend.h"
#include "compute/bf16.h"

struct ref_queue {
    double *score, *other; /* [max_length] each */
};

static inline struct ref_queue *ref_queue(const struct bs_queue *q) {
    return q->data;
}

/* Element [row, column] of rows of either type. */
static inline float ref_get(struct bs_rows rows, int64_t row, int64_t column) {
    int64_t at = row * rows.stride + column;
    return rows.type == BS_BF16 ? bs_bf16_to_float(((const uint16_t *)rows.data)[at])
                                : ((const float *)rows.data)[at];
}

static inline void ref_set(struct bs_rows rows, int64_t row, int64_t column,
                           double value) {
    int64_t at = row * rows.stride + column;
    if (rows.type == BS_BF16)
        ((uint16_t *)rows.data)[at] = bs_bf16_from_float((float)value);
    else
        ((float *)rows.data)[at] = (float)value;
}

/* What dropout multiplies an element by: 0, or 65536 / (65536 - threshold). */
float ref_dropout_factor(const struct bs_queue *q, struct bs_dropout dropout,
                         int64_t sequence, int64_t token, uint32_t channel);

/* The slots; see backend.h. */
void ref_rows_upload(struct bs_queue *q, struct bs_rows to, const float *from);
void ref_rows_download(struct bs_queue *q, struct bs_rows from, float *to);
void ref_gather_first(struct bs_queue *q, struct bs_rows x, struct bs_rows y);
void ref_scatter_first(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx);
void ref_zero(struct bs_queue *q, struct bs_rows rows);
void ref_copy(struct bs_queue *q, struct bs_rows x, struct bs_rows y);

void ref_embedding(struct bs_queue *q, const struct bs_weights *w, struct bs_embedding e,
                   struct bs_rows sum);
void ref_embedding_backward(struct bs_queue *q, struct bs_weights *w,
                            struct bs_embedding e, struct bs_rows dsum);
void ref_layer_norm(struct bs_queue *q, const struct bs_weights *w, struct bs_norm norm,
                    struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                    struct bs_rows y_low);
void ref_layer_norm_backward(struct bs_queue *q, struct bs_weights *w,
                             struct bs_norm norm, struct bs_rows x, struct bs_rows stats,
                             struct bs_rows dy, struct bs_rows dx);
void ref_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                 struct bs_rows x, struct bs_rows y, struct bs_rows y_low);
void ref_dropout_add(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                     struct bs_rows x, struct bs_rows residual, struct bs_rows sum);
void ref_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
                struct bs_rows x, struct bs_rows y);
void ref_linear_backward(struct bs_queue *q, struct bs_weights *w,
                         struct bs_linear linear, struct bs_rows x, struct bs_rows dy,
                         struct bs_rows dx, bool accumulate);
void ref_activate(struct bs_queue *q, enum bs_activation activation, struct bs_rows x,
                  struct bs_rows y);
void ref_gelu_backward(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                       struct bs_rows dpre);
void ref_tanh_backward(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                       struct bs_rows dpre);
void ref_attention(struct bs_queue *queue, struct bs_attention attention,
                   struct bs_rows q, struct bs_rows k, struct bs_rows v,
                   struct bs_rows lse, struct bs_rows out);
void ref_attention_backward(struct bs_queue *queue, struct bs_attention attention,
                            struct bs_rows q, struct bs_rows k, struct bs_rows v,
                            struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                            struct bs_rows dq, struct bs_rows dk, struct bs_rows dv);
void ref_cross_entropy(struct bs_queue *q, struct bs_rows logits,
                       const float *class_weights, float label_smoothing, float scale,
                       struct bs_rows dlogits);
void ref_softmax(struct bs_queue *q, struct bs_rows logits, struct bs_rows probabilities);
void ref_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw);
void ref_zero_gradients(struct bs_queue *q, struct bs_weights *w);

#endif
