/* Linear layers by products of our own (kernels->product). */
#include "compute/cpu/cpu_panels.h"

#include "compute/cpu/cpu_memory.h"

#include <string.h>

static int64_t count_panels(const struct bs_cpu_kernels *kernels, int64_t columns) {
    return (columns + kernels->panel - 1) / kernels->panel;
}

int64_t cpu_panels_words(const struct bs_cpu_kernels *kernels,
                         enum bs_cpu_operand operand, int64_t k, int64_t n) {
    return count_panels(kernels, n) * kernels->panel * bs_cpu_steps(operand, k);
}

int64_t cpu_panels_bytes(const struct bs_cpu_kernels *kernels,
                         enum bs_cpu_operand operand, int64_t k, int64_t n) {
    int64_t starts = count_panels(kernels, n) * kernels->panel;
    int64_t of_columns = operand == BS_CPU_INT8 ? starts + n : 0; /* and scales */
    return (cpu_panels_words(kernels, operand, k, n) + of_columns) * BS_CPU_STEP;
}

int cpu_panels_new(struct bs_cpu_panels *panels, const struct bs_cpu_kernels *kernels,
                   enum bs_cpu_operand operand, int64_t k, int64_t n,
                   struct bs_error *error) {
    int64_t words = cpu_panels_words(kernels, operand, k, n);
    int64_t bytes = cpu_panels_bytes(kernels, operand, k, n);
    char *memory = cpu_alloc((size_t)bytes);
    if (!memory)
        return bs_fail_memory(error, (unsigned long long)bytes, "packed weights");
    panels->words = memory;
    if (operand == BS_CPU_INT8) {
        panels->starts = (int32_t *)(memory + words * BS_CPU_STEP);
        panels->scales =
            (float *)(panels->starts + count_panels(kernels, n) * kernels->panel);
    }
    return BS_OK;
}

void cpu_panels_free(struct bs_cpu_panels *panels) {
    cpu_free(panels->words);
}

void cpu_panels_pack(const struct bs_cpu_kernels *kernels, enum bs_cpu_operand operand,
                     struct bs_rows from, bool transposed, struct bs_cpu_panels panels) {
    if (transposed)
        return kernels->pack_transposed(operand, from, 0, panels);
    for (int64_t panel = 0; panel < count_panels(kernels, from.columns); panel++)
        kernels->pack(operand, from, panel, panels.words);
}

/* ---- y = f(x W^T + b), dx = dy W: some rows an item ---- */

struct rows_job {
    struct cpu_queue *data;
    enum bs_cpu_operand operand;
    int64_t item; /* rows of one */
    struct bs_cpu_panels panels;
    const float *bias;
    struct bs_rows x, pre, y;
    enum bs_activation activation;
    bool accumulate;
};

static int64_t items(const struct rows_job *job) {
    return (job->x.rows + job->item - 1) / job->item;
}

/* Bytes of a row that products can read. */
static int64_t row_bytes(const struct rows_job *job) {
    return bs_cpu_steps(job->operand, job->x.columns) * BS_CPU_STEP;
}

static bool readable(const struct rows_job *job) {
    size_t size = bs_type_size(job->x.type);
    return job->x.type == (job->operand == BS_CPU_BF16 ? BS_BF16 : BS_F32) &&
           job->operand != BS_CPU_INT8 &&
           job->x.columns * (int64_t)size == row_bytes(job);
}

/* Copies rows to where they can be read: converted, and filled up to whole steps. */
static void stage(const struct rows_job *job, struct bs_rows x, char *scratch,
                  struct bs_cpu_product *product) {
    const struct bs_cpu_kernels *kernels = job->data->kernels;
    product->a = scratch;
    product->a_row = row_bytes(job);
    if (job->operand == BS_CPU_INT8) {
        float *scales = (float *)(scratch + x.rows * product->a_row);
        product->a_scales = scales;
        kernels->quantize(x, (uint8_t *)scratch, product->a_row, scales);
        return;
    }
    enum bs_type type = job->operand == BS_CPU_BF16 ? BS_BF16 : BS_F32;
    int64_t stride = product->a_row / (int64_t)bs_type_size(type);
    struct bs_rows copy = {scratch, type, x.rows, x.columns, stride};
    memset(scratch, 0, (size_t)(x.rows * product->a_row));
    kernels->copy(x, copy);
}

