/* Linear layers: products on whole tiles of rows, the activation of a tile while it is
 * in the cache; gradients of weights by blocks of the matrix, over rows in a fixed
 * order. oneDNN is fast on dense operands alone: others go through scratch memory. So do
 * bf16 operands where products take fp32 in their place: copying widens them, and
 * narrows results. */
#include "compute/cpu/cpu.h"
#include "compute/cpu/cpu_panels.h"

#include <string.h>

static int64_t dense_bytes(enum bs_type type, int64_t rows, int64_t columns) {
    return (rows * columns * (int64_t)bs_type_size(type) + 63) / 64 * 64;
}

static bool is_dense(struct bs_rows rows) {
    return rows.stride == rows.columns;
}

/* Products that take `type` can read these rows where they are. */
static bool readable(struct bs_rows rows, enum bs_type type) {
    return is_dense(rows) && rows.type == type;
}

/* Copies rows into a tile; what they do not fill becomes zero. */
static void fill_tile(const struct bs_cpu_kernels *kernels, struct bs_rows from,
                      struct bs_rows tile) {
    size_t row = (size_t)tile.columns * bs_type_size(tile.type);
    kernels->copy(from, bs_rows_slice(tile, 0, from.rows));
    memset((char *)tile.data + row * (size_t)from.rows, 0,
           row * (size_t)(tile.rows - from.rows));
}

/* ---- y = f(x W^T + b), dx = dy W: tiles of rows ---- */

struct tile_job {
    struct cpu_queue *data;
    enum bs_type type; /* that products take */
    /* Into y, accumulating if asked for, or into scratch memory. */
    const struct bs_product *direct, *staged;
    struct bs_operands operands; /* what is the same for all tiles */
    struct bs_rows x, pre, y;
    enum bs_activation activation;
    bool accumulate;
};

/* Where products of the job go first. */
static struct bs_rows target(const struct tile_job *job) {
    return job->pre.data ? job->pre : job->y;
}

/* Products of fp32 give fp32, those of bf16 either. */
static enum bs_type product_type(const struct tile_job *job) {
    return job->type == BS_F32 ? BS_F32 : target(job).type;
}

static bool goes_direct(const struct tile_job *job, struct bs_rows y) {
    return is_dense(y) && y.type == product_type(job);
}

/* One tile, of which x and y may have fewer rows. */
static void tile_product(const struct tile_job *job, struct bs_rows x, struct bs_rows y,
                         int worker) {
    const struct bs_cpu_kernels *kernels = job->data->kernels;
    char *scratch = job->data->workers[worker].scratch;
    struct bs_operands operands = job->operands;
    operands.x = x.data;
    operands.y = y.data;
    if (x.rows < CPU_TILE || !readable(x, job->type)) {
        operands.x = scratch;
        fill_tile(kernels, x, cpu_dense(scratch, job->type, CPU_TILE, x.columns));
    }
    if (y.rows == CPU_TILE && goes_direct(job, y)) {
        cpu_run_product(job->data, job->direct, worker, &operands);
        return;
    }
    operands.y = scratch + dense_bytes(job->type, CPU_TILE, x.columns);
    cpu_run_product(job->data, job->staged, worker, &operands);
    struct bs_rows result = cpu_dense(operands.y, product_type(job), y.rows, y.columns);
    (job->accumulate ? kernels->add : kernels->copy)(result, y);
}

static void tile_item(const struct tile_job *job, int64_t item, int worker) {
    int64_t first = item * CPU_TILE, left = job->x.rows - first;
    int64_t count = left < CPU_TILE ? left : CPU_TILE;
    struct bs_rows y = bs_rows_slice(job->y, first, count);
    struct bs_rows to = bs_rows_slice(target(job), first, count);
    tile_product(job, bs_rows_slice(job->x, first, count), to, worker);
    if (job->activation == BS_GELU)
        job->data->kernels->gelu(to, y);
    else if (job->activation == BS_TANH)
        job->data->kernels->tanh(to, y);
}

static int64_t tile_items(const struct tile_job *job) {
    return (job->x.rows + CPU_TILE - 1) / CPU_TILE;
}

