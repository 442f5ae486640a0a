/*
 * Back ends: what stands behind compute.h for one kind of hardware.
 *
 * A back end is one `const struct bs_backend`, a table of functions. compute.c has
 * checked every argument before a slot is called: shapes and types are as compute.h
 * says, required rows have data, absent ones have data NULL, the weights are ready,
 * the queue has a batch where one is needed, ids and labels are in range, a dropout
 * site is below 65536, and the queue has not failed. Slots therefore check nothing but
 * what only they can know (memory, hardware).
 *
 * The objects below are shared: their public functions make them and fill the common
 * part, the back end keeps its own in `data`. A slot without a return value reports a
 * failure with bs_queue_fail, from the queue's own thread or, for asynchronous devices,
 * when queue_finish finds out. Operations of one queue run in the order of the calls; a
 * slot may return before the work is done, and then copies its small arguments first.
 *
 * A slot has the name and the type of the public function `bs_...` that calls it, and its
 * contract stands there. Where a slot differs, it is said below.
 *
 * To add an operation: declare it in compute.h with shapes, accumulation and aliasing;
 * add its slot and its type here and raise BS_BACKEND_VERSION; check and forward it in
 * operations.c; write it as plain loops in ref/; write its test in tests/compute/,
 * against finite differences or a formula first, then against ref on every other back
 * end. If it can be composed of others, make the slot optional and compose it in
 * compose.c: the other back ends then need not know it.
 */
#ifndef BS_COMPUTE_BACKEND_H
#define BS_COMPUTE_BACKEND_H

#include "compute/compute.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Changes whenever anything in this header does. */
#define BS_BACKEND_VERSION 9

struct bs_backend;

struct bs_device {
    const struct bs_backend *backend;
    int ordinal;                /* which of several, from 0; asked for by name */
    struct bs_device_info info; /* filled by device_open; strings live as long as it */
    void *data;
};

/* Memory of one parameter on the device: rows * columns floats each, from a multiple of
 * BS_SLOT_ALIGNMENT floats on. Gradient and moments are NULL unless it is trained. */
enum { BS_SLOT_ALIGNMENT = 64 };
struct bs_slots {
    int64_t size; /* rows * columns */
    float *value, *gradient, *moment1, *moment2;
};

struct bs_weights {
    struct bs_device *device;
    struct bs_parameter *parameters;
    struct bs_slots *slots; /* [n_parameters] */
    bool *released;         /* [n_parameters]; values are not in their slot: lent, or
                               in the form of products alone */
    int n_parameters;
    enum bs_precision precision;
    bool training;
    bool ready; /* kept by weights.c */
    /* From memory_new: all values, then all gradients, first and second moments, each in
     * the same order: what is trained and decays, what else is trained, and, of values
     * alone, the rest. Gaps between them are zero. */
    void *memory;
    int64_t n_decaying, n_trained, n_values; /* floats to the end of each of the three */
    void *data;                              /* what the back end derives from them */
};

struct bs_queue {
    struct bs_device *device;
    int threads;
    int64_t max_tokens, max_length;
    struct bs_batch batch; /* n_sequences 0: none yet. Host pointers as given */
    struct bs_step step;   /* as given; all zero but loss_scale 1 before the first */
    bool has_step;
    struct bs_step_result result; /* of back ends in host memory (host.h); others keep it
                                     on the device (step.h) */
    struct bs_error failure;      /* code BS_OK: none */
    void *data;
};

/* Marks the queue as failed unless it already is. Safe from the queue's thread only. */
void bs_queue_fail(struct bs_queue *queue, enum bs_code code, const char *format, ...)
    BS_PRINTF(3, 4) __attribute__((cold));

/* Whether a parameter of these weights has gradient and moments. */
static inline bool bs_weights_trains(const struct bs_weights *weights, int index) {
    return weights->training && weights->parameters[index].trainable;
}

/* Tokens that belong to a sequence; the rest up to n_tokens is padding. */
static inline int64_t bs_batch_used(const struct bs_batch *batch) {
    return batch->offset[batch->n_sequences];
}

/*
 * Types of the slots, `bs_op_NAME`: what a back end declares its functions by,
 *     bs_op_softmax ref_softmax;
 * and defines them with their arguments.
 */

