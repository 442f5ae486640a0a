/*
 * A lab for the attention kernels: the same sequences, packed into batches in any way,
 * through ref/ and through the kernels. A sequence's values, its example number and its
 * length depend on its own number alone.
 *
 * Device rows have guard rows around them and, strided, guard columns between; all NaN,
 * as outputs are at first: what reads a guard spoils its result, what writes one or
 * leaves an output out is found.
 */
#ifndef BS_TESTS_CUDA_ATTENTION_LAB_H
#define BS_TESTS_CUDA_ATTENTION_LAB_H

#include "common/f16.h"
#include "common/random.h"
#include "compute/bf16.h"
#include "compute/cuda/kernels.h"
#include "cuda/gpu.h"

#include <cmath>
#include <cstring>

using floats = std::vector<float>;

struct setting {
    enum bs_type type;
    int width, heads; /* D, H */
    bool first_only, strided;
    float dropout;
    std::vector<int> lengths; /* of the sequences, by number */
    float spread = 1.5F;      /* of all values */
    float apart = 0;          /* added to q, and subtracted from k */
    int spoilt = 0; /* the number of a sequence whose keys are infinite, plus 1 */
};

/* Which sequences, in which order, and what is added that must not matter. */
struct packing {
    std::vector<int> which;
    int padding, longer; /* more tokens, a larger max_length */
};

/* Dense; rows of queries or of keys. */
struct result {
    floats out, lse, dq, dk, dv;
};

/* Ends the test if ref/ fails. */
static inline void ref_must(int status, const struct bs_error &error) {
    if (status == BS_OK)
        return;
    printf("Bail out! ref: %s\n", error.text);
    exit(1);
}

/* ---- elements ------------------------------------------------------------------- */

static inline size_t size_of(enum bs_type type) {
    return type == BS_F32 ? 4 : 2;
}

static inline void put(enum bs_type type, void *to, size_t index, float value) {
    if (type == BS_F32)
        static_cast<float *>(to)[index] = value;
    else
        static_cast<uint16_t *>(to)[index] =
            type == BS_BF16 ? bs_bf16_from_float(value) : bs_f16_from_float(value);
}

static inline float get(enum bs_type type, const void *from, size_t index) {
    if (type == BS_F32)
        return static_cast<const float *>(from)[index];
    uint16_t bits = static_cast<const uint16_t *>(from)[index];
    return type == BS_BF16 ? bs_bf16_to_float(bits) : bs_f16_to_float(bits);
}

static inline float rounded(enum bs_type type, float value) {
    return type == BS_F32    ? value
           : type == BS_BF16 ? bs_bf16_round(value)
                             : bs_f16_round(value);
}

/* ---- a batch and its values ------------------------------------------------------ */

struct batch {
    std::vector<int32_t> offset;
    std::vector<uint32_t> example;
    int64_t tokens, longest, queries; /* rows of q */
};

static inline struct batch make_batch(const struct setting &s, const struct packing &p) {
    struct batch b = {{0}, {}, 0, 1, 0};
    for (int n : p.which) {
        int length = s.lengths[static_cast<size_t>(n)];
        b.offset.push_back(b.offset.back() + length);
        b.example.push_back(static_cast<uint32_t>(100 + n));
        b.longest = length > b.longest ? length : b.longest;
    }
    b.tokens = b.offset.back() + p.padding;
    b.longest += p.longer;
    b.queries = s.first_only ? static_cast<int64_t>(p.which.size()) : b.tokens;
    return b;
}

/* Rows of every sequence, rounded to the type; padding is finite, in gradients zero. */
static inline floats make_values(const struct setting &s, const struct packing &p,
                                 const struct batch &b, bool by_query, uint64_t salt,
                                 float padding) {
    size_t columns = static_cast<size_t>(s.heads * s.width);
    bool first_only = by_query && s.first_only;
    floats values(static_cast<size_t>(by_query ? b.queries : b.tokens) * columns,
                  padding);
    for (size_t i = 0; i < p.which.size(); i++) {
        struct bs_random random = {1000 * salt + static_cast<uint64_t>(p.which[i]), 0, 0};
        size_t at = (first_only ? i : static_cast<size_t>(b.offset[i])) * columns;
        size_t rows =
            first_only ? 1
                       : static_cast<size_t>(s.lengths[static_cast<size_t>(p.which[i])]);
        for (size_t j = 0; j < rows * columns; j++)
            values[at + j] =
                rounded(s.type, s.spread * static_cast<float>(bs_random_normal(&random)));
    }
    return values;
}