/* Finds the products of a job whose operands and views are set; false: queue failed. */
static bool prepare_tiles(struct bs_queue *q, struct tile_job *job) {
    struct bs_rows to = target(job);
    job->type = cpu_product_type(q->device, job->x.type);
    bool loose = !goes_direct(job, to), rest = job->x.rows % CPU_TILE != 0;
    struct bs_product_shape shape = {.m = CPU_TILE,
                                     .n = to.columns,
                                     .k = job->x.columns,
                                     .type = job->type,
                                     .y_type = product_type(job),
                                     .x = {job->x.columns, 1},
                                     .w = {to.columns, 1},
                                     .y_row = to.columns,
                                     .packed = job->operands.packed,
                                     .bias = job->operands.bias != NULL};
    if ((loose || rest) && !(job->staged = cpu_product(q, &shape)))
        return false;
    shape.accumulate = job->accumulate;
    if (!loose && job->x.rows >= CPU_TILE && !(job->direct = cpu_product(q, &shape)))
        return false;
    return cpu_reserve_workers(q,
                               dense_bytes(job->type, CPU_TILE, job->x.columns) +
                                   dense_bytes(product_type(job), CPU_TILE, to.columns));
}

static void forward_item(void *context, int64_t item, int worker) {
    tile_item(context, item, worker);
}

void cpu_linear_activate(struct bs_queue *q, const struct bs_weights *w,
                         struct bs_linear linear, enum bs_activation activation,
                         struct bs_rows x, struct bs_rows pre, struct bs_rows y) {
    if (cpu_tensor(w, linear.weight)->panels.words) {
        cpu_panels_linear(q, w, linear, activation, x, pre, y);
        return;
    }
    struct tile_job job = {.data = q->data,
                           .operands = {.packed = cpu_tensor(w, linear.weight)->forward,
                                        .bias = cpu_tensor(w, linear.bias)->value},
                           .x = x,
                           .pre = pre,
                           .y = y,
                           .activation = activation};
    if (!prepare_tiles(q, &job))
        return;
    bs_team_run(job.data->team, tile_items(&job), forward_item, &job);
    cpu_check_products(q);
}

void cpu_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
                struct bs_rows x, struct bs_rows y) {
    struct bs_rows none = {0};
    cpu_linear_activate(q, w, linear, BS_IDENTITY, x, none, y);
}

/* ---- dW[N, M] += dy^T x: blocks of rows of dW, chunks of rows of dy and x ---- */

enum { BLOCK = 96 /* rows of dW */, CHUNK_TILES = 4 };

struct gradient_job {
    struct cpu_queue *data;
    enum bs_type type;      /* that products take */
    struct bs_rows x, dy;   /* x readable */
    struct bs_rows x_rest;  /* the last rows of x, filled up to a tile */
    float *dweight, *dbias; /* NULL: not wanted */
    /* For chunks of several tiles and of one; by whether the block is the last, narrow
     * one. */
    const struct bs_product *products[2][2];
};

/* Rows `row` .. of dy, a block of columns wide, against as many of x. */
static void add_chunk(const struct gradient_job *job, struct bs_rows dy, int64_t row,
                      int64_t count, int64_t first, int worker) {
    const struct bs_cpu_kernels *kernels = job->data->kernels;
    int64_t left = job->x.rows - row, used = left < count ? left : count;
    void *scratch = job->data->workers[worker].scratch;
    struct bs_rows copy = cpu_dense(scratch, job->type, count, dy.columns);
    fill_tile(kernels, bs_rows_slice(dy, row, used), copy);
    if (job->dbias)
        kernels->column_sums(copy, job->dbias + first);
    if (!job->dweight)
        return;
    struct bs_operands operands = {.x = copy.data,
                                   .w = bs_rows_slice(job->x, row, used).data,
                                   .y = job->dweight + first * job->x.columns};
    if (used < count)
        operands.w = job->x_rest.data;
    bool several = count > CPU_TILE, narrow = dy.columns < BLOCK;
    cpu_run_product(job->data, job->products[several][narrow], worker, &operands);
}

static void gradient_item(void *context, int64_t item, int worker) {
    const struct gradient_job *job = context;
    int64_t tile = CPU_TILE, chunk = CHUNK_TILES * CPU_TILE, row = 0;
    int64_t first = item * BLOCK, left = job->dy.columns - first;
    struct bs_rows dy = bs_rows_columns(job->dy, first, left < BLOCK ? left : BLOCK);
    for (; row + chunk <= dy.rows; row += chunk)
        add_chunk(job, dy, row, chunk, first, worker);
    for (; row < dy.rows; row += tile)
        add_chunk(job, dy, row, tile, first, worker);
}

