/*
 * Linear layers by our own products, on processors where they are faster than the
 * library's: with AVX2 alone oneDNN packs its operands again for each tile of rows, and
 * gives other bits for other numbers of rows.
 */
#ifndef BS_COMPUTE_CPU_CPU_PANELS_H
#define BS_COMPUTE_CPU_CPU_PANELS_H

#include "compute/cpu/cpu.h"

/* Floats of the panels of a matrix b[rows, columns]. */
int64_t cpu_panels_size(int64_t rows, int64_t columns);

/* Packs W^T for x W^T. */
void cpu_panels_pack(const struct bs_cpu_kernels *kernels, struct bs_rows weight,
                     float *panels);

/* bs_linear and bs_linear_backward. */
void cpu_panels_linear(struct bs_queue *q, const struct bs_weights *w,
                       struct bs_linear linear, enum bs_activation activation,
                       struct bs_rows x, struct bs_rows pre, struct bs_rows y);
void cpu_panels_linear_backward(struct bs_queue *q, struct bs_weights *w,
                                struct bs_linear linear, struct bs_rows x,
                                struct bs_rows dy, struct bs_rows dx, bool accumulate);

#endif
