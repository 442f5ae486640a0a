/*
 * Every call that the CUDA back end makes fails once, and so does every piece of work
 * that it puts on the GPU, by turns with no memory, with a memory error (the device is
 * lost) and with a failed launch. Whatever fails: no crash, nothing is left behind, and
 * either the error arrives in words that say what to do, or the results are those of a
 * sound run.
 *
 * The run: a small model is made, trained for three updates (run, recorded, replayed) and
 * labels three batches; logits and weights come down.
 */
#include "small_model.h"
#include "standin.h"

static const float class_weights[SMALL_LABELS] = {1, 2, 0.5F};

enum stage { OPENED, TRAINED, LABELLED, CLOSED, STAGES };

struct results {
    struct bs_step_result step;
    float logits[SMALL_LABELS], bias[SMALL_LABELS];
};

/* Calls, or pieces of work, until the end of each stage. */
struct counts {
    long calls[STAGES], work[STAGES];
};

static void note(struct counts *counts, enum stage stage) {
    counts->calls[stage] = bs_standin_count(BS_STANDIN_CALLS);
    counts->work[stage] = bs_standin_count(BS_STANDIN_WORK);
}

static int train(struct small *t, struct results *results, struct bs_error *error) {
    struct bs_queue *queue = small_queue(t);
    for (uint32_t update = 0; update < 3; update++)
        small_update(t, 2, update, class_weights);
    return bs_read_step(queue, &results->step, error);
}

static int label(struct small *t, struct results *results, struct bs_error *error) {
    for (int i = 0; i < 3; i++)
        if (small_label(t, 3, 1, results->logits, error))
            return error->code;
    return bs_queue_finish(small_queue(t), error);
}

static int work(struct small *t, struct results *results, struct counts *counts,
                struct bs_error *error) {
    bs_set_loss_total(small_queue(t), 1);
    bs_set_loss_scale(small_queue(t), (struct bs_loss_scale){.scale = 1024});
    note(counts, OPENED);
    if (train(t, results, error))
        return error->code;
    note(counts, TRAINED);
    if (label(t, results, error))
        return error->code;
    note(counts, LABELLED);
    return bs_weights_download(bs_model_weights(t->model),
                               bs_model_parameters(t->model)->classifier.bias,
                               BS_SLOT_VALUE, 0, 1, results->bias, error);
}

static int run(enum bs_precision precision, struct results *results,
               struct counts *counts, struct bs_error *error) {
    struct small t;
    memset(results, 0, sizeof *results);
    int code = small_open(&t, precision, 1, error);
    if (!code)
        code = work(&t, results, counts, error);
    small_close(&t);
    note(counts, CLOSED);
    return code;
}

/* ---- one failure ------------------------------------------------------------------ */

struct trial {
    enum bs_precision precision;
    bool queued; /* work fails when it runs, not the call */
    long at;
    bool in_training;
    cudaError_t status;
    const struct results *sound;
};

/* NULL, or what the message of a failure lacks. */
static const char *lacking(const struct trial *trial, const struct bs_error *error) {
    const char *remedy = trial->status == cudaErrorMemoryAllocation ? "--batch-tokens"
                         : trial->status == cudaErrorECCUncorrectable
                             ? "on another GPU"
                             : "same command again";
    if (error->code != BS_DEVICE)
        return "the code of a device's failure";
    if (trial->in_training && !strstr(error->text, ", step "))
        return "the step";
    return strstr(error->text, remedy) ? NULL : remedy;
}

static bool same(const struct results *a, const struct results *b) {
    return a->step.loss_total == b->step.loss_total &&
           a->step.grad_norm == b->step.grad_norm &&
           !memcmp(a->logits, b->logits, sizeof a->logits) &&
           !memcmp(a->bias, b->bias, sizeof a->bias);
}

/* NULL, or what is wrong. */
static const char *attempt(const struct trial *trial, struct bs_error *error) {
    struct results results;
    struct counts counts;
    *error = (struct bs_error){0};
    bs_standin_reset();
    bs_standin_quiet(1);
    (trial->queued ? bs_standin_fault : bs_standin_fail)(trial->at, trial->status);
    int code = run(trial->precision, &results, &counts, error);
    if (bs_standin_count(BS_STANDIN_LIVE) != 0)
        return "something is left behind";
    if (*bs_standin_fault_text() && !trial->queued)
        return bs_standin_fault_text();
    if (code)
        return lacking(trial, error);
    return same(&results, trial->sound) ? NULL : "other results, and no error";
}

/* The trial's precision, with failures at each of first + 1 to last. */
static void attempt_all(struct trial trial, const struct counts *counts, long first,
                        long last, const char *what) {
    static const cudaError_t errors[] = {
        cudaErrorMemoryAllocation, cudaErrorECCUncorrectable, cudaErrorLaunchFailure};
    const long *ends = trial.queued ? counts->work : counts->calls;
    int wrong = 0;
    for (trial.at = first + 1; trial.at <= last; trial.at++) {
        struct bs_error error;
        trial.status = errors[trial.at % 3];
        trial.in_training = trial.at > ends[OPENED] && trial.at <= ends[TRAINED];
        const char *fault = attempt(&trial, &error);
        if (fault && ++wrong <= 10)
            printf("# %s %ld, %s: %s: %s\n", trial.queued ? "work" : "call", trial.at,
                   cudaGetErrorName(trial.status), fault, error.text);
    }
    check(last > first && wrong == 0, "%s: each of %ld (%d wrong)", what, last - first,
          wrong);
}

int main(void) {
    struct results sound;
    struct counts counts = {0};
    struct bs_error error;
    struct trial trial = {.precision = BS_PRECISION_FP16, .sound = &sound};
    must(run(trial.precision, &sound, &counts, &error), &error);
    attempt_all(trial, &counts, 0, counts.calls[CLOSED], "calls, with recordings");
    trial.queued = true;
    attempt_all(trial, &counts, 0, counts.work[CLOSED], "work, with recordings");

    setenv("BS_CUDA_GRAPHS", "0", 1);
    trial = (struct trial){.precision = BS_PRECISION_BF16, .sound = &sound};
    bs_standin_reset();
    must(run(trial.precision, &sound, &counts, &error), &error);
    attempt_all(trial, &counts, counts.calls[OPENED], counts.calls[TRAINED],
                "calls of training, without recordings");
    return tap_end();
}
