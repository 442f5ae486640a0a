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
 * part, the
 * back end keeps its own in `data`. A slot without a return value reports a failure
 * with bs_queue_fail, from the queue's own thread or, for asynchronous devices, when
 * queue_finish finds out. Operations of one queue run in the order of the calls; a
 * slot may return before the work is done, and then copies its small arguments first.
 *
 * A slot has the name and the arguments of the public function `bs_...` that calls it,
 * and its contract stands there. Where a slot differs, it is said below.
 *
 * To add an operation: declare it in compute.h with shapes, accumulation and aliasing;
 * add its slot here and raise BS_BACKEND_VERSION; check and forward it in operations.c;
 * write it as plain loops in ref/; write its test in tests/compute/, against finite
 * differences or a formula first, then against ref on every other back end. If it can
 * be composed of others, make the slot optional and compose it in compose.c: the other
 * back ends then need not know it.
 */
#ifndef BS_COMPUTE_BACKEND_H
#define BS_COMPUTE_BACKEND_H

#include "compute/compute.h"

/* Changes whenever anything in this header does. */
#define BS_BACKEND_VERSION 3

struct bs_backend;

struct bs_device {
    const struct bs_backend *backend;
    struct bs_device_info info; /* filled by device_open; strings live as long as it */
    void *data;
};

/* Memory of one parameter on the device: rows * columns floats each. Gradient and
 * moments are NULL unless it is trained. */
struct bs_slots {
    int64_t size; /* rows * columns */
    float *value, *gradient, *moment1, *moment2;
};

struct bs_weights {
    struct bs_device *device;
    struct bs_parameter *parameters;
    struct bs_slots *slots; /* [n_parameters] */
    int n_parameters;
    enum bs_precision precision;
    bool training;
    bool ready;   /* kept by weights.c */
    void *memory; /* from memory_new: all slots, each on whole cache lines */
    void *data;   /* what the back end derives from them */
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

struct bs_backend {
    uint32_t version;              /* BS_BACKEND_VERSION */
    const char *name;              /* as in bs_device_open */
    const char *(*describe)(void); /* for --version: "cpu(oneDNN 2.6.3)" */

    /* Fills device->info and device->data; BS_DEVICE if the hardware is not there. */
    int (*device_open)(struct bs_device *device, struct bs_error *error);
    void (*device_close)(struct bs_device *device);

    /* What is derived from parameters (packed, rounded). The common part is filled, all
     * slots are zero; weights_memory counts in `derived` alone. All four NULL: nothing
     * is derived. After a failure of weights_new or queue_new, nothing is left to free
     * and the _free slot is not called. */
    int (*weights_new)(struct bs_weights *weights, struct bs_error *error);
    void (*weights_free)(struct bs_weights *weights);
    int (*weights_ready)(struct bs_weights *weights, struct bs_error *error);
    struct bs_weights_memory (*weights_memory)(const struct bs_weights *weights);

    /* n floats between the host and a slot of the weights; they wait. */
    int (*weights_upload)(struct bs_weights *weights, float *to, const float *from,
                          int64_t n, struct bs_error *error);
    int (*weights_download)(const struct bs_weights *weights, const float *from,
                            float *to, int64_t n, struct bs_error *error);

    /* All scratch memory that operations of at most max_tokens rows need. */
    int (*queue_new)(struct bs_queue *queue, struct bs_error *error);
    void (*queue_free)(struct bs_queue *queue);
    /* Waits; reports with bs_queue_fail. */
    void (*queue_finish)(struct bs_queue *queue);

    /* Of arenas and weights: zeroed, aligned to 64 bytes or more. */
    int (*memory_new)(struct bs_device *device, int64_t bytes, void **memory,
                      struct bs_error *error);
    void (*memory_free)(struct bs_device *device, void *memory);

    void (*rows_upload)(struct bs_queue *queue, struct bs_rows to, const float *from);
    /* Waits; failures go to the queue. */
    void (*rows_download)(struct bs_queue *queue, struct bs_rows from, float *to);

    /* queue->batch and queue->step are set already; `new_update`: sums start anew. */
    void (*set_batch)(struct bs_queue *queue);
    void (*set_step)(struct bs_queue *queue, bool new_update);
    void (*set_loss_total)(struct bs_queue *queue, double total);
    /* Waits; failures go to the queue. */
    void (*read_step)(struct bs_queue *queue, struct bs_step_result *result);

