/*
 * Every operation: its arguments are checked here, once for all back ends, and handed
 * to the back end of the queue. What is wrong becomes the queue's failure.
 */
#include "compute/compose.h"

#include <stdio.h>

enum {
    F32 = 1 << BS_F32,
    LOW = 1 << BS_BF16 | 1 << BS_F16,
    ANY = F32 | LOW,
    OPTIONAL = 1 << 8
};

/* What an operation wants of one view. */
struct want {
    const char *name;
    struct bs_rows view;
    int types;
    int64_t rows, columns;
};

static bool view_fits(const struct want *want) {
    const struct bs_rows *view = &want->view;
    if (!view->data)
        return want->types & OPTIONAL;
    return want->types & 1 << view->type && view->rows == want->rows &&
           view->columns == want->columns && view->stride >= view->columns;
}

static bool fail_view(struct bs_queue *q, const char *operation,
                      const struct want *want) {
    static const char *const names[] = {"fp32", "bf16", "fp16"};
    const struct bs_rows *view = &want->view;
    const char *wanted = (want->types & ANY) == ANY   ? "any type"
                         : (want->types & LOW) == LOW ? "bf16 or fp16"
                         : want->types & F32          ? names[BS_F32]
                         : want->types & 1 << BS_F16  ? names[BS_F16]
                                                      : names[BS_BF16];
    char found[96] = "absent";
    if (view->data)
        snprintf(found, sizeof found, "%lld x %lld of %s, stride %lld",
                 (long long)view->rows, (long long)view->columns, names[view->type],
                 (long long)view->stride);
    bs_queue_fail(q, BS_DEVICE, "%s: %s is %s; wanted %lld x %lld of %s", operation,
                  want->name, found, (long long)want->rows, (long long)want->columns,
                  wanted);
    return false;
}

static bool has_type(const struct bs_queue *q, enum bs_type type) {
    return type != BS_F16 || q->device->info.support[BS_PRECISION_FP16] != BS_REFUSED;
}

/* False, and the queue failed, unless every view is as wanted. */
static bool views_fit(struct bs_queue *q, const char *operation, const struct want *wants,
                      size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!view_fits(&wants[i]))
            return fail_view(q, operation, &wants[i]);
        if (!has_type(q, wants[i].view.type)) {
            bs_queue_fail(q, BS_DEVICE, "%s: the device has no fp16", operation);
            return false;
        }
    }
    return true;
}
#define VIEWS_FIT(q, operation, ...)                                                     \
    views_fit(q, operation, (const struct want[]){__VA_ARGS__},                          \
              sizeof((const struct want[]){__VA_ARGS__}) / sizeof(struct want))

static bool refuse(struct bs_queue *q, const char *operation, const char *reason) {
    bs_queue_fail(q, BS_DEVICE, "%s: %s", operation, reason);
    return false;
}

static bool has_batch(struct bs_queue *q, const char *operation) {
    return q->batch.n_sequences > 0 || refuse(q, operation, "the queue has no batch");
}

static bool weights_fit(struct bs_queue *q, const char *operation,
                        const struct bs_weights *w) {
    if (w->device != q->device)
        return refuse(q, operation, "the weights are on another device");
    return w->ready || refuse(q, operation, "bs_weights_ready has not been called");
}

/* Parameter `index` has this role and shape; rows or columns 0: any. */
static bool parameter_fits(struct bs_queue *q, const char *operation,
                           const struct bs_weights *w, int index, enum bs_role role,
                           int64_t rows, int64_t columns) {
    if (index < 0 || index >= w->n_parameters)
        return refuse(q, operation, "there is no parameter of that index");
    const struct bs_parameter *p = &w->parameters[index];
    if (p->role == role && (!rows || p->rows == rows) &&
        (!columns || p->columns == columns))
        return true;
    bs_queue_fail(q, BS_DEVICE, "%s: parameter %s is %lld x %lld in role %d", operation,
                  p->name, (long long)p->rows, (long long)p->columns, (int)p->role);
    return false;
}

static bool dropout_fits(struct bs_queue *q, const char *operation,
                         struct bs_dropout dropout) {
    if (!(dropout.probability >= 0 && bs_dropout_threshold(dropout.probability) < 65536))
        return refuse(q, operation, "dropout probability is not in 0 .. 1");
    if (dropout.site >= 65536)
        return refuse(q, operation, "dropout site is not below 65536");
    return dropout.probability <= 0 || q->batch.example ||
           refuse(q, operation, "the batch has no example numbers for dropout");
}

