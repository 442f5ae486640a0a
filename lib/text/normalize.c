/* Normalization of a stretch of text, code point by code point. NFD needs a memory of
 * marks only: a starter ends what canonical ordering may move. */
#include "text/normalize.h"

#include "text/unicode.h"

#include <stdlib.h>

/* More than any code point turns into: four times two code points of four bytes. */
enum { ROOM = 64 };

static void put_lower(struct bs_normalizer *normalizer, uint32_t code) {
    struct bs_buffer *out = &normalizer->text;
    const struct bs_unicode_kind *kind = bs_unicode_kind(code);
    char *end = out->data + out->size;
    if (normalizer->lowercase && kind->lowered) {
        const uint32_t *sequence = &bs_unicode_sequences[kind->lowered];
        for (uint32_t i = 1; i <= sequence[0]; i++)
            end = bs_unicode_encode(end, sequence[i]);
    } else {
        end = bs_unicode_encode(end, code);
    }
    out->size = (size_t)(end - out->data);
}

/* Stable, by combining class: each class in turn, in linear time however long a
 * hostile row of marks is. */
static bool sort_marks(struct bs_normalizer *normalizer) {
    size_t place[257] = {0}, n = normalizer->n_marks;
    uint32_t *sorted = bs_alloc(n, sizeof *sorted);
    if (!sorted)
        return false;
    for (size_t i = 0; i < n; i++)
        place[(normalizer->marks[i] >> 24) + 1]++;
    for (int group = 1; group < 257; group++)
        place[group] += place[group - 1];
    for (size_t i = 0; i < n; i++)
        sorted[place[normalizer->marks[i] >> 24]++] = normalizer->marks[i];
    free(normalizer->marks);
    normalizer->marks = sorted;
    normalizer->marks_capacity = n;
    return true;
}

static bool flush_marks(struct bs_normalizer *normalizer) {
    size_t n = normalizer->n_marks;
    if (n == 0)
        return true;
    if (n > 1 && !sort_marks(normalizer))
        return false;
    if (!bs_buffer_reserve(&normalizer->text, n * 8 + ROOM))
        return false;
    for (size_t i = 0; i < n; i++)
        put_lower(normalizer, normalizer->marks[i] & 0xFFFFFF);
    normalizer->n_marks = 0;
    return true;
}

static bool keep_mark(struct bs_normalizer *normalizer, uint32_t group, uint32_t code) {
    if (normalizer->n_marks == normalizer->marks_capacity) {
        size_t capacity = normalizer->marks_capacity * 2 + 16;
        uint32_t *marks = bs_realloc(normalizer->marks, capacity, sizeof *marks);
        if (!marks)
            return false;
        normalizer->marks = marks;
        normalizer->marks_capacity = capacity;
    }
    normalizer->marks[normalizer->n_marks++] = group << 24 | code;
    return true;
}

/* One code point of the decomposed text. A dropped mark that is a starter still ends
 * the canonical ordering of those around it. */
static bool put_decomposed(struct bs_normalizer *normalizer, uint32_t code) {
    const struct bs_unicode_kind *kind = bs_unicode_kind(code);
    bool dropped = kind->flags & BS_UNICODE_MARK;
    if (kind->combining_class)
        return dropped || keep_mark(normalizer, kind->combining_class, code);
    if (!flush_marks(normalizer))
        return false;
    if (!dropped)
        put_lower(normalizer, code);
    return true;
}

/* The Unicode Standard, section 3.12: L, V and perhaps T. */
static bool put_hangul(struct bs_normalizer *normalizer, uint32_t code) {
    uint32_t syllable = code - 0xAC00, tail = syllable % 28;
    return put_decomposed(normalizer, 0x1100 + syllable / 588) &&
           put_decomposed(normalizer, 0x1161 + syllable / 28 % 21) &&
           (tail == 0 || put_decomposed(normalizer, 0x11A7 + tail));
}

static bool put(struct bs_normalizer *normalizer, uint32_t code,
                const struct bs_unicode_kind *kind) {
    if (!normalizer->strip_accents) {
        put_lower(normalizer, code);
        return true;
    }
    if (kind->flags & BS_UNICODE_HANGUL)
        return put_hangul(normalizer, code);
    if (!kind->decomposed)
        return put_decomposed(normalizer, code);
    const uint32_t *sequence = &bs_unicode_sequences[kind->decomposed];
    for (uint32_t i = 1; i <= sequence[0]; i++)
        if (!put_decomposed(normalizer, sequence[i]))
            return false;
    return true;
}

static bool put_cleaned(struct bs_normalizer *normalizer, uint32_t code,
                        const struct bs_unicode_kind *kind) {
    const struct bs_unicode_kind *space = bs_unicode_kind(' ');
    if (normalizer->clean_text) {
        if (kind->flags & BS_UNICODE_DROP)
            return true;
        if (kind->flags & BS_UNICODE_WHITE)
            return put(normalizer, ' ', space);
    }
    if (normalizer->handle_chinese_chars && (kind->flags & BS_UNICODE_CJK))
        return put(normalizer, ' ', space) && put(normalizer, code, kind) &&
               put(normalizer, ' ', space);
    return put(normalizer, code, kind);
}

bool bs_normalize(struct bs_normalizer *normalizer, struct bs_span text) {
    struct bs_buffer *out = &normalizer->text;
    const char *p = text.data, *end = p + text.size;
    out->size = 0;
    normalizer->n_marks = 0;
    while (p < end) {
        const char *before = p;
        uint32_t code = bs_unicode_decode(&p);
        const struct bs_unicode_kind *kind = bs_unicode_kind(code);
        if (!bs_buffer_reserve(out, ROOM))
            return false;
        if ((kind->flags & BS_UNICODE_PLAIN) && normalizer->n_marks == 0) {
            memcpy(out->data + out->size, before, (size_t)(p - before));
            out->size += (size_t)(p - before);
        } else if (!put_cleaned(normalizer, code, kind)) {
            return false;
        }
    }
    return flush_marks(normalizer);
}

void bs_normalizer_free(struct bs_normalizer *normalizer) {
    bs_buffer_free(&normalizer->text);
    free(normalizer->marks);
    normalizer->marks = NULL;
    normalizer->n_marks = normalizer->marks_capacity = 0;
}
