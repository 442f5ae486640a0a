/* Logits to probabilities, as all tools print and score them. */
#ifndef BS_METRIC_PROBABILITIES_H
#define BS_METRIC_PROBABILITIES_H

#include <stddef.h>

/* probabilities[n] = softmax(logits[n]), each rounded to the nine digits that a float
 * can tell apart; returns the index of the first largest. `n` at least 1. */
size_t bs_label_probabilities(const float *logits, size_t n, double *probabilities);

#endif