/* Fills device->info and device->data; BS_DEVICE if the hardware is not there. */
typedef int bs_op_device_open(struct bs_device *device, struct bs_error *error);
typedef void bs_op_device_close(struct bs_device *device);

/* Of arenas and weights: zeroed, aligned to 64 bytes or more. */
typedef int bs_op_memory_new(struct bs_device *device, int64_t bytes, void **memory,
                             struct bs_error *error);
typedef void bs_op_memory_free(struct bs_device *device, void *memory);

typedef __typeof__(bs_device_memory_used) bs_op_memory_used;

/* What is derived from parameters (packed, rounded). The common part is filled, all slots
 * are zero; weights_memory counts in `derived` alone. After a failure of weights_new or
 * queue_new, nothing is left to free and the _free slot is not called. */
typedef int bs_op_weights_new(struct bs_weights *weights, struct bs_error *error);
typedef void bs_op_weights_free(struct bs_weights *weights);
typedef __typeof__(bs_weights_ready) bs_op_weights_ready;
typedef __typeof__(bs_weights_memory) bs_op_weights_memory;

/* Takes whole rows of values straight into what is derived, if that is all that will be
 * needed of the parameter; else false. */
typedef bool bs_op_weights_pack(struct bs_weights *weights, int index, int64_t first_row,
                                int64_t rows, const float *values);
/* n floats between the host and a slot of the weights; they wait. */
typedef int bs_op_weights_upload(struct bs_weights *weights, float *to, const float *from,
                                 int64_t n, struct bs_error *error);
typedef int bs_op_weights_download(const struct bs_weights *weights, const float *from,
                                   float *to, int64_t n, struct bs_error *error);

/* All scratch memory that operations of at most max_tokens rows need. */
typedef int bs_op_queue_new(struct bs_queue *queue, struct bs_error *error);
typedef void bs_op_queue_free(struct bs_queue *queue);
/* Waits; reports with bs_queue_fail. */
typedef void bs_op_queue_finish(struct bs_queue *queue);

/* queue->batch and queue->step are set already; `new_update`: sums start anew. */
typedef void bs_op_set_batch(struct bs_queue *queue);
typedef void bs_op_set_step(struct bs_queue *queue, bool new_update);
typedef __typeof__(bs_set_loss_total) bs_op_set_loss_total;
typedef __typeof__(bs_set_loss_scale) bs_op_set_loss_scale;
/* Waits; failures go to the queue. */
typedef void bs_op_read_step(struct bs_queue *queue, struct bs_step_result *result);

typedef __typeof__(bs_rows_upload) bs_op_rows_upload;
/* Waits; failures go to the queue. */
typedef void bs_op_rows_download(struct bs_queue *queue, struct bs_rows from, float *to);

typedef __typeof__(bs_embedding) bs_op_embedding;
typedef __typeof__(bs_embedding_backward) bs_op_embedding_backward;
typedef __typeof__(bs_layer_norm) bs_op_layer_norm;
typedef __typeof__(bs_layer_norm_backward) bs_op_layer_norm_backward;
typedef __typeof__(bs_dropout) bs_op_dropout;
/* sum F32 = residual F32 + dropout(x of either type); sum = residual in place allowed.
 * What is kept is x * scale, rounded, then added. */
typedef void bs_op_dropout_add(struct bs_queue *q, struct bs_dropout dropout,
                               bool first_only, struct bs_rows x, struct bs_rows residual,
                               struct bs_rows sum);
/* bs_linear without an activation. */
typedef void bs_op_linear(struct bs_queue *q, const struct bs_weights *w,
                          struct bs_linear linear, struct bs_rows x, struct bs_rows y);
/* y = activation(x), types equal, never BS_IDENTITY; in place allowed. */
typedef void bs_op_activate(struct bs_queue *q, enum bs_activation activation,
                            struct bs_rows x, struct bs_rows y);
