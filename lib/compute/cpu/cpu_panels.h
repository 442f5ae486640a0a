/*
 * Linear layers by our own products. One thread takes some rows through a whole layer:
 * product, bias and activation. The gradients of weights are summed over rows in their
 * order; x and dy are packed first.
 */
#ifndef BS_COMPUTE_CPU_CPU_PANELS_H
#define BS_COMPUTE_CPU_CPU_PANELS_H

#include "compute/cpu/cpu.h"

/* Room for the panels of b[k, n]. */
int cpu_panels_new(struct bs_cpu_panels *panels, const struct bs_cpu_kernels *kernels,
                   enum bs_cpu_operand operand, int64_t k, int64_t n,
                   struct bs_error *error) BS_MUST_CHECK;
void cpu_panels_free(struct bs_cpu_panels *panels);
/* Of the words, and in all. */
int64_t cpu_panels_words(const struct bs_cpu_kernels *kernels,
                         enum bs_cpu_operand operand, int64_t k, int64_t n);
int64_t cpu_panels_bytes(const struct bs_cpu_kernels *kernels,
                         enum bs_cpu_operand operand, int64_t k, int64_t n);

/* b = from, or its transpose. */
void cpu_panels_pack(const struct bs_cpu_kernels *kernels, enum bs_cpu_operand operand,
                     struct bs_rows from, bool transposed, struct bs_cpu_panels panels);

/* bs_linear and bs_linear_backward. */
void cpu_panels_linear(struct bs_queue *q, const struct bs_weights *w,
                       struct bs_linear linear, enum bs_activation activation,
                       struct bs_rows x, struct bs_rows pre, struct bs_rows y);
void cpu_panels_linear_backward(struct bs_queue *q, struct bs_weights *w,
                                struct bs_linear linear, struct bs_rows x,
                                struct bs_rows dy, struct bs_rows dx, bool accumulate);

#endif
