/* A hash table of tokens. Tokens that go on a word lie in the same table without their
 * prefix, under hashes that begin elsewhere. */
#include "text/vocabulary.h"

#include "common/utf8.h"

#include <stdlib.h>

enum { LONGEST = 256 }; /* bytes hashed at once */

static inline uint64_t hash_begin(bool continues) {
    return continues ? 0x9AE16A3B2F90404FU : 0xC2B2AE3D27D4EB4FU;
}

static inline uint64_t hash_byte(uint64_t hash, char byte) {
    hash = (hash ^ (uint8_t)byte) * 0x9E3779B97F4A7C15U;
    return hash ^ hash >> 32;
}

static inline size_t first_place(const struct bs_vocabulary *vocabulary, uint64_t hash) {
    return hash >> (64 - vocabulary->bits);
}

static struct bs_span token_bytes(const struct bs_vocabulary *vocabulary, int32_t id,
                                  bool continues) {
    size_t begin = id ? vocabulary->ends[id - 1] : 0;
    begin += continues ? vocabulary->prefix_size : 0;
    return bs_span(vocabulary->bytes + begin, vocabulary->ends[id] - begin);
}

/* The id of `token` (its size and hash known), or -1; `place` is where it lies or
 * where it would. */
static int32_t find(const struct bs_vocabulary *vocabulary, bool continues,
                    struct bs_span token, uint64_t hash, size_t *place) {
    size_t mask = ((size_t)1 << vocabulary->bits) - 1;
    for (*place = first_place(vocabulary, hash);; *place = (*place + 1) & mask) {
        const struct bs_vocabulary_slot *slot = &vocabulary->slots[*place];
        if (slot->id < 0)
            return -1;
        if (slot->tag == (uint32_t)hash &&
            bs_span_equal(token_bytes(vocabulary, slot->id, continues), token))
            return slot->id;
    }
}

static void add(struct bs_vocabulary *vocabulary, bool continues, int32_t id) {
    struct bs_span token = token_bytes(vocabulary, id, continues);
    uint64_t hash = hash_begin(continues);
    size_t place;
    if (token.size == 0)
        return;
    if (token.size > vocabulary->longest)
        vocabulary->longest = token.size;
    for (size_t i = 0; i < token.size; i++)
        hash = hash_byte(hash, token.data[i]);
    find(vocabulary, continues, token, hash, &place);
    vocabulary->slots[place] = (struct bs_vocabulary_slot){(uint32_t)hash, id};
}

static int copy_tokens(struct bs_vocabulary *vocabulary, const struct bs_span *tokens,
                       size_t n_tokens, struct bs_error *error) {
    uint64_t total = 0;
    size_t used = 0; /* ids; one that is very large makes no large table */
    for (size_t i = 0; i < n_tokens; i++) {
        total += tokens[i].data ? tokens[i].size : 0;
        used += tokens[i].data != NULL;
    }
    if (n_tokens > INT32_MAX / 4 || total > UINT32_MAX)
        return bs_fail(error, BS_DATA, "the vocabulary is too large");
    vocabulary->bits = 4;
    while ((size_t)1 << vocabulary->bits < used * 4) /* a token may lie there twice */
        vocabulary->bits++;
    size_t n_slots = (size_t)1 << vocabulary->bits;
    vocabulary->bytes = malloc(total ? total : 1);
    vocabulary->ends = bs_alloc(n_tokens, sizeof *vocabulary->ends);
    vocabulary->slots = bs_alloc_aligned(n_slots * sizeof *vocabulary->slots);
    if (!vocabulary->bytes || !vocabulary->ends || !vocabulary->slots)
        return bs_fail_memory(error, total, "the vocabulary");
    memset(vocabulary->slots, 0xFF, n_slots * sizeof *vocabulary->slots);
    uint32_t end = 0;
    for (size_t i = 0; i < n_tokens; i++) {
        if (tokens[i].data && tokens[i].size)
            memcpy(vocabulary->bytes + end, tokens[i].data, tokens[i].size);
        end += tokens[i].data ? (uint32_t)tokens[i].size : 0;
        vocabulary->ends[i] = end;
    }
    return BS_OK;
}

int bs_vocabulary_build(struct bs_vocabulary *vocabulary, const struct bs_span *tokens,
                        size_t n_tokens, struct bs_span prefix, struct bs_error *error) {
    *vocabulary = (struct bs_vocabulary){.prefix_size = prefix.size};
    if (copy_tokens(vocabulary, tokens, n_tokens, error)) {
        bs_vocabulary_free(vocabulary);
        return error->code;
    }
    for (size_t i = 0; i < n_tokens; i++) {
        struct bs_span token = tokens[i];
        if (!token.data || !bs_utf8_valid(token))
            continue;
        add(vocabulary, false, (int32_t)i);
        if (token.size >= prefix.size &&
            bs_span_equal(bs_span(token.data, prefix.size), prefix))
            add(vocabulary, true, (int32_t)i);
    }
    return BS_OK;
}

void bs_vocabulary_free(struct bs_vocabulary *vocabulary) {
    free(vocabulary->slots);
    free(vocabulary->bytes);
    free(vocabulary->ends);
    *vocabulary = (struct bs_vocabulary){0};
}

/* Tokens of more than LONGEST bytes: one candidate after the other. */
static size_t match_long(const struct bs_vocabulary *vocabulary, bool continues,
                         struct bs_span text, int32_t *id) {
    uint64_t hash = hash_begin(continues);
    size_t longest = 0, place;
    for (size_t size = 1; size <= text.size && size <= vocabulary->longest; size++) {
        hash = hash_byte(hash, text.data[size - 1]);
        int32_t found =
            find(vocabulary, continues, bs_span(text.data, size), hash, &place);
        if (found >= 0) {
            longest = size;
            *id = found;
        }
    }
    return longest;
}

size_t bs_vocabulary_match(const struct bs_vocabulary *vocabulary, bool continues,
                           struct bs_span text, int32_t *id) {
    uint64_t hashes[LONGEST + 1];
    size_t size = text.size < vocabulary->longest ? text.size : vocabulary->longest;
    size_t place;
    if (size > LONGEST)
        return match_long(vocabulary, continues, text, id);
    hashes[0] = hash_begin(continues);
    for (size_t i = 0; i < size; i++)
        hashes[i + 1] = hash_byte(hashes[i], text.data[i]);
    for (; size > 0; size--) {
        *id = find(vocabulary, continues, bs_span(text.data, size), hashes[size], &place);
        if (*id >= 0)
            break;
    }
    return size;
}
