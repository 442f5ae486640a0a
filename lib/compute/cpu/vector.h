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

/* A block of a product, rows by columns, leaves registers for a column and a row. */
#if defined(BS_ISA_avx512)
#include <immintrin.h>
#define BS_LANES      16
#define BS_BLOCK_ROWS 8
#define BS_PANEL      48
#elif defined(BS_ISA_avx2)
#include <immintrin.h>
#define BS_LANES      8
#define BS_BLOCK_ROWS 6
#define BS_PANEL      16
#else
#define BS_LANES      4
#define BS_BLOCK_ROWS 6
#define BS_PANEL      8
#endif
/* Instructions for products of bf16. */
#if defined(__AVX512BF16__)
#define BS_DOT2 1
#endif

#ifndef BS_INLINE
#define BS_INLINE static inline __attribute__((always_inline, unused))
#endif

/* Name of a kernel in this instruction set: bs_cpu_NAME_ISA. */
#define BS_KERNEL_PASTE(name, isa)  bs_cpu_##name##_##isa
#define BS_KERNEL_EXPAND(name, isa) BS_KERNEL_PASTE(name, isa)
#define BS_KERNEL(name)             BS_KERNEL_EXPAND(name, BS_ISA)

typedef float vf __attribute__((vector_size(4 * BS_LANES)));
typedef int32_t vi __attribute__((vector_size(4 * BS_LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * BS_LANES)));
typedef uint16_t vh __attribute__((vector_size(2 * BS_LANES)));
typedef uint64_t vl __attribute__((vector_size(4 * BS_LANES)));
typedef uint8_t vb __attribute__((vector_size(BS_LANES)));

BS_INLINE vf vsplat(float x) {
    return x - (vf){0};
}

/* Elements i on of a row of bf16. */
BS_INLINE vh vload_low(const void *row, int64_t i) {
    vh h;
    memcpy(&h, (const uint16_t *)row + i, sizeof h);
    return h;
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

/* b where one is not a number. */
BS_INLINE vf vmax(vf a, vf b) {
#if defined(BS_ISA_avx512)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#else
    return vselect(a > b, a, b);
#endif
}

BS_INLINE vi vmax_bits(vi a, vi b) {
#if defined(BS_ISA_avx512)
    return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b);
#else
    vi more = a > b;
    return (a & more) | (b & ~more);
#endif
}

BS_INLINE vh vmax_low(vh a, vh b) {
#if defined(BS_ISA_avx512)
    return (vh)_mm256_max_epu16((__m256i)a, (__m256i)b);
#else
    vh more = (vh)(a > b);
    return (a & more) | (b & ~more);
#endif
}

BS_INLINE vf vabs(vf a) {
    return (vf)((vi)a & 0x7FFFFFFF);
}

/* Halves added to halves: the same order every time. */
BS_INLINE float vsum(vf v) {
#if defined(BS_ISA_avx512)
    return _mm512_reduce_add_ps((__m512)v);
#else
    float lane[BS_LANES];
    memcpy(lane, &v, sizeof v);
    for (int half = BS_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
#endif
}

BS_INLINE float vmax_lanes(vf v) {
#if defined(BS_ISA_avx512)
    return _mm512_reduce_max_ps((__m512)v);
#else
    float best = v[0];
    for (int i = 1; i < BS_LANES; i++)
        best = v[i] > best ? v[i] : best;
    return best;
#endif
}

BS_INLINE int32_t vmax_bits_lanes(vi v) {
#if defined(BS_ISA_avx512)
    return _mm512_reduce_max_epi32((__m512i)v);
#else
    int32_t most = v[0];
    for (int i = 1; i < BS_LANES; i++)
        most = v[i] > most ? v[i] : most;
    return most;
#endif
}

/* Lanes below n: all bits. */
BS_INLINE vi vfirst(int64_t n) {
    vi lane;
    for (int i = 0; i < BS_LANES; i++)
        lane[i] = i;
    return lane < (vi){0} + (int32_t)n;
}

#if defined(BS_ISA_avx512)
/* The same for masked instructions; n up to BS_LANES. */
BS_INLINE __mmask16 vmask(int64_t n) {
    return (__mmask16)((1U << n) - 1U);
}
#endif

/* bf16 is the upper half of a float. */
BS_INLINE vu vwords(vh h) {
#if defined(BS_ISA_avx512)
    return (vu)_mm512_cvtepu16_epi32((__m256i)h);
#else
    return __builtin_convertvector(h, vu);
#endif
}

BS_INLINE vh vlower(vu words) {
#if defined(BS_ISA_avx512)
    return (vh)_mm512_cvtepi32_epi16((__m512i)words);
#else
    return __builtin_convertvector(words, vh);
#endif
}

BS_INLINE vf vwiden(vh h) {
    return (vf)(vwords(h) << 16);
}

/* To nearest, ties to even; what is not a number stays so. (Instructions for it make
 * subnormal numbers 0.) */
BS_INLINE vh vnarrow(vf v) {
#if defined(BS_DOT2)
    return (vh)_mm512_cvtneps_pbh((__m512)v);
#else
    vu bits = (vu)v;
    vu rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
    vu quiet = (bits >> 16) | 0x40U;
    vu odd = (vu)(v != v);
    return vlower((rounded & ~odd) | (quiet & odd));
#endif
}

/* The bits of bf16, one in the lower half of each lane. */
BS_INLINE vu vbits(vf v) {
    return vwords(vnarrow(v));
}

/* sum + a b, two bf16 in each lane of b, the same two of `a` in all. */
BS_INLINE vf vdot2(vf sum, vf b, uint32_t a) {
#if defined(BS_DOT2)
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a),
                                (__m512bh)b);
