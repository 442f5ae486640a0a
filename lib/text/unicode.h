/*
 * What the reference tokenizer does with each code point: properties and mappings in
 * one two-level table, observed from the reference itself by
 * tests/parity/generate_unicode.py, because it mixes tables of several Unicode versions.
 */
#ifndef BS_TEXT_UNICODE_H
#define BS_TEXT_UNICODE_H

#include <stdint.h>
#include <string.h>

enum {
    BS_UNICODE_DROP = 1,        /* removed by clean_text */
    BS_UNICODE_WHITE = 2,       /* white space */
    BS_UNICODE_CJK = 4,         /* a word of its own under handle_chinese_chars */
    BS_UNICODE_PUNCTUATION = 8, /* a word of its own always */
    BS_UNICODE_MARK = 16,       /* removed by strip_accents, after NFD */
    BS_UNICODE_WORD = 32,       /* \w, next to an added token with single_word */
    BS_UNICODE_HANGUL = 64,     /* a syllable, decomposed by arithmetic */
    BS_UNICODE_PLAIN = 128,     /* no stage does anything with it; it is no border */
};

struct bs_unicode_kind {
    uint8_t flags;
    uint8_t combining_class;      /* 0: a starter */
    uint16_t decomposed, lowered; /* into bs_unicode_sequences; 0: itself */
};

/* Blocks of 128 code points; equal blocks are stored once. */
extern const uint16_t bs_unicode_blocks[8704];
extern const uint16_t bs_unicode_kinds[];
extern const struct bs_unicode_kind bs_unicode_kind_table[];
/* A sequence is its length, then its code points. */
extern const uint32_t bs_unicode_sequences[];

/* `code` is at most 0x10FFFF. */
static inline const struct bs_unicode_kind *bs_unicode_kind(uint32_t code) {
    uint32_t place = (uint32_t)bs_unicode_blocks[code >> 7] << 7 | (code & 127);
    return &bs_unicode_kind_table[bs_unicode_kinds[place]];
}

/* Decodes one code point of valid UTF-8 and moves behind it. */
static inline uint32_t bs_unicode_decode(const char **text) {
    const uint8_t *p = (const uint8_t *)*text;
    uint32_t lead = p[0];
    if (lead < 0x80) {
        *text += 1;
        return lead;
    }
    if (lead < 0xE0) {
        *text += 2;
        return (lead & 0x1F) << 6 | (p[1] & 0x3F);
    }
    if (lead < 0xF0) {
        *text += 3;
        return (lead & 0x0F) << 12 | (p[1] & 0x3FU) << 6 | (p[2] & 0x3F);
    }
    *text += 4;
    return (lead & 7) << 18 | (p[1] & 0x3FU) << 12 | (p[2] & 0x3FU) << 6 | (p[3] & 0x3F);
}

/* Writes one code point, at most four bytes, and returns the place behind it. */
static inline char *bs_unicode_encode(char *text, uint32_t code) {
    if (code < 0x80) {
        *text++ = (char)code;
    } else if (code < 0x800) {
        *text++ = (char)(0xC0 | code >> 6);
        *text++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *text++ = (char)(0xE0 | code >> 12);
        *text++ = (char)(0x80 | (code >> 6 & 0x3F));
        *text++ = (char)(0x80 | (code & 0x3F));
    } else {
        *text++ = (char)(0xF0 | code >> 18);
        *text++ = (char)(0x80 | (code >> 12 & 0x3F));
        *text++ = (char)(0x80 | (code >> 6 & 0x3F));
        *text++ = (char)(0x80 | (code & 0x3F));
    }
    return text;
}

#endif
