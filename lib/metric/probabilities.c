/* Softmax in double precision. */
#include "metric/probabilities.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double rounded(double probability) {
    char text[32];
    snprintf(text, sizeof text, "%.9g", probability);
    return strtod(text, NULL);
}

size_t bs_label_probabilities(const float *logits, size_t n, double *probabilities) {
    size_t best = 0;
    double sum = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    for (size_t i = 0; i < n; i++)
        sum += probabilities[i] = exp((double)logits[i] - (double)logits[best]);
    for (size_t i = 0; i < n; i++)
        probabilities[i] = rounded(probabilities[i] / sum);
    return best;
}
