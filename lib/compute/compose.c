/* Fused operations composed of the basic slots; see compose.h. */
#include "compute/compose.h"

void bs_compose_linear(struct bs_queue *q, const struct bs_weights *w,
                       struct bs_linear linear, enum bs_activation activation,
                       struct bs_rows x, struct bs_rows pre, struct bs_rows y) {
    const struct bs_backend *backend = q->device->backend;
    struct bs_rows product = pre.data ? pre : y;
    backend->linear(q, w, linear, x, product);
    if (activation != BS_IDENTITY)
        backend->activate(q, activation, product, y);
    else if (pre.data)
        backend->copy(q, pre, y);
}

void bs_compose_dropout_add_norm(struct bs_queue *q, const struct bs_weights *w,
                                 struct bs_norm norm, struct bs_dropout dropout,
                                 bool first_only, struct bs_rows x,
                                 struct bs_rows residual, struct bs_rows sum,
                                 struct bs_rows stats, struct bs_rows y,
                                 struct bs_rows y_low) {
    const struct bs_backend *backend = q->device->backend;
    struct bs_rows total = sum.data ? sum : y;
    backend->dropout_add(q, dropout, first_only, x, residual, total);
    backend->layer_norm(q, w, norm, total, stats, y, y_low);
}

void bs_compose_dropout_add_norm_backward(struct bs_queue *q, struct bs_weights *w,
                                          struct bs_norm norm, struct bs_dropout dropout,
                                          bool first_only, struct bs_rows sum,
                                          struct bs_rows stats, struct bs_rows dy,
                                          struct bs_rows dresidual, struct bs_rows dx) {
    const struct bs_backend *backend = q->device->backend;
    backend->layer_norm_backward(q, w, norm, sum, stats, dy, dresidual);
    backend->dropout(q, dropout, first_only, dresidual, dx, (struct bs_rows){0});
}
