/*
 * Elements in bf16 and fp16: conversion to and from float, and rows read and written
 * several elements at a time. Kernels are templates over the element type T, one of
 *
 *     float, bs_bf16, bs_fp16
 *
 * and compute in float. Rounding is to nearest even. Beyond the largest value: infinite
 * (fp16: from 65520 on); NaN stays NaN, its bits may change; fp16's subnormals are exact.
 *
 * Two elements also travel packed in 32 bits, the first in the lower half, as the matrix
 * unit wants them.
 */
#ifndef BS_COMPUTE_CUDA_LOW_H
#define BS_COMPUTE_CUDA_LOW_H

#include "compute/cuda/launch.h"

struct bs_bf16 {
    uint16_t bits;
};

struct bs_fp16 {
    uint16_t bits;
};

/* ---- one element -------------------------------------------------------------- */

BS_GPU float bs_to_float(float value) {
    return value;
}

BS_GPU float bs_to_float(bs_bf16 value) {
    return __uint_as_float(static_cast<uint32_t>(value.bits) << 16);
}

#ifdef BS_STANDIN

BS_GPU float bs_to_float(bs_fp16 value) {
    uint32_t sign = (value.bits & 0x8000U) << 16, magnitude = value.bits & 0x7FFFU;
    if (magnitude >= 0x7C00U)
        return __uint_as_float(sign | 0x7F800000U | (magnitude & 0x3FFU) << 13);
    if (magnitude >= 0x400U)
        return __uint_as_float(sign | ((magnitude << 13) + 0x38000000U));
    float small = static_cast<float>(magnitude) * 0x1p-24F;
    return sign ? -small : small;
}

BS_GPU uint16_t bs_fp16_bits(float value) {
    uint32_t bits = __float_as_uint(value);
    uint32_t sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U)
        return static_cast<uint16_t>(sign | 0x7E00U | (magnitude >> 13 & 0x3FFU));
    if (magnitude >= 0x47800000U)
        return static_cast<uint16_t>(sign | 0x7C00U);
    if (magnitude >= 0x38800000U)
        return static_cast<uint16_t>(
            sign | (magnitude - 0x38000000U + 0xFFFU + (magnitude >> 13 & 1U)) >> 13);
    if (magnitude < 0x33000000U)
        return static_cast<uint16_t>(sign);
    uint32_t shift = 126U - (magnitude >> 23);
    uint32_t whole = (magnitude & 0x7FFFFFU) | 0x800000U;
    uint32_t half = (1U << (shift - 1)) - 1 + (whole >> shift & 1U);
    return static_cast<uint16_t>(sign | (whole + half) >> shift);
}

#else

BS_GPU float bs_to_float(bs_fp16 value) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
    return wide;
}

BS_GPU uint16_t bs_fp16_bits(float value) {
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

#endif

BS_GPU uint16_t bs_bf16_bits(float value) {
#if !defined(BS_STANDIN) && __CUDA_ARCH__ >= 800
    uint16_t low;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(low) : "f"(value));
    return low;
#else
    uint32_t bits = __float_as_uint(value);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U)
        return static_cast<uint16_t>(bits >> 16 | 0x40U);
    return static_cast<uint16_t>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
#endif
}

/* bs_from_float<T>(value), bs_pack<T>(first, second), bs_unpack<T>(packed). */
template <class T> struct bs_element;

template <> struct bs_element<float> {
    static constexpr bool low = false;
    BS_GPU float from(float value) {
        return value;
    }
};

template <> struct bs_element<bs_bf16> {
    static constexpr bool low = true;
    BS_GPU bs_bf16 from(float value) {
        return bs_bf16{bs_bf16_bits(value)};
    }
    BS_GPU uint32_t pack(float first, float second) {
#if !defined(BS_STANDIN) && __CUDA_ARCH__ >= 800
        uint32_t packed;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
        return packed;
#else
        return bs_bf16_bits(first) | static_cast<uint32_t>(bs_bf16_bits(second)) << 16;
#endif
    }
    BS_GPU float2 unpack(uint32_t packed) {
        return make_float2(__uint_as_float(packed << 16),
                           __uint_as_float(packed & 0xFFFF0000U));
    }
};

