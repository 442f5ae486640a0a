/*
 * Compute: what a transformer needs of a device, and nothing of what a transformer is.
 *
 * Four kinds of object:
 *   device   what hardware, which instruction sets, how much memory;
 *   weights  the parameters of a model on a device, made from a table; what a back end
 *            derives from them (packed, transposed, bf16) stays behind it;
 *   queue    order, scratch memory, the sticky error; one for each CPU worker or CUDA
 *            stream;
 *   rows     typed activations: a view into an arena, passed by value.
 *
 * Order of calls: bs_device_open, bs_weights_new, bs_weights_upload..., bs_queue_new,
 * bs_arena_new; then operations; bs_queue_finish before results are looked at. Objects
 * are freed in the reverse order. A device and weights may be used by many queues at
 * once as long as none writes to the weights; a queue and its arenas by one thread.
 *
 * Operations are put on a queue and return nothing. After the first failure a queue
 * ignores what follows, and bs_queue_finish returns the failure. Wrong shapes are a
 * defect of the caller: they are caught here, once for all back ends, and become the
 * queue's failure too (BS_DEVICE, naming operation and shapes).
 *
 * Numbers. Every sum has a fixed order that does not depend on the number of threads,
 * nor on which other sequences are in the batch; but on a GPU the order of sums in
 * backward passes may depend on the batch's n_tokens. Rows in BF16 or F16 are rounded to
 * nearest even when written (subnormal ones may become 0); sums, layer norm, softmax and
 * losses are in fp32 inside.
 *
 * What a back end is, and how to add an operation: backend.h.
 *
 * Shapes: T tokens (rows of a batch, padding to the row tile included), B sequences,
 * C hidden_size, H heads, D = C / H, F intermediate_size, K labels.
 */
#ifndef BS_COMPUTE_COMPUTE_H
#define BS_COMPUTE_COMPUTE_H

#include "common/error.h"
#include "common/host_device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bs_type { BS_F32, BS_BF16, BS_F16 };

/* Bytes of one element. */
size_t bs_type_size(enum bs_type type);

/* What matrix products multiply. In all of them master weights, moments, the residual
 * stream, softmax, layer norm and losses are fp32. */
enum bs_precision {
    BS_PRECISION_FP32,
    BS_PRECISION_BF16,
    BS_PRECISION_FP16, /* gradients are scaled; see bs_loss_scale */
    BS_PRECISION_TF32, /* fp32 rows, rounded to ten fraction bits where they multiply */
    BS_PRECISION_INT8, /* bf16 rows; where they multiply, rows of x and of weights are
                          whole numbers up to 127 times a scale of their own. Not for
                          training */
    BS_N_PRECISIONS,
    BS_N_TRAINING_PRECISIONS = BS_PRECISION_INT8 /* those before it */
};
/* "fp32", "bf16", "fp16", "tf32", "int8". BS_USAGE lists them. */
int bs_precision_parse(const char *name, enum bs_precision *precision,
                       struct bs_error *error) BS_MUST_CHECK;
const char *bs_precision_name(enum bs_precision precision);
/* Type of the rows that enter products, and of their low-precision copies: BS_F32 (no
 * copies are wanted), BS_BF16 or BS_F16. */
enum bs_type bs_precision_type(enum bs_precision precision);

/* ---- device ------------------------------------------------------------------- */

struct bs_device;

/* Emulated: operands and results rounded as natively, no faster than fp32. */
enum bs_support { BS_REFUSED, BS_EMULATED, BS_NATIVE };

struct bs_device_info {
    const char *backend;  /* "ref", "cpu" */
    const char *hardware; /* "AVX-512 with bf16", "plain C" */
    enum bs_support support[BS_N_PRECISIONS];
    int64_t row_tile; /* batches are padded to a multiple of this many rows */
    /* What keeps it busy when texts are labelled: */
    int workers;          /* queues at once; 0: one for each thread of the host */
    int64_t batch_tokens; /* in each, T */
};

