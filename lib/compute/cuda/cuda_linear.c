/* Linear layers: by cuBLASLt where it serves them well, else by plain kernels. */
#include "compute/cuda/cuda.h"

enum { FEW_OUTPUTS = 16, ALIGNED = 16 /* bytes */ };

static bool is_aligned(const void *data, int64_t row, enum bs_type type) {
    return ((uintptr_t)data | (uintptr_t)row * bs_type_size(type)) % ALIGNED == 0;
}

static bool rows_aligned(struct bs_rows rows) {
    return !rows.data || is_aligned(rows.data, rows.stride, rows.type);
}

/* Whether the matrix library gets a layer of `outputs`, of these rows. */
static bool suits_library(int64_t inputs, int64_t outputs, enum bs_type type,
                          struct bs_rows x, struct bs_rows y, struct bs_rows dx) {
    return outputs >= FEW_OUTPUTS && is_aligned(NULL, inputs, type) && rows_aligned(x) &&
           rows_aligned(y) && rows_aligned(dx);
}

/* The weight as products read it. */
static const void *factors(const struct bs_weights *w, int index) {
    const void *low = cuda_low(w, index);
    return low ? low : w->slots[index].value;
}

static void product(struct bs_queue *q, const struct bs_lt_shape *shape,
                    struct bs_lt_operands operands) {
    struct cuda_queue *data = q->data;
    struct bs_error error = {0};
    if (bs_lt_product(data->device->lt, data->stream, data->workspace, shape, operands,
                      &error))
        cuda_fail(q, error.code, "linear", error.text);
}

/* Rows that a product can write: y itself or, if the library cannot write its type, fp32
 * rows in scratch memory, to be copied. */
static struct bs_rows writable(struct bs_queue *q, enum bs_type type, struct bs_rows y) {
    if (bs_lt_serves(type, y.type))
        return y;
    return (struct bs_rows){cuda_scratch(q, (size_t)(y.rows * y.columns) * sizeof(float)),
                            BS_F32, y.rows, y.columns, y.columns};
}

static void copy_if_apart(struct bs_queue *q, struct bs_rows made, struct bs_rows y) {
    if (made.data != y.data && !q->failure.code)
        cuda_check(q, bs_cuda_copy(cuda_queue(q)->stream, made, y), "linear");
}

void cuda_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
                 struct bs_rows x, struct bs_rows y) {
    const struct bs_rows none = {0};
    const void *weight = factors(w, linear.weight);
    if (!suits_library(x.columns, y.columns, x.type, x, y, none)) {
        cuda_check(q,
                   bs_cuda_plain_linear(cuda_queue(q)->stream, x, weight,
                                        w->slots[linear.bias].value, y),
                   "linear");
        return;
    }
    struct bs_rows made = writable(q, x.type, y);
    if (!made.data)
        return;
    struct bs_lt_shape shape = {.m = x.rows,
                                .n = y.columns,
                                .k = x.columns,
                                .type = x.type,
                                .d_type = made.type,
                                .w_turned = true,
                                .x_row = x.stride,
                                .w_row = x.columns,
                                .d_row = made.stride,
                                .bias = true,
                                .pinned = true,
                                .tf32 = w->precision == BS_PRECISION_TF32};
    const void *bias =
        made.type == BS_F32 ? w->slots[linear.bias].value : cuda_low(w, linear.bias);
    product(q, &shape, (struct bs_lt_operands){x.data, weight, bias, made.data});
    copy_if_apart(q, made, y);
}

static void input_gradient(struct bs_queue *q, const struct bs_weights *w,
                           struct bs_linear linear, struct bs_rows dy, struct bs_rows dx,
                           bool accumulate) {
    struct bs_rows made = writable(q, dy.type, dx);
    if (!made.data)
        return;
    struct bs_lt_shape shape = {.m = dy.rows,
                                .n = dx.columns,
                                .k = dy.columns,
                                .type = dy.type,
                                .d_type = made.type,
                                .x_row = dy.stride,
                                .w_row = dx.columns,
                                .d_row = made.stride,
                                .accumulate = accumulate,
                                .tf32 = w->precision == BS_PRECISION_TF32};
    product(q, &shape,
            (struct bs_lt_operands){
                .x = dy.data, .w = factors(w, linear.weight), .d = made.data});
    copy_if_apart(q, made, dx);
}

static void weight_gradient(struct bs_queue *q, const struct bs_weights *w,
                            struct bs_rows x, struct bs_rows dy, float *gradient) {
    struct bs_lt_shape shape = {.m = dy.columns,
                                .n = x.columns,
                                .k = x.rows,
                                .type = x.type,
                                .d_type = BS_F32,
                                .x_turned = true,
                                .x_row = dy.stride,
                                .w_row = x.stride,
                                .d_row = x.columns,
                                .accumulate = true,
                                .tf32 = w->precision == BS_PRECISION_TF32};
    product(q, &shape, (struct bs_lt_operands){.x = dy.data, .w = x.data, .d = gradient});
}

static void bias_gradient(struct bs_queue *q, struct bs_rows dy, float *gradient) {
    void *scratch = cuda_scratch(q, bs_cuda_column_sums_scratch(dy.rows, dy.columns));
    if (scratch)
        cuda_check(q, bs_cuda_column_sums(cuda_queue(q)->stream, dy, gradient, scratch),
                   "linear backward");
}

void cuda_linear_backward(struct bs_queue *q, struct bs_weights *w,
                          struct bs_linear linear, struct bs_rows x, struct bs_rows dy,
                          struct bs_rows dx, bool accumulate) {
    float *dweight = w->slots[linear.weight].gradient,
          *dbias = w->slots[linear.bias].gradient;
    if (dbias)
        bias_gradient(q, dy, dbias);
    if (!suits_library(x.columns, dy.columns, x.type, x, dy, dx)) {
        cuda_check(q,
                   bs_cuda_plain_linear_backward(cuda_queue(q)->stream, x,
                                                 factors(w, linear.weight), dy, dx,
                                                 accumulate, dweight),
                   "linear backward");
        return;
    }
    if (dweight)
        weight_gradient(q, w, x, dy, dweight);
    if (dx.data)
        input_gradient(q, w, linear, dy, dx, accumulate);
}
