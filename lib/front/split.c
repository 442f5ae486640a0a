/* Which part of a split a text belongs to. Shares are exact: integers of 64 bits, with
 * products in 128. */
#include "front/split.h"

#include "common/hash.h"
#include "common/utf8.h"
#include "text/unicode.h"

#include <stdlib.h>

enum { MAX_PARTS = 64, DECIMALS = 6, SCALE = 1000000 };

/* A space and a character in lower case, which is at most three. */
enum { LARGEST_FOLDED = 1 + 3 * 4 };

struct part {
    char *name;
    uint64_t weight;         /* in units of 1 / SCALE */
    unsigned __int128 below; /* floor(2^64 * cumulative / total) */
};

struct bs_split {
    struct part parts[MAX_PARTS];
    size_t n_parts, wanted;
    uint64_t seed;
};

/* A positive decimal number, exactly; 0 if it is none. */
static uint64_t parse_weight(struct bs_span text) {
    uint64_t weight = 0;
    size_t digits = 0, i = 0;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++, digits++)
        if ((weight = weight * 10 + (uint64_t)(text.data[i] - '0')) > 1000000000)
            return 0;
    uint64_t unit = SCALE;
    weight *= unit;
    if (i < text.size && text.data[i] == '.')
        for (i++; i < text.size && text.data[i] >= '0' && text.data[i] <= '9';
             i++, digits++) {
            unit /= 10;
            if (unit == 0)
                return 0;
            weight += unit * (uint64_t)(text.data[i] - '0');
        }
    return i == text.size && digits > 0 ? weight : 0;
}

static int add_part(struct bs_split *split, struct bs_span text, struct bs_error *error) {
    const char *equals = memchr(text.data, '=', text.size);
    if (!equals || equals == text.data)
        return bs_fail(error, BS_USAGE,
                       "--split must be NAME=WEIGHT,..., such as "
                       "train=80,val=20, not \"%.*s\"",
                       (int)text.size, text.data);
    struct bs_span name = bs_span(text.data, (size_t)(equals - text.data));
    struct bs_span number = bs_span(equals + 1, text.size - name.size - 1);
    struct part part = {.weight = parse_weight(number)};
    if (part.weight == 0)
        return bs_fail(error, BS_USAGE,
                       "--split: the weight of %.*s must be a positive number up to "
                       "1000000000 with at most %d decimals, not \"%.*s\"",
                       (int)name.size, name.data, DECIMALS, (int)number.size,
                       number.data);
    for (size_t i = 0; i < split->n_parts; i++)
        if (bs_span_is(name, split->parts[i].name))
            return bs_fail(error, BS_USAGE, "--split names %s twice",
                           split->parts[i].name);
    if (split->n_parts == MAX_PARTS)
        return bs_fail(error, BS_USAGE, "--split has more than %d parts", MAX_PARTS);
    if (!(part.name = bs_span_string(name)))
        return bs_fail_memory(error, name.size, "--split");
    split->parts[split->n_parts++] = part;
    return BS_OK;
}

static void divide(struct bs_split *split) {
    uint64_t total = 0, cumulative = 0;
    for (size_t i = 0; i < split->n_parts; i++)
        total += split->parts[i].weight;
    for (size_t i = 0; i < split->n_parts; i++) {
        cumulative += split->parts[i].weight;
        split->parts[i].below = ((unsigned __int128)cumulative << 64) / total;
    }
}

static int find_part(struct bs_split *split, const char *name, struct bs_error *error) {
    for (size_t i = 0; i < split->n_parts; i++)
        if (strcmp(split->parts[i].name, name) == 0) {
            split->wanted = i;
            return BS_OK;
        }
    return bs_fail(error, BS_USAGE, "--part %s is not one of --split", name);
}