/* Rows of an operation over the batch's tokens, or over one row a sequence. */
static int64_t batch_rows(const struct bs_queue *q, bool first_only) {
    return first_only ? q->batch.n_sequences : q->batch.n_tokens;
}

/* ---- embedding ---------------------------------------------------------------- */

static bool all_below(const int32_t *values, int64_t n, int64_t bound) {
    for (int64_t i = 0; values && i < n; i++)
        if (values[i] < 0 || values[i] >= bound)
            return false;
    return true;
}

static bool embedding_fits(struct bs_queue *q, const char *operation,
                           const struct bs_weights *w, struct bs_embedding e,
                           struct bs_rows sum) {
    const struct bs_batch *batch = &q->batch;
    const struct bs_parameter *p = w->parameters;
    if (q->failure.code || !has_batch(q, operation) || !weights_fit(q, operation, w) ||
        !parameter_fits(q, operation, w, e.word, BS_ROLE_EMBEDDING, 0, sum.columns) ||
        !parameter_fits(q, operation, w, e.position, BS_ROLE_EMBEDDING, 0, sum.columns) ||
        !parameter_fits(q, operation, w, e.type, BS_ROLE_EMBEDDING, 0, sum.columns) ||
        !VIEWS_FIT(q, operation, {"sum", sum, F32, batch->n_tokens, sum.columns}))
        return false;
    if (!all_below(batch->ids, batch->n_tokens, p[e.word].rows))
        return refuse(q, operation, "a token id is not in the vocabulary");
    if (!all_below(batch->position, batch->n_tokens, p[e.position].rows))
        return refuse(q, operation, "a position is beyond the model's longest text");
    return all_below(batch->type_ids, batch->n_tokens, p[e.type].rows) ||
           refuse(q, operation, "a token type is not in the model");
}

void bs_embedding(struct bs_queue *q, const struct bs_weights *w, struct bs_embedding e,
                  struct bs_rows sum) {
    if (embedding_fits(q, "embedding", w, e, sum))
        q->device->backend->embedding(q, w, e, sum);
}

void bs_embedding_backward(struct bs_queue *q, struct bs_weights *w,
                           struct bs_embedding e, struct bs_rows dsum) {
    if (embedding_fits(q, "embedding backward", w, e, dsum))
        q->device->backend->embedding_backward(q, w, e, dsum);
}

/* ---- layer norm and dropout --------------------------------------------------- */

static bool norm_fits(struct bs_queue *q, const char *operation,
                      const struct bs_weights *w, struct bs_norm norm, int64_t columns) {
    return weights_fit(q, operation, w) &&
           parameter_fits(q, operation, w, norm.gain, BS_ROLE_VECTOR, 1, columns) &&
           parameter_fits(q, operation, w, norm.bias, BS_ROLE_VECTOR, 1, columns);
}

void bs_layer_norm(struct bs_queue *q, const struct bs_weights *w, struct bs_norm norm,
                   struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                   struct bs_rows y_low) {
    static const char operation[] = "layer norm";
    int64_t rows = x.rows, columns = x.columns;
    if (q->failure.code || !norm_fits(q, operation, w, norm, columns) ||
        !VIEWS_FIT(q, operation, {"x", x, F32, rows, columns},
                   {"stats", stats, F32 | OPTIONAL, rows, 2},
                   {"y", y, F32, rows, columns},
                   {"y_low", y_low, LOW | OPTIONAL, rows, columns}))
        return;
    q->device->backend->layer_norm(q, w, norm, x, stats, y, y_low);
}

void bs_layer_norm_backward(struct bs_queue *q, struct bs_weights *w, struct bs_norm norm,
                            struct bs_rows x, struct bs_rows stats, struct bs_rows dy,
                            struct bs_rows dx) {
    static const char operation[] = "layer norm backward";
    int64_t rows = x.rows, columns = x.columns;
    if (q->failure.code || !norm_fits(q, operation, w, norm, columns) ||
        !VIEWS_FIT(q, operation, {"x", x, F32, rows, columns},
                   {"stats", stats, F32, rows, 2}, {"dy", dy, F32, rows, columns},
                   {"dx", dx, F32, rows, columns}))
        return;
    q->device->backend->layer_norm_backward(q, w, norm, x, stats, dy, dx);
}

