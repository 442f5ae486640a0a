/*
 * The matrix unit ("tensor cores"): products of a warp, the loads that feed them, and
 * copies from global to shared memory that run beside the arithmetic.
 *
 * All 32 lanes of a warp call these together, with operands spread over their registers.
 * With g = lane / 4 and t = lane % 4 (PTX manual, "Matrix fragments for mma"):
 *
 *   m16n8k16, 16-bit operands, D[16, 8] += A[16, 16] B[16, 8]
 *     a[0]  A[g    ][2t], A[g    ][2t + 1]          packed, the first in the lower half
 *     a[1]  A[g + 8][2t], A[g + 8][2t + 1]
 *     a[2]  A[g    ][2t + 8], A[g    ][2t + 9]
 *     a[3]  A[g + 8][2t + 8], A[g + 8][2t + 9]
 *     b[0]  B[2t    ][g], B[2t + 1][g]
 *     b[1]  B[2t + 8][g], B[2t + 9][g]
 *     d[0], d[1]  D[g    ][2t], D[g    ][2t + 1]    float
 *     d[2], d[3]  D[g + 8][2t], D[g + 8][2t + 1]
 *
 *   m16n8k8, tf32 operands, D[16, 8] += A[16, 8] B[8, 8]
 *     a[0]  A[g][t]    a[1]  A[g + 8][t]    a[2]  A[g][t + 4]    a[3]  A[g + 8][t + 4]
 *     b[0]  B[t][g]    b[1]  B[t + 4][g]
 *     d     as above
 *
 * So the d of one product, packed in pairs, is the a of a next one: d[0..1] and d[2..3]
 * of columns 0 to 7 are its a[0] and a[1], those of columns 8 to 15 its a[2] and a[3].
 *
 * Products of two 16-bit elements are exact; the order of a product's inner sum and its
 * rounding are the hardware's, the same in every run on one kind of device.
 *
 * sm_75 has fp16 alone: bf16 and tf32 there stop the kernel. The host refuses those
 * precisions on such a device before anything is launched.
 */
#ifndef BS_COMPUTE_CUDA_MATRIX_UNIT_H
#define BS_COMPUTE_CUDA_MATRIX_UNIT_H

#include "compute/cuda/low.h"

/* ---- products ----------------------------------------------------------------- */

#ifdef BS_STANDIN

BS_GPU void bs_mma(bs_fp16, float d[4], const uint32_t a[4], const uint32_t b[2]) {
    bs_standin_mma(BS_STANDIN_FP16, d, a, b);
}

BS_GPU void bs_mma(bs_bf16, float d[4], const uint32_t a[4], const uint32_t b[2]) {
    bs_standin_mma(BS_STANDIN_BF16, d, a, b);
}

#else

BS_GPU void bs_mma(bs_fp16, float d[4], const uint32_t a[4], const uint32_t b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
#pragma unroll
    for (int half = 0; half < 2; half++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
                     "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
#endif
}

BS_GPU void bs_mma(bs_bf16, float d[4], const uint32_t a[4], const uint32_t b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    (void)d, (void)a, (void)b;
    __trap();
#endif
}

#endif

/* d += a b, m16n8k16. T: bs_bf16 or bs_fp16. */
template <class T>
BS_GPU void bs_mma_m16n8k16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    bs_mma(T{}, d, a, b);
}

/* The bits of a float rounded to tf32 (10 bits of fraction; nearest, ties away from
 * zero), the lower 13 of them zero. */
BS_GPU uint32_t bs_tf32_from_float(float value) {
#ifdef BS_STANDIN
    return bs_standin_tf32(value);
#elif __CUDA_ARCH__ >= 800
    uint32_t bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
    return bits;
#else
    (void)value;
    __trap();
    return 0;
#endif
}

/* d += a b, m16n8k8 in tf32. The unit ignores the lower 13 bits of operands; what is not
 * rounded with bs_tf32_from_float is cut off. */
BS_GPU void bs_mma_m16n8k8_tf32(float d[4], const uint32_t a[4], const uint32_t b[2]) {
#ifdef BS_STANDIN
    bs_standin_mma(BS_STANDIN_TF32, d, a, b);
#elif __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    (void)d, (void)a, (void)b;
    __trap();
#endif
}