typedef __typeof__(bs_linear_backward) bs_op_linear_backward;
typedef __typeof__(bs_gelu_backward) bs_op_gelu_backward;
typedef __typeof__(bs_tanh_backward) bs_op_tanh_backward;
typedef __typeof__(bs_attention) bs_op_attention;
typedef __typeof__(bs_attention_backward) bs_op_attention_backward;
typedef __typeof__(bs_gather_first) bs_op_gather_first;
typedef __typeof__(bs_scatter_first) bs_op_scatter_first;
typedef __typeof__(bs_cross_entropy) bs_op_cross_entropy;
typedef __typeof__(bs_softmax) bs_op_softmax;
typedef __typeof__(bs_zero) bs_op_zero;
typedef __typeof__(bs_copy) bs_op_copy;
typedef __typeof__(bs_update) bs_op_update;
typedef __typeof__(bs_zero_gradients) bs_op_zero_gradients;

typedef __typeof__(bs_queue_record) bs_op_record;
typedef __typeof__(bs_queue_recorded) bs_op_recorded;

/* bs_linear with an activation other than BS_IDENTITY. */
typedef __typeof__(bs_linear) bs_op_linear_activate;
typedef __typeof__(bs_dropout_add_norm) bs_op_dropout_add_norm;
typedef __typeof__(bs_dropout_add_norm_backward) bs_op_dropout_add_norm_backward;

struct bs_backend {
    uint32_t version;              /* BS_BACKEND_VERSION */
    const char *name;              /* as in bs_device_open */
    const char *(*describe)(void); /* for --version: "cpu(oneDNN 2.6.3)" */

    bs_op_device_open *device_open;
    bs_op_device_close *device_close;
    bs_op_memory_new *memory_new;
    bs_op_memory_free *memory_free;

    /* All four NULL: nothing is derived from weights. */
    bs_op_weights_new *weights_new;
    bs_op_weights_free *weights_free;
    bs_op_weights_ready *weights_ready;
    bs_op_weights_memory *weights_memory;
    bs_op_weights_upload *weights_upload;
    bs_op_weights_download *weights_download;

    bs_op_queue_new *queue_new;
    bs_op_queue_free *queue_free;
    bs_op_queue_finish *queue_finish;
    bs_op_set_batch *set_batch;
    bs_op_set_step *set_step;
    bs_op_set_loss_total *set_loss_total;
    bs_op_set_loss_scale *set_loss_scale;
    bs_op_read_step *read_step;
    bs_op_rows_upload *rows_upload;
    bs_op_rows_download *rows_download;

    bs_op_embedding *embedding;
    bs_op_embedding_backward *embedding_backward;
    bs_op_layer_norm *layer_norm;
    bs_op_layer_norm_backward *layer_norm_backward;
    bs_op_dropout *dropout;
    bs_op_dropout_add *dropout_add;
    bs_op_linear *linear;
    bs_op_activate *activate;
    bs_op_linear_backward *linear_backward;
    bs_op_gelu_backward *gelu_backward;
    bs_op_tanh_backward *tanh_backward;
    bs_op_attention *attention;
    bs_op_attention_backward *attention_backward;
    bs_op_gather_first *gather_first;
    bs_op_scatter_first *scatter_first;
    bs_op_cross_entropy *cross_entropy;
    bs_op_softmax *softmax;
    bs_op_zero *zero;
    bs_op_copy *copy;
    bs_op_update *update;
    bs_op_zero_gradients *zero_gradients;

    /* Optional: NULL, and it is host memory. */
    bs_op_memory_used *memory_used;

    /* Optional: NULL, and all values go to their slots. */
    bs_op_weights_pack *weights_pack;

    /* Optional: NULL, and nothing is recorded. */
    bs_op_record *record;
    bs_op_recorded *recorded;

    /* Optional: NULL, and compose.c makes them of the ones above. */
    bs_op_linear_activate *linear_activate;
    bs_op_dropout_add_norm *dropout_add_norm;
    bs_op_dropout_add_norm_backward *dropout_add_norm_backward;
};

/* Always there. */
extern const struct bs_backend bs_backend_ref;
/* Defined in cpu/, compiled in with BS_WITH_CPU (make ONEDNN=0 leaves it out). */
extern const struct bs_backend bs_backend_cpu;
/* Defined in cuda/: in libbs-cuda.so, or compiled in with BS_WITH_CUDA (the tests'
 * build, whose run time is a stand-in). */
extern const struct bs_backend bs_backend_cuda __attribute__((visibility("default")));

#ifdef __cplusplus
}
#endif

#endif
