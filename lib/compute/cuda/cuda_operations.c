/* Operations that are one kernel each, or two: arguments from host objects to device
 * pointers, scratch memory, and the name for a message. */
#include "compute/cuda/cuda.h"

#include "common/buffer.h"

#include <string.h>

static void done(struct bs_queue *q, cudaError_t status, const char *operation) {
    (void)cuda_check(q, status, operation);
}

static const struct bs_rows none = {0};
static const struct bs_dropout no_dropout = {0};

/* ---- embedding ------------------------------------------------------------------- */

void cuda_embedding(struct bs_queue *q, const struct bs_weights *w, struct bs_embedding e,
                    struct bs_rows sum) {
    struct cuda_queue *data = q->data;
    done(q,
         bs_cuda_embedding(data->stream, &data->batch, w->slots[e.word].value,
                           w->slots[e.position].value, w->slots[e.type].value, sum),
         "embedding");
}

void cuda_embedding_backward(struct bs_queue *q, struct bs_weights *w,
                             struct bs_embedding e, struct bs_rows dsum) {
    struct cuda_queue *data = q->data;
    int64_t types = w->parameters[e.type].rows;
    void *scratch =
        cuda_scratch(q, bs_cuda_embedding_backward_scratch(dsum.rows, dsum.columns));
    if (scratch)
        done(q,
             bs_cuda_embedding_backward(
                 data->stream, &data->batch, w->slots[e.word].gradient,
                 w->slots[e.position].gradient, w->slots[e.type].gradient, types,
                 e.padding, dsum, scratch),
             "embedding backward");
}

/* ---- norms and dropout ----------------------------------------------------------- */

void cuda_dropout_add_norm(struct bs_queue *q, const struct bs_weights *w,
                           struct bs_norm norm, struct bs_dropout dropout,
                           bool first_only, struct bs_rows x, struct bs_rows residual,
                           struct bs_rows sum, struct bs_rows stats, struct bs_rows y,
                           struct bs_rows y_low) {
    struct cuda_queue *data = q->data;
    done(q,
         bs_cuda_dropout_add_norm(data->stream, &data->batch, data->step, dropout,
                                  first_only, w->slots[norm.gain].value,
                                  w->slots[norm.bias].value, norm.epsilon, x, residual,
                                  sum, stats, y, y_low),
         "layer norm");
}

void cuda_dropout_add_norm_backward(struct bs_queue *q, struct bs_weights *w,
                                    struct bs_norm norm, struct bs_dropout dropout,
                                    bool first_only, struct bs_rows sum,
                                    struct bs_rows stats, struct bs_rows dy,
                                    struct bs_rows dresidual, struct bs_rows dx) {
    struct cuda_queue *data = q->data;
    void *scratch = cuda_scratch(q, bs_cuda_norm_backward_scratch(sum.rows, sum.columns));
    if (scratch)
        done(q,
             bs_cuda_dropout_add_norm_backward(
                 data->stream, &data->batch, data->step, dropout, first_only,
                 w->slots[norm.gain].value, w->slots[norm.gain].gradient,
                 w->slots[norm.bias].gradient, sum, stats, dy, dresidual, dx, scratch),
             "layer norm backward");
}

void cuda_layer_norm(struct bs_queue *q, const struct bs_weights *w, struct bs_norm norm,
                     struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                     struct bs_rows y_low) {
    cuda_dropout_add_norm(q, w, norm, no_dropout, false, none, x, none, stats, y, y_low);
}

void cuda_layer_norm_backward(struct bs_queue *q, struct bs_weights *w,
                              struct bs_norm norm, struct bs_rows x, struct bs_rows stats,
                              struct bs_rows dy, struct bs_rows dx) {
    cuda_dropout_add_norm_backward(q, w, norm, no_dropout, false, x, stats, dy, dx, none);
}

void cuda_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                  struct bs_rows x, struct bs_rows y, struct bs_rows y_low) {
    struct cuda_queue *data = q->data;
    done(q,
         bs_cuda_dropout(data->stream, &data->batch, data->step, dropout, first_only, x,
                         y, y_low),
         "dropout");
}

void cuda_dropout_add(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                      struct bs_rows x, struct bs_rows residual, struct bs_rows sum) {
    struct cuda_queue *data = q->data;
    done(q,
         bs_cuda_dropout_add(data->stream, &data->batch, data->step, dropout, first_only,
                             x, residual, sum),
         "dropout");
}

