/*
 * bfloat16: the upper half of an fp32, rounded to nearest even. NaN stays NaN; what
 * lies beyond the largest value becomes infinite.
 */
#ifndef BS_COMPUTE_BF16_H
#define BS_COMPUTE_BF16_H

#include "common/host_device.h"

#include <stdint.h>
#include <string.h>

BS_HOST_DEVICE static inline float bs_bf16_to_float(uint16_t low) {
    uint32_t bits = (uint32_t)low << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

BS_HOST_DEVICE static inline uint16_t bs_bf16_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7FFFFFFFU) > 0x7F800000U)
        return (uint16_t)(bits >> 16 | 0x40U);
    return (uint16_t)((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
}

BS_HOST_DEVICE static inline float bs_bf16_round(float value) {
    return bs_bf16_to_float(bs_bf16_from_float(value));
}

#endif