/* ---- 8 x 8 matrices of 16-bit elements from shared memory ----------------------- */

/* ldmatrix: `row` of lanes 8 i to 8 i + 7 points at rows 0 to 7 of matrix i, 8 elements
 * each, aligned to 16 bytes, in shared memory. r[i] of a lane becomes elements
 * [g][2t], [g][2t + 1] of matrix i; transposed: [2t][g], [2t + 1][g].
 *
 * An A fragment: matrices (rows 0-7, k 0-7), (rows 8-15, k 0-7), (rows 0-7, k 8-15),
 * (rows 8-15, k 8-15). A B fragment: of B stored as rows of k (its transpose, [n][k]),
 * k 0-7 and k 8-15; of B stored [k][n], the same, transposed.
 *
 * x2: two matrices; lanes 16 to 31 need valid addresses too and theirs are ignored. */
#ifdef BS_STANDIN

BS_GPU void bs_ldmatrix_x4(uint32_t r[4], const void *row) {
    bs_standin_ldmatrix(r, row, 4, false);
}

BS_GPU void bs_ldmatrix_x4_transposed(uint32_t r[4], const void *row) {
    bs_standin_ldmatrix(r, row, 4, true);
}

BS_GPU void bs_ldmatrix_x2(uint32_t r[2], const void *row) {
    bs_standin_ldmatrix(r, row, 2, false);
}

BS_GPU void bs_ldmatrix_x2_transposed(uint32_t r[2], const void *row) {
    bs_standin_ldmatrix(r, row, 2, true);
}

/* movmatrix: an 8 x 8 matrix held as by bs_ldmatrix, transposed between the lanes. */
BS_GPU uint32_t bs_transpose_8x8(uint32_t held) {
    return bs_standin_movmatrix(held);
}

#else

BS_GPU uint32_t bs_shared_address(const void *pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

BS_GPU void bs_ldmatrix_x4(uint32_t r[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(bs_shared_address(row))
                 : "memory");
}

BS_GPU void bs_ldmatrix_x4_transposed(uint32_t r[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(bs_shared_address(row))
                 : "memory");
}

BS_GPU void bs_ldmatrix_x2(uint32_t r[2], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(bs_shared_address(row))
                 : "memory");
}

BS_GPU void bs_ldmatrix_x2_transposed(uint32_t r[2], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(bs_shared_address(row))
                 : "memory");
}

BS_GPU uint32_t bs_transpose_8x8(uint32_t held) {
    uint32_t turned;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;"
                 : "=r"(turned)
                 : "r"(held));
    return turned;
}

#endif

/* ---- copies beside the arithmetic ---------------------------------------------- */

/* bs_copy_async: 16 bytes from global to shared memory, both aligned to 16; only the
 * first `bytes` (0 to 16) are read, the rest becomes zero. bs_copy_commit closes a group
 * of this thread's copies; bs_copy_wait<N> waits until at most the N newest groups are
 * under way. Before that a destination must be neither read nor written; after it the
 * thread sees its own copies, and others' after a __syncthreads. Every copy is waited
 * for before the kernel ends. On sm_75 the copies are done at once. */
#ifdef BS_STANDIN

BS_GPU void bs_copy_async(void *to, const void *from, int bytes = 16) {
    bs_standin_copy_async(to, from, bytes);
}

BS_GPU void bs_copy_commit(void) {
    bs_standin_copy_commit();
}

template <int N> BS_GPU void bs_copy_wait(void) {
    bs_standin_copy_wait(N);
}

#else

BS_GPU void bs_copy_async(void *to, const void *from, int bytes = 16) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(bs_shared_address(to)), "l"(__cvta_generic_to_global(from)),
                   "r"(bytes)
                 : "memory");
#else
    uint4 value = make_uint4(0, 0, 0, 0);
    if (bytes == 16)
        value = *static_cast<const uint4 *>(from);
    else
        for (int i = 0; i < bytes; i++)
            reinterpret_cast<unsigned char *>(&value)[i] =
                static_cast<const unsigned char *>(from)[i];
    *static_cast<uint4 *>(to) = value;
#endif
}

BS_GPU void bs_copy_commit(void) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <int N> BS_GPU void bs_copy_wait(void) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

#endif

#endif