void bs_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                struct bs_rows x, struct bs_rows y, struct bs_rows y_low) {
    static const char operation[] = "dropout";
    if (q->failure.code || !has_batch(q, operation) ||
        !dropout_fits(q, operation, dropout))
        return;
    int64_t rows = batch_rows(q, first_only), columns = x.columns;
    if (VIEWS_FIT(q, operation, {"x", x, ANY, rows, columns},
                  {"y", y, ANY, rows, columns},
                  {"y_low", y_low, LOW | OPTIONAL, rows, columns}))
        q->device->backend->dropout(q, dropout, first_only, x, y, y_low);
}

static bool dropout_norm_fits(struct bs_queue *q, const char *operation,
                              const struct bs_weights *w, struct bs_norm norm,
                              struct bs_dropout dropout, int64_t columns) {
    return !q->failure.code && has_batch(q, operation) &&
           dropout_fits(q, operation, dropout) &&
           norm_fits(q, operation, w, norm, columns);
}

void bs_dropout_add_norm(struct bs_queue *q, const struct bs_weights *w,
                         struct bs_norm norm, struct bs_dropout dropout, bool first_only,
                         struct bs_rows x, struct bs_rows residual, struct bs_rows sum,
                         struct bs_rows stats, struct bs_rows y, struct bs_rows y_low) {
    static const char operation[] = "dropout, add, norm";
    const struct bs_backend *backend = q->device->backend;
    if (!dropout_norm_fits(q, operation, w, norm, dropout, x.columns))
        return;
    int64_t rows = batch_rows(q, first_only), columns = x.columns;
    if (!VIEWS_FIT(q, operation, {"x", x, ANY, rows, columns},
                   {"residual", residual, F32, rows, columns},
                   {"sum", sum, F32 | OPTIONAL, rows, columns},
                   {"stats", stats, F32 | OPTIONAL, rows, 2},
                   {"y", y, F32, rows, columns},
                   {"y_low", y_low, LOW | OPTIONAL, rows, columns}))
        return;
    (backend->dropout_add_norm ? backend->dropout_add_norm : bs_compose_dropout_add_norm)(
        q, w, norm, dropout, first_only, x, residual, sum, stats, y, y_low);
}

void bs_dropout_add_norm_backward(struct bs_queue *q, struct bs_weights *w,
                                  struct bs_norm norm, struct bs_dropout dropout,
                                  bool first_only, struct bs_rows sum,
                                  struct bs_rows stats, struct bs_rows dy,
                                  struct bs_rows dresidual, struct bs_rows dx) {
    static const char operation[] = "dropout, add, norm backward";
    const struct bs_backend *backend = q->device->backend;
    if (!dropout_norm_fits(q, operation, w, norm, dropout, sum.columns))
        return;
    int64_t rows = batch_rows(q, first_only), columns = sum.columns;
    if (!VIEWS_FIT(q, operation, {"sum", sum, F32, rows, columns},
                   {"stats", stats, F32, rows, 2}, {"dy", dy, F32, rows, columns},
                   {"dresidual", dresidual, F32, rows, columns},
                   {"dx", dx, ANY, rows, columns}))
        return;
    (backend->dropout_add_norm_backward ? backend->dropout_add_norm_backward
                                        : bs_compose_dropout_add_norm_backward)(
        q, w, norm, dropout, first_only, sum, stats, dy, dresidual, dx);
}

/* ---- linear and activations --------------------------------------------------- */

static bool linear_fits(struct bs_queue *q, const char *operation,
                        const struct bs_weights *w, struct bs_linear linear, int64_t rows,
                        int64_t inputs, int64_t outputs) {
    if (rows > q->max_tokens)
        return refuse(q, operation, "more rows than the queue was made for");
    return weights_fit(q, operation, w) &&
           parameter_fits(q, operation, w, linear.weight, BS_ROLE_MATRIX, outputs,
                          inputs) &&
           parameter_fits(q, operation, w, linear.bias, BS_ROLE_VECTOR, 1, outputs);
}

static bool trained_weights_fit(struct bs_queue *q, const char *operation,
                                const struct bs_weights *w) {
    return !q->failure.code && weights_fit(q, operation, w) &&
           (w->training ||
            refuse(q, operation, "the weights were not made for training"));
}

