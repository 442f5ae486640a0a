/* Macro averages from counts by class. */
#include "metric/scores.h"

#include "common/buffer.h"

#include <math.h>
#include <stdlib.h>

static double ratio(int64_t part, int64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

/* -log softmax(logits)[label], and the index of the largest. */
static double row_loss(const float *logits, int64_t n_labels, int32_t label,
                       int64_t *largest) {
    *largest = 0;
    for (int64_t k = 1; k < n_labels; k++)
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
        int64_t predicted;
        counts->loss += row_loss(logits + i * n_labels, n_labels, labels[i], &predicted);
        counts->classes[labels[i]].gold++;
        counts->classes[predicted].predicted++;
        if (predicted == labels[i])
            counts->classes[predicted].right++, counts->right++;
    }
    counts->n += n;
}

static void average(const struct bs_score_counts *counts, struct bs_scores *scores) {
    int64_t classes = 0;
    for (int64_t k = 0; k < counts->n_labels; k++) {
        const struct bs_class_counts *c = &counts->classes[k];
        if (c->gold + c->predicted == 0)
            continue;
        classes++;
        scores->precision += ratio(c->right, c->predicted);
        scores->recall += ratio(c->right, c->gold);
        scores->f1 += ratio(2 * c->right, c->gold + c->predicted);
    }
    double n = classes ? (double)classes : 1;
    scores->precision /= n;
    scores->recall /= n;
    scores->f1 /= n;
}

void bs_scores_end(struct bs_score_counts *counts, struct bs_scores *scores) {
    if (scores) {
        *scores = (struct bs_scores){0};
        scores->loss = counts->n ? counts->loss / (double)counts->n : 0;
        scores->accuracy = ratio(counts->right, counts->n);
        average(counts, scores);
    }
    free(counts->classes);
    *counts = (struct bs_score_counts){0};
}
