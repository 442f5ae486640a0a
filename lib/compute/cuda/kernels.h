/*
 * The kernels of the CUDA back end, as C functions that put one operation on a stream:
 * what they compute is the contract of the operation in compute.h, on device memory.
 * Host code (cuda_*.c) calls them; kernels_*.cu define them.
 *
 * Every function returns the error of its launches (cudaSuccess or what to report with
 * the operation's name). None allocates, waits or looks at device memory from the host,
 * so each can be captured in a graph: what changes from batch to batch or step to step
 * is read on the device, from the batch and step blocks below, whose addresses stay the
 * same for the life of a queue. What a launch depends on, and what therefore names a
 * graph, are its arguments: T, B, max_length rounded up to 64, and plain numbers.
 *
 * Determinism: sums have a fixed order that depends on shapes alone. No atomics on
 * floating-point numbers. `scratch` is device memory of at least the bytes that the
 * function's ..._scratch twin returns; its content is lost.
 *
 * Rows are struct bs_rows with device pointers. Element types: BS_F32, BS_BF16, BS_F16.
 * Shapes: T tokens with padding, B sequences, C hidden_size, H heads, D = C / H, K
 * labels.
 */
#ifndef BS_COMPUTE_CUDA_KERNELS_H
#define BS_COMPUTE_CUDA_KERNELS_H

#include "compute/step.h"

#include <cuda_runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The current batch: device pointers, filled by the host's copy before each pass.
 * Tokens from offset[B] to T are padding: row_sequence is -1 there. */
struct bs_cuda_batch {
    int64_t n_tokens, n_sequences;            /* T, B: part of the graph's name */
    int64_t max_length;                       /* rounded up to a multiple of 64 */
    const int32_t *ids, *type_ids, *position; /* [T]; type_ids all zero if none given */
    const int32_t *offset;                    /* [B + 1] */
    const int32_t *labels;                    /* [B] */
    const uint32_t *example;                  /* [B] */
    const int32_t *row_sequence;              /* [T], or -1 */
    const int32_t *by_id;   /* [used] tokens in the order of their ids, then of place */
    const int32_t *segment; /* [segments + 1] first place in by_id of each distinct id */
    const int32_t *n_segments; /* [1] */
};

/* The step block, in device memory. The host copies `step` and `new_update` into it
 * (bs_set_step); kernels keep the rest, by the functions of step.h. */
struct bs_cuda_step {
    struct bs_step step; /* its class weights in device memory too */
    int32_t new_update;  /* 1: the sums of this update begin anew */
    struct bs_step_result result;
    /* From bs_cuda_update's first kernels for its last one. */
    enum bs_verdict verdict;
    struct bs_adamw_factors decaying, plain;
};

/* What bs_set_step does on the device: sums of an update to zero if it is new, the
 * dynamic loss scale and Adam's count into `step`. */
cudaError_t bs_cuda_begin_step(cudaStream_t stream, struct bs_cuda_step *step);

/* ---- kernels_embedding.cu ---- */

cudaError_t bs_cuda_embedding(cudaStream_t stream, const struct bs_cuda_batch *batch,
                              const float *word, const float *position, const float *type,
                              struct bs_rows sum);
/* Gradients [rows, C] accumulate; NULL: not trained. Each distinct id's tokens are
 * summed in their order; types over fixed chunks of tokens. */
size_t bs_cuda_embedding_backward_scratch(int64_t tokens, int64_t columns);
cudaError_t bs_cuda_embedding_backward(cudaStream_t stream,
                                       const struct bs_cuda_batch *batch, float *word,
                                       float *position, float *type, int64_t types,
                                       int32_t padding, struct bs_rows dsum,
                                       void *scratch);

/* ---- kernels_norm.cu ---- */

/* layer_norm, and dropout_add_norm if x has data: sum = residual + dropout(x), y =
 * norm(sum). Without x: residual is normed. Absent: sum, stats, y_low. */
cudaError_t bs_cuda_dropout_add_norm(cudaStream_t stream,
                                     const struct bs_cuda_batch *batch,
                                     const struct bs_cuda_step *step,
                                     struct bs_dropout dropout, bool first_only,
                                     const float *gain, const float *bias, float epsilon,
                                     struct bs_rows x, struct bs_rows residual,
                                     struct bs_rows sum, struct bs_rows stats,
                                     struct bs_rows y, struct bs_rows y_low);
/* dsum F32 = gradient of the normed rows, dx (absent: layer_norm alone) = dropout of it;
 * dgain and dbias accumulate, NULL: not trained. */
size_t bs_cuda_norm_backward_scratch(int64_t rows, int64_t columns);
cudaError_t bs_cuda_dropout_add_norm_backward(
    cudaStream_t stream, const struct bs_cuda_batch *batch,
    const struct bs_cuda_step *step, struct bs_dropout dropout, bool first_only,
    const float *gain, float *dgain, float *dbias, struct bs_rows sum,
    struct bs_rows stats, struct bs_rows dy, struct bs_rows dsum, struct bs_rows dx,
    void *scratch);

/* ---- kernels_rows.cu ---- */