static int product_type(const struct bs_weights *w) {
    return 1 << bs_precision_type(w->precision);
}

void bs_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
               enum bs_activation activation, struct bs_rows x, struct bs_rows pre,
               struct bs_rows y) {
    static const char operation[] = "linear";
    const struct bs_backend *backend = q->device->backend;
    if (q->failure.code ||
        !linear_fits(q, operation, w, linear, x.rows, x.columns, y.columns) ||
        !VIEWS_FIT(q, operation, {"x", x, product_type(w), x.rows, x.columns},
                   {"y", y, ANY, x.rows, y.columns},
                   {"pre", pre, (1 << y.type) | OPTIONAL, x.rows, y.columns}))
        return;
    if (activation == BS_IDENTITY && !pre.data)
        backend->linear(q, w, linear, x, y);
    else if (activation == BS_IDENTITY || !backend->linear_activate)
        bs_compose_linear(q, w, linear, activation, x, pre, y);
    else
        backend->linear_activate(q, w, linear, activation, x, pre, y);
}

void bs_linear_backward(struct bs_queue *q, struct bs_weights *w, struct bs_linear linear,
                        struct bs_rows x, struct bs_rows dy, struct bs_rows dx,
                        bool accumulate) {
    static const char operation[] = "linear backward";
    int dx_types = (accumulate ? F32 : ANY) | OPTIONAL;
    if (!trained_weights_fit(q, operation, w) ||
        !linear_fits(q, operation, w, linear, x.rows, x.columns, dy.columns) ||
        !VIEWS_FIT(q, operation, {"x", x, product_type(w), x.rows, x.columns},
                   {"dy", dy, product_type(w), x.rows, dy.columns},
                   {"dx", dx, dx_types, x.rows, x.columns}))
        return;
    q->device->backend->linear_backward(q, w, linear, x, dy, dx, accumulate);
}

static bool elementwise_fits(struct bs_queue *q, const char *operation, struct bs_rows a,
                             struct bs_rows dy, struct bs_rows dpre) {
    return !q->failure.code &&
           VIEWS_FIT(q, operation, {"saved", a, ANY, a.rows, a.columns},
                     {"dy", dy, ANY, a.rows, a.columns},
                     {"dpre", dpre, ANY, a.rows, a.columns});
}

void bs_gelu_backward(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                      struct bs_rows dpre) {
    if (elementwise_fits(q, "gelu backward", pre, dy, dpre))
        q->device->backend->gelu_backward(q, pre, dy, dpre);
}

void bs_tanh_backward(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                      struct bs_rows dpre) {
    if (elementwise_fits(q, "tanh backward", y, dy, dpre))
        q->device->backend->tanh_backward(q, y, dy, dpre);
}

/* ---- attention ---------------------------------------------------------------- */

static bool attention_fits(struct bs_queue *q, const char *operation,
                           struct bs_attention attention, int64_t columns) {
    if (q->failure.code || !has_batch(q, operation) ||
        !dropout_fits(q, operation, attention.dropout))
        return false;
    return (attention.heads >= 1 && attention.heads < 65536 &&
            columns % attention.heads == 0) ||
           refuse(q, operation, "the heads do not divide the columns");
}

void bs_attention(struct bs_queue *queue, struct bs_attention attention, struct bs_rows q,
                  struct bs_rows k, struct bs_rows v, struct bs_rows lse,
                  struct bs_rows out) {
    static const char operation[] = "attention";
    if (!attention_fits(queue, operation, attention, q.columns))
        return;
    int64_t tokens = queue->batch.n_tokens, columns = q.columns;
    int64_t rows = batch_rows(queue, attention.first_only);
    int type = 1 << q.type;
    if (VIEWS_FIT(queue, operation, {"q", q, ANY, rows, columns},
                  {"k", k, type, tokens, columns}, {"v", v, type, tokens, columns},
                  {"lse", lse, F32 | OPTIONAL, rows, attention.heads},
                  {"out", out, type, rows, columns}))
        queue->device->backend->attention(queue, attention, q, k, v, lse, out);
}

