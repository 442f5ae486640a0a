/*
 * fp16 (IEEE binary16): one sign, five exponent and ten fraction bits. Rounded to
 * nearest even, subnormals exact; from 65520 on infinite; NaN stays NaN. tf32: fp32 with
 * ten fraction bits, as tensor cores read it, kept in a float.
 */
#ifndef BS_COMPUTE_F16_H
#define BS_COMPUTE_F16_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float bs_f16_to_float(uint16_t low) {
    int exponent = low >> 10 & 31, fraction = low & 1023;
    float magnitude = exponent == 31 ? (fraction ? NAN : INFINITY)
                      : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                                     : ldexpf((float)fraction, -24);
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
    int exponent;
    float fraction = frexpf(magnitude, &exponent); /* [0.5, 1) */
    uint32_t steps = (uint32_t)nearbyintf(fraction * 2048);
    return sign | (uint16_t)(((uint32_t)(exponent + 14) << 10) + steps - 1024);
}

static inline float bs_f16_round(float value) {
    return bs_f16_to_float(bs_f16_from_float(value));
}

static inline float bs_tf32_round(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7F800000U) != 0x7F800000U)
        bits = (bits + 0xFFFU + (bits >> 13 & 1U)) & ~0x1FFFU;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

#endif