/* `name`: "cpu" (its fastest instruction set; BS_CPU=avx512|avx2|... in the
 * environment asks for a lesser one), "cuda" or "cuda:N" (a GPU), "ref", or "auto": the
 * first GPU if there is one that serves, else the CPU. BS_DEVICE with the reason if it
 * cannot be had, BS_USAGE if there is no such name. */
int bs_device_open(struct bs_device **device, const char *name,
                   struct bs_error *error) BS_MUST_CHECK;
void bs_device_close(struct bs_device *device);
const struct bs_device_info *bs_device_info(const struct bs_device *device);

/* BS_DEVICE if the device refuses that precision; says so, with the remedy. */
int bs_device_check(const struct bs_device *device, enum bs_precision precision,
                    struct bs_error *error) BS_MUST_CHECK;

/* Bytes of a device's own memory in use, by whomever; 0 for devices in host memory, and
 * where it cannot be told. What is allocated stays while its object lives, so that a
 * difference is a peak. */
int64_t bs_device_memory_used(const struct bs_device *device);

/* Back ends compiled in, for --version: "ref cpu(oneDNN 2.6.3)". */
const char *bs_compute_backends(void);

/* ---- weights ------------------------------------------------------------------ */

enum bs_role {
    BS_ROLE_MATRIX,    /* [rows = outputs, columns = inputs], used by bs_linear */
    BS_ROLE_VECTOR,    /* [1, columns]: biases, gains */
    BS_ROLE_EMBEDDING, /* [rows, columns], looked up by row */
};

struct bs_parameter {
    const char *name; /* for messages; borrowed as long as the weights live */
    enum bs_role role;
    int64_t rows, columns;
    bool decays;    /* weight decay applies */
    bool trainable; /* has gradient and moments */
};

struct bs_weights;

/* What of a parameter is meant. The last three exist only for trainable parameters of
 * weights made for training. */
enum bs_slot { BS_SLOT_VALUE, BS_SLOT_GRADIENT, BS_SLOT_MOMENT1, BS_SLOT_MOMENT2 };

/* `parameters` is copied (names borrowed). All values start as zero. */
int bs_weights_new(struct bs_weights **weights, struct bs_device *device,
                   const struct bs_parameter *parameters, int n_parameters,
                   enum bs_precision precision, bool training,
                   struct bs_error *error) BS_MUST_CHECK;
void bs_weights_free(struct bs_weights *weights);

/* Canonical layout only: `rows` whole rows from `first_row` as fp32. Values uploaded
 * take effect for products after bs_weights_ready, which must follow the last upload
 * of values before any operation (it packs and converts). Of weights that were not made
 * for training a device may keep matrices in the form of products alone, from the first
 * upload on: they cannot be downloaded then. */
int bs_weights_upload(struct bs_weights *weights, int index, enum bs_slot slot,
                      int64_t first_row, int64_t rows, const float *values,
                      struct bs_error *error) BS_MUST_CHECK;
int bs_weights_download(const struct bs_weights *weights, int index, enum bs_slot slot,
                        int64_t first_row, int64_t rows, float *values,
                        struct bs_error *error) BS_MUST_CHECK;
int bs_weights_ready(struct bs_weights *weights, struct bs_error *error) BS_MUST_CHECK;

/* Where the values of a parameter lie, in canonical layout, until an operation changes
 * them. NULL: they must be downloaded, or cannot be. */
const float *bs_weights_values(const struct bs_weights *weights, int index);

/* Instead of uploading: all values of an embedding stay where the caller has them, who
 * keeps them as long as the weights live; they cannot be uploaded any more. False, and
 * nothing is done, where they must be uploaded: on devices with memory of their own, in
 * weights for training, for other roles. */
bool bs_weights_lend(struct bs_weights *weights, int index, const float *values);

/* Bytes held: canonical values but for those that are packed alone or lent, what is
 * derived from them, gradients, moments. */
struct bs_weights_memory {
    int64_t values, derived, gradients, moments;
};
struct bs_weights_memory bs_weights_memory(const struct bs_weights *weights);

/* ---- queue and arena ---------------------------------------------------------- */

struct bs_queue;