void bs_attention_backward(struct bs_queue *queue, struct bs_attention attention,
                           struct bs_rows q, struct bs_rows k, struct bs_rows v,
                           struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                           struct bs_rows dq, struct bs_rows dk, struct bs_rows dv) {
    static const char operation[] = "attention backward";
    if (!attention_fits(queue, operation, attention, q.columns))
        return;
    int64_t tokens = queue->batch.n_tokens, columns = q.columns;
    int64_t rows = batch_rows(queue, attention.first_only);
    int type = 1 << q.type;
    if (VIEWS_FIT(queue, operation, {"q", q, ANY, rows, columns},
                  {"k", k, type, tokens, columns}, {"v", v, type, tokens, columns},
                  {"lse", lse, F32, rows, attention.heads},
                  {"out", out, type, rows, columns}, {"dout", dout, type, rows, columns},
                  {"dq", dq, type, rows, columns}, {"dk", dk, type, tokens, columns},
                  {"dv", dv, type, tokens, columns}))
        queue->device->backend->attention_backward(queue, attention, q, k, v, lse, out,
                                                   dout, dq, dk, dv);
}

/* ---- first tokens and losses -------------------------------------------------- */

void bs_gather_first(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    static const char operation[] = "gather";
    if (q->failure.code || !has_batch(q, operation) ||
        !VIEWS_FIT(q, operation, {"x", x, ANY, q->batch.n_tokens, x.columns},
                   {"y", y, 1 << x.type, q->batch.n_sequences, x.columns}))
        return;
    q->device->backend->gather_first(q, x, y);
}

void bs_scatter_first(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx) {
    static const char operation[] = "scatter";
    if (q->failure.code || !has_batch(q, operation) ||
        !VIEWS_FIT(q, operation, {"dy", dy, F32, q->batch.n_sequences, dx.columns},
                   {"dx", dx, F32, q->batch.n_tokens, dx.columns}))
        return;
    q->device->backend->scatter_first(q, dy, dx);
}

void bs_cross_entropy(struct bs_queue *q, struct bs_rows logits, struct bs_rows dlogits) {
    static const char operation[] = "cross-entropy";
    if (q->failure.code || !has_batch(q, operation))
        return;
    int64_t rows = q->batch.n_sequences, columns = logits.columns;
    if (!VIEWS_FIT(q, operation, {"logits", logits, F32, rows, columns},
                   {"dlogits", dlogits, ANY | OPTIONAL, rows, columns}))
        return;
    if (columns < 1 || !q->batch.labels || !all_below(q->batch.labels, rows, columns))
        bs_queue_fail(q, BS_DEVICE, "%s: a label is missing or out of range", operation);
    else if (!q->has_step ||
             (q->step.loss.class_weights && q->step.loss.n_labels != columns))
        bs_queue_fail(q, BS_DEVICE,
                      "%s: bs_set_step has not been called, or with class "
                      "weights of other labels",
                      operation);
    else
        q->device->backend->cross_entropy(q, logits, dlogits);
}

void bs_softmax(struct bs_queue *q, struct bs_rows logits, struct bs_rows probabilities) {
    if (!q->failure.code &&
        VIEWS_FIT(q, "softmax", {"logits", logits, F32, logits.rows, logits.columns},
                  {"probabilities", probabilities, F32, logits.rows, logits.columns}))
        q->device->backend->softmax(q, logits, probabilities);
}

/* ---- memory and optimizer ----------------------------------------------------- */

void bs_zero(struct bs_queue *q, struct bs_rows rows) {
    if (!q->failure.code &&
        VIEWS_FIT(q, "zero", {"rows", rows, ANY, rows.rows, rows.columns}))
        q->device->backend->zero(q, rows);
}

void bs_copy(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    if (!q->failure.code && VIEWS_FIT(q, "copy", {"x", x, ANY, x.rows, x.columns},
                                      {"y", y, ANY, x.rows, x.columns}))
        q->device->backend->copy(q, x, y);
}

void bs_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw) {
    static const char operation[] = "update";
    if (!trained_weights_fit(q, operation, w))
        return;
    if (q->step.adam_step < 1)
        refuse(q, operation,
               "bs_set_step has not been called, or Adam's step is below 1");
    else
        q->device->backend->update(q, w, adamw);
}

void bs_zero_gradients(struct bs_queue *q, struct bs_weights *w) {
    if (trained_weights_fit(q, "zero gradients", w))
        q->device->backend->zero_gradients(q, w);
}
