/* Sixteen bytes at a time, in GCC's vector extensions: portable, and one register on
 * every 64-bit processor. */
#ifndef BS_TEXT_BYTES16_H
#define BS_TEXT_BYTES16_H

#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef uint8_t bs_bytes16 __attribute__((vector_size(16)));

static inline bs_bytes16 bs_bytes16_load(const void *p) {
    bs_bytes16 bytes;
    memcpy(&bytes, p, sizeof bytes);
    return bytes;
}

/* How many bytes at the front of `mask` (each 0 or 0xFF) are 0xFF: 0 to 16. */
static inline unsigned bs_bytes16_run(bs_bytes16 mask) {
#ifdef __SSE2__
    return (unsigned)__builtin_ctz(~(unsigned)_mm_movemask_epi8((__m128i)mask));
#else
    uint64_t half[2];
    memcpy(half, &mask, sizeof half);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (~half[0])
        return (unsigned)__builtin_ctzll(~half[0]) / 8;
    return ~half[1] ? 8 + (unsigned)__builtin_ctzll(~half[1]) / 8 : 16;
#else
    if (~half[0])
        return (unsigned)__builtin_clzll(~half[0]) / 8;
    return ~half[1] ? 8 + (unsigned)__builtin_clzll(~half[1]) / 8 : 16;
#endif
#endif
}

#endif
