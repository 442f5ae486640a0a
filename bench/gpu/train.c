/* Training: AdamW, clipping, dropout, warm-up and linear decay, as bs-train does it. */
#include "bench.h"

#include "common/log.h"
#include "learn/schedule.h"

#include <stdio.h>

enum { READ_EVERY = 500 }; /* steps between looks at the loss, as bs-train reports */

struct training {
    const struct bench *bench;
    struct bs_model *model;
    struct bs_pass *pass;
    struct bs_packer *packer;
    struct load load;
    struct bs_train_settings settings;
    int64_t step;
};

/* False: no memory. */
static bool begin(struct training *t, const struct bench *bench, struct bs_model *model,
                  struct load load) {
    struct bs_pass_size size = {load.sequences * load.length, load.sequences, load.length,
                                true};
    *t = (struct training){.bench = bench, .model = model, .load = load};
    t->settings = (struct bs_train_settings){
        .learning_rate = 2e-5, .warmup_steps = 500, .schedule = BS_SCHEDULE_LINEAR};
    if (bs_pass_new(&t->pass, model, 1, size, &error)) {
        fprintf(stderr, "bench: left out: training of %lld x %lld tokens in %s: %s\n",
                (long long)load.sequences, (long long)load.length,
                bs_precision_name(bs_model_precision(model)), error.text);
        return false;
    }
    must(bs_packer_new(&t->packer, bs_device_info(bench->device)->row_tile, &error));
    return true;
}

static void end(struct training *t) {
    bs_packer_free(t->packer);
    bs_pass_free(t->pass);
}

static const struct bs_batch *pack(struct training *t) {
    bs_packer_begin(t->packer, 0);
    for (int64_t i = 0; i < t->load.sequences; i++) {
        struct bs_sequence sequence =
            bench_sequence(t->bench, t->step, i, t->load.length);
        must(bs_packer_add(t->packer, &sequence, (int32_t)(i % 2), &error));
    }
    return bs_packer_finish(t->packer);
}

/* Waits; a loss that is not finite ends the program. */
static void read_loss(struct training *t) {
    struct bs_step_result result;
    must(bs_read_step(bs_pass_queue(t->pass), &result, &error));
    if (result.first_bad_update >= 0)
        must(bs_fail(&error, BS_DEVICE, "the loss of step %lld is not finite",
                     (long long)result.first_bad_update + 1));
}

static void train_step(struct training *t) {
    struct bs_queue *queue = bs_pass_queue(t->pass);
    bool scaled = bs_model_precision(t->model) == BS_PRECISION_FP16;
    bs_set_step(queue, &(struct bs_step){.seed = 1,
                                         .update = (uint32_t)t->step,
                                         .adam_step = t->step + 1,
                                         .learning_rate = bs_learning_rate(
                                             &t->settings, t->step, t->bench->total),
                                         .loss_scale = 1,
                                         .dynamic_scale = scaled,
                                         .loss.factor = 1.0F / (float)t->load.sequences});
    bs_model_loss(t->model, t->pass, pack(t));
    bs_update(queue, bs_model_weights(t->model),
              (struct bs_adamw){0.9, 0.999, 1e-8, 0.01, 1});
    t->step++;
    if (t->step % READ_EVERY == 0)
        read_loss(t);
}

/* Seconds that so many steps take. */
static double time_steps(struct training *t, int64_t steps) {
    double began = bs_seconds();
    for (int64_t i = 0; i < steps; i++)
        train_step(t);
    read_loss(t);
    return bs_seconds() - began;
}

/* Warms up; how many steps of the row's there is time for. */
static int64_t warm_up(struct training *t) {
    const struct bench *bench = t->bench;
    time_steps(t, 2); /* slow: algorithms are chosen, recordings made */
    double began = bs_seconds(), limit = bench->seconds / 4, each = time_steps(t, 1);
    while (t->step < bench->warm && bs_seconds() - began < limit)
        each = time_steps(t, 1);
    int64_t fits = (int64_t)(bench->seconds / each);
    if (fits >= bench->steps)
        return bench->steps;
    fprintf(stderr, "bench: scaled down: %lld steps of %lld x %lld tokens in %s\n",
            (long long)(fits < 2 ? 2 : fits), (long long)t->load.sequences,
            (long long)t->load.length, bs_precision_name(bs_model_precision(t->model)));
    return fits < 2 ? 2 : fits;
}

static struct row row_of(const struct training *t, const char *work,
                         const struct shape *shape) {
    return (struct row){
        .work = work,
        .shape = shape,
        .precision = bs_model_precision(t->model),
        .load = t->load,
        .flops = 3 * shape_forward(shape, t->load.sequences, t->load.length),
        .products =
            products_rate(t->bench, shape, bs_model_precision(t->model), t->load, true)};
}

double train_row(const struct bench *bench, const struct shape *shape,
                 struct bs_model *model, struct load load) {
    struct training t;
    if (!begin(&t, bench, model, load))
        return 0;
    struct row row = row_of(&t, "train", shape);
    row.steps = warm_up(&t);
    row.taken = time_steps(&t, row.steps);
    report_row(bench, &row);
    end(&t);
    return (double)row.steps / row.taken;
}

void train_whole(const struct bench *bench, const struct shape *shape,
                 enum bs_precision precision, struct load load, double expected) {
    struct training t;
    if (expected * bench->whole_seconds < (double)bench->total) {
        fprintf(stderr,
                "bench: the whole run of %lld steps would take %.0f s: left out\n",
                (long long)bench->total, (double)bench->total / expected);
        return;
    }
    struct bs_model *model = bench_model(bench, shape, precision, true);
    if (begin(&t, bench, model, load)) {
        struct row row = row_of(&t, "report", shape);
        row.steps = bench->total;
        row.taken = time_steps(&t, row.steps);
        report_row(bench, &row);
        end(&t);
    }
    bs_model_free(model);
}
