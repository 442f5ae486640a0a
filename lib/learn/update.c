/* One update: micro-batches through the model, then the optimizer. */
#include "learn/run.h"

#include "learn/schedule.h"

#include <inttypes.h>

static int plan_epoch(struct run *run, int64_t epoch, struct bs_error *error) {
    if (run->planned == epoch)
        return BS_OK;
    bs_plan_free(&run->plan);
    run->planned = -1;
    struct bs_epoch order = {.seed = run->settings->seed,
                             .epoch = epoch,
                             .batch_size = run->settings->batch_size};
    const struct bs_examples *train = run->training->train;
    if (bs_plan_epoch(&run->plan, order, train->lengths, train->count, error))
        return error->code;
    run->planned = epoch;
    return BS_OK;
}

/* Batches [first, end) of the plan. */
struct group {
    int64_t first, end;
};

static struct group group_of(const struct run *run) {
    int64_t accumulation = run->settings->accumulation;
    struct group group = {.first = run->state.step % run->per_epoch * accumulation};
    group.end = group.first + accumulation;
    if (group.end > run->plan.n_batches)
        group.end = run->plan.n_batches;
    return group;
}

static struct bs_loss loss_of(const struct run *run, struct group group) {
    double weight = 0;
    for (int64_t i = run->plan.first[group.first]; i < run->plan.first[group.end]; i++)
        weight += run->class_weights[run->training->train->labels[run->plan.order[i]]];
    return (struct bs_loss){.class_weights = run->weighted ? run->class_weights : NULL,
                            .n_labels = run->training->labels->count,
                            .label_smoothing = (float)run->settings->label_smoothing,
                            .factor = (float)(1 / weight)};
}

static int pack(struct run *run, int64_t batch, int64_t group_begin,
                struct bs_error *error) {
    const struct bs_examples *train = run->training->train;
    int64_t begin = run->plan.first[batch], end = run->plan.first[batch + 1];
    bs_packer_begin(run->packer, (uint32_t)(begin - group_begin));
    for (int64_t i = begin; i < end; i++) {
        int64_t example = run->plan.order[i];
        struct bs_sequence sequence = {0};
        if (bs_examples_get(train, example, &run->scratch, &sequence, error) ||
            bs_packer_add(run->packer, &sequence, train->labels[example], error))
            return error->code;
    }
    return BS_OK;
}

static int accumulate(struct run *run, struct group group, struct bs_error *error) {
    struct bs_queue *queue = bs_pass_queue(run->pass);
    for (int64_t batch = group.first; batch < group.end; batch++) {
        if (bs_queue_check(queue, error) ||
            pack(run, batch, run->plan.first[group.first], error))
            return error->code;
        bs_model_loss(run->model, run->pass, bs_packer_finish(run->packer));
    }
    return BS_OK;
}

int run_update(struct run *run, struct bs_error *error) {
    const struct bs_train_settings *s = run->settings;
    int64_t update = run->state.step;
    if (plan_epoch(run, update / run->per_epoch, error))
        return error->code;
    struct bs_queue *queue = bs_pass_queue(run->pass);
    struct group group = group_of(run);
    struct bs_step step = {.seed = s->seed,
                           .update = (uint32_t)update,
                           .adam_step = update + 1,
                           .learning_rate =
                               (float)bs_learning_rate(s, update, run->total),
                           .loss_scale = 1,
                           .dynamic_scale = s->precision == BS_PRECISION_FP16,
                           .loss = loss_of(run, group)};
    struct bs_adamw adamw = {.beta1 = (float)s->beta1,
                             .beta2 = (float)s->beta2,
                             .epsilon = (float)s->epsilon,
                             .weight_decay = (float)s->weight_decay,
                             .max_grad_norm = (float)s->max_grad_norm};
    bs_set_step(queue, &step);
    if (accumulate(run, group, error))
        return error->code;
    bs_update(queue, bs_model_weights(run->model), adamw);
    run->state.step++;
    run->state.loss_count++;
    run->changed = true;
    return BS_OK;
}

int run_fail_not_finite(const char *what, struct bs_error *error) {
    return bs_fail(error, BS_DEVICE,
                   "%s not finite; nothing was saved from there on (a lower "
                   "--learning-rate may help)",
                   what);
}

int run_read_loss(struct run *run, struct bs_error *error) {
    struct bs_step_result result;
    if (bs_read_step(bs_pass_queue(run->pass), &result, error))
        return error->code;
    if (result.first_bad_update >= 0) {
        run_fail_not_finite("loss or gradient is", error);
        return bs_error_prefix(error, "step %" PRId64 ": ", result.first_bad_update + 1);
    }
    run->state.loss_sum = result.loss_total;
    if (run->settings->precision == BS_PRECISION_FP16)
        run->state.loss_scale = result.loss_scale;
    return BS_OK;
}

void run_restart_loss(struct run *run, double sum, int64_t count) {
    run->state.loss_sum = sum;
    run->state.loss_count = count;
    bs_set_loss_total(bs_pass_queue(run->pass), sum);
}
