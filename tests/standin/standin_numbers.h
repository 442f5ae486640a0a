/*
 * bf16, fp16 and tf32 for the stand-in's own products. Written for clarity, and apart
 * from lib/compute/cuda/low.h, so that each checks the other.
 */
#ifndef BS_STANDIN_NUMBERS_H
#define BS_STANDIN_NUMBERS_H

#include <cmath>
#include <cstdint>
#include <cstring>

namespace standin {

inline float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

inline uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_from_bf16(uint16_t low) {
    return float_of_bits(static_cast<uint32_t>(low) << 16);
}

/* fraction x 2^(exponent - 25), exponent 0 counting as 1 without the hidden bit. */
inline float float_from_fp16_slowly(uint16_t low) {
    int exponent = low >> 10 & 31, fraction = low & 1023;
    float sign = low & 0x8000 ? -1.0F : 1.0F;
    if (exponent == 31)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * std::ldexp(static_cast<float>(fraction), -24);
    return sign * std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
}

inline float float_from_fp16(uint16_t low) {
    struct Table {
        float wide[65536];
        Table() {
            for (int i = 0; i < 65536; i++)
                wide[i] = float_from_fp16_slowly(static_cast<uint16_t>(i));
        }
    };
    static const Table table;
    return table.wide[low];
}

/* The unit takes no notice of the lower 13 bits. */
inline float float_from_tf32(uint32_t bits) {
    return float_of_bits(bits & 0xFFFFE000U);
}

/* To nearest, ties away from zero. */
inline uint32_t tf32_from_float(float value) {
    uint32_t bits = bits_of_float(value);
    if ((bits & 0x7F800000U) == 0x7F800000U)
        return bits & 0xFFFFE000U;
    return (bits + 0x1000U) & 0xFFFFE000U;
}

/* The nearest multiple of the spacing of numbers around `value`, ties to even. `digits`
 * of precision, least exponent of a normal number. */
inline double rounded(double value, int digits, int least) {
    if (value == 0 || !std::isfinite(value))
        return value;
    int exponent = std::ilogb(value);
    int spacing = (exponent < least ? least : exponent) - digits + 1;
    return std::ldexp(std::nearbyint(std::ldexp(value, -spacing)), spacing);
}

inline uint16_t bf16_from_float(float value) {
    if (std::isnan(value))
        return 0x7FC0;
    return static_cast<uint16_t>(
        bits_of_float(static_cast<float>(rounded(value, 8, -126))) >> 16);
}

inline uint16_t fp16_from_float(float value) {
    uint16_t sign = std::signbit(value) ? 0x8000 : 0;
    double magnitude = std::fabs(rounded(value, 11, -14));
    if (std::isnan(value))
        return 0x7E00;
    if (magnitude > 65504)
        return static_cast<uint16_t>(sign | 0x7C00);
    if (magnitude < std::ldexp(1.0, -14))
        return static_cast<uint16_t>(sign | static_cast<int>(std::ldexp(magnitude, 24)));
    int exponent = std::ilogb(magnitude);
    int fraction = static_cast<int>(std::ldexp(magnitude, 10 - exponent)) - 1024;
    return static_cast<uint16_t>(sign | (exponent + 15) << 10 | fraction);
}

} // namespace standin

#endif