struct values {
    floats q, k, v, dout;
};

static inline struct values
make_all_values(const struct setting &s, const struct packing &p, const struct batch &b) {
    struct values x = {
        make_values(s, p, b, true, 1, 1), make_values(s, p, b, false, 2, 1),
        make_values(s, p, b, false, 3, 1), make_values(s, p, b, true, 4, 0)};
    for (float &value : x.q)
        value = rounded(s.type, value + s.apart);
    for (float &value : x.k)
        value = rounded(s.type, value - s.apart);
    size_t columns = static_cast<size_t>(s.heads * s.width);
    for (size_t i = 0; i < p.which.size(); i++)
        if (p.which[i] == s.spoilt - 1)
            for (size_t j = static_cast<size_t>(b.offset[i]) * columns;
                 j < static_cast<size_t>(b.offset[i + 1]) * columns; j++)
                x.k[j] = INFINITY;
    return x;
}

static inline struct bs_attention attention_of(const struct setting &s) {
    return {s.heads, s.first_only, {s.dropout, 9}};
}

/* ---- rows on the device ---------------------------------------------------------- */

enum { GUARDS = 2 };

struct device_rows {
    unsigned char *memory;
    struct bs_rows view;
};

static inline struct device_rows device_put(enum bs_type type, int64_t rows,
                                            int64_t columns, bool strided,
                                            const floats *values) {
    int64_t stride = strided ? 3 * columns : columns;
    size_t size = size_of(type), all = static_cast<size_t>((rows + 2 * GUARDS) * stride);
    std::vector<unsigned char> host(all * size);
    for (size_t i = 0; i < all; i++)
        put(type, host.data(), i, NAN);
    for (int64_t r = 0; values && r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            put(type, host.data(), static_cast<size_t>((r + GUARDS) * stride + c),
                (*values)[static_cast<size_t>(r * columns + c)]);
    struct device_rows d = {};
    void *memory = nullptr;
    MUST(cudaMalloc(&memory, all * size + 16));
    MUST(cudaMemcpy(memory, host.data(), all * size, cudaMemcpyHostToDevice));
    d.memory = static_cast<unsigned char *>(memory);
    d.view = {d.memory + static_cast<size_t>(GUARDS * stride) * size, type, rows, columns,
              stride};
    return d;
}

/* The dense values; frees the rows. */
static inline floats device_take(struct device_rows *d, bool *whole) {
    const struct bs_rows &view = d->view;
    size_t size = size_of(view.type);
    size_t all = static_cast<size_t>((view.rows + 2 * GUARDS) * view.stride);
    std::vector<unsigned char> host(all * size);
    MUST(cudaMemcpy(host.data(), d->memory, all * size, cudaMemcpyDeviceToHost));
    MUST(cudaFree(d->memory));
    floats values;
    for (size_t i = 0; i < all; i++) {
        int64_t r = static_cast<int64_t>(i) / view.stride - GUARDS;
        int64_t c = static_cast<int64_t>(i) % view.stride;
        float value = get(view.type, host.data(), i);
        if (r >= 0 && r < view.rows && c < view.columns)
            values.push_back(value);
        else
            *whole = *whole && std::isnan(value);
    }
    return values;
}

template <class E> static inline E *device_copy(const E *from, size_t n) {
    void *to = nullptr;
    MUST(cudaMalloc(&to, n * sizeof(E)));
    MUST(cudaMemcpy(to, from, n * sizeof(E), cudaMemcpyHostToDevice));
    return static_cast<E *>(to);
}

#endif
