/* Macro averages from counts by class. */
#include "metric/scores.h"

#include "common/buffer.h"

#include <math.h>
#include <stdlib.h>

/* -log softmax(logits)[label], and the index of the largest. */
static double row_loss(const float *logits, int64_t n_labels, int32_t label,
                       int32_t *largest) {
    *largest = 0;
    for (int32_t k = 1; k < n_labels; k++)
        if (logits[k] > logits[*largest])
            *largest = k;
    double sum = 0;
    for (int64_t k = 0; k < n_labels; k++)
        sum += exp((double)logits[k] - (double)logits[*largest]);
    return log(sum) + (double)logits[*largest] - (double)logits[label];
}

int bs_scores_begin(struct bs_score_counts *counts, int64_t n_labels,
                    struct bs_error *error) {
    *counts = (struct bs_score_counts){.n_labels = n_labels};
    counts->classes = bs_alloc((size_t)n_labels, sizeof *counts->classes);
    if (!counts->classes)
        return bs_fail_memory(error, (size_t)n_labels * sizeof *counts->classes,
                              "scores");
    return BS_OK;
}

void bs_scores_add(struct bs_score_counts *counts, const float *logits,
                   const int32_t *labels, int64_t n) {
    int64_t n_labels = counts->n_labels;
    for (int64_t i = 0; i < n; i++) {
        int32_t predicted;
        counts->loss += row_loss(logits + i * n_labels, n_labels, labels[i], &predicted);
        bs_tally_add(counts->classes, labels[i], predicted, 1);
    }
    counts->n += n;
}

/* Over the classes that occur. */
static void average(const struct bs_score_counts *counts, struct bs_scores *scores) {
    double sums[BS_CLASS_SCORES] = {0}, n = 0;
    for (int64_t k = 0; k < counts->n_labels; k++) {
        const struct bs_class_tally *tally = &counts->classes[k];
        double of_class[BS_CLASS_SCORES];
        bs_tally_scores(tally, of_class);
        n += tally->gold + tally->predicted > 0;
        for (int i = 0; i < BS_CLASS_SCORES; i++)
            sums[i] += of_class[i];
    }
    scores->f1 = bs_ratio(sums[BS_CLASS_F1], n);
    scores->precision = bs_ratio(sums[BS_CLASS_PRECISION], n);
    scores->recall = bs_ratio(sums[BS_CLASS_RECALL], n);
}

void bs_scores_end(struct bs_score_counts *counts, struct bs_scores *scores) {
    if (scores) {
        *scores = (struct bs_scores){0};
        double right = bs_tally_sum(counts->classes, (size_t)counts->n_labels).right;
        scores->loss = counts->n ? counts->loss / (double)counts->n : 0;
        scores->accuracy = bs_ratio(right, (double)counts->n);
        average(counts, scores);
    }
    free(counts->classes);
    *counts = (struct bs_score_counts){0};
}