/* `threads`: how many share each operation; 1 for a worker that carries its own
 * batch. `max_tokens`, `max_length` bound T and the longest sequence: scratch memory
 * is allocated here, none inside an operation. */
int bs_queue_new(struct bs_queue **queue, struct bs_device *device, int threads,
                 int64_t max_tokens, int64_t max_length,
                 struct bs_error *error) BS_MUST_CHECK;
void bs_queue_free(struct bs_queue *queue);

/* Waits for all operations; returns the first failure since the last call. */
int bs_queue_finish(struct bs_queue *queue, struct bs_error *error) BS_MUST_CHECK;

/* The first failure that is known so far, without waiting; the queue keeps it. */
int bs_queue_check(const struct bs_queue *queue, struct bs_error *error) BS_MUST_CHECK;

/*
 * Recordings. Where putting operations on a queue costs more than doing them, a device
 * may record them once and replay them the next time:
 *
 *     if (bs_queue_record(queue, recording)) {
 *         operations...
 *         bs_queue_recorded(queue);
 *     }
 *
 * `recording` says which operations, in the caller's numbering. False: they were
 * replayed, and must not be put on the queue again. Between the same two calls the same
 * operations with the same arguments must stand whenever `recording`, the batch's
 * n_tokens and n_sequences, and its max_length rounded up to 64 are the same; the
 * contents of batch, step and weights may change. No uploads, downloads, bs_set_... or
 * bs_read_... in between.
 */
bool bs_queue_record(struct bs_queue *queue, uint32_t recording);
void bs_queue_recorded(struct bs_queue *queue);

/* A view of `rows` x `columns` elements, `stride` elements from row to row. data NULL:
 * absent, where an operation allows it. */
struct bs_rows {
    void *data;
    enum bs_type type;
    int64_t rows, columns, stride;
};

/* Columns first .. first + count of a view. */
struct bs_rows bs_rows_columns(struct bs_rows rows, int64_t first, int64_t count);
/* Rows first .. first + count of a view. */
struct bs_rows bs_rows_slice(struct bs_rows rows, int64_t first, int64_t count);

/* One allocation on the device, carved from the front. An arena made with bytes 0 only
 * counts: run the layout on it once, then make the real one with bs_arena_used. Memory
 * of a new arena is zero. */
struct bs_arena;
int bs_arena_new(struct bs_arena **arena, struct bs_device *device, int64_t bytes,
                 struct bs_error *error) BS_MUST_CHECK;
void bs_arena_free(struct bs_arena *arena);
void bs_arena_reset(struct bs_arena *arena);
int64_t bs_arena_used(const struct bs_arena *arena); /* high-water mark, bytes */
/* stride = columns, aligned to 64 bytes; data is NULL in a counting arena, and an
 * exhausted real one is a defect of the caller (data NULL). */
struct bs_rows bs_arena_rows(struct bs_arena *arena, enum bs_type type, int64_t rows,
                             int64_t columns);

/* Between host memory (dense, fp32) and rows of any type. Upload may return before
 * the copy is done on some devices; download waits. */
void bs_rows_upload(struct bs_queue *queue, struct bs_rows to, const float *from);
int bs_rows_download(struct bs_queue *queue, struct bs_rows from, float *to,
                     struct bs_error *error) BS_MUST_CHECK;

/* ---- batch and step ------------------------------------------------------------ */

/*
 * A packed batch, in host memory. Sequence b is tokens offset[b] .. offset[b + 1].
 * Tokens from offset[B] to n_tokens are padding up to the row tile: id 0, type 0,
 * position 0; operations keep their rows finite and give them zero gradient.
 */
struct bs_batch {
    int64_t n_tokens;        /* T, a multiple of the device's row_tile */
    int64_t n_sequences;     /* B */
    int64_t max_length;      /* longest sequence */
    const int32_t *ids;      /* [T] */
    const int32_t *type_ids; /* [T], or NULL: all zero */
    const int32_t *position; /* [T], place within the sequence */
    const int32_t *offset;   /* [B + 1] */
    const int32_t *labels;   /* [B], or NULL */
    const uint32_t *example; /* [B], place within the effective batch: keys dropout */
};

