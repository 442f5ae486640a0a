/* Shares batches of sequences among workers with queues of their own. */
#include "infer/infer.h"

#include "batch/plan.h"
#include "common/buffer.h"
#include "common/team.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

struct worker {
    struct bs_pass *pass;
    struct bs_packer *packer;
    float *logits; /* of one batch; grows */
    int64_t room;
    struct bs_error error;
    bool failed;
};

struct bs_infer {
    const struct bs_model *model;
    struct bs_infer_size size;
    int64_t K;
    struct bs_team *team;
    int n_workers;
    struct worker *workers; /* [n_workers], a thread each */
    struct worker wide;     /* all threads on one text; unused where one has it all */
    int32_t *lengths;
    int64_t lengths_room;
    /* Of the run in progress. */
    const struct bs_sequence *sequences;
    const struct bs_plan *plan;
    float *logits;
    atomic_bool stop;
};

static int worker_init(struct worker *worker, const struct bs_model *model, int threads,
                       struct bs_pass_size size, struct bs_error *error) {
    int64_t row_tile = bs_device_info(bs_model_device(model))->row_tile;
    if (bs_pass_new(&worker->pass, model, threads, size, error))
        return error->code;
    return bs_packer_new(&worker->packer, row_tile, error);
}

static void worker_free(struct worker *worker) {
    bs_pass_free(worker->pass);
    bs_packer_free(worker->packer);
    free(worker->logits);
}

struct bs_infer_size bs_infer_size(const struct bs_device *device,
                                   struct bs_infer_options options) {
    const struct bs_device_info *info = bs_device_info(device);
    return (struct bs_infer_size){
        .workers = info->workers ? info->workers : options.threads,
        .batch_tokens =
            options.batch_tokens > 0 ? options.batch_tokens : info->batch_tokens};
}

/* Whether a worker has a thread of the host for its own. */
static bool workers_are_threads(const struct bs_infer *infer) {
    return bs_device_info(bs_model_device(infer->model))->workers == 0;
}

static int make_workers(struct bs_infer *infer, struct bs_error *error) {
    int64_t longest = bs_model_config(infer->model)->max_position_embeddings;
    int64_t tokens =
        infer->size.batch_tokens > longest ? infer->size.batch_tokens : longest;
    int workers = infer->size.workers;
    struct bs_pass_size size = {.tokens = tokens, .sequences = tokens, .length = longest};
    infer->workers = bs_alloc((size_t)workers, sizeof *infer->workers);
    if (!infer->workers)
        return bs_fail_memory(error, (size_t)workers * sizeof *infer->workers, "workers");
    for (; infer->n_workers < workers; infer->n_workers++)
        if (worker_init(&infer->workers[infer->n_workers], infer->model, 1, size,
                        error)) {
            worker_free(&infer->workers[infer->n_workers]);
            return error->code;
        }
    size.tokens = longest;
    size.sequences = 1;
    if (workers > 1 && workers_are_threads(infer))
        return worker_init(&infer->wide, infer->model, workers, size, error);
    return BS_OK;
}

int bs_infer_new(struct bs_infer **result, const struct bs_model *model,
                 struct bs_infer_options options, struct bs_error *error) {
    struct bs_infer *infer = bs_alloc(1, sizeof *infer);
    if (!infer)
        return bs_fail_memory(error, sizeof *infer, "inference");
    infer->model = model;
    infer->K = bs_model_config(model)->num_labels;
    infer->size = bs_infer_size(bs_model_device(model), options);
    if (bs_team_new(&infer->team, infer->size.workers, error) ||
        make_workers(infer, error)) {
        bs_infer_free(infer);
        return error->code;
    }
    *result = infer;
    return BS_OK;
}

void bs_infer_free(struct bs_infer *infer) {
    if (!infer)
        return;
    for (int i = 0; i < infer->n_workers; i++)
        worker_free(&infer->workers[i]);
    worker_free(&infer->wide);
    bs_team_free(infer->team);
    free(infer->workers);
    free(infer->lengths);
    free(infer);
}

int64_t bs_infer_appetite(const struct bs_infer *infer) {
    return 8 * infer->size.batch_tokens * infer->n_workers;
}

