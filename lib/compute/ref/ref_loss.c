/* Softmax and cross-entropy with class weights and label smoothing; see compute.h. */
#include "compute/ref/ref.h"

#include <math.h>

/* log(sum(exp(logits))) of one row. */
static double row_log_sum(struct bs_rows logits, int64_t row) {
    double largest = -INFINITY, sum = 0;
    for (int64_t c = 0; c < logits.columns; c++)
        largest = fmax(largest, ref_get(logits, row, c));
    for (int64_t c = 0; c < logits.columns; c++)
        sum += exp(ref_get(logits, row, c) - largest);
    return largest + log(sum);
}

void ref_softmax(struct bs_queue *q, struct bs_rows logits,
                 struct bs_rows probabilities) {
    (void)q;
    for (int64_t b = 0; b < logits.rows; b++) {
        double log_sum = row_log_sum(logits, b);
        for (int64_t c = 0; c < logits.columns; c++)
            ref_set(probabilities, b, c, exp(ref_get(logits, b, c) - log_sum));
    }
}

/* How much -log p[c] counts in the loss of a row with this label. */
static double class_share(const float *class_weights, float label_smoothing,
                          int64_t labels, int64_t label, int64_t c) {
    double weight = class_weights ? class_weights[c] : 1;
    double share = (double)label_smoothing / (double)labels;
    return weight * (share + (c == label ? 1.0 - label_smoothing : 0.0));
}

void ref_cross_entropy(struct bs_queue *q, struct bs_rows logits,
                       const float *class_weights, float label_smoothing, float scale,
                       struct bs_rows dlogits) {
    int64_t labels = logits.columns;
    double total = 0;
    for (int64_t b = 0; b < logits.rows; b++) {
        double log_sum = row_log_sum(logits, b), shares = 0;
        for (int64_t c = 0; c < labels; c++) {
            double share = class_share(class_weights, label_smoothing, labels,
                                       q->batch.labels[b], c);
            total += share * (log_sum - ref_get(logits, b, c));
            shares += share;
        }
        for (int64_t c = 0; dlogits.data && c < labels; c++) {
            double p = exp(ref_get(logits, b, c) - log_sum);
            double share = class_share(class_weights, label_smoothing, labels,
                                       q->batch.labels[b], c);
            ref_set(dlogits, b, c,
                    (shares * p - share) * scale * (double)q->step.loss_scale);
        }
    }
    ref_queue(q)->loss += total * scale;
}
