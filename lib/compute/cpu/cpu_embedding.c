/* Embeddings: three rows added; gradients scattered by blocks of columns, so that rows
 * which several tokens share are summed in the order of the tokens. */
#include "compute/cpu/cpu.h"

enum { COLUMNS = 64 /* of one item of the backward pass */ };

struct embedding_job {
    const struct bs_cpu_kernels *kernels;
    const struct bs_batch *batch;
    const struct bs_weights *weights;
    struct bs_embedding tables;
    struct bs_rows rows; /* sums, or their gradients */
};

/* Row of a table, or of its gradient, as a view of one row. */
static struct bs_rows table_row(const struct bs_weights *w, int index, float *table,
                                int64_t row) {
    int64_t columns = w->parameters[index].columns;
    return (struct bs_rows){table + row * columns, BS_F32, 1, columns, columns};
}

static void embed_tile(void *context, int64_t first, int64_t count, int worker) {
    const struct embedding_job *job = context;
    const struct bs_weights *w = job->weights;
    struct bs_embedding e = job->tables;
    (void)worker;
    for (int64_t t = first; t < first + count; t++) {
        int64_t type = job->batch->type_ids ? job->batch->type_ids[t] : 0;
        struct bs_rows to = bs_rows_slice(job->rows, t, 1);
        job->kernels->copy(
            table_row(w, e.word, w->slots[e.word].value, job->batch->ids[t]), to);
        job->kernels->add(
            table_row(w, e.position, w->slots[e.position].value, job->batch->position[t]),
            to);
        job->kernels->add(table_row(w, e.type, w->slots[e.type].value, type), to);
    }
}

void cpu_embedding(struct bs_queue *q, const struct bs_weights *w, struct bs_embedding e,
                   struct bs_rows sum) {
    struct embedding_job job = {cpu_queue(q)->kernels, &q->batch, w, e, sum};
    cpu_for_rows(q, sum.rows, embed_tile, &job);
}

/* `skipped`: a row that gets nothing, or -1. */
static void scatter(const struct embedding_job *job, int index, const int32_t *rows,
                    int32_t skipped, int64_t first, int64_t count) {
    if (!bs_weights_trains(job->weights, index))
        return;
    float *gradient = job->weights->slots[index].gradient;
    struct bs_rows from = bs_rows_columns(job->rows, first, count);
    for (int64_t t = 0; t < bs_batch_used(job->batch); t++) {
        int32_t row = rows ? rows[t] : 0;
        struct bs_rows to = table_row(job->weights, index, gradient, row);
        if (row != skipped)
            job->kernels->add(bs_rows_slice(from, t, 1),
                              bs_rows_columns(to, first, count));
    }
}

static void scatter_item(void *context, int64_t item, int worker) {
    const struct embedding_job *job = context;
    int64_t first = item * COLUMNS, left = job->rows.columns - first;
    int64_t count = left < COLUMNS ? left : COLUMNS;
    (void)worker;
    struct bs_embedding e = job->tables;
    scatter(job, e.word, job->batch->ids, e.padding, first, count);
    scatter(job, e.position, job->batch->position, -1, first, count);
    scatter(job, e.type, job->batch->type_ids, -1, first, count);
}

void cpu_embedding_backward(struct bs_queue *q, struct bs_weights *w,
                            struct bs_embedding e, struct bs_rows dsum) {
    struct embedding_job job = {cpu_queue(q)->kernels, &q->batch, w, e, dsum};
    bs_team_run(cpu_queue(q)->team, (dsum.columns + COLUMNS - 1) / COLUMNS, scatter_item,
                &job);
}
