/* oneDNN's matmul primitive behind plain pointers. Its objects for memory are made in
 * advance and pointed elsewhere for each call; packed weights have one that all threads
 * read. */
#include "compute/cpu/onednn.h"
#include "compute/cpu/cpu_memory.h"

#include "common/buffer.h"

#include <dlfcn.h>
#include <dnnl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bs_product {
    struct bs_product_shape shape;
    int number;  /* in the order of making */
    bool packed; /* w is; shape.packed is not kept */
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t x, w, y, bias, scratch;
    struct bs_product *next;
};

struct bs_products {
    dnnl_engine_t engine;
    pthread_mutex_t mutex;
    struct bs_product *first;
    int count;
};

struct bs_packed {
    dnnl_memory_desc_t layout;
    dnnl_memory_t from, to;
    dnnl_memory_t scratch; /* of the reorder */
    dnnl_primitive_t reorder;
    void *data, *scratch_data;
};

enum argument { ARG_X, ARG_W, ARG_Y, ARG_BIAS, ARG_SCRATCH, N_ARGUMENTS };
static const int argument_names[N_ARGUMENTS] = {
    DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS, DNNL_ARG_SCRATCHPAD};

struct arguments {
    bool made;
    dnnl_memory_t memory[N_ARGUMENTS];
};

struct bs_product_worker {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    void *scratch;
    size_t scratch_bytes;
    struct arguments *arguments; /* by number of the product */
    int n_arguments;
};

static int dnnl_failed(struct bs_error *error, const char *what, dnnl_status_t status) {
    if (status == dnnl_out_of_memory)
        return bs_fail(error, BS_RESOURCE, "out of memory (oneDNN, %s)", what);
    return bs_fail(error, BS_DEVICE, "oneDNN cannot do %s (status %d)", what,
                   (int)status);
}

/* ---- the library ---- */

void bs_onednn_limit(enum bs_onednn_limit limit) {
    static const dnnl_cpu_isa_t sets[] = {[BS_ONEDNN_AVX512] = dnnl_cpu_isa_avx512_core,
                                          [BS_ONEDNN_AVX2] = dnnl_cpu_isa_avx2,
                                          [BS_ONEDNN_LEAST] = dnnl_cpu_isa_sse41};
    /* Whatever its environment variable says: its log would go to stdout. */
    dnnl_set_verbose(0);
    if (limit != BS_ONEDNN_ANY) /* else as its own environment variable says */
        dnnl_set_max_cpu_isa(sets[limit]);
}

bool bs_onednn_has_amx(void) {
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
}

const char *bs_onednn_version(void) {
    static char text[48];
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", version->major, version->minor,
             version->patch);
    return text;
}

/* oneDNN takes as many OpenMP threads as the calling thread's setting says; 1 means
 * that it stays on the calling thread. A build without OpenMP lacks the symbol. */
static void stay_on_this_thread(void) {
    static _Thread_local bool done;
    if (done)
        return;
    done = true;
    void (*set_threads)(int);
    *(void **)&set_threads = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set_threads)
        set_threads(1);
}

static dnnl_data_type_t data_type(enum bs_type type) {
    return type == BS_F32 ? dnnl_f32 : dnnl_bf16;
}

static dnnl_status_t plain(dnnl_memory_desc_t *desc, enum bs_type type, int64_t rows,
                           int64_t columns, struct bs_strides strides) {
    dnnl_dims_t size = {rows, columns}, step = {strides.row, strides.column};
    return dnnl_memory_desc_init_by_strides(desc, 2, size, data_type(type), step);
}

/* ---- the cache ---- */

int bs_products_new(struct bs_products **result, struct bs_error *error) {
    struct bs_products *products = bs_alloc(1, sizeof *products);
    if (!products)
        return bs_fail_memory(error, sizeof *products, "matrix products");
    stay_on_this_thread();
    dnnl_status_t status = dnnl_engine_create(&products->engine, dnnl_cpu, 0);
    if (status != dnnl_success) {
        free(products);
        return dnnl_failed(error, "products on this processor", status);
    }
    pthread_mutex_init(&products->mutex, NULL);
    *result = products;
    return BS_OK;
}

