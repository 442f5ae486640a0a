/* Linear layers by products of our own (kernels->product), on fp32: rows of another type
 * are widened before and narrowed after, some at a time. The gradients of weights are
 * summed over rows in a fixed order. */
#include "compute/cpu/cpu_panels.h"

#include "compute/cpu/cpu_memory.h"

int64_t cpu_panels_size(int64_t rows, int64_t columns) {
    return bs_cpu_panels(columns) * BS_CPU_PANEL * rows;
}

void cpu_panels_pack(const struct bs_cpu_kernels *kernels, struct bs_rows from,
                     float *panels) {
    for (int64_t panel = 0; panel < bs_cpu_panels(from.rows); panel++)
        kernels->pack(from, true, panel, panels + panel * BS_CPU_PANEL * from.columns);
}

/* ---- y = f(x W^T + b), dx = dy W: some rows an item ---- */

struct rows_job {
    struct cpu_queue *data;
    int64_t item; /* rows of one */
    const float *panels, *bias;
    struct bs_rows x, pre, y;
    enum bs_activation activation;
    bool accumulate;
};

static struct bs_rows target(const struct rows_job *job) {
    return job->pre.data ? job->pre : job->y;
}

static int64_t items(const struct rows_job *job) {
    return (job->x.rows + job->item - 1) / job->item;
}

static void product(const struct rows_job *job, struct bs_rows x, struct bs_rows y,
                    float *scratch) {
    const struct bs_cpu_kernels *kernels = job->data->kernels;
    struct bs_rows a = x, c = y;
    if (x.type != BS_F32) {
        a = cpu_dense(scratch, BS_F32, x.rows, x.columns);
        kernels->copy(x, a);
    }
    if (y.type != BS_F32)
        c = cpu_dense(scratch + job->item * x.columns, BS_F32, y.rows, y.columns);
    kernels->product(&(struct bs_cpu_product){.m = x.rows,
                                              .n = y.columns,
                                              .k = x.columns,
                                              .a = a.data,
                                              .a_row = a.stride,
                                              .a_column = 1,
                                              .b = job->panels,
                                              .b_panel = BS_CPU_PANEL * x.columns,
                                              .bias = job->bias,
                                              .c = c.data,
                                              .c_row = c.stride,
                                              .accumulate = job->accumulate});
    if (y.type != BS_F32)
        kernels->copy(c, y);
}

static void rows_item(void *context, int64_t item, int worker) {
    const struct rows_job *job = context;
    int64_t first = item * job->item, left = job->x.rows - first;
    int64_t count = left < job->item ? left : job->item;
    struct bs_rows y = bs_rows_slice(job->y, first, count);
    struct bs_rows to = bs_rows_slice(target(job), first, count);
    product(job, bs_rows_slice(job->x, first, count), to,
            job->data->workers[worker].scratch);
    if (job->activation == BS_GELU)
        job->data->kernels->gelu(to, y);
    else if (job->activation == BS_TANH)
        job->data->kernels->tanh(to, y);
}

/* Bytes of a worker's scratch memory. */
static int64_t rows_scratch(const struct rows_job *job) {
    return job->item * (job->x.columns + target(job).columns) * (int64_t)sizeof(float);
}

static int64_t rows_of_item(int64_t rows) {
    return rows <= CPU_FEW_ROWS ? CPU_TILE / 2 : CPU_TILE;
}

void cpu_panels_linear(struct bs_queue *q, const struct bs_weights *w,
                       struct bs_linear linear, enum bs_activation activation,
                       struct bs_rows x, struct bs_rows pre, struct bs_rows y) {
    struct rows_job job = {.data = q->data,
                           .item = rows_of_item(x.rows),
                           .panels = cpu_tensor(w, linear.weight)->panels,
                           .bias = cpu_tensor(w, linear.bias)->value,
                           .x = x,
                           .pre = pre,
                           .y = y,
                           .activation = activation};
    if (cpu_reserve_workers(q, rows_scratch(&job)))
        bs_team_run(job.data->team, items(&job), rows_item, &job);
}

/* ---- dW[N, M] += dy^T x: blocks of rows of dW, chunks of rows of dy and x ---- */

enum { BLOCK = 96 /* rows of dW: sixteen blocks of six */, CHUNK = 256 };

struct gradient_job {
    struct cpu_queue *data;
    struct bs_rows x, dy;
    float *panels;          /* of x */
    float *dweight, *dbias; /* NULL: not wanted */
};