/* Sends a batch up; it stays the queue's current batch, for the operations below that
 * need ids, offsets or labels, until the next call. Its arrays must stay as they are
 * until the last operation that needs them has been put on the queue, no longer: a
 * device that works behind the caller's back copies them first. */
void bs_set_batch(struct bs_queue *queue, const struct bs_batch *batch);

/* What bs_cross_entropy computes. */
struct bs_loss {
    const float *class_weights; /* [n_labels] in host memory, or NULL: all 1; borrowed
                                   until the next bs_set_step */
    int64_t n_labels;           /* of class_weights */
    float label_smoothing;
    float factor; /* 1 / sum of the labels' class weights over the effective batch */
};

/* What changes from step to step. */
struct bs_step {
    uint64_t seed;
    uint32_t update;   /* number of this update, from 0: keys dropout */
    int64_t adam_step; /* number of this update, from 1: bias correction */
    double learning_rate;
    float loss_scale; /* gradients are multiplied by it, and divided again by bs_update */
    bool dynamic_scale; /* loss_scale is the queue's own, see bs_loss_scale; for fp16 */
    struct bs_loss loss;
};
void bs_set_step(struct bs_queue *queue, const struct bs_step *step);

/*
 * The loss scale of fp16, kept on the device: Micikevicius et al., "Mixed Precision
 * Training", ICLR 2018, with the constants of torch.amp.GradScaler. An update whose
 * gradient norm is not finite while its loss is changes no weights, clears the gradients
 * and halves the scale; 2,000 updates without one double it. Skipped updates count in
 * the schedule, not in Adam's bias correction. A scale of 1 is not halved: what
 * overflows then is not finite for good.
 */
struct bs_loss_scale {
    float scale;          /* 65536 in a new queue */
    int32_t good_updates; /* since it last changed */
    int64_t skipped;      /* updates, in all */
};
/* Where it goes on from, when work that was interrupted goes on. */
void bs_set_loss_scale(struct bs_queue *queue, struct bs_loss_scale scale);

/* What a step leaves on the device; reading waits for the queue. Values add up from
 * bs_set_step with a new `update` on. */
struct bs_step_result {
    double loss;      /* sum over micro-batches of what bs_cross_entropy scaled */
    double grad_norm; /* before clipping; set by bs_update */
    bool finite;      /* false: loss or gradient was not, and no update was made */
    int64_t first_bad_update; /* the first update that was not finite, or -1; from then
                                 on bs_update does nothing */
    double loss_total; /* sum of the losses of all updates that were made or skipped,
                          in their order, on the device; see bs_set_loss_total */
    struct bs_loss_scale loss_scale;
};
/* Where that sum goes on from: 0 at first, and after each report; what was read when
 * the work was interrupted. So the host need not read every step. */
void bs_set_loss_total(struct bs_queue *queue, double total);
int bs_read_step(struct bs_queue *queue, struct bs_step_result *result,
                 struct bs_error *error) BS_MUST_CHECK;

/*
 * Dropout: element (token i of example e, channel c) at `site` is kept if the 16-bit
 * half-word number (c % 8) of
 *     Philox4x32-10(counter = {c / 8, site << 16 | i, example, update}, key = seed)
 * is at least round(probability * 65536); half-word 2k is the low half of word k, 2k+1
 * its high half. What is kept is multiplied by 65536 / (65536 - threshold). `i` is the
 * place within the sequence. For attention, c is head * 65536 + key position, i the
 * query's position. The masks are thus the same on every back end, under accumulation,
 * for any batch layout. Probability 0: no-op. Padding rows belong to no example: what
 * an operation makes of them is finite, and zero if its input is zero.
 */
struct bs_dropout {
    float probability;
    uint32_t site; /* below 65536; every use in a model has its own */
};
/* Threshold below which a half-word drops. */
BS_HOST_DEVICE static inline uint32_t bs_dropout_threshold(float probability) {
    return (uint32_t)(probability * 65536.0F + 0.5F);
}