    void (*embedding)(struct bs_queue *q, const struct bs_weights *w,
                      struct bs_embedding e, struct bs_rows sum);
    void (*embedding_backward)(struct bs_queue *q, struct bs_weights *w,
                               struct bs_embedding e, struct bs_rows dsum);
    void (*layer_norm)(struct bs_queue *q, const struct bs_weights *w,
                       struct bs_norm norm, struct bs_rows x, struct bs_rows stats,
                       struct bs_rows y, struct bs_rows y_low);
    void (*layer_norm_backward)(struct bs_queue *q, struct bs_weights *w,
                                struct bs_norm norm, struct bs_rows x,
                                struct bs_rows stats, struct bs_rows dy,
                                struct bs_rows dx);
    void (*dropout)(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                    struct bs_rows x, struct bs_rows y, struct bs_rows y_low);
    /* sum F32 = residual F32 + dropout(x of either type); sum = residual in place
     * allowed. What is kept is x * scale, rounded, then added. */
    void (*dropout_add)(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                        struct bs_rows x, struct bs_rows residual, struct bs_rows sum);
    /* bs_linear without an activation. */
    void (*linear)(struct bs_queue *q, const struct bs_weights *w,
                   struct bs_linear linear, struct bs_rows x, struct bs_rows y);
    /* y = activation(x), types equal, never BS_IDENTITY; in place allowed. */
    void (*activate)(struct bs_queue *q, enum bs_activation activation, struct bs_rows x,
                     struct bs_rows y);
    void (*linear_backward)(struct bs_queue *q, struct bs_weights *w,
                            struct bs_linear linear, struct bs_rows x, struct bs_rows dy,
                            struct bs_rows dx, bool accumulate);
    void (*gelu_backward)(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                          struct bs_rows dpre);
    void (*tanh_backward)(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                          struct bs_rows dpre);
    void (*attention)(struct bs_queue *queue, struct bs_attention attention,
                      struct bs_rows q, struct bs_rows k, struct bs_rows v,
                      struct bs_rows lse, struct bs_rows out);
    void (*attention_backward)(struct bs_queue *queue, struct bs_attention attention,
                               struct bs_rows q, struct bs_rows k, struct bs_rows v,
                               struct bs_rows lse, struct bs_rows out,
                               struct bs_rows dout, struct bs_rows dq, struct bs_rows dk,
                               struct bs_rows dv);
    void (*gather_first)(struct bs_queue *q, struct bs_rows x, struct bs_rows y);
    void (*scatter_first)(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx);
    void (*cross_entropy)(struct bs_queue *q, struct bs_rows logits,
                          const float *class_weights, float label_smoothing, float scale,
                          struct bs_rows dlogits);
    void (*softmax)(struct bs_queue *q, struct bs_rows logits,
                    struct bs_rows probabilities);
    void (*zero)(struct bs_queue *q, struct bs_rows rows);
    void (*copy)(struct bs_queue *q, struct bs_rows x, struct bs_rows y);
    void (*update)(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw);
    void (*zero_gradients)(struct bs_queue *q, struct bs_weights *w);

    /* ---- optional: NULL, and compose.c makes them of the ones above ---- */

    /* bs_linear with an activation other than BS_IDENTITY. */
    void (*linear_activate)(struct bs_queue *q, const struct bs_weights *w,
                            struct bs_linear linear, enum bs_activation activation,
                            struct bs_rows x, struct bs_rows pre, struct bs_rows y);
    void (*dropout_add_norm)(struct bs_queue *q, const struct bs_weights *w,
                             struct bs_norm norm, struct bs_dropout dropout,
                             bool first_only, struct bs_rows x, struct bs_rows residual,
                             struct bs_rows sum, struct bs_rows stats, struct bs_rows y,
                             struct bs_rows y_low);
    void (*dropout_add_norm_backward)(struct bs_queue *q, struct bs_weights *w,
                                      struct bs_norm norm, struct bs_dropout dropout,
                                      bool first_only, struct bs_rows sum,
                                      struct bs_rows stats, struct bs_rows dy,
                                      struct bs_rows dresidual, struct bs_rows dx);
};

/* Always there. */
extern const struct bs_backend bs_backend_ref;
/* Defined in cpu/, compiled in with BS_WITH_CPU (make ONEDNN=0 leaves it out). */
extern const struct bs_backend bs_backend_cpu;

#endif
