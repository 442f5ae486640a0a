/*
 * bf16 and fp16 against arithmetic in double: all 65,536 patterns widened, floats around
 * every pattern and at random rounded, rows loaded and stored.
 */
#include "compute/cuda/low.h"
#include "gpu.h"

#include <math.h>
#include <string.h>

template <class T> struct Format;
template <> struct Format<bs_bf16> {
    static constexpr int fraction = 7, bias = 127;
    static constexpr const char *name = "bf16";
};
template <> struct Format<bs_fp16> {
    static constexpr int fraction = 10, bias = 15;
    static constexpr const char *name = "fp16";
};

/* What a pattern means: IEEE 754, with that many bits of fraction. */
template <class T> static double meaning(uint16_t bits) {
    int fraction_bits = Format<T>::fraction, bias = Format<T>::bias;
    int fraction = bits & ((1 << fraction_bits) - 1);
    int exponent = (bits & 0x7FFF) >> fraction_bits;
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == 2 * bias + 1)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

/* The nearest pattern; of two, the even one. Beyond the largest by half a step or more:
 * infinite, as if one more exponent existed. */
template <class T> static uint16_t nearest(float value) {
    int fraction_bits = Format<T>::fraction, bias = Format<T>::bias;
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    uint16_t infinite = static_cast<uint16_t>((2 * bias + 1) << fraction_bits);
    if (isnan(value))
        return static_cast<uint16_t>(infinite + 1);
    if (isinf(value))
        return sign | infinite;
    double magnitude = fabs(static_cast<double>(value));
    int exponent = magnitude > 0 ? ilogb(magnitude) : 1 - bias;
    if (exponent < 1 - bias)
        exponent = 1 - bias;
    double steps = nearbyint(ldexp(magnitude, fraction_bits - exponent));
    double pattern = (exponent + bias - 1) * ldexp(1, fraction_bits) + steps;
    return sign | (pattern < infinite ? static_cast<uint16_t>(pattern) : infinite);
}

template <class T> BS_KERNEL(256, 1) void widen(float *wide, const T *low, int n) {
    int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n)
        wide[i] = bs_to_float(low[i]);
}

/* One by one, and in pairs by the packed conversion. */
template <class T>
BS_KERNEL(256, 1)
void narrow(T *one, uint32_t *packed, float2 *again, const float *wide, int pairs) {
    int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= pairs)
        return;
    one[2 * i] = bs_from_float<T>(wide[2 * i]);
    one[2 * i + 1] = bs_from_float<T>(wide[2 * i + 1]);
    packed[i] = bs_pack<T>(wide[2 * i], wide[2 * i + 1]);
    again[i] = bs_unpack<T>(packed[i]);
}

template <class T> static void test_widen(void) {
    std::vector<T> low(65536);
    for (int i = 0; i < 65536; i++)
        low[i].bits = static_cast<uint16_t>(i);
    Array<T> from(low);
    Array<float> to(65536);
    RUN((widen<T>), 256, 256, 0, to.data, from.data, 65536);
    std::vector<float> wide = to.get();
    int wrong = 0;
    for (int i = 0; i < 65536; i++) {
        double want = meaning<T>(static_cast<uint16_t>(i));
        bool same = isnan(want) ? isnan(wide[i]) : static_cast<double>(wide[i]) == want;
        wrong += !same || (!isnan(want) && signbit(wide[i]) != signbit(want));
    }
    check(wrong == 0, "%s: all patterns become the floats they mean (%d wrong)",
          Format<T>::name, wrong);
}

/* Every finite pattern, half way to the next, and the floats around both. */
template <class T> static std::vector<float> hard_floats(void) {
    std::vector<float> floats = {NAN, INFINITY, -INFINITY, 0.0F, -0.0F, 3.4e38F, -1e-45F};
    for (int i = 0; i < 65536; i++) {
        uint16_t bits = static_cast<uint16_t>(i), next = static_cast<uint16_t>(i + 1);
        double a = meaning<T>(bits), b = meaning<T>(next);
        if (!isfinite(a))
            continue;
        float half = static_cast<float>(isfinite(b) ? a + (b - a) / 2 : a * 1.0004);
        for (float near : {static_cast<float>(a), half}) {
            floats.push_back(near);
            floats.push_back(nextafterf(near, INFINITY));
            floats.push_back(nextafterf(near, -INFINITY));
        }
    }
    return floats;
}