template <> struct bs_element<bs_fp16> {
    static constexpr bool low = true;
    BS_GPU bs_fp16 from(float value) {
        return bs_fp16{bs_fp16_bits(value)};
    }
    BS_GPU uint32_t pack(float first, float second) {
#if !defined(BS_STANDIN) && __CUDA_ARCH__ >= 800
        uint32_t packed;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(second), "f"(first));
        return packed;
#else
        return bs_fp16_bits(first) | static_cast<uint32_t>(bs_fp16_bits(second)) << 16;
#endif
    }
    BS_GPU float2 unpack(uint32_t packed) {
        return make_float2(bs_to_float(bs_fp16{static_cast<uint16_t>(packed)}),
                           bs_to_float(bs_fp16{static_cast<uint16_t>(packed >> 16)}));
    }
};

template <class T> BS_GPU T bs_from_float(float value) {
    return bs_element<T>::from(value);
}

/* T: bs_bf16 or bs_fp16. */
template <class T> BS_GPU uint32_t bs_pack(float first, float second) {
    return bs_element<T>::pack(first, second);
}

template <class T> BS_GPU float2 bs_unpack(uint32_t packed) {
    return bs_element<T>::unpack(packed);
}

/* What a value becomes when it is kept as T. */
template <class T> BS_GPU float bs_round(float value) {
    return bs_to_float(bs_from_float<T>(value));
}

/* ---- N elements of a row, N = 1, 2, 4 or 8 ------------------------------------- */

/* One access of BYTES = 2, 4, 8 or 16. */
template <int BYTES> struct bs_chunk;
template <> struct bs_chunk<2> { using type = uint16_t; };
template <> struct bs_chunk<4> { using type = uint32_t; };
template <> struct bs_chunk<8> { using type = uint2; };
template <> struct bs_chunk<16> { using type = uint4; };

/* N elements as they lie in memory; copied from and to it by accesses of 16 bytes or of
 * the whole. */
template <int N, class T> struct bs_vector {
    static constexpr int bytes = N * static_cast<int>(sizeof(T));
    static constexpr int accesses = bytes > 16 ? bytes / 16 : 1;
    using chunk = typename bs_chunk<bytes / accesses>::type;
    union {
        T element[N];
        uint32_t word[bytes >= 4 ? bytes / 4 : 1];
        chunk part[accesses];
    };
};

/* Unconverted. `from`, `to`: aligned to N elements or to 16 bytes, the smaller. */
template <int N, class T> BS_GPU bs_vector<N, T> bs_load_vector(const T *from) {
    using vector = bs_vector<N, T>;
    vector v;
#pragma unroll
    for (int i = 0; i < vector::accesses; i++)
        v.part[i] = reinterpret_cast<const typename vector::chunk *>(from)[i];
    return v;
}

template <int N, class T> BS_GPU void bs_store_vector(T *to, const bs_vector<N, T> &v) {
    using vector = bs_vector<N, T>;
#pragma unroll
    for (int i = 0; i < vector::accesses; i++)
        reinterpret_cast<typename vector::chunk *>(to)[i] = v.part[i];
}

/* Converted to and from float. */
template <int N, class T> BS_GPU void bs_load(float values[N], const T *from) {
    const bs_vector<N, T> v = bs_load_vector<N>(from);
#pragma unroll
    for (int i = 0; i < N; i++)
        values[i] = bs_to_float(v.element[i]);
}

template <int N, class T> BS_GPU void bs_store(T *to, const float values[N]) {
    bs_vector<N, T> v;
    if constexpr (bs_element<T>::low && N > 1) {
#pragma unroll
        for (int i = 0; i < N; i += 2)
            v.word[i / 2] = bs_pack<T>(values[i], values[i + 1]);
    } else {
#pragma unroll
        for (int i = 0; i < N; i++)
            v.element[i] = bs_from_float<T>(values[i]);
    }
    bs_store_vector<N>(to, v);
}

#endif
