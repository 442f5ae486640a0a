/* What a run takes: memory by parts, and time from a few updates. */
#include "learn/memory.h"

#include "common/log.h"

#include <inttypes.h>
#include <sys/resource.h>

double run_peak_memory(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return 1024.0 * (double)usage.ru_maxrss;
}

int64_t run_memory_sum(const struct run_memory *m) {
    return m->weights.values + m->weights.derived + m->weights.gradients +
           m->weights.moments + m->activations + m->data + m->saving;
}

static int activations(const struct run *run, struct bs_pass_size size, int64_t *bytes,
                       struct bs_error *error) {
    struct bs_model_options options = {.precision = run->settings->precision,
                                       .training = true};
    return bs_pass_memory(bytes, run->training->device, &run->config, &options, size,
                          error);
}

int run_memory(const struct run *run, struct run_memory *memory, struct bs_error *error) {
    const struct bs_training *t = run->training;
    struct bs_infer_options infer = {.threads = t->threads};
    struct bs_infer_size used = bs_infer_size(t->device, infer);
    int64_t step = 0, worker = 0;
    *memory = (struct run_memory){0};
    if (activations(run, run->size, &step, error))
        return error->code;
    if (t->eval) {
        int64_t longest = bs_examples_longest(t->eval);
        int64_t tokens = longest > used.batch_tokens ? longest : used.batch_tokens;
        int64_t tile = bs_device_info(t->device)->row_tile;
        struct bs_pass_size size = {.tokens = bs_round_rows(tokens, tile),
                                    .sequences = tokens,
                                    .length = longest};
        if (activations(run, size, &worker, error))
            return error->code;
    }
    memory->weights = bs_weights_memory(bs_model_weights(run->model));
    memory->activations = step + worker * used.workers;
    memory->data = bs_examples_memory(t->train);
    if (t->eval)
        memory->data += bs_examples_memory(t->eval);
    bool copied = !bs_weights_values(bs_model_weights(run->model), 0);
    memory->saving = copied ? memory->weights.values : 0;
    return BS_OK;
}

enum { TIMED_UPDATES = 5, TIMED_EXAMPLES = 256 };

struct timing {
    double update, example; /* seconds */
};

/* The first update warms up and does not count. */
static int measure(struct run *run, struct timing *timing, struct bs_error *error) {
    double began = 0;
    for (int i = 0; i <= TIMED_UPDATES && !run_stopped(run); i++) {
        if (i == 1)
            began = bs_seconds();
        if (run_update(run, error) || run_read_loss(run, error))
            return error->code;
    }
    timing->update = (bs_seconds() - began) / TIMED_UPDATES;
    if (!run->training->eval)
        return BS_OK;
    struct bs_scores scores;
    int64_t n = run->training->eval->count;
    began = bs_seconds();
    int code = run_evaluate(run, TIMED_EXAMPLES, &scores, error);
    timing->example =
        (bs_seconds() - began) / (double)(n < TIMED_EXAMPLES ? n : TIMED_EXAMPLES);
    return code == BS_END ? BS_OK : code;
}

static bool describe_data(const struct run *run, struct bs_buffer *text) {
    const struct bs_training *t = run->training;
    int64_t evaluated = t->eval ? t->eval->count : 0;
    return bs_buffer_printf(text,
                            "labels\t%" PRId64 "\ntraining_examples\t%" PRId64
                            "\nevaluation_examples\t%" PRId64
                            "\ntraining_tokens\t%" PRId64 "\nlongest\t%" PRId64
                            "\nsteps_per_epoch\t%" PRId64 "\nsteps\t%" PRId64 "\n",
                            t->labels->count, t->train->count, evaluated, t->train->n_ids,
                            bs_examples_longest(t->train), run->per_epoch, run->total);
}

static bool describe_memory(const struct run_memory *m, struct bs_buffer *text) {
    const struct {
        const char *name;
        int64_t bytes;
    } parts[] = {{"weights", m->weights.values},
                 {"packed_weights", m->weights.derived},
                 {"gradients", m->weights.gradients},
                 {"moments", m->weights.moments},
                 {"activations", m->activations},
                 {"data", m->data},
                 {"saving", m->saving},
                 {"sum", run_memory_sum(m)}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!bs_buffer_printf(text, "memory_mb:%s\t%.1f\n", parts[i].name,
                              (double)parts[i].bytes / 1e6))
            return false;
    return bs_buffer_printf(text, "memory_mb:measured\t%.1f\n", run_peak_memory() / 1e6);
}

static bool describe_time(const struct run *run, const struct timing *timing,
                          struct bs_buffer *text) {
    const struct bs_training *t = run->training;
    int64_t every = run->settings->eval_steps;
    int64_t evaluations = run->total / every + (run->total % every > 0);
    double evaluating =
        t->eval ? timing->example * (double)t->eval->count * (double)evaluations : 0;
    double training = timing->update * (double)run->total;
    return bs_buffer_printf(text,
                            "seconds:step\t%.3f\nseconds:training\t%.0f\n"
                            "seconds:evaluation\t%.0f\nseconds:sum\t%.0f\n",
                            timing->update, training, evaluating, training + evaluating);
}

static int check(struct run *run, struct bs_buffer *text, struct bs_error *error) {
    struct run_memory memory;
    struct timing timing = {0};
    if (run_load(run, run->training->base, true, error) || measure(run, &timing, error) ||
        run_memory(run, &memory, error))
        return error->code;
    if (!describe_data(run, text) || !describe_memory(&memory, text) ||
        !describe_time(run, &timing, text))
        return bs_fail_memory(error, text->size, "the report");
    return BS_OK;
}

int bs_train_check(const struct bs_training *training, struct bs_output *table,
                   struct bs_error *error) {
    struct run run;
    struct bs_buffer text = {0};
    if (run_open(&run, training, error))
        return error->code;
    int code = check(&run, &text, error);
    if (!code && !run_stopped(&run))
        code = bs_output_write(table, bs_buffer_span(&text), error);
    bs_buffer_free(&text);
    run_close(&run);
    return code;
}