static int parse_parts(struct bs_split *split, const char *parts,
                       struct bs_error *error) {
    for (;;) {
        size_t size = strcspn(parts, ",");
        if (add_part(split, bs_span(parts, size), error))
            return error->code;
        if (parts[size] == '\0')
            return BS_OK;
        parts += size + 1;
    }
}

int bs_split_new(struct bs_split **result, const char *parts, const char *part,
                 uint64_t seed, struct bs_error *error) {
    struct bs_split *split = bs_alloc(1, sizeof *split);
    if (!split)
        return bs_fail_memory(error, sizeof *split, "--split");
    split->seed = seed;
    if (parse_parts(split, parts, error) || find_part(split, part, error)) {
        bs_split_free(split);
        return error->code;
    }
    divide(split);
    *result = split;
    return BS_OK;
}

void bs_split_free(struct bs_split *split) {
    if (!split)
        return;
    for (size_t i = 0; i < split->n_parts; i++)
        free(split->parts[i].name);
    free(split);
}

static bool is_ascii_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes a character from the text and writes it as it counts: lower case, ' ' for white
 * space. What is not UTF-8 counts as it is. */
static char *fold(struct bs_span *text, char *out) {
    char c = *text->data;
    size_t used = 1;
    if ((uint8_t)c < 0x80) {
        *out++ = (char)(is_ascii_space(c) ? ' ' : c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else {
        int32_t code = bs_utf8_next(text->data, text->size, &used);
        const struct bs_unicode_kind *kind =
            bs_unicode_kind(code < 0 ? 0 : (uint32_t)code);
        const uint32_t *lowered = &bs_unicode_sequences[kind->lowered];
        if (kind->flags & BS_UNICODE_WHITE)
            *out++ = ' ';
        else if (kind->lowered)
            for (uint32_t i = 1; i <= lowered[0]; i++)
                out = bs_unicode_encode(out, lowered[i]);
        else
            out = (char *)memcpy(out, text->data, used) + used;
    }
    *text = bs_span(text->data + used, text->size - used);
    return out;
}

/* Feeds the normalised text to the hash in small pieces. */
static void hash_text(struct bs_sha256 *sha, struct bs_span text) {
    char piece[512];
    char *out = piece, *full = piece + sizeof piece - LARGEST_FOLDED;
    bool space = false, begun = false;
    while (text.size > 0) {
        char *after = fold(&text, out + space);
        if (after == out + space + 1 && after[-1] == ' ') {
            space = begun;
            continue;
        }
        if (space)
            *out = ' ';
        out = after;
        space = false;
        begun = true;
        if (out >= full) {
            bs_sha256_add(sha, piece, (size_t)(out - piece));
            out = piece;
        }
    }
    bs_sha256_add(sha, piece, (size_t)(out - piece));
}

static uint64_t hash(const struct bs_split *split, struct bs_span text,
                     const struct bs_span *text2) {
    struct bs_sha256 sha;
    uint8_t seed[8], digest[32];
    for (int i = 0; i < 8; i++)
        seed[i] = (uint8_t)(split->seed >> (8 * i));
    bs_sha256_begin(&sha);
    bs_sha256_add(&sha, seed, sizeof seed);
    hash_text(&sha, text);
    if (text2) {
        bs_sha256_add(&sha, "", 1);
        hash_text(&sha, *text2);
    }
    bs_sha256_end(&sha, digest);
    uint64_t h = 0;
    for (int i = 0; i < 8; i++)
        h |= (uint64_t)digest[i] << (8 * i);
    return h;
}

size_t bs_split_part(const struct bs_split *split, struct bs_span text,
                     const struct bs_span *text2) {
    uint64_t h = hash(split, text, text2);
    size_t part = 0;
    while (h >= split->parts[part].below) /* the last one is below 2^64 */
        part++;
    return part;
}

bool bs_split_has(const struct bs_split *split, struct bs_span text,
                  const struct bs_span *text2) {
    return bs_split_part(split, text, text2) == split->wanted;
}
