/*
 * A run under way: what the files of the trainer share. Not for other rooms.
 *
 *     run.c         made and freed: model, memory, settings worked out
 *     update.c      one update
 *     evaluate.c    one evaluation
 *     checkpoint.c  saved and found again
 *     trainer.c     the loop
 *     estimate.c    --check
 */
#ifndef BS_LEARN_RUN_H
#define BS_LEARN_RUN_H

#include "batch/plan.h"
#include "infer/infer.h"
#include "learn/state.h"
#include "learn/trainer.h"
#include "metric/scores.h"

struct run {
    const struct bs_training *training;
    const struct bs_train_settings *settings;
    struct bs_model_config config; /* the base's, with this run's labels */
    int64_t per_epoch, total;      /* updates */
    float *class_weights;          /* [K] */
    bool weighted;
    struct bs_buffer identity;

    struct bs_model *model;
    struct bs_pass_size size; /* room for any micro-batch */
    struct bs_pass *pass;
    struct bs_packer *packer;
    struct bs_infer *infer; /* NULL without evaluation data */
    struct bs_example_scratch scratch;
    struct bs_plan plan; /* of epoch `planned`, -1: none yet */
    int64_t planned;

    struct bs_train_state state;
    bool changed;  /* since the last save */
    bool improved; /* the last report is of the best step */
};

/* Settings worked out and checked, no model yet: enough to know which run it is. */
int run_open(struct run *run, const struct bs_training *training,
             struct bs_error *error) BS_MUST_CHECK;
/* Model with the weights of `from` (a head is made if `fresh`), and memory for a step. */
int run_load(struct run *run, const struct bs_model_files *from, bool fresh,
             struct bs_error *error) BS_MUST_CHECK;
void run_close(struct run *run);

/* The next update. Its loss stays on the device. */
int run_update(struct run *run, struct bs_error *error) BS_MUST_CHECK;
/* Brings the sum of losses into the state: before every report and save. BS_DEVICE
 * names the first step that was not finite. */
int run_read_loss(struct run *run, struct bs_error *error) BS_MUST_CHECK;
/* What the sum goes on from. */
void run_restart_loss(struct run *run, double sum, int64_t count);

/* BS_DEVICE: "WHAT not finite", and what follows; the step is the caller's to say. */
int run_fail_not_finite(const char *what, struct bs_error *error);

/* Scores of at most `limit` evaluation examples (-1: all). BS_END if `stop` came
 * first; BS_DEVICE, too, if a logit is not finite. */
int run_evaluate(struct run *run, int64_t limit, struct bs_scores *scores,
                 struct bs_error *error) BS_MUST_CHECK;

/* Writes checkpoint-STEP and settles the folder; BS_DEVICE, and neither, if a weight is
 * not finite. */
int run_save(struct run *run, struct bs_error *error) BS_MUST_CHECK;
/* Reads `last` and its weights if it is this run's; BS_USAGE if it is another's;
 * BS_END, nothing loaded, if there is none. A finished run has no model. */
int run_resume(struct run *run, struct bs_error *error) BS_MUST_CHECK;
/* Brings log.tsv in line with the state. */
int run_write_log(const struct run *run, struct bs_error *error) BS_MUST_CHECK;

static inline bool run_stopped(const struct run *run) {
    return run->training->stop && run->training->stop();
}

#endif