#else
    sum += (vf)((vu)b << 16) * (vf)((vu){0} + (a << 16));
    return sum + (vf)((vu)b & 0xFFFF0000U) * (vf)((vu){0} + (a & 0xFFFF0000U));
#endif
}

/* sum + a b, four int8 in each lane of b, the same four unsigned ones of `a` in all. */
BS_INLINE vi vdot4(vi sum, vi b, uint32_t a) {
#if defined(__AVX512VNNI__)
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32((int)a), (__m512i)b);
#elif defined(BS_ISA_avx512)
    __m512i even = _mm512_srai_epi16(_mm512_slli_epi16((__m512i)b, 8), 8);
    __m512i odd = _mm512_srai_epi16((__m512i)b, 8);
    __m512i first = _mm512_set1_epi32((int)(a & 0xFF00FFU));
    __m512i second = _mm512_set1_epi32((int)(a >> 8 & 0xFF00FFU));
    return sum + (vi)_mm512_madd_epi16(even, first) + (vi)_mm512_madd_epi16(odd, second);
#elif defined(BS_ISA_avx2)
    __m256i even = _mm256_srai_epi16(_mm256_slli_epi16((__m256i)b, 8), 8);
    __m256i odd = _mm256_srai_epi16((__m256i)b, 8);
    __m256i first = _mm256_set1_epi32((int)(a & 0xFF00FFU));
    __m256i second = _mm256_set1_epi32((int)(a >> 8 & 0xFF00FFU));
    return sum + (vi)_mm256_madd_epi16(even, first) + (vi)_mm256_madd_epi16(odd, second);
#else
    for (int i = 0; i < 4; i++)
        sum += ((vi)((vu)b << (24 - 8 * i)) >> 24) * (int32_t)(a >> (8 * i) & 0xFFU);
    return sum;
#endif
}

/* To the nearest integer, ties to even; for numbers below 2^22. */
BS_INLINE vi vround(vf v) {
    return (vi)(v + 12582912.0F) - 0x4B400000; /* 1.5 * 2^23 */
}

/* The lower bytes of n lanes, at most BS_LANES. */
BS_INLINE void vstore_bytes(uint8_t *to, int64_t n, vi v) {
#if defined(BS_ISA_avx512)
    vb bytes = (vb)_mm512_cvtepi32_epi8((__m512i)v);
#else
    vb bytes = __builtin_convertvector(v, vb);
#endif
    memcpy(to, &bytes, n >= BS_LANES ? sizeof bytes : (size_t)n);
}

/* Element i on of a row of either type; n of them, at most BS_LANES; the others 0. */
BS_INLINE vf vload_row(const void *row, enum bs_type type, int64_t i, int64_t n) {
    if (type == BS_F32) {
        vf v = {0};
        if (n >= BS_LANES)
            memcpy(&v, (const float *)row + i, sizeof v);
        else
#if defined(BS_ISA_avx512)
            v = (vf)_mm512_maskz_loadu_ps(vmask(n), (const float *)row + i);
#else
            memcpy(&v, (const float *)row + i, (size_t)n * sizeof(float));
#endif
        return v;
    }
    vh h = {0};
    if (n >= BS_LANES)
        memcpy(&h, (const uint16_t *)row + i, sizeof h);
    else
#if defined(BS_ISA_avx512)
        h = (vh)_mm256_maskz_loadu_epi16(vmask(n), (const uint16_t *)row + i);
#else
        memcpy(&h, (const uint16_t *)row + i, (size_t)n * sizeof(uint16_t));
#endif
    return vwiden(h);
}

BS_INLINE void vstore_row(void *row, enum bs_type type, int64_t i, int64_t n, vf v) {
    if (type == BS_F32) {
        if (n >= BS_LANES)
            memcpy((float *)row + i, &v, sizeof v);
        else
#if defined(BS_ISA_avx512)
            _mm512_mask_storeu_ps((float *)row + i, vmask(n), (__m512)v);
#else
            memcpy((float *)row + i, &v, (size_t)n * sizeof(float));
#endif
        return;
    }
    vh h = vnarrow(v);
    if (n >= BS_LANES)
        memcpy((uint16_t *)row + i, &h, sizeof h);
    else
#if defined(BS_ISA_avx512)
        _mm256_mask_storeu_epi16((uint16_t *)row + i, vmask(n), (__m256i)h);
#else
        memcpy((uint16_t *)row + i, &h, (size_t)n * sizeof(uint16_t));
#endif
}

