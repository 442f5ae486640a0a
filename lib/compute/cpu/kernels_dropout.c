/* Dropout: Philox4x32-10 for half a vector of counters at once. */
#include "compute/cpu/kernels_parts.h"

enum { COUNTERS = BS_LANES / 2, BLOCK = 512 /* channels */ };

/* Lower halves of 64-bit lanes, multiplied to 64 bits. */
BS_INLINE vl multiply(vl a, uint32_t b) {
#if defined(BS_ISA_avx512)
    return (vl)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif defined(BS_ISA_avx2)
    return (vl)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#else
    return (a & 0xFFFFFFFFU) * (uint64_t)b;
#endif
}

/* Elements of two vectors in turn, the first half and the second. */
#if BS_LANES == 16
#define FIRST_IN_TURN  0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_IN_TURN 4, 12, 5, 13, 6, 14, 7, 15
#elif BS_LANES == 8
#define FIRST_IN_TURN  0, 4, 1, 5
#define SECOND_IN_TURN 2, 6, 3, 7
#else
#define FIRST_IN_TURN  0, 2
#define SECOND_IN_TURN 1, 3
#endif

BS_INLINE void store_in_turn(uint16_t *bits, vl a, vl b) {
    vl first = __builtin_shufflevector(a, b, FIRST_IN_TURN);
    vl second = __builtin_shufflevector(a, b, SECOND_IN_TURN);
    memcpy(bits, &first, sizeof first);
    memcpy(bits + sizeof first / 2, &second, sizeof second);
}

void dropout_bits(const struct bs_cpu_dropout *dropout, uint32_t example, uint32_t place,
                  uint32_t first, int64_t groups, uint16_t *bits) {
    vl count;
    for (int i = 0; i < COUNTERS; i++)
        count[i] = (uint64_t)i;
    for (int64_t g = 0; g < groups; g += COUNTERS) {
        vl c0 = count + (uint64_t)(first + g);
        vl c1 = (vl){0} + (uint64_t)(dropout->site << 16 | place);
        vl c2 = (vl){0} + (uint64_t)example, c3 = (vl){0} + (uint64_t)dropout->update;
        uint32_t k0 = (uint32_t)dropout->seed, k1 = (uint32_t)(dropout->seed >> 32);
        for (int round = 0; round < 10; round++) {
            vl p0 = multiply(c0, 0xD2511F53U), p1 = multiply(c2, 0xCD9E8D57U);
            c0 = (p1 >> 32) ^ c1 ^ (uint64_t)k0;
            c1 = p1; /* upper halves hold what no multiplication sees */
            c2 = (p0 >> 32) ^ c3 ^ (uint64_t)k1;
            c3 = p0;
            k0 += 0x9E3779B9U;
            k1 += 0xBB67AE85U;
        }
        vl lower = (c0 & 0xFFFFFFFFU) | c1 << 32, upper = (c2 & 0xFFFFFFFFU) | c3 << 32;
        store_in_turn(bits + 8 * g, lower, upper);
    }
}

/* x where the half-word keeps it, scaled, else 0. */
BS_INLINE vf keep(vf x, const uint16_t *bits, uint32_t threshold, float scale) {
    vh half;
    memcpy(&half, bits, sizeof half);
    vi kept = (vi)vwords(half) >= (vi){0} + (int32_t)threshold;
    return (vf)((vi)(x * scale) & kept);
}

static float scale_of(uint32_t threshold) {
    return 65536.0F / (65536.0F - (float)threshold);
}

static void block_bits(const struct bs_cpu_dropout *dropout, int64_t row, int64_t column,
                       int64_t columns, uint16_t *bits) {
    uint32_t place = dropout->place ? dropout->place[row] : 0;
    dropout_bits(dropout, dropout->example[row], place, (uint32_t)(column / 8),
                 (columns + 7) / 8, bits);
}

void dropout_rows(const struct bs_cpu_dropout *dropout, struct bs_rows x,
                  struct bs_rows residual, struct bs_rows y, struct bs_rows y_low) {
    uint16_t bits[BLOCK];
    float scale = scale_of(dropout->threshold);
    for (int64_t r = 0; r < x.rows; r++)
        for (int64_t start = 0; start < x.columns; start += BLOCK) {
            int64_t end = start + BLOCK < x.columns ? start + BLOCK : x.columns;
            if (dropout->threshold)
                block_bits(dropout, r, start, end - start, bits);
            for (int64_t c = start; c < end; c += BS_LANES) {
                vf v = vload_row(row_of(x, r), x.type, c, end - c);
                if (dropout->threshold)
                    v = keep(v, bits + (c - start), dropout->threshold, scale);
                if (residual.data)
                    v += vload_row(row_of(residual, r), BS_F32, c, end - c);
                vstore_row(row_of(y, r), y.type, c, end - c, v);
                if (y_low.data)
                    vstore_row(row_of(y_low, r), y_low.type, c, end - c, v);
            }
        }
}