void bs_products_free(struct bs_products *products) {
    if (!products)
        return;
    while (products->first) {
        struct bs_product *product = products->first;
        products->first = product->next;
        dnnl_primitive_destroy(product->primitive);
        free(product);
    }
    dnnl_engine_destroy(products->engine);
    pthread_mutex_destroy(&products->mutex);
    free(products);
}

static dnnl_status_t make_attributes(dnnl_primitive_attr_t *attributes, bool accumulate) {
    dnnl_status_t status = dnnl_primitive_attr_create(attributes);
    if (!status)
        status = dnnl_primitive_attr_set_scratchpad_mode(*attributes,
                                                         dnnl_scratchpad_mode_user);
    if (status || !accumulate)
        return status;
    dnnl_post_ops_t after = NULL;
    status = dnnl_post_ops_create(&after);
    if (!status)
        status = dnnl_post_ops_append_sum(after, 1.0F);
    if (!status)
        status = dnnl_primitive_attr_set_post_ops(*attributes, after);
    dnnl_post_ops_destroy(after);
    return status;
}

/* The description of a product whose x, w, y and bias are described already. */
static dnnl_status_t describe(dnnl_primitive_desc_t *desc, const struct bs_product *p,
                              dnnl_engine_t engine) {
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = dnnl_matmul_desc_init(&matmul, &p->x, &p->w,
                                                 p->shape.bias ? &p->bias : NULL, &p->y);
    if (!status)
        status = make_attributes(&attributes, p->shape.accumulate);
    if (!status)
        status = dnnl_primitive_desc_create(desc, &matmul, attributes, engine, NULL);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static dnnl_status_t build(struct bs_product *p, dnnl_engine_t engine) {
    const struct bs_product_shape *s = &p->shape;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = plain(&p->x, s->type, s->m, s->k, s->x);
    if (!status && s->packed)
        p->w = s->packed->layout;
    else if (!status)
        status = plain(&p->w, s->type, s->k, s->n, s->w);
    if (!status)
        status = plain(&p->y, s->y_type, s->m, s->n, (struct bs_strides){s->y_row, 1});
    if (!status && s->bias)
        status = plain(&p->bias, BS_F32, 1, s->n, (struct bs_strides){s->n, 1});
    if (!status)
        status = describe(&desc, p, engine);
    if (!status)
        p->scratch = *dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    if (!status)
        status = dnnl_primitive_create(&p->primitive, desc);
    dnnl_primitive_desc_destroy(desc);
    return status;
}

static bool same_strides(struct bs_strides a, struct bs_strides b) {
    return a.row == b.row && a.column == b.column;
}

static bool same_weights(const struct bs_product *product,
                         const struct bs_product_shape *wanted) {
    if (product->packed || wanted->packed)
        return product->packed && wanted->packed &&
               dnnl_memory_desc_equal(&product->w, &wanted->packed->layout);
    return same_strides(product->shape.w, wanted->w);
}

static bool has_shape(const struct bs_product *product,
                      const struct bs_product_shape *b) {
    const struct bs_product_shape *a = &product->shape;
    return a->m == b->m && a->n == b->n && a->k == b->k && a->type == b->type &&
           a->y_type == b->y_type && same_strides(a->x, b->x) && a->y_row == b->y_row &&
           a->bias == b->bias && a->accumulate == b->accumulate &&
           same_weights(product, b);
}

static int make_product(struct bs_product **made, struct bs_products *products,
                        const struct bs_product_shape *shape, struct bs_error *error) {
    struct bs_product *product = bs_alloc(1, sizeof *product);
    if (!product)
        return bs_fail_memory(error, sizeof *product, "a matrix product");
    stay_on_this_thread();
    product->shape = *shape;
    product->packed = shape->packed != NULL;
    product->number = products->count;
    dnnl_status_t status = build(product, products->engine);
    product->shape.packed = NULL; /* may not live as long */
    if (status != dnnl_success) {
        free(product);
        char what[96];
        snprintf(what, sizeof what, "%s products of [%lld, %lld] by [%lld, %lld]",
                 shape->type == BS_F32 ? "fp32" : "bf16", (long long)shape->m,
                 (long long)shape->k, (long long)shape->k, (long long)shape->n);
        return dnnl_failed(error, what, status);
    }
    product->next = products->first;
    products->first = product;
    products->count++;
    *made = product;
    return BS_OK;
}

int bs_product_get(const struct bs_product **found, struct bs_products *products,
                   const struct bs_product_shape *shape, struct bs_error *error) {
    int code = BS_OK;
    pthread_mutex_lock(&products->mutex);
    struct bs_product *product = products->first;
    while (product && !has_shape(product, shape))
        product = product->next;
    if (!product)
        code = make_product(&product, products, shape, error);
    pthread_mutex_unlock(&products->mutex);
    *found = product;
    return code;
}

/* ---- packed weights ---- */

/* Asks a product that may choose for the layout it wants. */
static dnnl_status_t ask_layout(dnnl_memory_desc_t *layout, struct bs_products *products,
                                int64_t m, int64_t n, int64_t k, enum bs_type type) {
    struct bs_product p = {.shape = {.m = m, .n = n, .k = k, .bias = true}};
    dnnl_dims_t size = {k, n};
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = plain(&p.x, type, m, k, (struct bs_strides){k, 1});
    if (!status)
        status = dnnl_memory_desc_init_by_tag(&p.w, 2, size, data_type(type),
                                              dnnl_format_tag_any);
    if (!status)
        status = plain(&p.y, type, m, n, (struct bs_strides){n, 1});
    if (!status)
        status = plain(&p.bias, BS_F32, 1, n, (struct bs_strides){n, 1});
    if (!status)
        status = describe(&desc, &p, products->engine);
    if (!status)
        *layout = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(desc);
    return status;
}

static dnnl_status_t make_memory(dnnl_memory_t *memory, void **data,
                                 const dnnl_memory_desc_t *desc, dnnl_engine_t engine) {
    size_t bytes = dnnl_memory_desc_get_size(desc);
    *data = cpu_alloc(bytes);
    if (!*data)
        return dnnl_out_of_memory;
    return dnnl_memory_create(memory, desc, engine, *data);
}

static dnnl_status_t make_packed(struct bs_packed *packed, struct bs_products *products,
                                 const dnnl_memory_desc_t *source, float *from) {
    dnnl_engine_t engine = products->engine;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = make_attributes(&attributes, false);
    if (!status)
        status = dnnl_reorder_primitive_desc_create(&desc, source, engine,
                                                    &packed->layout, engine, attributes);
    if (!status)
        status = dnnl_primitive_create(&packed->reorder, desc);
    if (!status)
        status = dnnl_memory_create(&packed->from, source, engine, from);
    if (!status)
        status = make_memory(&packed->to, &packed->data, &packed->layout, engine);
    if (!status)
        status = make_memory(
            &packed->scratch, &packed->scratch_data,
            dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0), engine);
    dnnl_primitive_desc_destroy(desc);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

int bs_packed_new(struct bs_packed **result, struct bs_products *products, int64_t m,
                  int64_t n, int64_t k, enum bs_type type, const float *from,
                  struct bs_strides strides, struct bs_error *error) {
    struct bs_packed *packed = bs_alloc(1, sizeof *packed);
    if (!packed)
        return bs_fail_memory(error, sizeof *packed, "packed weights");
    stay_on_this_thread();
    dnnl_memory_desc_t source;
    dnnl_status_t status = plain(&source, BS_F32, k, n, strides);
    if (!status)
        status = ask_layout(&packed->layout, products, m, n, k, type);
    if (!status)
        status = make_packed(packed, products, &source, (float *)from);
    if (status != dnnl_success) {
        bs_packed_free(packed);
        return dnnl_failed(error, "packed weights", status);
    }
    *result = packed;
    return BS_OK;
}

void bs_packed_free(struct bs_packed *packed) {
    if (!packed)
        return;
    dnnl_primitive_destroy(packed->reorder);
    dnnl_memory_destroy(packed->from);
    dnnl_memory_destroy(packed->to);
    dnnl_memory_destroy(packed->scratch);
    cpu_free(packed->data);
    cpu_free(packed->scratch_data);
    free(packed);
}

int64_t bs_packed_bytes(const struct bs_packed *packed) {
    return (int64_t)dnnl_memory_desc_get_size(&packed->layout);
}

void *bs_packed_data(const struct bs_packed *packed) {
    return packed->data;
}

bool bs_packed_refresh(const struct bs_packed *packed, struct bs_product_worker *worker) {
    stay_on_this_thread();
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, packed->from},
                                   {DNNL_ARG_TO, packed->to},
                                   {DNNL_ARG_SCRATCHPAD, packed->scratch}};
    return dnnl_primitive_execute(packed->reorder, worker->stream, 3, arguments) ==
           dnnl_success;
}

