/*
 * Vectors of floats for the kernels: GCC's vector extensions, so that one source serves
 * every instruction set, and intrinsics where the language has no word for an
 * instruction. Included by kernels_*.c alone, which are compiled once for each set with
 * -DBS_ISA=plain|avx2|avx512; everything here is static for that reason.
 *
 * BS_LANES floats make a vector. Sums over a row go lane by lane and then over the lanes
 * in a fixed order: results depend on the instruction set, on nothing else.
 */
#ifndef BS_COMPUTE_CPU_VECTOR_H
#define BS_COMPUTE_CPU_VECTOR_H

#include "compute/compute.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(BS_ISA_avx512)
#include <immintrin.h>
#define BS_LANES 16
#elif defined(BS_ISA_avx2)
#include <immintrin.h>
#define BS_LANES 8
#else
#define BS_LANES 4
#endif

#define BS_INLINE static inline __attribute__((always_inline, unused))

/* Name of a kernel in this instruction set: bs_cpu_NAME_ISA. */
#define BS_KERNEL_PASTE(name, isa)  bs_cpu_##name##_##isa
#define BS_KERNEL_EXPAND(name, isa) BS_KERNEL_PASTE(name, isa)
#define BS_KERNEL(name)             BS_KERNEL_EXPAND(name, BS_ISA)

typedef float vf __attribute__((vector_size(4 * BS_LANES)));
typedef int32_t vi __attribute__((vector_size(4 * BS_LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * BS_LANES)));
typedef uint16_t vh __attribute__((vector_size(2 * BS_LANES)));
typedef uint64_t vl __attribute__((vector_size(4 * BS_LANES)));

BS_INLINE vf vsplat(float x) {
    return x - (vf){0};
}

