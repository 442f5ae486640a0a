/* Softmax and cross-entropy with class weights and label smoothing: few numbers, so one
 * thread and double precision. */
#include "compute/cpu/cpu.h"

#include "compute/bf16.h"

#include <math.h>

static const float *logits_row(struct bs_rows logits, int64_t row) {
    return (const float *)logits.data + row * logits.stride;
}

/* The largest logit of a row and log(sum(exp(logits - largest))): kept apart, because
 * the largest may be so large that nothing can be added to it. */
struct normalizer {
    double largest, log_sum;
};

static struct normalizer normalize(const float *logit, int64_t labels) {
    double largest = -INFINITY, sum = 0;
    for (int64_t c = 0; c < labels; c++)
        largest = fmax(largest, logit[c]);
    for (int64_t c = 0; c < labels; c++)
        sum += exp(logit[c] - largest);
    return (struct normalizer){largest, log(sum)};
}

static double log_probability(struct normalizer n, float logit) {
    return logit - n.largest - n.log_sum;
}

void cpu_softmax(struct bs_queue *q, struct bs_rows logits,
                 struct bs_rows probabilities) {
    (void)q;
    for (int64_t b = 0; b < logits.rows; b++) {
        const float *logit = logits_row(logits, b);
        float *to = (float *)probabilities.data + b * probabilities.stride;
        struct normalizer n = normalize(logit, logits.columns);
        for (int64_t c = 0; c < logits.columns; c++)
            to[c] = (float)exp(log_probability(n, logit[c]));
    }
}

struct loss {
    const float *class_weights;
    double smoothing, factor;
    int64_t labels;
};

/* How much -log p[c] counts in the loss of a row with this label. */
static double share_of(const struct loss *loss, int64_t label, int64_t c) {
    double weight = loss->class_weights ? loss->class_weights[c] : 1;
    double share = loss->smoothing / (double)loss->labels;
    return weight * (share + (c == label ? 1 - loss->smoothing : 0));
}

/* Loss of one row; `shares` gets the sum of its shares. */
static double row_loss(const struct loss *loss, const float *logit, struct normalizer n,
                       int64_t label, double *shares) {
    double total = 0;
    *shares = 0;
    for (int64_t c = 0; c < loss->labels; c++) {
        double share = share_of(loss, label, c);
        total -= share * log_probability(n, logit[c]);
        *shares += share;
    }
    return total;
}

static void store(struct bs_rows rows, int64_t row, int64_t column, double value) {
    int64_t at = row * rows.stride + column;
    if (rows.type == BS_BF16)
        ((uint16_t *)rows.data)[at] = bs_bf16_from_float((float)value);
    else
        ((float *)rows.data)[at] = (float)value;
}

void cpu_cross_entropy(struct bs_queue *q, struct bs_rows logits,
                       struct bs_rows dlogits) {
    const struct bs_loss *given = &q->step.loss;
    struct loss loss = {given->class_weights, given->label_smoothing, given->factor,
                        logits.columns};
    double total = 0;
    for (int64_t b = 0; b < logits.rows; b++) {
        const float *logit = logits_row(logits, b);
        struct normalizer n = normalize(logit, loss.labels);
        double shares;
        int64_t label = q->batch.labels[b];
        total += row_loss(&loss, logit, n, label, &shares);
        for (int64_t c = 0; dlogits.data && c < loss.labels; c++) {
            double p = exp(log_probability(n, logit[c]));
            double gradient = (shares * p - share_of(&loss, label, c)) * loss.factor;
            store(dlogits, b, c, gradient * (double)q->step.loss_scale);
        }
    }
    q->result.loss += total * loss.factor;
}
