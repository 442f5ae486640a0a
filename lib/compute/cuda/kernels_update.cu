/*
 * AdamW over all trained parameters: squares of the gradients chunk by chunk, one thread
 * that decides (step.h) and works out the factors, one pass that updates, rounds and
 * clears. And what begins a step.
 */
#include "compute/cuda/elements.h"

enum { CHUNK = 1 << 16 }; /* elements whose squares a block sums */

static int64_t count_chunks(int64_t n) {
    return (n + CHUNK - 1) / CHUNK;
}

size_t bs_cuda_update_scratch(int64_t n) {
    return static_cast<size_t>(count_chunks(n) + 1) * sizeof(double);
}

BS_KERNEL(BS_THREADS, 1)
void squares_kernel(const float *gradient, int64_t n, double *partial) {
    BS_SHARED(double, scratch);
    const int64_t first = static_cast<int64_t>(blockIdx.x) * CHUNK;
    const int64_t end = first + CHUNK < n ? first + CHUNK : n;
    double sum = 0;
    for (int64_t i = first + 4 * threadIdx.x; i < end; i += 4 * BS_THREADS) {
        float values[4];
        bs_load<4>(values, gradient + i);
#pragma unroll
        for (int k = 0; k < 4; k++)
            sum += static_cast<double>(values[k]) * values[k];
    }
    sum = bs_block_sum(sum, scratch);
    if (threadIdx.x == 0)
        partial[blockIdx.x] = sum;
}

BS_KERNEL(BS_THREADS, 1)
void decide_kernel(const double *partial, int chunks, struct bs_adamw adamw,
                   struct bs_cuda_step *step) {
    BS_SHARED(double, scratch);
    double sum = 0;
    for (int i = static_cast<int>(threadIdx.x); i < chunks; i += BS_THREADS)
        sum += partial[i];
    sum = bs_block_sum(sum, scratch);
    if (threadIdx.x != 0)
        return;
    const double norm = sqrt(sum) / step->step.loss_scale;
    step->verdict = bs_step_result_update(&step->result, &step->step, norm);
    step->decaying = bs_adamw_factors(&adamw, &step->step, norm, true);
    step->plain = bs_adamw_factors(&adamw, &step->step, norm, false);
}

/* Four elements: all of them decay, or none. */
BS_GPU void update_four(const struct bs_cuda_trained &t, int64_t i,
                        const struct bs_adamw_factors &f) {
    float g[4], value[4], m[4], v[4];
    bs_load<4>(g, t.gradient + i);
    bs_load<4>(value, t.value + i);
    bs_load<4>(m, t.moment1 + i);
    bs_load<4>(v, t.moment2 + i);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        g[k] *= f.gradient;
        value[k] *= f.keep;
        m[k] = f.lerp < 0.5F ? m[k] + f.lerp * (g[k] - m[k])
                             : g[k] - (g[k] - m[k]) * (1 - f.lerp);
        v[k] = v[k] * f.beta2 + f.square * g[k] * g[k];
        value[k] += f.step * m[k] / (sqrtf(v[k]) / f.root + f.epsilon);
    }
    bs_store<4>(t.value + i, value);
    bs_store<4>(t.moment1 + i, m);
    bs_store<4>(t.moment2 + i, v);
    if (t.low && t.low_type == BS_BF16)
        bs_store<4>(static_cast<bs_bf16 *>(t.low) + i, value);
    else if (t.low)
        bs_store<4>(static_cast<bs_fp16 *>(t.low) + i, value);
}

BS_KERNEL(BS_THREADS, 1)
void adamw_kernel(struct bs_cuda_trained t, const struct bs_cuda_step *step) {
    const int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * BS_THREADS + threadIdx.x);
    const float zeros[4] = {};
    if (i >= t.n || step->verdict == BS_UPDATE_BAD)
        return;
    if (step->verdict == BS_UPDATE_MAKE)
        update_four(t, i, i < t.n_decaying ? step->decaying : step->plain);
    bs_store<4>(t.gradient + i, zeros);
}

cudaError_t bs_cuda_update(cudaStream_t stream, struct bs_cuda_step *step,
                           const struct bs_cuda_trained *trained,
                           const struct bs_adamw *adamw, void *scratch) {
    double *partial = static_cast<double *>(scratch);
    const int64_t chunks = count_chunks(trained->n);
    const size_t shared = BS_WARP * sizeof(double);
    cudaError_t status = cudaSuccess;
    if (chunks)
        status = BS_LAUNCH(squares_kernel, static_cast<unsigned>(chunks), BS_THREADS,
                           shared, stream, trained->gradient, trained->n, partial);
    if (status == cudaSuccess)
        status = BS_LAUNCH(decide_kernel, 1, BS_THREADS, shared, stream, partial,
                           static_cast<int>(chunks), *adamw, step);
    if (chunks && status == cudaSuccess)
        status = BS_LAUNCH(adamw_kernel, bs_blocks(trained->n, 4 * BS_THREADS),
                           BS_THREADS, 0, stream, *trained, step);
    return status;
}

/* ---- rounding, and the beginning of a step ------------------------------------------
 */

template <class T>
BS_KERNEL(BS_THREADS, 1)
void round_kernel(const float *value, T *low, int64_t n) {
    const int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * BS_THREADS + threadIdx.x);
    float values[4];
    if (i >= n)
        return;
    bs_load<4>(values, value + i);
    bs_store<4>(low + i, values);
}

cudaError_t bs_cuda_round(cudaStream_t stream, const float *value, void *low,
                          enum bs_type low_type, int64_t n) {
    const unsigned blocks = bs_blocks(n, 4 * BS_THREADS);
    if (low_type == BS_BF16)
        return BS_LAUNCH((round_kernel<bs_bf16>), blocks, BS_THREADS, 0, stream, value,
                         static_cast<bs_bf16 *>(low), n);
    return BS_LAUNCH((round_kernel<bs_fp16>), blocks, BS_THREADS, 0, stream, value,
                     static_cast<bs_fp16 *>(low), n);
}

BS_KERNEL(1, 1) void begin_step_kernel(struct bs_cuda_step *step) {
    if (step->new_update)
        bs_step_result_begin(&step->result);
    bs_step_scale(&step->step, &step->result);
}

cudaError_t bs_cuda_begin_step(cudaStream_t stream, struct bs_cuda_step *step) {
    return BS_LAUNCH(begin_step_kernel, 1, 1, 0, stream, step);
}