static bool find_gradient_product(struct bs_queue *q, struct gradient_job *job,
                                  bool several, bool narrow) {
    int64_t block = narrow ? job->dy.columns % BLOCK : BLOCK;
    struct bs_product_shape shape = {.m = block,
                                     .n = job->x.columns,
                                     .k = CPU_TILE * (several ? CHUNK_TILES : 1),
                                     .type = job->type,
                                     .y_type = BS_F32,
                                     .x = {1, block},
                                     .w = {job->x.columns, 1},
                                     .y_row = job->x.columns,
                                     .accumulate = true};
    if (narrow ? !block : job->dy.columns < BLOCK)
        return true;
    job->products[several][narrow] = cpu_product(q, &shape);
    return job->products[several][narrow];
}

static bool find_gradient_products(struct bs_queue *q, struct gradient_job *job) {
    int64_t rows = job->x.rows, chunk = CHUNK_TILES * CPU_TILE;
    for (int narrow = 0; narrow < 2; narrow++)
        if ((rows >= chunk && !find_gradient_product(q, job, true, narrow)) ||
            (rows % chunk && !find_gradient_product(q, job, false, narrow)))
            return false;
    return true;
}

/* Makes x readable and fills its last rows up to a tile, in shared scratch memory. */
static bool stage_input(struct bs_queue *q, struct gradient_job *job) {
    int64_t tile = CPU_TILE, rest = job->x.rows % tile;
    struct bs_rows x = job->x;
    enum bs_type type = job->type;
    int64_t bytes = readable(x, type) ? 0 : dense_bytes(type, x.rows, x.columns);
    if (!cpu_reserve_shared(q, bytes + dense_bytes(type, tile, x.columns)))
        return false;
    char *shared = job->data->shared;
    if (rest) {
        job->x_rest = cpu_dense(shared + bytes, type, tile, x.columns);
        fill_tile(job->data->kernels, bs_rows_slice(x, x.rows - rest, rest), job->x_rest);
    }
    if (bytes) {
        job->x = cpu_dense(shared, type, x.rows, x.columns);
        cpu_copy(q, x, job->x);
    }
    return true;
}

static bool prepare_gradient(struct bs_queue *q, struct gradient_job *job) {
    int64_t chunk = CHUNK_TILES * CPU_TILE;
    job->type = cpu_product_type(q->device, job->dy.type);
    return cpu_reserve_workers(q, dense_bytes(job->type, chunk, BLOCK)) &&
           (!job->dweight || (stage_input(q, job) && find_gradient_products(q, job)));
}

/* ---- both at once ---- */

struct backward_job {
    struct gradient_job gradient;
    struct tile_job input;
    int64_t blocks; /* items of the gradient; tiles follow */
};

static void backward_item(void *context, int64_t item, int worker) {
    struct backward_job *job = context;
    if (item < job->blocks) {
        gradient_item(&job->gradient, item, worker);
        return;
    }
    tile_item(&job->input, item - job->blocks, worker);
}

void cpu_linear_backward(struct bs_queue *q, struct bs_weights *w,
                         struct bs_linear linear, struct bs_rows x, struct bs_rows dy,
                         struct bs_rows dx, bool accumulate) {
    struct cpu_queue *data = q->data;
    const struct cpu_tensor *weight = cpu_tensor(w, linear.weight);
    if (weight->panels.words) {
        cpu_panels_linear_backward(q, w, linear, x, dy, dx, accumulate);
        return;
    }
    const float *plain = weight->rounded ? weight->rounded : weight->value;
    struct backward_job job = {
        .gradient = {.data = data,
                     .x = x,
                     .dy = dy,
                     .dweight = weight->gradient,
                     .dbias = cpu_tensor(w, linear.bias)->gradient},
        .input = {.data = data,
                  .operands = {.packed = weight->backward,
                               .w = weight->backward ? NULL : plain},
                  .x = dy,
                  .y = dx,
                  .accumulate = accumulate}};
    if (job.gradient.dweight || job.gradient.dbias)
        job.blocks = (dy.columns + BLOCK - 1) / BLOCK;
    if ((job.blocks && !prepare_gradient(q, &job.gradient)) ||
        (dx.data && !prepare_tiles(q, &job.input)))
        return;
    int64_t tiles = dx.data ? tile_items(&job.input) : 0;
    bs_team_run(data->team, job.blocks + tiles, backward_item, &job);
    cpu_check_products(q);
}