static void gradient_item(const struct gradient_job *job, int64_t item, int worker) {
    const struct bs_cpu_kernels *kernels = job->data->kernels;
    int64_t first = item * BLOCK, left = job->dy.columns - first, M = job->x.columns;
    struct bs_rows dy = bs_rows_columns(job->dy, first, left < BLOCK ? left : BLOCK);
    for (int64_t row = 0; row < dy.rows; row += CHUNK) {
        int64_t count = dy.rows - row < CHUNK ? dy.rows - row : CHUNK;
        struct bs_rows copy =
            cpu_dense(job->data->workers[worker].scratch, BS_F32, count, dy.columns);
        kernels->copy(bs_rows_slice(dy, row, count), copy);
        if (job->dbias)
            kernels->column_sums(copy, job->dbias + first);
        if (job->dweight)
            kernels->product(
                &(struct bs_cpu_product){.m = copy.columns,
                                         .n = M,
                                         .k = count,
                                         .a = copy.data,
                                         .a_row = 1,
                                         .a_column = copy.columns,
                                         .b = job->panels + row * BS_CPU_PANEL,
                                         .b_panel = BS_CPU_PANEL * job->x.rows,
                                         .c = job->dweight + first * M,
                                         .c_row = M,
                                         .accumulate = true});
    }
}

/* ---- both at once, when x and W are packed ---- */

struct backward_job {
    struct gradient_job gradient;
    struct rows_job input;
    struct bs_rows weight;
    float *weight_panels;
    int64_t blocks; /* items of the gradient; those of the input follow */
    int64_t packs;  /* panels of x; those of W follow */
};

static void pack_item(void *context, int64_t item, int worker) {
    const struct backward_job *job = context;
    bool of_x = item < job->packs;
    int64_t panel = of_x ? item : item - job->packs;
    struct bs_rows from = of_x ? job->gradient.x : job->weight;
    float *to = of_x ? job->gradient.panels : job->weight_panels;
    (void)worker;
    job->input.data->kernels->pack(from, false, panel,
                                   to + panel * BS_CPU_PANEL * from.rows);
}

static void backward_item(void *context, int64_t item, int worker) {
    struct backward_job *job = context;
    if (item < job->blocks)
        gradient_item(&job->gradient, item, worker);
    else
        rows_item(&job->input, item - job->blocks, worker);
}

/* Room for the panels, in shared memory, and for what workers copy. */
static bool reserve(struct bs_queue *q, struct backward_job *job) {
    int64_t x =
        job->packs ? cpu_panels_size(job->gradient.x.rows, job->weight.columns) : 0;
    int64_t w =
        job->input.y.data ? cpu_panels_size(job->weight.rows, job->weight.columns) : 0;
    int64_t chunk = (int64_t)CHUNK * BLOCK * (int64_t)sizeof(float);
    int64_t rows = job->input.y.data ? rows_scratch(&job->input) : 0;
    if (!cpu_reserve_shared(q, (x + w) * (int64_t)sizeof(float)) ||
        !cpu_reserve_workers(q, chunk > rows ? chunk : rows))
        return false;
    job->gradient.panels = job->input.data->shared;
    job->weight_panels = job->gradient.panels + x;
    job->input.panels = job->weight_panels;
    return true;
}

void cpu_panels_linear_backward(struct bs_queue *q, struct bs_weights *w,
                                struct bs_linear linear, struct bs_rows x,
                                struct bs_rows dy, struct bs_rows dx, bool accumulate) {
    struct cpu_queue *data = q->data;
    const struct cpu_tensor *weight = cpu_tensor(w, linear.weight);
    struct backward_job job = {
        .gradient = {.data = data,
                     .x = x,
                     .dy = dy,
                     .dweight = weight->gradient,
                     .dbias = cpu_tensor(w, linear.bias)->gradient},
        .input = {.data = data,
                  .item = rows_of_item(dy.rows),
                  .x = dy,
                  .y = dx,
                  .accumulate = accumulate},
        .weight = cpu_dense(weight->rounded ? weight->rounded : weight->value, BS_F32,
                            dy.columns, x.columns)};
    if (job.gradient.dweight || job.gradient.dbias)
        job.blocks = (dy.columns + BLOCK - 1) / BLOCK;
    if (job.gradient.dweight)
        job.packs = bs_cpu_panels(x.columns);
    if (!reserve(q, &job))
        return;
    int64_t weight_packs = dx.data ? bs_cpu_panels(x.columns) : 0;
    bs_team_run(data->team, job.packs + weight_packs, pack_item, &job);
    bs_team_run(data->team, job.blocks + (dx.data ? items(&job.input) : 0), backward_item,
                &job);
}
