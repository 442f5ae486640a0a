/*
 * fp16 (IEEE binary16): one sign, five exponent and ten fraction bits. Rounded to
 * nearest even, subnormals exact; from 65520 on infinite; NaN stays NaN. tf32: fp32 with
 * ten fraction bits, as tensor cores read it, kept in a float.
 */
#ifndef BS_COMMON_F16_H
#define BS_COMMON_F16_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float bs_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Its bits, with ten fraction bits left of a finite value. */
static inline uint32_t bs_ten_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isfinite(value) ? (bits + 0xFFFU + (bits >> 13 & 1U)) & ~0x1FFFU : bits;
}

static inline float bs_tf32_round(float value) {
    return bs_float_of_bits(bs_ten_bits(value));
}

static inline float bs_f16_to_float(uint16_t low) {
    uint32_t bits = (low & 0x7FFFU) << 13;
    float magnitude = bs_float_of_bits(bits) * 0x1p112F; /* exponents from 15 to 127 */
    if ((low & 0x7C00U) == 0x7C00U)
        magnitude = bs_float_of_bits(bits | 0x7F800000U);
    return low >> 15 ? -magnitude : magnitude;
}

static inline uint16_t bs_f16_from_float(float value) {
    uint16_t sign = signbit(value) ? 0x8000U : 0;
    float magnitude = fabsf(value);
    if (isnan(value))
        return sign | 0x7E00U;
    if (magnitude >= 65520.0F)
        return sign | 0x7C00U;
    if (magnitude < 0x1p-14F) /* in steps of 2^-24; 1024 of them are the first normal */
        return sign | (uint16_t)nearbyintf(magnitude * 0x1p24F);
    return sign | (uint16_t)((bs_ten_bits(magnitude) >> 13) - ((127 - 15) << 10));
}

static inline float bs_f16_round(float value) {
    return bs_f16_to_float(bs_f16_from_float(value));
}

#endif
