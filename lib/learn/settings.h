/*
 * Learning: from examples and a base model to checkpoints.
 *
 * settings.h    what a run is asked to do
 * schedule.h    learning rate by update
 * examples.h    training and evaluation data, as compact ids in memory
 * identity.h    what makes two runs the same run
 * score.h       validation loss and macro averages
 * table.h       the report: on stdout and as TSV
 * state.h       all that a run must remember between two updates, and its file
 * run_folder.h  the output folder: lock, checkpoints, links
 * trainer.h     the loop over all of them
 *
 * An update is one step of the optimizer: `accumulation` micro-batches of `batch_size`
 * examples, fewer at the end of an epoch. "Step" in reports is the number of updates
 * done.
 */
#ifndef BS_LEARN_SETTINGS_H
#define BS_LEARN_SETTINGS_H

#include "common/buffer.h"
#include "compute/compute.h"

enum bs_schedule { BS_SCHEDULE_LINEAR, BS_SCHEDULE_CONSTANT, BS_SCHEDULE_COSINE };

/* Which figure makes a checkpoint the best one. */
enum bs_best_metric { BS_BEST_MACRO_F1, BS_BEST_ACCURACY, BS_BEST_LOSS };

struct bs_train_settings {
    int64_t epochs;
    int64_t max_steps; /* 0: as many as the epochs hold; else it overrides them */
    int64_t batch_size;
    int64_t accumulation;
    double learning_rate;
    double weight_decay;
    int64_t warmup_steps;
    enum bs_schedule schedule;
    double max_grad_norm; /* 0: no clipping */
    double beta1, beta2, epsilon;
    double label_smoothing;
    const char *class_weights; /* NULL, "balanced", or "NAME=WEIGHT,..." */
    int64_t freeze;            /* -1: nothing; 0: the embeddings; N: and N layers */
    int64_t eval_steps;        /* a report, and an evaluation if there is data */
    double eval_fraction;      /* 0: none; part of the training data held back */
    enum bs_best_metric metric;
    int64_t patience;   /* evaluations without a better one before the end; 0: all */
    int64_t save_steps; /* 0: the same as eval_steps */
    uint64_t seed;
    enum bs_precision precision;
};

/* The defaults of the command line. */
struct bs_train_settings bs_train_defaults(void);

/* "linear", ...; BS_USAGE lists the names. */
int bs_schedule_parse(const char *name, enum bs_schedule *schedule,
                      struct bs_error *error) BS_MUST_CHECK;
/* "macro_f1", ...; likewise. */
int bs_best_metric_parse(const char *name, enum bs_best_metric *metric,
                         struct bs_error *error) BS_MUST_CHECK;
/* "embeddings" is 0, a number of layers itself. */
int bs_freeze_parse(const char *text, int64_t *freeze,
                    struct bs_error *error) BS_MUST_CHECK;

/*
 * Appends one line `NAME TAB VALUE` for each setting that changes numbers, in a fixed
 * order; the first part of a run's identity. A control character or backslash in a value
 * is written as \xHH. False without memory.
 */
bool bs_train_settings_describe(const struct bs_train_settings *settings,
                                struct bs_buffer *text) BS_MUST_CHECK;

/*
 * Weights of the classes, `weights[n_labels]`, from `settings->class_weights`:
 * "balanced" is n / (classes * count of the class) as scikit-learn computes it; a name
 * that is not mentioned weighs 1. A comma or "=" in a name cannot be written.
 * `*weighted` is false if no weights were asked for. BS_USAGE for a name that is
 * unknown or stands there twice.
 */
int bs_class_weights(const struct bs_train_settings *settings, char *const *labels,
                     const int64_t *counts, int64_t n_labels, float *weights,
                     bool *weighted, struct bs_error *error) BS_MUST_CHECK;

#endif
