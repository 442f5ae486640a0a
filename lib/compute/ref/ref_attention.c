/*
 * Scaled dot-product attention (Vaswani et al., 2017) within each sequence. For one
 * sequence, head and query i, over the keys j:
 *     score_j = q_i . k_j / sqrt(D),  p = softmax(score),  out_i = sum_j mask_ij p_j v_j
 * and with dp_j = mask_ij dout_i . v_j
 *     dscore_j = p_j (dp_j - sum_k p_k dp_k)
 *     dq_i = sum_j dscore_j k_j / sqrt(D),  dk_j = sum_i dscore_ij q_i / sqrt(D),
 *     dv_j = sum_i mask_ij p_ij dout_i.
 * The mask is dropout's factor, 0 or 1 / (1 - probability).
 */
#include "compute/ref/ref.h"

#include <math.h>

/* One head of one sequence. Key j is row first + j; query i is row first_query + i. */
struct head {
    const struct bs_queue *queue;
    struct bs_dropout dropout;
    int64_t sequence, length, n_queries, first, first_query;
    int64_t index, column, width; /* head, its first column, D */
    double scale;                 /* 1 / sqrt(D) */
};

static struct head head_at(const struct bs_queue *queue, struct bs_attention attention,
                           int64_t columns, int64_t sequence, int64_t index) {
    const int32_t *offset = queue->batch.offset;
    int64_t width = columns / attention.heads;
    int64_t length = offset[sequence + 1] - offset[sequence];
    return (struct head){.queue = queue,
                         .dropout = attention.dropout,
                         .sequence = sequence,
                         .length = length,
                         .n_queries = attention.first_only ? 1 : length,
                         .first = offset[sequence],
                         .first_query =
                             attention.first_only ? sequence : offset[sequence],
                         .index = index,
                         .column = index * width,
                         .width = width,
                         .scale = 1 / sqrt((double)width)};
}

static double mask(const struct head *h, int64_t i, int64_t j) {
    return ref_dropout_factor(h->queue, h->dropout, h->sequence, i,
                              (uint32_t)(h->index * 65536 + j));
}

/* Dot product of two rows within the head's columns. */
static double dot(const struct head *h, struct bs_rows a, int64_t row_a, struct bs_rows b,
                  int64_t row_b) {
    double sum = 0;
    for (int64_t c = h->column; c < h->column + h->width; c++)
        sum += (double)ref_get(a, row_a, c) * ref_get(b, row_b, c);
    return sum;
}

/* to[row] = scale * sum_n factor[n] from[first + n], within the head's columns. */
static void weighted_sum(const struct head *h, const double *factor, double scale,
                         struct bs_rows from, int64_t first, int64_t n, struct bs_rows to,
                         int64_t row) {
    for (int64_t c = h->column; c < h->column + h->width; c++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += factor[i] * ref_get(from, first + i, c);
        ref_set(to, row, c, sum * scale);
    }
}

static void zero_padding(const struct bs_queue *queue, struct bs_rows rows) {
    for (int64_t r = bs_batch_used(&queue->batch); r < rows.rows; r++)
        for (int64_t c = 0; c < rows.columns; c++)
            ref_set(rows, r, c, 0);
}

/* ---- forward ------------------------------------------------------------------ */

/* p[length] becomes the probabilities of query i; returns log(sum(exp(score))). */
static double probabilities(const struct head *h, struct bs_rows q, struct bs_rows k,
                            int64_t i, double *p) {
    double largest = -INFINITY, sum = 0;
    for (int64_t j = 0; j < h->length; j++) {
        p[j] = dot(h, q, h->first_query + i, k, h->first + j) * h->scale;
        largest = fmax(largest, p[j]);
    }
    for (int64_t j = 0; j < h->length; j++) {
        p[j] = exp(p[j] - largest);
        sum += p[j];
    }
    for (int64_t j = 0; j < h->length; j++)
        p[j] /= sum;
    return largest + log(sum);
}

static void head_forward(const struct head *h, struct bs_rows q, struct bs_rows k,
                         struct bs_rows v, struct bs_rows lse, struct bs_rows out) {
    double *p = ref_queue(h->queue)->score;
    for (int64_t i = 0; i < h->n_queries; i++) {
        double log_sum = probabilities(h, q, k, i, p);
        if (lse.data)
            ref_set(lse, h->first_query + i, h->index, log_sum);
        for (int64_t j = 0; j < h->length; j++)
            p[j] *= mask(h, i, j);
        weighted_sum(h, p, 1, v, h->first, h->length, out, h->first_query + i);
    }
}