static std::vector<float> random_floats(int n) {
    std::vector<float> floats(n);
    uint64_t state = 7;
    for (float &value : floats) {
        uint32_t bits = draw(&state);
        memcpy(&value, &bits, sizeof value);
    }
    return floats;
}

template <class T> static bool same_low(uint16_t got, uint16_t want) {
    return isnan(meaning<T>(want)) ? isnan(meaning<T>(got)) : got == want;
}

template <class T> static void test_narrow(std::vector<float> floats, const char *which) {
    if (floats.size() % 2)
        floats.push_back(1.0F);
    int pairs = static_cast<int>(floats.size() / 2);
    Array<float> from(floats);
    Array<T> one(floats.size());
    Array<uint32_t> packed(floats.size() / 2);
    Array<float2> again(floats.size() / 2);
    RUN((narrow<T>), (pairs + 255) / 256, 256, 0, one.data, packed.data, again.data,
        from.data, pairs);
    std::vector<T> ones = one.get();
    std::vector<uint32_t> two = packed.get();
    std::vector<float2> wide = again.get();
    int wrong = 0, wrong_packed = 0, wrong_unpacked = 0;
    for (int i = 0; i < 2 * pairs; i++) {
        uint16_t want = nearest<T>(floats[i]);
        uint16_t half = static_cast<uint16_t>(two[i / 2] >> 16 * (i % 2));
        double back = static_cast<double>(i % 2 ? wide[i / 2].y : wide[i / 2].x);
        wrong += !same_low<T>(ones[i].bits, want);
        wrong_packed += !same_low<T>(half, want);
        wrong_unpacked +=
            isnan(meaning<T>(want)) ? !isnan(back) : back != meaning<T>(want);
    }
    check(wrong == 0, "%s: %zu %s round to nearest even (%d wrong)", Format<T>::name,
          floats.size(), which, wrong);
    check(wrong_packed == 0, "%s: so they do in pairs (%d wrong)", Format<T>::name,
          wrong_packed);
    check(wrong_unpacked == 0, "%s: pairs come apart again (%d wrong)", Format<T>::name,
          wrong_unpacked);
}

/* ---- rows ---------------------------------------------------------------------- */

template <int N, class T> BS_KERNEL(64, 1) void copy_rows(T *to, const T *from, int n) {
    int i = N * static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= n)
        return;
    float values[N];
    bs_load<N>(values, from + i);
    bs_store<N>(to + i, values);
}

/* Not whole blocks; the elements behind stay as they were. */
template <int N, class T> static void test_rows(const char *name) {
    constexpr int used = 8 * 37, all = used + 8;
    std::vector<T> values(all);
    uint64_t state = 3;
    for (T &value : values)
        value = T{static_cast<decltype(T::bits)>(draw(&state) & 0x3BFF)};
    Array<T> from(values), to(all);
    RUN((copy_rows<N, T>), (used / N + 63) / 64, 64, 0, to.data, from.data, used);
    std::vector<T> got = to.get();
    int wrong = 0;
    for (int i = 0; i < all; i++)
        wrong += got[i].bits != (i < used ? values[i].bits : 0xFFFF);
    check(wrong == 0, "%s: rows %d at a time (%d wrong)", name, N, wrong);
}

template <int N> static void test_float_rows(void) {
    std::vector<float> values(8 * 37);
    for (size_t i = 0; i < values.size(); i++)
        values[i] = static_cast<float>(i) * 0.1F;
    Array<float> from(values), to(values.size());
    RUN((copy_rows<N, float>), static_cast<int>(values.size() / N + 63) / 64, 64, 0,
        to.data, from.data, static_cast<int>(values.size()));
    check(to.get() == values, "fp32: rows %d at a time", N);
}

template <class T> static void test_format(void) {
    test_widen<T>();
    test_narrow<T>(hard_floats<T>(), "floats around all patterns");
    test_narrow<T>(random_floats(1000000), "random floats");
    test_rows<1, T>(Format<T>::name);
    test_rows<2, T>(Format<T>::name);
    test_rows<4, T>(Format<T>::name);
    test_rows<8, T>(Format<T>::name);
}

int main(void) {
    test_format<bs_bf16>();
    test_format<bs_fp16>();
    test_float_rows<1>();
    test_float_rows<2>();
    test_float_rows<4>();
    test_float_rows<8>();
    return tap_end();
}
