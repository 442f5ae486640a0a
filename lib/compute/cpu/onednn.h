/*
 * Matrix products by oneDNN: the only door to it.
 *
 * A product is y[m, n] = x[m, k] w[k, n] (+ bias[n]) or y += x w, for one fixed shape and
 * set of strides, run by the thread that calls and by no other: oneDNN's own threading
 * is switched off for that thread. Products are made once, kept in a cache that all
 * queues of a device share, and never freed before it.
 *
 * w is either packed (oneDNN's own layout, made from a plain matrix by bs_packed) or
 * plain with given strides.
 *
 * Calls: bs_products_new; bs_packed_new for weights; then bs_product_get, which any
 * thread may call at any time, bs_product_prepare for each worker that will run it, and
 * bs_product_run.
 */
#ifndef BS_COMPUTE_CPU_ONEDNN_H
#define BS_COMPUTE_CPU_ONEDNN_H

#include "compute/compute.h"

/* Instruction sets to stay within. Also silences oneDNN, whose own log would go to
 * standard output. Takes effect if called before anything else here. */
enum bs_onednn_limit {
    BS_ONEDNN_ANY,
    BS_ONEDNN_AVX512, /* without bf16 and AMX */
    BS_ONEDNN_AVX2,
    BS_ONEDNN_LEAST,
};
void bs_onednn_limit(enum bs_onednn_limit limit);

/* Whether products of bf16 go through AMX. */
bool bs_onednn_has_amx(void);

/* "oneDNN 2.6.3" */
const char *bs_onednn_version(void);

struct bs_products;
int bs_products_new(struct bs_products **products, struct bs_error *error) BS_MUST_CHECK;
void bs_products_free(struct bs_products *products);

/* A plain matrix element (i, j) lies at i * row + j * column. */
struct bs_strides {
    int64_t row, column;
};

struct bs_packed;

struct bs_product_shape {
    int64_t m, n, k;
    enum bs_type type, y_type; /* of x and w; of y */
    struct bs_strides x, w;    /* w: unless packed */
    int64_t y_row;
    const struct bs_packed *packed; /* one of that layout; NULL: w is plain */
    bool bias, accumulate;          /* not both */
};

/* A packed copy of w[k, n], of `type`, for products of `m` rows. The values come from
 * the F32 matrix `from` (strides `strides`) whenever bs_packed_refresh is called; `from`
 * must live as long. */
int bs_packed_new(struct bs_packed **packed, struct bs_products *products, int64_t m,
                  int64_t n, int64_t k, enum bs_type type, const float *from,
                  struct bs_strides strides, struct bs_error *error) BS_MUST_CHECK;
void bs_packed_free(struct bs_packed *packed);
int64_t bs_packed_bytes(const struct bs_packed *packed);
/* The elements, in an order of oneDNN's own: for work that treats all alike. */
void *bs_packed_data(const struct bs_packed *packed);

/* What a thread needs to run products; used by one thread at a time. */
struct bs_product_worker;
int bs_product_worker_new(struct bs_product_worker **worker, struct bs_products *products,
                          struct bs_error *error) BS_MUST_CHECK;
void bs_product_worker_free(struct bs_product_worker *worker);

/* False: oneDNN failed. */
bool bs_packed_refresh(const struct bs_packed *packed, struct bs_product_worker *worker);

/* Finds the product or makes it. */
struct bs_product;
int bs_product_get(const struct bs_product **product, struct bs_products *products,
                   const struct bs_product_shape *shape,
                   struct bs_error *error) BS_MUST_CHECK;

/* Memory and arguments for running it; cheap when they are there. */
int bs_product_prepare(const struct bs_product *product, struct bs_product_worker *worker,
                       struct bs_error *error) BS_MUST_CHECK;

struct bs_operands {
    const void *x, *w;              /* w: a plain matrix, or NULL */
    const struct bs_packed *packed; /* or packed, of the layout that the shape named */
    const float *bias;              /* or NULL, as the shape says */
    void *y;
};
/* False: oneDNN failed. */
bool bs_product_run(const struct bs_product *product, struct bs_product_worker *worker,
                    const struct bs_operands *operands);

#endif
