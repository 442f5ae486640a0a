/*
 * The figures of an evaluation while a model is trained: validation loss, accuracy,
 * macro averages, from logits as they come. metric.h has the full report.
 */
#ifndef BS_METRIC_SCORES_H
#define BS_METRIC_SCORES_H

#include "common/error.h"
#include "metric/tally.h"

struct bs_scores {
    double loss;                  /* mean cross-entropy; no class weights, no smoothing */
    double accuracy;              /* the rest as scikit-learn computes it, 0 for 0 / 0 */
    double f1, precision, recall; /* macro: over classes that occur as label or
                                     prediction */
};

/* Counts of an evaluation under way, so that logits need not be kept. */
struct bs_score_counts {
    int64_t n_labels, n;
    double loss;
    struct bs_class_tally *classes; /* [n_labels] */
};

int bs_scores_begin(struct bs_score_counts *counts, int64_t n_labels,
                    struct bs_error *error) BS_MUST_CHECK;
/* `logits` [n, n_labels] against `labels` [n]; the first of equal logits wins. */
void bs_scores_add(struct bs_score_counts *counts, const float *logits,
                   const int32_t *labels, int64_t n);
/* Frees the counts; `scores` may be NULL. */
void bs_scores_end(struct bs_score_counts *counts, struct bs_scores *scores);

#endif