/* ---- operations ----------------------------------------------------------------
 * `w` is what parameters are looked up in, by their index in the table. "Accumulates"
 * is said where a result is added to what is there; otherwise results overwrite. Views
 * may not overlap unless "in place" is allowed. Low-precision copies (`..._low`) are
 * BF16 or F16 rows, or absent. Gradients of weights always accumulate and exist only for
 * trainable parameters; for others that part is skipped. */

struct bs_embedding {
    int word, position, type; /* parameter indices */
    int32_t padding; /* the word whose row gets no gradient, as torch.nn.Embedding's
                        padding_idx; -1: none */
};
/* sum[T, C] F32 = word[ids] + position[position] + type[type_ids]. */
void bs_embedding(struct bs_queue *q, const struct bs_weights *w, struct bs_embedding e,
                  struct bs_rows sum);
/* Accumulates the gradients of the three from dsum[T, C] F32. */
void bs_embedding_backward(struct bs_queue *q, struct bs_weights *w,
                           struct bs_embedding e, struct bs_rows dsum);

struct bs_norm {
    int gain, bias; /* parameter indices */
    float epsilon;
};
/* y = gain * (x - mean) / sqrt(variance + epsilon) + bias over each row; x and y F32,
 * y_low absent or a low-precision copy. stats[T, 2] F32 gets mean and 1 / sqrt(...);
 * absent if not needed. In place (y = x) allowed. */
void bs_layer_norm(struct bs_queue *q, const struct bs_weights *w, struct bs_norm norm,
                   struct bs_rows x, struct bs_rows stats, struct bs_rows y,
                   struct bs_rows y_low);
/* dx F32 from dy F32; accumulates gain and bias gradients. In place (dx = dy)
 * allowed. */
void bs_layer_norm_backward(struct bs_queue *q, struct bs_weights *w, struct bs_norm norm,
                            struct bs_rows x, struct bs_rows stats, struct bs_rows dy,
                            struct bs_rows dx);

/* y = dropout(x), any types; in place allowed. Its backward is itself applied to the
 * gradient. Rows are the current batch's tokens; with `first_only` they are one row a
 * sequence, token 0. y_low absent or a low-precision copy. */
void bs_dropout(struct bs_queue *q, struct bs_dropout dropout, bool first_only,
                struct bs_rows x, struct bs_rows y, struct bs_rows y_low);

/* sum = residual + dropout(x), then y = layer_norm(sum). x of any type, residual,
 * sum and y F32; sum and stats absent when no backward pass will follow (then y =
 * residual in place is allowed). */
void bs_dropout_add_norm(struct bs_queue *q, const struct bs_weights *w,
                         struct bs_norm norm, struct bs_dropout dropout, bool first_only,
                         struct bs_rows x, struct bs_rows residual, struct bs_rows sum,
                         struct bs_rows stats, struct bs_rows y, struct bs_rows y_low);
/* dresidual F32 = gradient of sum; dx (any type) = dropout of it; accumulates gain
 * and bias gradients. dresidual = dy in place allowed. */
void bs_dropout_add_norm_backward(struct bs_queue *q, struct bs_weights *w,
                                  struct bs_norm norm, struct bs_dropout dropout,
                                  bool first_only, struct bs_rows sum,
                                  struct bs_rows stats, struct bs_rows dy,
                                  struct bs_rows dresidual, struct bs_rows dx);

struct bs_linear {
    int weight, bias; /* parameter indices: [N, M] matrix, [N] vector */
};
enum bs_activation { BS_IDENTITY, BS_GELU /* erf form */, BS_TANH };
/* y[rows, N] = activation(x[rows, M] weight^T + bias). x is of the type that
 * bs_precision_type gives for the weights; y of any type. `pre`, of y's type, gets the
 * value before the activation, or is absent. Rows need not be a multiple of the
 * tile. */
void bs_linear(struct bs_queue *q, const struct bs_weights *w, struct bs_linear linear,
               enum bs_activation activation, struct bs_rows x, struct bs_rows pre,
               struct bs_rows y);
/* dy is the gradient at y before any activation (see bs_gelu_backward), of x's type.
 * dx absent, or any type: overwritten, or added to if `accumulate` (F32 only).
 * Accumulates the gradients of weight and bias. The weights must be made for training. */
