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

/* What products multiply. int8 is a whole number times a scale: one scale for each row of
 * a, one for each column of b, both symmetric; a's numbers are kept as unsigned bytes,
 * BS_INT8_OFFSET more than they are, and sums are exact. */
enum bs_cpu_operand { BS_CPU_F32, BS_CPU_BF16, BS_CPU_INT8, BS_CPU_OPERANDS };
enum { BS_INT8_OFFSET = 128 };

/* k goes by steps of four bytes: one, two or four elements of a row. What the last step
 * lacks is zero in b and not NaN in a. */
enum { BS_CPU_STEP = 4 };
static inline int64_t bs_cpu_steps(enum bs_cpu_operand operand, int64_t k) {
    return operand == BS_CPU_F32 ? k : operand == BS_CPU_BF16 ? (k + 1) / 2 : (k + 3) / 4;
}

/* b[k, n] in panels of so many columns as the table says: step after step, a word for
 * each column. Columns that the last panel lacks are zero. */
struct bs_cpu_panels {
    void *words;
    float *scales;   /* int8: [n] */
    int32_t *starts; /* int8: [n], whole panels: minus the offset's part of a sum */
};

/* y[m, n] = f(a[m, k] b[k, n] + bias) or, accumulating, y += a b. An element of y is
 * summed in the order of k, whatever m is. */
struct bs_cpu_product {
    enum bs_cpu_operand operand;
    int64_t steps;
    const void *a;
    int64_t a_row, a_step; /* bytes from row to row, from step to step */
    const void *panels;
    const float *a_scales, *b_scales; /* int8: [m], [n] */
    const int32_t *b_starts;          /* int8: [n], whole panels */
    const float *bias;                /* [n], or NULL */
    struct bs_rows pre, y;            /* pre: before f, of y's type, or absent */
    bool gelu, accumulate;
};

typedef void bs_cpu_product_function(const struct bs_cpu_product *p);

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

    /* y = layer norm of sum = x + residual, x of either type; without a residual x is F32
     * and sum is x. y_low as in bs_layer_norm; sum and residual may be y. */
    void (*layer_norm)(const float *gain, const float *bias, float epsilon,
                       struct bs_rows x, struct bs_rows residual, struct bs_rows sum,
                       struct bs_rows stats, struct bs_rows y, struct bs_rows y_low);
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

    /* Products by instructions made for them, or as good as it gets. */
    bool multiplies[BS_CPU_OPERANDS];
    int64_t panel; /* columns of one */
    bs_cpu_product_function *product;
    /* Panel number `panel` of b = `from`, of either type; not int8. */
    void (*pack)(enum bs_cpu_operand operand, struct bs_rows from, int64_t panel,
                 uint32_t *words);
    /* Columns `first` on of b are the rows of `from`; F32. */
    void (*pack_transposed)(enum bs_cpu_operand operand, struct bs_rows from,
                            int64_t first, struct bs_cpu_panels to);
    /* Rows to int8, `to_row` bytes apart, and their scales. */
    void (*quantize)(struct bs_rows x, uint8_t *to, int64_t to_row, float *scales);
};

/* The product of avx512bf16, in int8 by the tiles of AMX. */
bs_cpu_product_function bs_cpu_product_avx512amx;

extern const struct bs_cpu_kernels bs_cpu_kernels_plain;
extern const struct bs_cpu_kernels bs_cpu_kernels_avx2;
extern const struct bs_cpu_kernels bs_cpu_kernels_avx512;
extern const struct bs_cpu_kernels bs_cpu_kernels_avx512vnni;
extern const struct bs_cpu_kernels bs_cpu_kernels_avx512bf16;

#endif
