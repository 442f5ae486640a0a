/* The fast path: words of ASCII letters and digits straight from the text to the
 * cache, sixteen bytes at a time, and single bytes of white space and punctuation by a
 * table. Whatever else turns up (not ASCII, control characters, words of more than 16
 * bytes) goes, from the beginning of its word to the next white space, through the
 * general path; white space is a border that no stage reaches across. */
#include "text/bytes16.h"
#include "text/wordpiece.h"

enum {
    AHEAD = 32,     /* bytes that one turn of the loop may look at */
    BLOCK = 1 << 14 /* bytes for which ids are reserved at once */
};

static inline bool is_ascii_white(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool general_path(struct bs_tokenizer_worker *worker, const char **place,
                         const char *end, struct bs_ids *ids) {
    const char *p = *place;
    while (p < end && !is_ascii_white(*p))
        p++;
    struct bs_span stretch = bs_span(*place, (size_t)(p - *place));
    *place = p;
    return bs_normalize(&worker->normalizer, stretch) &&
           bs_split_words(worker, bs_buffer_span(&worker->normalizer.text), ids);
}

/* Loaded at 16 - n, n bytes of 0xFF. */
static const uint8_t front_bytes[32] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

/* The letters and digits at the front of 16 bytes, in lower case if so wanted, padded
 * with zero bytes. */
static inline unsigned front_word(const char *text, bs_bytes16 case_bit,
                                  struct bs_word_key *key) {
    bs_bytes16 bytes = bs_bytes16_load(text);
    bs_bytes16 letter = (bs_bytes16)(((bytes | 0x20) - 'a') < 26);
    bs_bytes16 digit = (bs_bytes16)((bytes - '0') < 10);
    unsigned size = bs_bytes16_run(letter | digit);
    bytes |= letter & case_bit;
    bytes &= bs_bytes16_load(front_bytes + 16 - size);
    memcpy(key, &bytes, sizeof *key);
    return size;
}

/* Works from `p` while it is below `last`; AHEAD bytes behind `last` can be read, and
 * are part of the text as far as `end`. Returns where it stopped, NULL without memory.
 * ids have room for `last - p` and AHEAD more. */
static const char *scan(struct bs_tokenizer_worker *worker, const char *p,
                        const char *last, const char *end, struct bs_ids *ids) {
    const struct bs_tokenizer *tokenizer = worker->tokenizer;
    const struct bs_ascii *ascii = tokenizer->ascii;
    const uint8_t bit = tokenizer->lowercase ? 0x20 : 0;
    const bs_bytes16 case_bit = (bs_bytes16){0} + bit;
    int32_t *out = ids->values + ids->count;
    while (p < last) {
        for (int i = 0; i < 2; i++) { /* most often ", " or " " and nothing */
            const struct bs_ascii *byte = &ascii[(uint8_t)*p];
            *out = byte->id;
            out += byte->n_ids;
            p += byte->step;
        }
        struct bs_word_key key;
        unsigned size = front_word(p, case_bit, &key);
        bool bounded = ascii[(uint8_t)p[size]].step;
        if (bounded && size == 0)
            continue;
        struct bs_short_word *word = bs_short_word_set(&worker->cache, key);
        if (!bs_short_word_is(word, key) && bs_short_word_is(word + 1, key))
            bs_short_word_swap(word);
        if (bounded && bs_short_word_is(word, key)) {
            memcpy(out, word->ids, sizeof word->ids);
            out += word->n_ids;
            p += size;
            continue;
        }
        ids->count = (size_t)(out - ids->values);
        if (bounded) {
            p += size;
            if (!bs_word_ids(worker, bs_span((const char *)&key, size), size, ids))
                return NULL;
        } else if (!general_path(worker, &p, end, ids)) {
            return NULL;
        }
        if (!bs_ids_reserve(ids, (size_t)(p < last ? last - p : 0) + AHEAD))
            return NULL;
        out = ids->values + ids->count;
    }
    ids->count = (size_t)(out - ids->values);
    return p;
}

bool bs_scan_text(struct bs_tokenizer_worker *worker, struct bs_span text,
                  struct bs_ids *ids) {
    const char *p = text.data, *end = p + text.size;
    while (end - p > AHEAD) {
        const char *last = end - p > BLOCK + AHEAD ? p + BLOCK : end - AHEAD;
        if (!bs_ids_reserve(ids, (size_t)(last - p) + AHEAD))
            return false;
        if (!(p = scan(worker, p, last, end, ids)))
            return false;
    }
    /* The rest, with white space behind it. */
    size_t rest = (size_t)(end - p);
    char tail[2 * AHEAD];
    memset(tail, ' ', sizeof tail);
    if (rest)
        memcpy(tail, p, rest);
    return bs_ids_reserve(ids, 2 * AHEAD) &&
           scan(worker, tail, tail + rest, tail + rest, ids);
}