static void rows_item(void *context, int64_t item, int worker) {
    const struct rows_job *job = context;
    const struct bs_cpu_kernels *kernels = job->data->kernels;
    int64_t first = item * job->item, left = job->x.rows - first;
    int64_t count = left < job->item ? left : job->item;
    struct bs_rows x = bs_rows_slice(job->x, first, count);
    struct bs_cpu_product product = {
        .operand = job->operand,
        .steps = bs_cpu_steps(job->operand, x.columns),
        .a = x.data,
        .a_row = x.stride * (int64_t)bs_type_size(x.type),
        .a_step = BS_CPU_STEP,
        .panels = job->panels.words,
        .b_scales = job->panels.scales,
        .b_starts = job->panels.starts,
        .bias = job->bias,
        .pre = bs_rows_slice(job->pre, first, count),
        .y = bs_rows_slice(job->y, first, count),
        .gelu = job->activation == BS_GELU,
        .accumulate = job->accumulate,
    };
    if (!readable(job))
        stage(job, x, job->data->workers[worker].scratch, &product);
    kernels->product(&product);
    if (job->activation == BS_TANH)
        kernels->tanh(product.pre.data ? product.pre : product.y, product.y);
}

/* Bytes of a worker's scratch memory. */
static int64_t rows_scratch(const struct rows_job *job) {
    int64_t rows = job->x.rows < job->item ? job->x.rows : job->item;
    return readable(job) ? 0 : rows * (row_bytes(job) + (int64_t)sizeof(float));
}

/* A thread alone takes many rows through a panel before the next; several share them. */
enum { MOST_ROWS = 512 };

static int64_t rows_of_item(const struct cpu_queue *data, int64_t rows) {
    if (data->threads == 1)
        return MOST_ROWS;
    return rows <= MOST_ROWS ? CPU_TILE / 2 : CPU_TILE;
}

void cpu_panels_linear(struct bs_queue *q, const struct bs_weights *w,
                       struct bs_linear linear, enum bs_activation activation,
                       struct bs_rows x, struct bs_rows pre, struct bs_rows y) {
    struct rows_job job = {.data = q->data,
                           .operand = cpu_operand(w),
                           .item = rows_of_item(q->data, x.rows),
                           .panels = cpu_tensor(w, linear.weight)->panels,
                           .bias = cpu_tensor(w, linear.bias)->value,
                           .x = x,
                           .pre = pre,
                           .y = y,
                           .activation = activation};
    if (cpu_reserve_workers(q, rows_scratch(&job)))
        bs_team_run(job.data->team, items(&job), rows_item, &job);
}

/* ---- dW[N, M] += dy^T x: a panel of dy, which is rows of dW, against all of x ---- */

struct gradient_job {
    struct cpu_queue *data;
    enum bs_cpu_operand operand;
    struct bs_rows x, dy;
    uint32_t *x_panels, *dy_panels;
    float *dweight, *dbias; /* NULL: not wanted */
};

static void gradient_item(const struct gradient_job *job, int64_t item) {
    const struct bs_cpu_kernels *kernels = job->data->kernels;
    int64_t first = item * kernels->panel, left = job->dy.columns - first;
    int64_t rows = left < kernels->panel ? left : kernels->panel, M = job->x.columns;
    int64_t steps = bs_cpu_steps(job->operand, job->dy.rows);
    if (job->dbias)
        kernels->column_sums(bs_rows_columns(job->dy, first, rows), job->dbias + first);
    if (job->dweight)
        kernels->product(&(struct bs_cpu_product){
            .operand = job->operand,
            .steps = steps,
            .a = job->dy_panels + first * steps,
            .a_row = BS_CPU_STEP,
            .a_step = kernels->panel * BS_CPU_STEP,
            .panels = job->x_panels,
            .y = cpu_dense(job->dweight + first * M, BS_F32, rows, M),
            .accumulate = true});
}

