/*
 * Normalized words seen before, and their ids: two fixed tables, small enough to stay
 * in the processor's caches, in which a new word takes the place of an older one. Text
 * follows Zipf's law, so nearly every word is found. One thread's own.
 *
 * A short word (at most 16 bytes and 3 ids) lies in its slot padded with zero bytes,
 * so that a hit costs one hash and one compare; words that hold a zero byte must not
 * be put in. Longer ones go to the other table, very long ones are not kept.
 */
#ifndef BS_TEXT_WORD_CACHE_H
#define BS_TEXT_WORD_CACHE_H

#include "common/buffer.h"

enum {
    BS_SHORT_BYTES = 16,
    BS_SHORT_IDS = 3,
    BS_LONG_BYTES = 56,
    BS_LONG_IDS = 15,
    BS_SHORT_BITS = 16, /* sets of two: 4 MiB */
    BS_LONG_BITS = 10,  /* 128 KiB */
};

struct bs_word_key {
    uint64_t low, high;
};

struct bs_short_word {
    struct bs_word_key key;
    int32_t ids[BS_SHORT_IDS];
    uint32_t n_ids;
};

struct bs_long_word {
    uint64_t bytes[BS_LONG_BYTES / 8];
    uint32_t size; /* 0: free */
    uint32_t n_ids;
    int32_t ids[BS_LONG_IDS + 1];
};

struct bs_word_cache {
    struct bs_short_word *short_words; /* sets of two, each in a line of the cache */
    void *memory;                      /* in which they lie */
    struct bs_long_word *long_words;
    unsigned turn; /* the place that a new word takes in its set is the other each time */
};

bool bs_word_cache_new(struct bs_word_cache *cache) BS_MUST_CHECK;
void bs_word_cache_free(struct bs_word_cache *cache);

/* The set where a short word belongs. */
static inline struct bs_short_word *bs_short_word_set(const struct bs_word_cache *cache,
                                                      struct bs_word_key key) {
    unsigned __int128 product = (unsigned __int128)(key.low ^ 0x9E3779B97F4A7C15U) *
                                (key.high ^ 0xD1B54A32D192ED03U);
    uint64_t hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    return &cache->short_words[(hash >> (64 - BS_SHORT_BITS)) << 1];
}

static inline bool bs_short_word_is(const struct bs_short_word *word,
                                    struct bs_word_key key) {
    return ((word->key.low ^ key.low) | (word->key.high ^ key.high)) == 0;
}

/* The ids of a word, or NULL. */
const int32_t *bs_word_cache_find(const struct bs_word_cache *cache, struct bs_span word,
                                  size_t *n_ids);

/* Keeps a word that was not found, if it fits. */
void bs_word_cache_put(struct bs_word_cache *cache, struct bs_span word,
                       const int32_t *ids, size_t n_ids);

#endif
