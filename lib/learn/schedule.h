/*
 * The learning rate of every update, as Hugging Face's get_linear_schedule_with_warmup,
 * get_constant_schedule_with_warmup and get_cosine_schedule_with_warmup give it.
 */
#ifndef BS_LEARN_SCHEDULE_H
#define BS_LEARN_SCHEDULE_H

#include "learn/settings.h"

/* Updates in one epoch of `examples`, and in the whole run. */
int64_t bs_updates_per_epoch(const struct bs_train_settings *settings, int64_t examples);
int64_t bs_updates_total(const struct bs_train_settings *settings, int64_t examples);

/* Rate of update `update` (from 0) of `total`: 0 at the first one of a warm-up. */
double bs_learning_rate(const struct bs_train_settings *settings, int64_t update,
                        int64_t total);

#endif
