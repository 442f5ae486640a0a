/* Softmax and cross-entropy with class weights and label smoothing: few numbers, so one
 * thread and double precision. */
#include "compute/cpu/cpu.h"

#include "compute/bf16.h"

#include <math.h>

static const float *logits_row(struct bs_rows logits, int64_t row) {
    return (const float *)logits.data + row * logits.stride;
}

/* log(sum(exp(logits))) of one row. */
static double log_sum_exp(const float *logit, int64_t labels) {
    double largest = -INFINITY, sum = 0;
    for (int64_t c = 0; c < labels; c++)
        largest = fmax(largest, logit[c]);
    for (int64_t c = 0; c < labels; c++)
        sum += exp(logit[c] - largest);
    return largest + log(sum);
}

void cpu_softmax(struct bs_queue *q, struct bs_rows logits,
                 struct bs_rows probabilities) {
    (void)q;
    for (int64_t b = 0; b < logits.rows; b++) {
        const float *logit = logits_row(logits, b);
        float *to = (float *)probabilities.data + b * probabilities.stride;
        double log_sum = log_sum_exp(logit, logits.columns);
        for (int64_t c = 0; c < logits.columns; c++)
            to[c] = (float)exp(logit[c] - log_sum);
    }
}

struct loss {
    const float *class_weights;
    double smoothing, scale;
    int64_t labels;
};

/* How much -log p[c] counts in the loss of a row with this label. */
static double share_of(const struct loss *loss, int64_t label, int64_t c) {
    double weight = loss->class_weights ? loss->class_weights[c] : 1;
    double share = loss->smoothing / (double)loss->labels;
    return weight * (share + (c == label ? 1 - loss->smoothing : 0));
}

/* Loss of one row; `shares` gets the sum of its shares. */
static double row_loss(const struct loss *loss, const float *logit, double log_sum,
                       int64_t label, double *shares) {
    double total = 0;
    *shares = 0;
    for (int64_t c = 0; c < loss->labels; c++) {
        double share = share_of(loss, label, c);
        total += share * (log_sum - logit[c]);
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
                       const float *class_weights, float label_smoothing, float scale,
                       struct bs_rows dlogits) {
    struct loss loss = {class_weights, label_smoothing, scale, logits.columns};
    double total = 0;
    for (int64_t b = 0; b < logits.rows; b++) {
        const float *logit = logits_row(logits, b);
        double log_sum = log_sum_exp(logit, loss.labels), shares;
        int64_t label = q->batch.labels[b];
        total += row_loss(&loss, logit, log_sum, label, &shares);
        for (int64_t c = 0; dlogits.data && c < loss.labels; c++) {
            double p = exp(logit[c] - log_sum);
            double gradient = (shares * p - share_of(&loss, label, c)) * loss.scale;
            store(dlogits, b, c, gradient * (double)q->step.loss_scale);
        }
    }
    cpu_queue(q)->loss += total * loss.scale;
}
