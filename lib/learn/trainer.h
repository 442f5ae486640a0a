/*
 * A training run from a base model and examples to a folder of checkpoints.
 *
 * Everything is borrowed while bs_train or bs_train_check runs.
 */
#ifndef BS_LEARN_TRAINER_H
#define BS_LEARN_TRAINER_H

#include "common/file.h"
#include "learn/examples.h"
#include "learn/run_folder.h"
#include "learn/settings.h"
#include "model/model.h"

struct bs_training {
    const struct bs_train_settings *settings;
    struct bs_device *device;
    struct bs_model_files *base;
    const char *tokenizer; /* its digest */
    const struct bs_labels *labels;
    const struct bs_examples *train;
    const struct bs_examples *eval;     /* NULL: nothing is evaluated */
    const struct bs_run_folder *folder; /* for bs_train; open */
    bool restart;                       /* an earlier run in the folder is removed */
    const char *log;                    /* a second copy of the TSV report; NULL: none */
    int threads;
    int (*stop)(void); /* not 0: save and return as soon as possible; NULL: never */
};

/*
 * Trains to the end, or until `stop`. Report rows go to `table` as they come.
 *   BS_OK        done, or stopped, or there was nothing left to do;
 *   BS_USAGE     the folder holds a different run; the message names the difference;
 *   BS_DATA      base model or data cannot be trained with;
 *   BS_RESOURCE  a save failed, or at the end: `table` or the log could not be written;
 *   BS_DEVICE    a loss, gradient, weight or logit was not finite; the message names
 *                the step, and no checkpoint of it or after it was written.
 * After a failure the folder holds what was saved before it.
 */
int bs_train(const struct bs_training *training, struct bs_output *table,
             struct bs_error *error) BS_MUST_CHECK;

/*
 * Checks data and settings and writes to `table` what a run would take: updates,
 * memory beside the sum of its parts, and time, from a few updates whose result is
 * thrown away. Touches no folder.
 */
int bs_train_check(const struct bs_training *training, struct bs_output *table,
                   struct bs_error *error) BS_MUST_CHECK;

#endif
