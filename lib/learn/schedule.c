/* Number of updates and their learning rates. */
#include "learn/schedule.h"

#include <math.h>

int64_t bs_updates_per_epoch(const struct bs_train_settings *settings, int64_t examples) {
    int64_t group = settings->batch_size * settings->accumulation;
    return examples / group + (examples % group > 0);
}

int64_t bs_updates_total(const struct bs_train_settings *settings, int64_t examples) {
    if (settings->max_steps > 0)
        return settings->max_steps;
    return settings->epochs * bs_updates_per_epoch(settings, examples);
}

static double at_least_one(int64_t value) {
    return value > 1 ? (double)value : 1.0;
}

double bs_learning_rate(const struct bs_train_settings *settings, int64_t update,
                        int64_t total) {
    int64_t warmup = settings->warmup_steps;
    if (update < warmup)
        return settings->learning_rate * ((double)update / at_least_one(warmup));
    double length = at_least_one(total - warmup);
    double factor = 1;
    if (settings->schedule == BS_SCHEDULE_LINEAR)
        factor = (double)(total - update) / length;
    if (settings->schedule == BS_SCHEDULE_COSINE)
        factor =
            0.5 * (1 + cos(3.14159265358979323846 * (double)(update - warmup) / length));
    return settings->learning_rate * (factor > 0 ? factor : 0);
}
