/* Intervals. A resample is a weight for each record: how often it was drawn. */
#include "metric/interval.h"

#include "common/random.h"

#include <math.h>
#include <stdlib.h>

struct bs_interval bs_wilson(double right, double n) {
    const double z = 1.959963984540054; /* 97.5 % of the normal distribution */
    double p = right / n, z2 = z * z;
    double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
    double half = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
    return (struct bs_interval){fmax(centre - half, 0), fmin(centre + half, 1)};
}

/* Draws n of n records, without bias (Lemire, "Fast random integer generation in an
 * interval", 2019). */
static void draw(uint32_t *weights, uint32_t n, uint64_t seed, uint32_t resample) {
    uint32_t words[4], threshold = -n % n, drawn = 0;
    memset(weights, 0, n * sizeof *weights);
    for (uint64_t block = 0; drawn < n; block++) {
        uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), resample,
                               0x62733A62U};
        bs_philox(counter, seed, words);
        for (int i = 0; i < 4 && drawn < n; i++) {
            uint64_t product = (uint64_t)words[i] * n;
            if ((uint32_t)product < threshold)
                continue;
            weights[product >> 32]++;
            drawn++;
        }
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double percentile(const double *sorted, size_t n, double q) {
    double place = (double)(n - 1) * q;
    size_t below = (size_t)place;
    size_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (place - (double)below);
}

static struct bs_interval interval(double *values, size_t n) {
    size_t defined = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            values[defined++] = values[i];
    if (defined == 0)
        return (struct bs_interval){NAN, NAN};
    qsort(values, defined, sizeof *values, by_value);
    return (struct bs_interval){percentile(values, defined, 0.025),
                                percentile(values, defined, 0.975)};
}

static bool is_stopped(const struct bs_metric_options *options) {
    return options->stop && options->stop();
}

int bs_bootstrap(struct bs_measure *measure, size_t n_values,
                 const struct bs_metric_options *options, struct bs_interval *intervals,
                 struct bs_error *error) {
    size_t n = measure->n_records, count = (size_t)options->resamples;
    size_t all_values = BS_SCORE_CLASSES + 3 * measure->n_classes;
    if (n > UINT32_MAX)
        return bs_fail(error, BS_DATA, "too many records for the bootstrap");
    uint32_t *weights = bs_alloc(n, sizeof *weights);
    double *values = bs_alloc(all_values, sizeof *values);
    double *kept = bs_alloc(n_values, count * sizeof *kept); /* [n_values, count] */
    bool ready = weights && values && kept;
    for (size_t r = 0; ready && r < count && !is_stopped(options); r++) {
        draw(weights, (uint32_t)n, options->seed, (uint32_t)r);
        bs_measure_run(measure, weights, values);
        for (size_t v = 0; v < n_values; v++)
            kept[v * count + r] = values[v];
    }
    for (size_t v = 0; ready && v < n_values && !is_stopped(options); v++)
        intervals[v] = interval(kept + v * count, count);
    free(weights);
    free(values);
    free(kept);
    if (!ready)
        return bs_fail_memory(error, n_values * count * sizeof *kept, "the bootstrap");
    return is_stopped(options) ? bs_fail(error, BS_INTERRUPTED, "interrupted") : BS_OK;
}
