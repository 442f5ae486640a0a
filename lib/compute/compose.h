/*
 * Operations made of others, for back ends that leave the optional slots NULL. The
 * arguments have been checked. Results are those of the fused slots, but that what
 * passes through BF16 rows in between is rounded there.
 */
#ifndef BS_COMPUTE_COMPOSE_H
#define BS_COMPUTE_COMPOSE_H

#include "compute/backend.h"

bs_op_linear_activate bs_compose_linear; /* BS_IDENTITY too */
bs_op_dropout_add_norm bs_compose_dropout_add_norm;
bs_op_dropout_add_norm_backward bs_compose_dropout_add_norm_backward;

#endif
