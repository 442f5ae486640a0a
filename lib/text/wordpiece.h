/* What a tokenizer and its workers are made of; for the files of this room only. */
#ifndef BS_TEXT_WORDPIECE_H
#define BS_TEXT_WORDPIECE_H

#include "text/added_tokens.h"
#include "text/normalize.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"
#include "text/word_cache.h"

struct bs_tokenizer {
    struct bs_vocabulary vocabulary;
    size_t vocabulary_size;
    struct bs_added_tokens raw_added, normalized_added;
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
    size_t max_word; /* code points */
    int32_t unk_id, cls_id, sep_id;
    char digest[65];
};

struct bs_tokenizer_worker {
    const struct bs_tokenizer *tokenizer;
    bool literal_special_tokens;
    struct bs_word_cache cache;
    struct bs_normalizer normalizer;
    struct bs_buffer repaired;
    struct bs_ids pieces; /* of one word */
    struct bs_ids second; /* of the second text of a pair */
};

/* The rest of this room works with `false` for "out of memory". */

/* Appends the ids of one normalized word of `length` code points. */
bool bs_word_ids(struct bs_tokenizer_worker *worker, struct bs_span word, size_t length,
                 struct bs_ids *ids) BS_MUST_CHECK;

/* Appends the ids of normalized text: white space and punctuation, then words. */
bool bs_split_words(struct bs_tokenizer_worker *worker, struct bs_span normalized,
                    struct bs_ids *ids) BS_MUST_CHECK;

/* Appends the ids of text of valid UTF-8, normalized on the way; ASCII without any
 * copy. */
bool bs_scan_text(struct bs_tokenizer_worker *worker, struct bs_span text,
                  struct bs_ids *ids) BS_MUST_CHECK;

#endif
