/* The two tables of words seen before. */
#include "text/word_cache.h"

#include <stdlib.h>

enum { SETS = 1 << BS_SHORT_BITS, SET_SIZE = 2 * sizeof(struct bs_short_word) };

bool bs_word_cache_new(struct bs_word_cache *cache) {
    /* From the system, cleared, so that only what is used becomes resident. */
    char *memory = cache->memory = bs_alloc(SETS + 1, SET_SIZE);
    cache->long_words = bs_alloc(1 << BS_LONG_BITS, sizeof *cache->long_words);
    if (!memory || !cache->long_words)
        return false;
    cache->short_words = (void *)(memory + -(uintptr_t)memory % SET_SIZE);
    return true;
}

void bs_word_cache_free(struct bs_word_cache *cache) {
    free(cache->memory);
    free(cache->long_words);
    *cache = (struct bs_word_cache){0};
}

static struct bs_word_key short_key(struct bs_span word) {
    struct bs_word_key key = {0, 0};
    memcpy(&key, word.data, word.size);
    return key;
}

static struct bs_long_word *long_place(const struct bs_word_cache *cache,
                                       const struct bs_long_word *wanted) {
    uint64_t hash = wanted->size;
    for (size_t i = 0; i < BS_LONG_BYTES / 8; i++)
        hash = (hash ^ wanted->bytes[i]) * 0x9E3779B97F4A7C15U, hash ^= hash >> 32;
    return &cache->long_words[hash >> 7 & ((1 << BS_LONG_BITS) - 1)];
}

static bool same_long(const struct bs_long_word *a, const struct bs_long_word *b) {
    return a->size == b->size && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

const int32_t *bs_word_cache_find(const struct bs_word_cache *cache, struct bs_span word,
                                  size_t *n_ids) {
    if (word.size <= BS_SHORT_BYTES) {
        struct bs_word_key key = short_key(word);
        const struct bs_short_word *set = bs_short_word_set(cache, key);
        for (int i = 0; i < 2; i++)
            if (bs_short_word_is(&set[i], key)) {
                *n_ids = set[i].n_ids;
                return set[i].ids;
            }
    }
    if (word.size > BS_LONG_BYTES)
        return NULL;
    struct bs_long_word wanted = {.size = (uint32_t)word.size};
    memcpy(wanted.bytes, word.data, word.size);
    const struct bs_long_word *found = long_place(cache, &wanted);
    *n_ids = found->n_ids;
    return same_long(found, &wanted) ? found->ids : NULL;
}

void bs_word_cache_put(struct bs_word_cache *cache, struct bs_span word,
                       const int32_t *ids, size_t n_ids) {
    if (word.size <= BS_SHORT_BYTES && n_ids <= BS_SHORT_IDS) {
        struct bs_word_key key = short_key(word);
        struct bs_short_word *set = bs_short_word_set(cache, key);
        struct bs_short_word *place = &set[set[0].n_ids > 0 ? cache->turn++ & 1 : 0];
        *place = (struct bs_short_word){.key = key, .n_ids = (uint32_t)n_ids};
        memcpy(place->ids, ids, n_ids * sizeof *ids);
    } else if (word.size <= BS_LONG_BYTES && n_ids <= BS_LONG_IDS) {
        struct bs_long_word new = {.size = (uint32_t)word.size};
        memcpy(new.bytes, word.data, word.size);
        new.n_ids = (uint32_t)n_ids;
        memcpy(new.ids, ids, n_ids * sizeof *ids);
        *long_place(cache, &new) = new;
    }
}
