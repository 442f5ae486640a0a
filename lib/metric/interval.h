/* 95 % intervals: Wilson's for proportions, the bootstrap's for everything else. */
#ifndef BS_METRIC_INTERVAL_H
#define BS_METRIC_INTERVAL_H

#include "metric/measure.h"
#include "metric/metric.h"

struct bs_interval {
    double low, high;
};

/* E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
 * JASA 22, 1927. `n` above 0. */
struct bs_interval bs_wilson(double right, double n);

/*
 * Percentiles 2.5 and 97.5 (interpolated, as NumPy's) of the first `n_values` scores
 * over options->resamples resamples of the records; NAN for a score that is never
 * defined. Resample r depends on the seed and r alone. BS_RESOURCE without memory,
 * BS_INTERRUPTED if stopped.
 */
int bs_bootstrap(struct bs_measure *measure, size_t n_values,
                 const struct bs_metric_options *options, struct bs_interval *intervals,
                 struct bs_error *error) BS_MUST_CHECK;

#endif
