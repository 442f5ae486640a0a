/* Normalized text to ids: words by white space and punctuation, each looked up in the
 * cache and, the first time, matched greedily. */
#include "text/wordpiece.h"

#include "text/unicode.h"

/* WordPiece proper: leaves the ids in worker->pieces. */
static bool match_pieces(struct bs_tokenizer_worker *worker, struct bs_span word,
                         size_t length) {
    const struct bs_tokenizer *tokenizer = worker->tokenizer;
    struct bs_ids *pieces = &worker->pieces;
    bool known = length <= tokenizer->max_word;
    pieces->count = 0;
    for (size_t start = 0; known && start < word.size;) {
        int32_t id;
        struct bs_span rest = bs_span(word.data + start, word.size - start);
        size_t size = bs_vocabulary_match(&tokenizer->vocabulary, start > 0, rest, &id);
        if (size && !bs_ids_append(pieces, id))
            return false;
        known = size > 0;
        start += size;
    }
    if (!known)
        pieces->count = 0;
    return known || bs_ids_append(pieces, tokenizer->unk_id);
}

static bool append(struct bs_ids *ids, const int32_t *values, size_t count) {
    if (!bs_ids_reserve(ids, count))
        return false;
    memcpy(ids->values + ids->count, values, count * sizeof *values);
    ids->count += count;
    return true;
}

bool bs_word_ids(struct bs_tokenizer_worker *worker, struct bs_span word, size_t length,
                 struct bs_ids *ids) {
    size_t n_ids;
    /* The cache knows no zero bytes (they stand in words only without clean_text). */
    bool cached = word.size <= BS_LONG_BYTES && !memchr(word.data, '\0', word.size);
    const int32_t *found =
        cached ? bs_word_cache_find(&worker->cache, word, &n_ids) : NULL;
    if (found)
        return append(ids, found, n_ids);
    if (!match_pieces(worker, word, length))
        return false;
    if (cached)
        bs_word_cache_put(&worker->cache, word, worker->pieces.values,
                          worker->pieces.count);
    return append(ids, worker->pieces.values, worker->pieces.count);
}

bool bs_split_words(struct bs_tokenizer_worker *worker, struct bs_span text,
                    struct bs_ids *ids) {
    const char *p = text.data, *end = p + text.size, *word = p;
    size_t length = 0; /* of the word that began at `word` */
    while (p < end) {
        const char *here = p;
        uint32_t code = bs_unicode_decode(&p);
        uint8_t flags = bs_unicode_kind(code)->flags;
        if (!(flags & (BS_UNICODE_WHITE | BS_UNICODE_PUNCTUATION))) {
            length++;
            continue;
        }
        if (length &&
            !bs_word_ids(worker, bs_span(word, (size_t)(here - word)), length, ids))
            return false;
        if ((flags & BS_UNICODE_PUNCTUATION) &&
            !bs_word_ids(worker, bs_span(here, (size_t)(p - here)), 1, ids))
            return false;
        word = p;
        length = 0;
    }
    return length == 0 ||
           bs_word_ids(worker, bs_span(word, (size_t)(end - word)), length, ids);
}
