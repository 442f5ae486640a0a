/*
 * Bytes of text by class, 64 at a time, as bits: where tokens begin and how long they are
 * then takes no look at the bytes, nor at the token before. In GCC's vector extensions:
 * portable, and one register on every 64-bit processor.
 */
#ifndef BS_TEXT_CLASSES_H
#define BS_TEXT_CLASSES_H

#include <stddef.h>
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

/* Of a mask, whose bytes are 0 or 0xFF, a bit each. */
static inline uint64_t bs_bytes16_bits(bs_bytes16 mask) {
#ifdef __SSE2__
    return (uint64_t)_mm_movemask_epi8((__m128i)mask);
#else
    uint64_t bits = 0;
    for (int i = 0; i < 16; i++)
        bits |= (uint64_t)(mask[i] & 1) << i;
    return bits;
#endif
}

/* A bit for each of 64 bytes, the first the lowest. */
struct bs_classes {
    uint64_t word;  /* ASCII letters and digits */
    uint64_t white; /* space, tab, line feed, carriage return */
    uint64_t other; /* neither these nor ASCII punctuation: control bytes, not ASCII */
};

/* Copies them to `lower`, letters with `case_bit` (0x20: lower case; 0: as they are). */
static inline struct bs_classes bs_classify(const char *text, bs_bytes16 case_bit,
                                            char *lower) {
    struct bs_classes classes = {0};
    for (int i = 0; i < 64; i += 16) {
        bs_bytes16 bytes = bs_bytes16_load(text + i);
        bs_bytes16 letter = (bs_bytes16)(((bytes | 0x20) - 'a') < 26);
        bs_bytes16 digit = (bs_bytes16)((bytes - '0') < 10);
        bs_bytes16 graphic = (bs_bytes16)((bytes - '!') < '~' - '!' + 1);
        bs_bytes16 white = (bs_bytes16)(bytes == ' ') | (bs_bytes16)((bytes - '\t') < 2) |
                           (bs_bytes16)(bytes == '\r');
        bytes |= letter & case_bit;
        memcpy(lower + i, &bytes, sizeof bytes);
        classes.word |= bs_bytes16_bits(letter | digit) << i;
        classes.white |= bs_bytes16_bits(white) << i;
        classes.other |= bs_bytes16_bits(~(graphic | white)) << i;
    }
    return classes;
}

#endif