cudaError_t bs_cuda_dropout(cudaStream_t stream, const struct bs_cuda_batch *batch,
                            const struct bs_cuda_step *step, struct bs_dropout dropout,
                            bool first_only, struct bs_rows x, struct bs_rows y,
                            struct bs_rows y_low);
/* sum F32 = residual F32 + dropout(x). */
cudaError_t bs_cuda_dropout_add(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                const struct bs_cuda_step *step,
                                struct bs_dropout dropout, bool first_only,
                                struct bs_rows x, struct bs_rows residual,
                                struct bs_rows sum);
cudaError_t bs_cuda_activate(cudaStream_t stream, enum bs_activation activation,
                             struct bs_rows x, struct bs_rows y);
cudaError_t bs_cuda_gelu_backward(cudaStream_t stream, struct bs_rows pre,
                                  struct bs_rows dy, struct bs_rows dpre);
cudaError_t bs_cuda_tanh_backward(cudaStream_t stream, struct bs_rows y,
                                  struct bs_rows dy, struct bs_rows dpre);
cudaError_t bs_cuda_copy(cudaStream_t stream, struct bs_rows x, struct bs_rows y);
cudaError_t bs_cuda_zero(cudaStream_t stream, struct bs_rows rows);
cudaError_t bs_cuda_gather_first(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                 struct bs_rows x, struct bs_rows y);
cudaError_t bs_cuda_scatter_first(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                  struct bs_rows dy, struct bs_rows dx);
/* sums[C] += column sums of x: the gradient of a bias. Over fixed chunks of rows. */
size_t bs_cuda_column_sums_scratch(int64_t rows, int64_t columns);
cudaError_t bs_cuda_column_sums(cudaStream_t stream, struct bs_rows x, float *sums,
                                void *scratch);

/* ---- kernels_product.cu ---- */

/* Linear layers that the matrix library serves badly or not at all: few outputs (the
 * classifier), rows that are not aligned to 16 bytes. `weight` [N, M] and x are of one
 * type, y of any; bias F32 [N]. Sums in fp32 in a fixed order. */
cudaError_t bs_cuda_plain_linear(cudaStream_t stream, struct bs_rows x,
                                 const void *weight, const float *bias, struct bs_rows y);
/* dx (absent: not wanted) = dy weight, added to what is there if `accumulate`; dweight
 * F32 [N, M], NULL: not trained, += dy^T x. */
cudaError_t bs_cuda_plain_linear_backward(cudaStream_t stream, struct bs_rows x,
                                          const void *weight, struct bs_rows dy,
                                          struct bs_rows dx, bool accumulate,
                                          float *dweight);

/* ---- kernels_attention.cu, kernels_attention_backward.cu ---- */

/* Whether head size D is served in rows of this type. */
bool bs_cuda_attention_serves(int64_t head_size, enum bs_type type);
cudaError_t bs_cuda_attention(cudaStream_t stream, const struct bs_cuda_batch *batch,
                              const struct bs_cuda_step *step,
                              struct bs_attention attention, struct bs_rows q,
                              struct bs_rows k, struct bs_rows v, struct bs_rows lse,
                              struct bs_rows out);
/* Scratch holds rowsum(dout * out), F32 [rows of q, H]. */
size_t bs_cuda_attention_backward_scratch(int64_t query_rows, int64_t heads);
cudaError_t
bs_cuda_attention_backward(cudaStream_t stream, const struct bs_cuda_batch *batch,
                           const struct bs_cuda_step *step, struct bs_attention attention,
                           struct bs_rows q, struct bs_rows k, struct bs_rows v,
                           struct bs_rows lse, struct bs_rows out, struct bs_rows dout,
                           struct bs_rows dq, struct bs_rows dk, struct bs_rows dv,
                           void *scratch);

/* ---- kernels_loss.cu ---- */

/* Adds to step->result.loss. */
cudaError_t bs_cuda_cross_entropy(cudaStream_t stream, const struct bs_cuda_batch *batch,
                                  struct bs_cuda_step *step, struct bs_rows logits,
                                  struct bs_rows dlogits);
cudaError_t bs_cuda_softmax(cudaStream_t stream, struct bs_rows logits,
                            struct bs_rows probabilities);

/* ---- kernels_update.cu ---- */

/*
 * The trained parameters of a model: four arrays of n floats with the same layout, each
 * tensor from a multiple of 64 elements on, gaps zero; those that decay come first,
 * n_decaying elements of them. `low`, [n] in 16 bits, or NULL, is the copy that products
 * read; low_type its type.
 */
struct bs_cuda_trained {
    int64_t n, n_decaying;
    float *value, *gradient, *moment1, *moment2;
    void *low;
    enum bs_type low_type;
};
size_t bs_cuda_update_scratch(int64_t n);
/* Gradient norm, the decision whether to update, AdamW's factors, AdamW, the new low
 * copies, gradients to zero: two passes over memory in all. */
cudaError_t bs_cuda_update(cudaStream_t stream, struct bs_cuda_step *step,
                           const struct bs_cuda_trained *trained,
                           const struct bs_adamw *adamw, void *scratch);
/* low = value rounded, n elements. */
cudaError_t bs_cuda_round(cudaStream_t stream, const float *value, void *low,
                          enum bs_type low_type, int64_t n);

#ifdef __cplusplus
}
#endif

#endif