/* ---- activations and rows --------------------------------------------------------- */

void cuda_activate(struct bs_queue *q, enum bs_activation activation, struct bs_rows x,
                   struct bs_rows y) {
    done(q, bs_cuda_activate(cuda_queue(q)->stream, activation, x, y), "activation");
}

void cuda_gelu_backward(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                        struct bs_rows dpre) {
    done(q, bs_cuda_gelu_backward(cuda_queue(q)->stream, pre, dy, dpre), "gelu backward");
}

void cuda_tanh_backward(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                        struct bs_rows dpre) {
    done(q, bs_cuda_tanh_backward(cuda_queue(q)->stream, y, dy, dpre), "tanh backward");
}

void cuda_gather_first(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    struct cuda_queue *data = q->data;
    done(q, bs_cuda_gather_first(data->stream, &data->batch, x, y), "gather");
}

void cuda_scatter_first(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx) {
    struct cuda_queue *data = q->data;
    done(q, bs_cuda_scatter_first(data->stream, &data->batch, dy, dx), "scatter");
}

void cuda_zero(struct bs_queue *q, struct bs_rows rows) {
    done(q, bs_cuda_zero(cuda_queue(q)->stream, rows), "zero");
}

void cuda_copy(struct bs_queue *q, struct bs_rows x, struct bs_rows y) {
    done(q, bs_cuda_copy(cuda_queue(q)->stream, x, y), "copy");
}

/* ---- attention ------------------------------------------------------------------- */

static bool serves(struct bs_queue *q, struct bs_attention attention, struct bs_rows x) {
    int64_t head_size = x.columns / attention.heads;
    if (bs_cuda_attention_serves(head_size, x.type))
        return true;
    bs_queue_fail(q, BS_DEVICE,
                  "the GPU's attention has no heads of size %lld; use --device cpu",
                  (long long)head_size);
    return false;
}

void cuda_attention(struct bs_queue *queue, struct bs_attention attention,
                    struct bs_rows q, struct bs_rows k, struct bs_rows v,
                    struct bs_rows lse, struct bs_rows out) {
    struct cuda_queue *data = queue->data;
    if (serves(queue, attention, q))
        done(queue,
             bs_cuda_attention(data->stream, &data->batch, data->step, attention, q, k, v,
                               lse, out),
             "attention");
}

void cuda_attention_backward(struct bs_queue *queue, struct bs_attention attention,
                             struct bs_rows q, struct bs_rows k, struct bs_rows v,
                             struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                             struct bs_rows dq, struct bs_rows dk, struct bs_rows dv) {
    struct cuda_queue *data = queue->data;
    size_t bytes = bs_cuda_attention_backward_scratch(q.rows, attention.heads);
    void *scratch = serves(queue, attention, q) ? cuda_scratch(queue, bytes) : NULL;
    if (scratch)
        done(queue,
             bs_cuda_attention_backward(data->stream, &data->batch, data->step, attention,
                                        q, k, v, lse, out, dout, dq, dk, dv, scratch),
             "attention backward");
}

/* ---- loss and update -------------------------------------------------------------- */

void cuda_cross_entropy(struct bs_queue *q, struct bs_rows logits,
                        struct bs_rows dlogits) {
    struct cuda_queue *data = q->data;
    done(q,
         bs_cuda_cross_entropy(data->stream, &data->batch, data->step, logits, dlogits),
         "cross-entropy");
}

void cuda_softmax(struct bs_queue *q, struct bs_rows logits,
                  struct bs_rows probabilities) {
    done(q, bs_cuda_softmax(cuda_queue(q)->stream, logits, probabilities), "softmax");
}

void cuda_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw) {
    struct cuda_queue *data = q->data;
    struct bs_cuda_trained trained = cuda_trained(w);
    void *scratch = cuda_scratch(q, bs_cuda_update_scratch(trained.n));
    if (scratch)
        done(q, bs_cuda_update(data->stream, data->step, &trained, &adamw, scratch),
             "update");
}

void cuda_zero_gradients(struct bs_queue *q, struct bs_weights *w) {
    struct bs_cuda_trained trained = cuda_trained(w);
    done(q,
         cudaMemsetAsync(trained.gradient, 0, (size_t)trained.n * sizeof(float),
                         cuda_queue(q)->stream),
         "clearing gradients");
}