/* ---- both at once, when x, dy and W are packed ---- */

struct backward_job {
    struct gradient_job gradient;
    struct rows_job input;
    struct bs_rows weight; /* to be packed */
    int64_t blocks;        /* items of the gradient; the input's follow */
    int64_t x_packs, dy_packs, weight_packs; /* panels, in this order */
};

static void pack_item(void *context, int64_t item, int worker) {
    const struct backward_job *job = context;
    const struct gradient_job *gradient = &job->gradient;
    const struct bs_cpu_kernels *kernels = gradient->data->kernels;
    (void)worker;
    if (item < job->x_packs)
        return kernels->pack(gradient->operand, gradient->x, item, gradient->x_panels);
    item -= job->x_packs;
    if (item < job->dy_packs)
        return kernels->pack(gradient->operand, gradient->dy, item, gradient->dy_panels);
    kernels->pack(gradient->operand, job->weight, item - job->dy_packs,
                  job->input.panels.words);
}

static void backward_item(void *context, int64_t item, int worker) {
    struct backward_job *job = context;
    if (item < job->blocks)
        gradient_item(&job->gradient, item);
    else
        rows_item(&job->input, item - job->blocks, worker);
}

/* Room for the panels, in shared memory, and for what workers stage. */
static bool reserve(struct bs_queue *q, struct backward_job *job) {
    struct gradient_job *gradient = &job->gradient;
    const struct bs_cpu_kernels *kernels = gradient->data->kernels;
    int64_t rows = gradient->x.rows, words[3] = {0};
    if (job->x_packs) {
        words[0] =
            cpu_panels_words(kernels, gradient->operand, rows, gradient->x.columns);
        words[1] =
            cpu_panels_words(kernels, gradient->operand, rows, gradient->dy.columns);
    }
    if (job->weight_packs)
        words[2] = cpu_panels_words(kernels, gradient->operand, job->weight.rows,
                                    job->weight.columns);
    if (!cpu_reserve_shared(q, (words[0] + words[1] + words[2]) * BS_CPU_STEP) ||
        !cpu_reserve_workers(q, job->input.y.data ? rows_scratch(&job->input) : 0))
        return false;
    gradient->x_panels = gradient->data->shared;
    gradient->dy_panels = gradient->x_panels + words[0];
    if (job->weight_packs)
        job->input.panels.words = gradient->dy_panels + words[1];
    return true;
}

void cpu_panels_linear_backward(struct bs_queue *q, struct bs_weights *w,
                                struct bs_linear linear, struct bs_rows x,
                                struct bs_rows dy, struct bs_rows dx, bool accumulate) {
    struct cpu_queue *data = q->data;
    const struct cpu_tensor *weight = cpu_tensor(w, linear.weight);
    struct backward_job job = {
        .gradient = {.data = data,
                     .operand = cpu_operand(w),
                     .x = x,
                     .dy = dy,
                     .dweight = weight->gradient,
                     .dbias = cpu_tensor(w, linear.bias)->gradient},
        .input = {.data = data,
                  .operand = cpu_operand(w),
                  .item = rows_of_item(data, dy.rows),
                  .panels = weight->back_panels,
                  .x = dy,
                  .y = dx,
                  .accumulate = accumulate},
        .weight = cpu_dense(weight->rounded ? weight->rounded : weight->value, BS_F32,
                            dy.columns, x.columns)};
    if (job.gradient.dweight || job.gradient.dbias)
        job.blocks = count_panels(data->kernels, dy.columns);
    if (job.gradient.dweight) {
        job.x_packs = count_panels(data->kernels, x.columns);
        job.dy_packs = job.blocks;
    }
    if (dx.data && !weight->back_panels.words)
        job.weight_packs = count_panels(data->kernels, x.columns);
    if (!reserve(q, &job))
        return;
    bs_team_run(data->team, job.x_packs + job.dy_packs + job.weight_packs, pack_item,
                &job);
    bs_team_run(data->team, job.blocks + (dx.data ? items(&job.input) : 0), backward_item,
                &job);
}