/* Checks every sequence and notes its length. */
static int measure(struct bs_infer *infer, const struct bs_sequence *sequences, int64_t n,
                   struct bs_error *error) {
    const struct bs_model_config *config = bs_model_config(infer->model);
    if (n > infer->lengths_room) {
        int32_t *lengths = bs_realloc(infer->lengths, (size_t)n, sizeof *lengths);
        if (!lengths)
            return bs_fail_memory(error, (unsigned long long)n * 4, "lengths");
        infer->lengths = lengths;
        infer->lengths_room = n;
    }
    for (int64_t i = 0; i < n; i++) {
        if (bs_model_check_ids(config, &sequences[i], error))
            return error->code;
        infer->lengths[i] = (int32_t)sequences[i].length;
    }
    return BS_OK;
}

static int room_for_logits(struct worker *worker, int64_t count, struct bs_error *error) {
    if (count <= worker->room)
        return BS_OK;
    float *logits = bs_realloc(worker->logits, (size_t)count, sizeof *logits);
    if (!logits)
        return bs_fail_memory(error, (unsigned long long)count * 4, "logits");
    worker->logits = logits;
    worker->room = count;
    return BS_OK;
}

/* Labels sequences order[0..n). */
static int label_batch(struct bs_infer *infer, struct worker *worker,
                       const int64_t *order, int64_t n, struct bs_error *error) {
    if (room_for_logits(worker, n * infer->K, error))
        return error->code;
    bs_packer_begin(worker->packer, 0);
    for (int64_t i = 0; i < n; i++)
        if (bs_packer_add(worker->packer, &infer->sequences[order[i]], -1, error))
            return error->code;
    struct bs_rows logits =
        bs_model_forward(infer->model, worker->pass, bs_packer_finish(worker->packer));
    if (bs_rows_download(bs_pass_queue(worker->pass), logits, worker->logits, error))
        return error->code;
    for (int64_t i = 0; i < n; i++)
        memcpy(infer->logits + order[i] * infer->K, worker->logits + i * infer->K,
               (size_t)infer->K * sizeof(float));
    return BS_OK;
}

static void work(void *context, int64_t batch, int index) {
    struct bs_infer *infer = context;
    struct worker *worker = &infer->workers[index];
    const int64_t *first = infer->plan->first + batch;
    if (atomic_load(&infer->stop))
        return;
    if (label_batch(infer, worker, infer->plan->order + first[0], first[1] - first[0],
                    &worker->error)) {
        worker->failed = true;
        atomic_store(&infer->stop, true);
    }
}

/* All batches of a plan; the failure of the first worker that had one. */
static int label_all(struct bs_infer *infer, const struct bs_plan *plan,
                     struct bs_error *error) {
    infer->plan = plan;
    atomic_store(&infer->stop, false);
    for (int i = 0; i < infer->n_workers; i++)
        infer->workers[i].failed = false;
    bs_team_run(infer->team, plan->n_batches, work, infer);
    for (int i = 0; i < infer->n_workers; i++)
        if (infer->workers[i].failed) {
            *error = infer->workers[i].error;
            return error->code;
        }
    return BS_OK;
}

int bs_infer_run(struct bs_infer *infer, const struct bs_sequence *sequences, int64_t n,
                 float *logits, struct bs_error *error) {
    static const int64_t only = 0;
    struct bs_plan plan = {0};
    if (n < 1)
        return BS_OK;
    if (measure(infer, sequences, n, error))
        return error->code;
    infer->sequences = sequences;
    infer->logits = logits;
    if (n == 1 && infer->wide.pass)
        return label_batch(infer, &infer->wide, &only, 1, error);
    /* Workers of a device do not wait for one another. */
    int workers = workers_are_threads(infer) ? infer->n_workers : 1;
    if (bs_plan_budget(&plan, infer->lengths, n, infer->size.batch_tokens, workers,
                       error))
        return error->code;
    int code = label_all(infer, &plan, error);
    bs_plan_free(&plan);
    return code;
}

int bs_infer_check_logits(const float *logits, int64_t count, struct bs_error *error) {
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(logits[i]))
            return bs_fail(error, BS_DATA,
                           "the model's logits are not finite: its weights are damaged, "
                           "or its training diverged; take another checkpoint");
    return BS_OK;
}
