/*
 * Kernels: what one thread does to a few rows. One table for each instruction set, all
 * from the same sources; device.c takes the best that the processor has.
 *
 * Views are as in compute.h and small enough to stay in a cache: callers cut operations
 * into tiles. Nothing here allocates, locks or fails.
 */
#ifndef BS_COMPUTE_CPU_KERNELS_H
#define BS_COMPUTE_CPU_KERNELS_H

#include "compute/compute.h"
#include "compute/step.h"

/* Dropout of some rows: row r is token place[r] of example[r]; place NULL: token 0. */
struct bs_cpu_dropout {
    uint32_t threshold; /* 0: keep all */
    uint32_t site, update;
    uint64_t seed;
    const uint32_t *example, *place;
};

/* One head of one sequence. q, out: [n, D]; k, v: [length, D], and so their gradients.
 * lse: one float a row of q, `lse_stride` apart, or NULL. */
struct bs_cpu_attention {
    struct bs_rows q, k, v, out, dout, dq, dk, dv;
    float *lse;
    int64_t lse_stride;
    float scale;
    struct bs_cpu_dropout dropout; /* example of the sequence; place unused */
    uint32_t head;
};

/* A product c[m, n] = a[m, k] b[k, n] + bias or, accumulating, c += a b. An element of c
 * is summed in the order of k, whatever m is. b is packed in panels of BS_CPU_PANEL
 * columns, row after row; those that the last one lacks are zero. */
enum { BS_CPU_PANEL = 16 };
struct bs_cpu_product {
    int64_t m, n, k;
    const float *a;
    int64_t a_row, a_column; /* strides */
    const float *b;
    int64_t b_panel;   /* floats from one panel to the next */
    const float *bias; /* [n], or NULL */
    float *c;
    int64_t c_row; /* stride */
    bool accumulate;
};
static inline int64_t bs_cpu_panels(int64_t columns) {
    return (columns + BS_CPU_PANEL - 1) / BS_CPU_PANEL;
}

struct bs_cpu_kernels {
    const char *name; /* "AVX-512", ... */

    void (*copy)(struct bs_rows x, struct bs_rows y);
    void (*add)(struct bs_rows x, struct bs_rows y); /* y += x, F32 */
    /* y = x rounded to bf16; in place allowed. */
    void (*round)(const float *x, float *y, int64_t n);
    void (*gelu)(struct bs_rows x, struct bs_rows y);
    void (*gelu_backward)(struct bs_rows pre, struct bs_rows dy, struct bs_rows dpre);
    void (*tanh)(struct bs_rows x, struct bs_rows y);
    void (*tanh_backward)(struct bs_rows y, struct bs_rows dy, struct bs_rows dpre);
    /* sum[i] += over the rows of x. */
    void (*column_sums)(struct bs_rows x, float *sums);

    /* y = dropout(x) + residual, F32 or absent; y and y_low as in bs_dropout. */
    void (*dropout)(const struct bs_cpu_dropout *dropout, struct bs_rows x,
                    struct bs_rows residual, struct bs_rows y, struct bs_rows y_low);

    void (*layer_norm)(const float *gain, const float *bias, float epsilon,
                       struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                       struct bs_rows y_low);
    /* sums [2 * columns] += gradients of gain, then of bias; NULL: not wanted. */
    void (*layer_norm_backward)(const float *gain, struct bs_rows x, struct bs_rows stats,
                                struct bs_rows dy, struct bs_rows dx, float *sums);

    /* Floats of scratch for sequences of `length` and heads of `width`. */
    int64_t (*attention_scratch)(int64_t length, int64_t width, bool backward);
    void (*attention)(const struct bs_cpu_attention *a, float *scratch);
    void (*attention_backward)(const struct bs_cpu_attention *a, float *scratch);

    /* Sum of squares of n floats. */
    double (*squares)(const float *x, int64_t n);
    /* One AdamW step of n elements; gradients become zero. */
    void (*adamw)(const struct bs_adamw_factors *f, float *value, float *gradient,
                  float *moment1, float *moment2, int64_t n);

    /* NULL where the library's products are better. */
    void (*product)(const struct bs_cpu_product *p);
    /* One panel of a matrix or, `turned`, of the transposed matrix, then F32. */
    void (*pack)(struct bs_rows from, bool turned, int64_t panel, float *to);
};

extern const struct bs_cpu_kernels bs_cpu_kernels_plain;
extern const struct bs_cpu_kernels bs_cpu_kernels_avx2;
extern const struct bs_cpu_kernels bs_cpu_kernels_avx512;

#endif