/* ---- running ---- */

int bs_product_worker_new(struct bs_product_worker **result, struct bs_products *products,
                          struct bs_error *error) {
    struct bs_product_worker *worker = bs_alloc(1, sizeof *worker);
    if (!worker)
        return bs_fail_memory(error, sizeof *worker, "a worker");
    worker->engine = products->engine;
    dnnl_status_t status =
        dnnl_stream_create(&worker->stream, worker->engine, dnnl_stream_in_order);
    if (status != dnnl_success) {
        free(worker);
        return dnnl_failed(error, "a stream", status);
    }
    *result = worker;
    return BS_OK;
}

void bs_product_worker_free(struct bs_product_worker *worker) {
    if (!worker)
        return;
    for (int i = 0; i < worker->n_arguments; i++)
        for (int j = 0; j < N_ARGUMENTS; j++)
            dnnl_memory_destroy(worker->arguments[i].memory[j]);
    dnnl_stream_destroy(worker->stream);
    free(worker->arguments);
    cpu_free(worker->scratch);
    free(worker);
}

static bool reserve(struct bs_product_worker *worker, int number, size_t scratch) {
    if (number >= worker->n_arguments) {
        int count = number + 32;
        struct arguments *more = realloc(worker->arguments, (size_t)count * sizeof *more);
        if (!more)
            return false;
        memset(more + worker->n_arguments, 0,
               (size_t)(count - worker->n_arguments) * sizeof *more);
        worker->arguments = more;
        worker->n_arguments = count;
    }
    if (scratch > worker->scratch_bytes) {
        cpu_free(worker->scratch);
        worker->scratch_bytes = 0;
        worker->scratch = cpu_alloc(scratch);
        if (!worker->scratch)
            return false;
        worker->scratch_bytes = scratch;
    }
    return true;
}