/* The start of a row of a view. */
BS_INLINE void *row_of(struct bs_rows rows, int64_t row) {
    size_t size = rows.type == BS_F32 ? sizeof(float) : sizeof(uint16_t);
    return (char *)rows.data + (size_t)(row * rows.stride) * size;
}

/* Columns c on of a row of a view; behind its end, and behind its last row, 0. */
BS_INLINE vf vload_padded(struct bs_rows rows, int64_t row, int64_t c) {
    int64_t left = rows.columns - c;
    if (row >= rows.rows || left <= 0)
        return (vf){0};
    return vload_row(row_of(rows, row), rows.type, c, left);
}

/* The same of two rows, to bf16: the lower halves are of `row`, the upper of the next. */
BS_INLINE vu vload_pairs(struct bs_rows rows, int64_t row, int64_t c) {
    vf low = vload_padded(rows, row, c), high = vload_padded(rows, row + 1, c);
    if (rows.type == BS_BF16)
        return (vu)low >> 16 | (vu)high;
    return vbits(low) | vbits(high) << 16;
}

/* BS_LANES rows of as many words become columns. */
BS_INLINE void vtranspose(vu row[BS_LANES]) {
#if defined(BS_ISA_avx512)
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32((__m512i)row[i], (__m512i)row[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32((__m512i)row[i], (__m512i)row[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        a[i] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0x88);
        a[i + 4] = _mm512_shuffle_i32x4(b[i], b[i + 4], 0xDD);
        a[i + 8] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0x88);
        a[i + 12] = _mm512_shuffle_i32x4(b[i + 8], b[i + 12], 0xDD);
    }
    for (int i = 0; i < 4; i++) {
        row[i] = (vu)_mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
        row[i + 8] = (vu)_mm512_shuffle_i32x4(a[i], a[i + 8], 0xDD);
        row[i + 4] = (vu)_mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0x88);
        row[i + 12] = (vu)_mm512_shuffle_i32x4(a[i + 4], a[i + 12], 0xDD);
    }
#else
    for (int i = 0; i < BS_LANES; i++)
        for (int j = 0; j < i; j++) {
            uint32_t word = row[i][j];
            row[i][j] = row[j][i];
            row[j][i] = word;
        }
#endif
}

/* e^x within 1 ulp or so; 1e-38 or 0 below -87.3, finite above 88.3. Cody and Waite's
 * reduction, polynomial of Cephes' expf. */
BS_INLINE vf vexp(vf x) {
#if defined(BS_ISA_avx512)
    /* Such an x that is not a number stays so. */
    x = (vf)_mm512_max_ps(_mm512_set1_ps(-87.33F), (__m512)x);
    x = (vf)_mm512_min_ps(_mm512_set1_ps(88.37F), (__m512)x);
    vf n = (vf)_mm512_roundscale_ps((__m512)(x * 1.44269504F), 0);
#else
    vi tiny = x < vsplat(-87.33F);
    x = vselect(x > vsplat(88.37F), vsplat(88.37F), x);
    vf shifted = vfma(x, vsplat(1.44269504F), vsplat(12582912.0F)); /* 1.5 * 2^23 */
    vf n = shifted - 12582912.0F;
#endif
    vf r = vfma(n, vsplat(-0.693359375F), x);
    r = vfma(n, vsplat(2.12194440e-4F), r);
    vf p = vsplat(1.9875691500e-4F);
    p = vfma(p, r, vsplat(1.3981999507e-3F));
    p = vfma(p, r, vsplat(8.3334519073e-3F));
    p = vfma(p, r, vsplat(4.1665795894e-2F));
    p = vfma(p, r, vsplat(1.6666665459e-1F));
    p = vfma(p, r, vsplat(5.0000001201e-1F));
    p = vfma(p, r * r, r) + 1.0F;
#if defined(BS_ISA_avx512)
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    vf scaled = (vf)((vu)p + ((vu)shifted << 23));
    scaled = vselect(x != x, x, scaled);
    return vselect(tiny, (vf){0}, scaled);
#endif
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

BS_INLINE vf vgelu(vf x) {
    return 0.5F * x * (1.0F + verf(x * 0.70710678118654752F));
}

BS_INLINE vf vgelu_slope(vf x) {
    vf cumulative = 0.5F * (1.0F + verf(x * 0.70710678118654752F));
    return vfma(x, 0.39894228040143268F * vexp(-0.5F * x * x), cumulative);
}

#endif