BS_INLINE vf vload(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

BS_INLINE void vstore(float *p, vf v) {
    memcpy(p, &v, sizeof v);
}

/* a * b + c, rounded once where the processor can. */
BS_INLINE vf vfma(vf a, vf b, vf c) {
#if defined(BS_ISA_avx512)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(BS_ISA_avx2)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

BS_INLINE vf vsqrt(vf a) {
#if defined(BS_ISA_avx512)
    return (vf)_mm512_sqrt_ps((__m512)a);
#elif defined(BS_ISA_avx2)
    return (vf)_mm256_sqrt_ps((__m256)a);
#else
    for (int i = 0; i < BS_LANES; i++)
        a[i] = sqrtf(a[i]);
    return a;
#endif
}

/* a / b for b of ordinary size, within 2 units in the last place. */
BS_INLINE vf vquotient(vf a, vf b) {
#if defined(BS_ISA_avx512)
    vf guess = (vf)_mm512_rcp14_ps((__m512)b); /* then one step of Newton's */
    return a * vfma(guess, vfma(-b, guess, vsplat(1.0F)), guess);
#else
    return a / b;
#endif
}

/* Lane by lane: mask (all bits or none) ? a : b. */
BS_INLINE vf vselect(vi mask, vf a, vf b) {
    return (vf)(((vi)a & mask) | ((vi)b & ~mask));
}

BS_INLINE vf vmax(vf a, vf b) {
    return vselect(a > b, a, b);
}

BS_INLINE vf vabs(vf a) {
    return (vf)((vi)a & 0x7FFFFFFF);
}

/* Halves added to halves: the same order every time. */
BS_INLINE float vsum(vf v) {
    float lane[BS_LANES];
    memcpy(lane, &v, sizeof v);
    for (int half = BS_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

BS_INLINE float vmax_lanes(vf v) {
    float best = v[0];
    for (int i = 1; i < BS_LANES; i++)
        best = v[i] > best ? v[i] : best;
    return best;
}

/* Lanes below n: all bits. */
BS_INLINE vi vfirst(int64_t n) {
    vi lane;
    for (int i = 0; i < BS_LANES; i++)
        lane[i] = i;
    return lane < (vi){0} + (int32_t)n;
}

/* bf16 is the upper half of a float. */
BS_INLINE vf vwiden(vh h) {
    return (vf)(__builtin_convertvector(h, vu) << 16);
}

/* To nearest, ties to even; what is not a number stays so. */
BS_INLINE vh vnarrow(vf v) {
    vu bits = (vu)v;
    vu rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
    vu quiet = (bits >> 16) | 0x40U;
    vu odd = (vu)(v != v);
    return __builtin_convertvector((rounded & ~odd) | (quiet & odd), vh);
}

/* Element i on of a row of either type; n of them, at most BS_LANES; the others 0. */
BS_INLINE vf vload_row(const void *row, enum bs_type type, int64_t i, int64_t n) {
    if (type == BS_F32) {
        vf v = {0};
        if (n >= BS_LANES)
            memcpy(&v, (const float *)row + i, sizeof v);
        else
            memcpy(&v, (const float *)row + i, (size_t)n * sizeof(float));
        return v;
    }
    vh h = {0};
    if (n >= BS_LANES)
        memcpy(&h, (const uint16_t *)row + i, sizeof h);
    else
        memcpy(&h, (const uint16_t *)row + i, (size_t)n * sizeof(uint16_t));
    return vwiden(h);
}

BS_INLINE void vstore_row(void *row, enum bs_type type, int64_t i, int64_t n, vf v) {
    if (type == BS_F32) {
        memcpy((float *)row + i, &v,
               n >= BS_LANES ? sizeof v : (size_t)n * sizeof(float));
        return;
    }
    vh h = vnarrow(v);
    if (n >= BS_LANES)
        memcpy((uint16_t *)row + i, &h, sizeof h);
    else
        memcpy((uint16_t *)row + i, &h, (size_t)n * sizeof(uint16_t));
}

/* The start of a row of a view. */
BS_INLINE void *row_of(struct bs_rows rows, int64_t row) {
    size_t size = rows.type == BS_F32 ? sizeof(float) : sizeof(uint16_t);
    return (char *)rows.data + (size_t)(row * rows.stride) * size;
}

/* e^x within 1 ulp or so; 0 below -87.3, finite above 88.3. Cody and Waite's reduction,
 * polynomial of Cephes' expf. */
BS_INLINE vf vexp(vf x) {
    vi tiny = x < vsplat(-87.33F);
    x = vselect(x > vsplat(88.37F), vsplat(88.37F), x);
    vf shifted = vfma(x, vsplat(1.44269504F), vsplat(12582912.0F)); /* 1.5 * 2^23 */
    vf n = shifted - 12582912.0F;
    vf r = vfma(n, vsplat(-0.693359375F), x);
    r = vfma(n, vsplat(2.12194440e-4F), r);
    vf p = vsplat(1.9875691500e-4F);
    p = vfma(p, r, vsplat(1.3981999507e-3F));
    p = vfma(p, r, vsplat(8.3334519073e-3F));
    p = vfma(p, r, vsplat(4.1665795894e-2F));
    p = vfma(p, r, vsplat(1.6666665459e-1F));
    p = vfma(p, r, vsplat(5.0000001201e-1F));
    p = vfma(p, r * r, r) + 1.0F;
    vf scaled = (vf)((vu)p + ((vu)shifted << 23));
    scaled = vselect(x != x, x, scaled);
    return vselect(tiny, (vf){0}, scaled);
}

/* The error function within 1e-7, absolute and relative: an odd polynomial near 0, else
 * 1 - e^polynomial. */
BS_INLINE vf verf(vf x) {
    vf t = vabs(x), s = x * x;
    vf far = vfma(vsplat(-1.72853470e-5F), t, vsplat(3.83197126e-4F));
    vf even = vfma(vsplat(-3.88396438e-3F), t, vsplat(2.42546219e-2F));
    far = vfma(far, s, even);
    far = vfma(far, t, vsplat(-1.06777877e-1F));
    far = vfma(far, t, vsplat(-6.34846687e-1F));
    far = vfma(far, t, vsplat(-1.28717512e-1F));
    far = 1.0F - vexp(vfma(far, t, -t));
    far = (vf)((vi)far | ((vi)x & INT32_MIN));
    vf near = vfma(vsplat(-5.96761703e-4F), s, vsplat(4.99119423e-3F));
    near = vfma(near, s, vsplat(-2.67681349e-2F));
    near = vfma(near, s, vsplat(1.12819925e-1F));
    near = vfma(near, s, vsplat(-3.76125336e-1F));
    near = vfma(near, s, vsplat(1.28379166e-1F));
    near = vfma(near, x, x);
    return vselect(t > vsplat(0.921875F), far, near);
}

#endif
