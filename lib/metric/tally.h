/* Counts by class, and the scores that they give; definitions are in metric/metric.h. */
#ifndef BS_METRIC_TALLY_H
#define BS_METRIC_TALLY_H

#include <stddef.h>
#include <stdint.h>

/* Records of a class, records predicted as it, both. */
struct bs_class_tally {
    double gold, predicted, right;
};

/* Counts a record `weight` times; `gold` and `predicted` are classes, or -1: none. */
static inline void bs_tally_add(struct bs_class_tally *classes, int32_t gold,
                                int32_t predicted, double weight) {
    if (gold >= 0)
        classes[gold].gold += weight;
    if (predicted >= 0)
        classes[predicted].predicted += weight;
    if (gold >= 0 && gold == predicted)
        classes[gold].right += weight;
}

struct bs_class_tally bs_tally_sum(const struct bs_class_tally *classes, size_t n);

enum { BS_CLASS_F1, BS_CLASS_PRECISION, BS_CLASS_RECALL, BS_CLASS_SCORES };
/* Of one class; of the sum over classes, the micro averages. */
void bs_tally_scores(const struct bs_class_tally *tally, double scores[BS_CLASS_SCORES]);

/* 0 for 0 / 0. */
double bs_ratio(double part, double whole);

#endif