void ref_attention(struct bs_queue *queue, struct bs_attention attention,
                   struct bs_rows q, struct bs_rows k, struct bs_rows v,
                   struct bs_rows lse, struct bs_rows out) {
    for (int64_t b = 0; b < queue->batch.n_sequences; b++) {
        for (int64_t n = 0; n < attention.heads; n++) {
            struct head h = head_at(queue, attention, q.columns, b, n);
            head_forward(&h, q, k, v, lse, out);
        }
    }
    if (!attention.first_only)
        zero_padding(queue, out);
}

/* ---- backward ----------------------------------------------------------------- */

struct saved {
    struct bs_rows q, k, v, lse, dout;
};

/* p_ij from what the forward pass saved. */
static double probability(const struct head *h, const struct saved *s, int64_t i,
                          int64_t j) {
    double score = dot(h, s->q, h->first_query + i, s->k, h->first + j) * h->scale;
    return exp(score - ref_get(s->lse, h->first_query + i, h->index));
}

static double dprobability(const struct head *h, const struct saved *s, int64_t i,
                           int64_t j) {
    return mask(h, i, j) * dot(h, s->dout, h->first_query + i, s->v, h->first + j);
}

/* sum_j p_ij dp_ij */
static double expected_dp(const struct head *h, const struct saved *s, int64_t i) {
    double sum = 0;
    for (int64_t j = 0; j < h->length; j++)
        sum += probability(h, s, i, j) * dprobability(h, s, i, j);
    return sum;
}

static void query_gradients(const struct head *h, const struct saved *s,
                            struct bs_rows dq) {
    double *dscore = ref_queue(h->queue)->score;
    for (int64_t i = 0; i < h->n_queries; i++) {
        double expected = expected_dp(h, s, i);
        for (int64_t j = 0; j < h->length; j++)
            dscore[j] = probability(h, s, i, j) * (dprobability(h, s, i, j) - expected);
        weighted_sum(h, dscore, h->scale, s->k, h->first, h->length, dq,
                     h->first_query + i);
    }
}

/* `expected[i]` holds expected_dp of each query. */
static void key_gradient(const struct head *h, const struct saved *s,
                         const double *expected, int64_t j, struct bs_rows dk) {
    double *dscore = ref_queue(h->queue)->score;
    for (int64_t i = 0; i < h->n_queries; i++)
        dscore[i] = probability(h, s, i, j) * (dprobability(h, s, i, j) - expected[i]);
    weighted_sum(h, dscore, h->scale, s->q, h->first_query, h->n_queries, dk,
                 h->first + j);
}

static void value_gradient(const struct head *h, const struct saved *s, int64_t j,
                           struct bs_rows dv) {
    double *p = ref_queue(h->queue)->score;
    for (int64_t i = 0; i < h->n_queries; i++)
        p[i] = probability(h, s, i, j) * mask(h, i, j);
    weighted_sum(h, p, 1, s->dout, h->first_query, h->n_queries, dv, h->first + j);
}

static void head_backward(const struct head *h, const struct saved *s, struct bs_rows dq,
                          struct bs_rows dk, struct bs_rows dv) {
    double *expected = ref_queue(h->queue)->other;
    for (int64_t i = 0; i < h->n_queries; i++)
        expected[i] = expected_dp(h, s, i);
    query_gradients(h, s, dq);
    for (int64_t j = 0; j < h->length; j++) {
        key_gradient(h, s, expected, j, dk);
        value_gradient(h, s, j, dv);
    }
}

void ref_attention_backward(struct bs_queue *queue, struct bs_attention attention,
                            struct bs_rows q, struct bs_rows k, struct bs_rows v,
                            struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                            struct bs_rows dq, struct bs_rows dk, struct bs_rows dv) {
    (void)out;
    struct saved saved = {q, k, v, lse, dout};
    for (int64_t b = 0; b < queue->batch.n_sequences; b++) {
        for (int64_t n = 0; n < attention.heads; n++) {
            struct head h = head_at(queue, attention, q.columns, b, n);
            head_backward(&h, &saved, dq, dk, dv);
        }
    }
    if (!attention.first_only)
        zero_padding(queue, dq);
    zero_padding(queue, dk);
    zero_padding(queue, dv);
}
