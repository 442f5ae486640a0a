/*
 * Operations made of others, for back ends that leave the optional slots NULL. The
 * arguments have been checked. Results are those of the fused slots, but that what
 * passes through BF16 rows in between is rounded there.
 */
#ifndef BS_COMPUTE_COMPOSE_H
#define BS_COMPUTE_COMPOSE_H

#include "compute/backend.h"

void bs_compose_linear(struct bs_queue *q, const struct bs_weights *w,
                       struct bs_linear linear, enum bs_activation activation,
                       struct bs_rows x, struct bs_rows pre, struct bs_rows y);
void bs_compose_dropout_add_norm(struct bs_queue *q, const struct bs_weights *w,
                                 struct bs_norm norm, struct bs_dropout dropout,
                                 bool first_only, struct bs_rows x,
                                 struct bs_rows residual, struct bs_rows sum,
                                 struct bs_rows stats, struct bs_rows y,
                                 struct bs_rows y_low);
void bs_compose_dropout_add_norm_backward(struct bs_queue *q, struct bs_weights *w,
                                          struct bs_norm norm, struct bs_dropout dropout,
                                          bool first_only, struct bs_rows sum,
                                          struct bs_rows stats, struct bs_rows dy,
                                          struct bs_rows dresidual, struct bs_rows dx);

#endif