void bs_linear_backward(struct bs_queue *q, struct bs_weights *w, struct bs_linear linear,
                        struct bs_rows x, struct bs_rows dy, struct bs_rows dx,
                        bool accumulate);
/* dpre = dy * gelu'(pre); any types; in place (dpre = dy) allowed. */
void bs_gelu_backward(struct bs_queue *q, struct bs_rows pre, struct bs_rows dy,
                      struct bs_rows dpre);
/* dpre = dy * (1 - y^2), y = tanh(pre); likewise. */
void bs_tanh_backward(struct bs_queue *q, struct bs_rows y, struct bs_rows dy,
                      struct bs_rows dpre);

/*
 * Scaled dot-product attention within each sequence of the current batch.
 * k, v: [T, C]. q, out: [T, C], or with `first_only` [B, C]: only token 0 of each
 * sequence asks. All of one type; views into a [T, 3C] matrix are the usual case.
 * lse: F32, [rows of q, H], gets log(sum(exp(score))) for the backward pass; absent
 * if there will be none. Dropout applies to the probabilities. Padding rows of `out`
 * are zero.
 */
struct bs_attention {
    int64_t heads;
    bool first_only;
    struct bs_dropout dropout;
};
void bs_attention(struct bs_queue *queue, struct bs_attention attention, struct bs_rows q,
                  struct bs_rows k, struct bs_rows v, struct bs_rows lse,
                  struct bs_rows out);
/* dq, dk, dv of the same type as q; padding rows get zero. */
void bs_attention_backward(struct bs_queue *queue, struct bs_attention attention,
                           struct bs_rows q, struct bs_rows k, struct bs_rows v,
                           struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                           struct bs_rows dq, struct bs_rows dk, struct bs_rows dv);

/* y[B, C] = x[offset[b]]; types equal. */
void bs_gather_first(struct bs_queue *q, struct bs_rows x, struct bs_rows y);
/* dx[offset[b]] += dy[b]; F32. */
void bs_scatter_first(struct bs_queue *q, struct bs_rows dy, struct bs_rows dx);

/*
 * Cross-entropy of logits[B, K] F32 against the current batch's labels, as PyTorch
 * computes it with class weights w and label smoothing e (bs_loss, of the step):
 *     loss_b = (1 - e) w[y] (-log p[y]) + e / K sum_c w[c] (-log p[c])
 * Adds factor * sum_b loss_b to the step's loss. dlogits[B, K] of any type = gradient
 * times loss_scale; absent if not needed.
 */
void bs_cross_entropy(struct bs_queue *q, struct bs_rows logits, struct bs_rows dlogits);

/* probabilities = softmax(logits) by row; F32; in place allowed. */
void bs_softmax(struct bs_queue *q, struct bs_rows logits, struct bs_rows probabilities);

/* Zeroes all rows of a view, of any type. */
void bs_zero(struct bs_queue *q, struct bs_rows rows);
/* y = x with conversion between types. */
void bs_copy(struct bs_queue *q, struct bs_rows x, struct bs_rows y);

/*
 * One AdamW update of all trainable parameters as torch.optim.AdamW computes it, after
 * clipping as torch.nn.utils.clip_grad_norm_ does (factor min(1, max / (norm + 1e-6)));
 * then gradients are zero and products see the new values. If the loss or the gradient
 * norm is not finite, nothing changes and the step is marked (bs_read_step).
 *     g = gradient * factor;  p -= lr * decay * p;  m += (1 - beta1) (g - m);
 *     v = beta2 v + (1 - beta2) g^2;
 *     p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 */
struct bs_adamw {
    double beta1, beta2, epsilon, weight_decay;
    double max_grad_norm; /* 0: no clipping */
};
void bs_update(struct bs_queue *q, struct bs_weights *w, struct bs_adamw adamw);
/* Gradients to zero without an update. */
void bs_zero_gradients(struct bs_queue *q, struct bs_weights *w);

#ifdef __cplusplus
}
#endif

#endif
