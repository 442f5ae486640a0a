/* The fast path, in chunks. First bytes are told apart (classes.h), so that tokens are
 * bits: words of ASCII letters and digits, and single punctuation. Then their places in
 * the cache are found and asked for, then read: none has to wait for the one before, and
 * the memory answers in the meantime. Whatever else turns up (not ASCII, control
 * characters, words of more than 16 bytes) goes through the general path, from the
 * beginning of its word to the next white space, which is a border that no stage reaches
 * across. */
#include "text/classes.h"
#include "text/wordpiece.h"

enum {
    BLOCK = 64,
    CHUNK = 16 * BLOCK,              /* where tokens may begin */
    MOST_BLOCKS = CHUNK / BLOCK + 1, /* and end */
};

struct token {
    struct bs_word_key key;
    const struct bs_short_word *set; /* its place in the cache */
    size_t size;
};

struct chunk {
    const char *text, *end; /* of all that is to be scanned */
    size_t size;            /* of the text in which tokens are looked for */
    /* One more than is filled, of zeros, in which nothing goes on. */
    uint64_t word[MOST_BLOCKS + 1], other[MOST_BLOCKS + 1];
    uint64_t begin[MOST_BLOCKS];
    char lower[MOST_BLOCKS * BLOCK + BS_SHORT_BYTES];
    struct token tokens[CHUNK];
    size_t n_tokens;
};

static void classify(struct chunk *chunk, bs_bytes16 case_bit) {
    size_t left = (size_t)(chunk->end - chunk->text), blocks = 0;
    uint64_t before = 0; /* whether a word goes on in the next block */
    for (; blocks < MOST_BLOCKS && left; blocks++) {
        const char *text = chunk->text + blocks * BLOCK;
        char padded[BLOCK];
        if (left < BLOCK) {
            memset(padded, ' ', BLOCK);
            text = memcpy(padded, text, left);
        }
        struct bs_classes classes =
            bs_classify(text, case_bit, chunk->lower + blocks * BLOCK);
        chunk->word[blocks] = classes.word;
        chunk->other[blocks] = classes.other;
        chunk->begin[blocks] =
            ~classes.white & ~(classes.word & (classes.word << 1 | before));
        before = classes.word >> (BLOCK - 1);
        left -= left < BLOCK ? left : BLOCK;
    }
    chunk->word[blocks] = chunk->other[blocks] = 0;
}

/* How many bits are set from bit `at` of the first block on; 63 may be more. */
static inline unsigned run(const uint64_t bits[2], unsigned at) {
    uint64_t window = bits[0] >> at | bits[1] << 1 << (BLOCK - 1 - at);
    return (unsigned)__builtin_ctzll(~window | (uint64_t)1 << (BLOCK - 1));
}

static inline bool is_other(const struct chunk *chunk, size_t at) {
    return chunk->other[at / BLOCK] >> at % BLOCK & 1;
}

/* Loaded at 16 - n, n bytes of 0xFF. */
static const uint8_t front_bytes[32] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
};

static inline struct bs_word_key front_key(const char *text, unsigned size) {
    struct bs_word_key key;
    bs_bytes16 bytes =
        bs_bytes16_load(text) & bs_bytes16_load(front_bytes + BS_SHORT_BYTES - size);
    memcpy(&key, &bytes, sizeof key);
    return key;
}

/* Lists tokens from `at` on and asks for their places in the cache. Returns where the
 * first one begins that is not for the cache, else where the chunk ends or the last one
 * if that is later. */
static size_t list_tokens(struct chunk *chunk, const struct bs_word_cache *cache,
                          size_t at) {
    struct token *token = chunk->tokens;
    size_t stop = 0;
    uint64_t tail = ~(uint64_t)0 << at % BLOCK; /* of the first block */
    for (size_t block = at / BLOCK; block * BLOCK < chunk->size; block++) {
        uint64_t begin = chunk->begin[block] & tail;
        bool mixed = chunk->other[block] | chunk->other[block + 1];
        for (; begin; begin &= begin - 1, token++) {
            unsigned bit = (unsigned)__builtin_ctzll(begin);
            unsigned size = run(chunk->word + block, bit);
            at = block * BLOCK + bit;
            if (size > BS_SHORT_BYTES || (mixed && is_other(chunk, at + size))) {
                chunk->n_tokens = (size_t)(token - chunk->tokens);
                return at;
            }
            size += size == 0; /* punctuation */
            token->key = front_key(chunk->lower + at, size);
            token->set = bs_short_word_set(cache, token->key);
            token->size = size;
            __builtin_prefetch(token->set);
            stop = at + size;
        }
        tail = ~(uint64_t)0;
    }
    chunk->n_tokens = (size_t)(token - chunk->tokens);
    return stop > chunk->size ? stop : chunk->size;
}

/* The ids of the tokens listed. */
static bool read_tokens(struct bs_tokenizer_worker *worker, const struct chunk *chunk,
                        struct bs_ids *ids) {
    const struct token *token = chunk->tokens, *end = token + chunk->n_tokens;
    while (token < end) {
        if (!bs_ids_reserve(ids, (size_t)(end - token) * BS_SHORT_IDS))
            return false;
        int32_t *out = ids->values + ids->count;
        for (; token < end; token++) {
            const struct bs_short_word *word =
                token->set + bs_short_word_is(token->set + 1, token->key);
            if (!bs_short_word_is(word, token->key))
                break;
            memcpy(out, word->ids, sizeof word->ids);
            out += word->n_ids;
        }
        ids->count = (size_t)(out - ids->values);
        if (token < end) {
            struct bs_span word = bs_span((const char *)&token->key, token->size);
            if (!bs_word_ids(worker, word, token->size, ids))
                return false;
            token++;
        }
    }
    return true;
}

/* From `text` to the next white space. Returns where that is, NULL without memory. */
static const char *general_path(struct bs_tokenizer_worker *worker, const char *text,
                                const char *end, struct bs_ids *ids) {
    const char *p = text;
    while (p < end && *p != ' ' && *p != '\t' && *p != '\n' && *p != '\r')
        p++;
    bool done = bs_normalize(&worker->normalizer, bs_span(text, (size_t)(p - text))) &&
                bs_split_words(worker, bs_buffer_span(&worker->normalizer.text), ids);
    return done ? p : NULL;
}

/* Tokens that begin in the chunk. Returns where the last one ends, or the chunk if that
 * is later; NULL without memory. */
static const char *scan(struct bs_tokenizer_worker *worker, struct chunk *chunk,
                        struct bs_ids *ids) {
    const char *end = chunk->text + chunk->size, *p = chunk->text;
    while (p < end) {
        size_t at = list_tokens(chunk, &worker->cache, (size_t)(p - chunk->text));
        p = chunk->text + at;
        if (!read_tokens(worker, chunk, ids) ||
            (at < chunk->size && !(p = general_path(worker, p, chunk->end, ids))))
            return NULL;
    }
    return p;
}

bool bs_scan_text(struct bs_tokenizer_worker *worker, struct bs_span text,
                  struct bs_ids *ids) {
    const uint8_t bit = worker->tokenizer->lowercase ? 0x20 : 0;
    struct chunk chunk;
    chunk.text = text.data;
    chunk.end = text.data + text.size;
    while (chunk.text < chunk.end) {
        size_t left = (size_t)(chunk.end - chunk.text);
        chunk.size = left < CHUNK ? left : CHUNK;
        classify(&chunk, (bs_bytes16){0} + bit);
        if (!(chunk.text = scan(worker, &chunk, ids)))
            return false;
    }
    return true;
}
