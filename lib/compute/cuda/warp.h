/*
 * Sums and maxima over a warp and over a block, in an order that depends on nothing but
 * the shape of the block: a butterfly of exchanges, so every lane ends with the same
 * bits. Blocks are one-dimensional, of whole warps; every lane of a warp (of the block,
 * for the block's functions) must arrive.
 *
 * T: float, double, int, unsigned, long long.
 */
#ifndef BS_COMPUTE_CUDA_WARP_H
#define BS_COMPUTE_CUDA_WARP_H

#include "compute/cuda/launch.h"

#define BS_WARP  32
#define BS_LANES 0xFFFFFFFFU /* the mask of all lanes */

BS_GPU int bs_lane(void) {
    return static_cast<int>(threadIdx.x % BS_WARP);
}

BS_GPU int bs_warp(void) {
    return static_cast<int>(threadIdx.x / BS_WARP);
}

BS_GPU int bs_warps(void) {
    return static_cast<int>(blockDim.x / BS_WARP);
}

/* ---- exchanges between the lanes of a warp ------------------------------------ */

/* The value of lane `lane`. */
template <class T> BS_GPU T bs_shuffle(T value, int lane) {
    return __shfl_sync(BS_LANES, value, lane);
}

/* The value of the lane whose number differs in the bits of `mask`. */
template <class T> BS_GPU T bs_shuffle_xor(T value, int mask) {
    return __shfl_xor_sync(BS_LANES, value, mask);
}

/* The value `delta` lanes up, or down; its own where there is none. */
template <class T> BS_GPU T bs_shuffle_up(T value, unsigned delta) {
    return __shfl_up_sync(BS_LANES, value, delta);
}

template <class T> BS_GPU T bs_shuffle_down(T value, unsigned delta) {
    return __shfl_down_sync(BS_LANES, value, delta);
}

/* Bit i: what lane i says. */
BS_GPU unsigned bs_ballot(bool yes) {
    return __ballot_sync(BS_LANES, yes);
}

BS_GPU bool bs_any(bool yes) {
    return __any_sync(BS_LANES, yes) != 0;
}

BS_GPU bool bs_all(bool yes) {
    return __all_sync(BS_LANES, yes) != 0;
}

/* ---- over W neighbouring lanes (a power of two), over a warp ------------------- */

template <class T> BS_GPU T bs_max(T a, T b) {
    return a < b ? b : a;
}

template <int W, class T> BS_GPU T bs_group_sum(T value) {
#pragma unroll
    for (int mask = W / 2; mask > 0; mask /= 2)
        value += bs_shuffle_xor(value, mask);
    return value;
}

/* Without NaN: a NaN may be lost. */
template <int W, class T> BS_GPU T bs_group_max(T value) {
#pragma unroll
    for (int mask = W / 2; mask > 0; mask /= 2)
        value = bs_max(value, bs_shuffle_xor(value, mask));
    return value;
}

template <class T> BS_GPU T bs_warp_sum(T value) {
    return bs_group_sum<BS_WARP>(value);
}

template <class T> BS_GPU T bs_warp_max(T value) {
    return bs_group_max<BS_WARP>(value);
}

/* ---- over a block ------------------------------------------------------------- */

/* N sums at once, each thread's values[i] becoming the block's. `scratch`: shared
 * memory, N x 32 of T, free for other use when this returns; what was read or written
 * in it before need not be finished when this is called. */
template <int N, class T> BS_GPU void bs_block_sums(T values[N], T *scratch) {
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = bs_warp_sum(values[i]);
    __syncthreads();
    if (bs_lane() == 0)
#pragma unroll
        for (int i = 0; i < N; i++)
            scratch[i * BS_WARP + bs_warp()] = values[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] =
            bs_warp_sum(bs_lane() < bs_warps() ? scratch[i * BS_WARP + bs_lane()] : T(0));
    __syncthreads();
}

/* The block's sum, to every thread. `scratch`: as above, 32 of T. */
template <class T> BS_GPU T bs_block_sum(T value, T *scratch) {
    bs_block_sums<1>(&value, scratch);
    return value;
}

/* The block's maximum, to every thread. */
template <class T> BS_GPU T bs_block_max(T value, T *scratch) {
    value = bs_warp_max(value);
    __syncthreads();
    if (bs_lane() == 0)
        scratch[bs_warp()] = value;
    __syncthreads();
    value = bs_warp_max(scratch[bs_lane() < bs_warps() ? bs_lane() : 0]);
    __syncthreads();
    return value;
}

#endif
