/* Softmax and cross-entropy with class weights and label smoothing; see compute.h. */
#include "compute/ref/ref.h"

#include <math.h>

/* log p[c] = logit[c] - largest - log_sum. The two are not added up: that would lose
 * log_sum where logits are large. */
struct row {
    double largest, log_sum;
};

static struct row row_sum(struct bs_rows logits, int64_t row) {
    double largest = -INFINITY, sum = 0;
    for (int64_t c = 0; c < logits.columns; c++)
        largest = fmax(largest, ref_get(logits, row, c));
    for (int64_t c = 0; c < logits.columns; c++)
        sum += exp(ref_get(logits, row, c) - largest);
    return (struct row){largest, log(sum)};
}

static double log_probability(struct bs_rows logits, int64_t row, int64_t column,
                              struct row r) {
    return ref_get(logits, row, column) - r.largest - r.log_sum;
}

void ref_softmax(struct bs_queue *q, struct bs_rows logits,
                 struct bs_rows probabilities) {
    (void)q;
    for (int64_t b = 0; b < logits.rows; b++) {
        struct row r = row_sum(logits, b);
        for (int64_t c = 0; c < logits.columns; c++)
            ref_set(probabilities, b, c, exp(log_probability(logits, b, c, r)));
    }
}

/* How much -log p[c] counts in the loss of a row with this label. */
static double class_share(const struct bs_loss *loss, int64_t labels, int64_t label,
                          int64_t c) {
    double weight = loss->class_weights ? loss->class_weights[c] : 1;
    double share = (double)loss->label_smoothing / (double)labels;
    return weight * (share + (c == label ? 1.0 - loss->label_smoothing : 0.0));
}

void ref_cross_entropy(struct bs_queue *q, struct bs_rows logits,
                       struct bs_rows dlogits) {
    const struct bs_loss *loss = &q->step.loss;
    int64_t labels = logits.columns;
    double total = 0;
    for (int64_t b = 0; b < logits.rows; b++) {
        struct row r = row_sum(logits, b);
        double shares = 0;
        for (int64_t c = 0; c < labels; c++) {
            double share = class_share(loss, labels, q->batch.labels[b], c);
            total -= share * log_probability(logits, b, c, r);
            shares += share;
        }
        for (int64_t c = 0; dlogits.data && c < labels; c++) {
            double p = exp(log_probability(logits, b, c, r));
            double share = class_share(loss, labels, q->batch.labels[b], c);
            ref_set(dlogits, b, c,
                    (shares * p - share) * loss->factor * (double)q->step.loss_scale);
        }
    }
    q->result.loss += total * loss->factor;
}