int bs_product_prepare(const struct bs_product *p, struct bs_product_worker *worker,
                       struct bs_error *error) {
    size_t scratch = dnnl_memory_desc_get_size(&p->scratch);
    if (!reserve(worker, p->number, scratch))
        return bs_fail_memory(error, scratch, "matrix products");
    struct arguments *arguments = &worker->arguments[p->number];
    if (arguments->made)
        return BS_OK;
    const dnnl_memory_desc_t *descs[N_ARGUMENTS] = {
        &p->x, p->packed ? NULL : &p->w, &p->y, p->shape.bias ? &p->bias : NULL,
        &p->scratch};
    for (int i = 0; i < N_ARGUMENTS; i++) {
        dnnl_status_t status = dnnl_success;
        if (descs[i] && !arguments->memory[i])
            status = dnnl_memory_create(&arguments->memory[i], descs[i], worker->engine,
                                        DNNL_MEMORY_NONE);
        if (status != dnnl_success)
            return dnnl_failed(error, "memory objects", status);
    }
    arguments->made = true;
    return BS_OK;
}

bool bs_product_run(const struct bs_product *p, struct bs_product_worker *worker,
                    const struct bs_operands *operands) {
    stay_on_this_thread();
    const struct arguments *made = &worker->arguments[p->number];
    const void *data[N_ARGUMENTS] = {operands->x, operands->w, operands->y,
                                     operands->bias, worker->scratch};
    dnnl_exec_arg_t arguments[N_ARGUMENTS];
    int count = 0;
    for (int i = 0; i < N_ARGUMENTS; i++) {
        dnnl_memory_t memory = made->memory[i];
        if (memory && dnnl_memory_set_data_handle_v2(memory, (void *)data[i],
                                                     worker->stream) != dnnl_success)
            return false;
        if (i == ARG_W && p->packed)
            memory = operands->packed->to;
        if (memory)
            arguments[count++] = (dnnl_exec_arg_t){argument_names[i], memory};
    }
    return dnnl_primitive_execute(p->primitive, worker->stream, count, arguments) ==
           dnnl_success;
}
