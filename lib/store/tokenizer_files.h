/*
 * The files that say how to tokenize, turned into settings: tokenizer.json if it is
 * there, else vocab.txt with tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json. Only BERT's kind of tokenizer is
 * understood; others are refused by name.
 */
#ifndef BS_STORE_TOKENIZER_FILES_H
#define BS_STORE_TOKENIZER_FILES_H

#include "store/model_files.h"

/* Settings with all that they point into, except `files`. */
struct bs_tokenizer_parsed {
    struct bs_tokenizer_settings settings;
    void *json[BS_TOKENIZER_FILES]; /* parsed files that own strings */
    void *named;                    /* usual names of tokens, likewise */
    uint32_t *places;               /* of the vocabulary by hash: id + 1; 0: free */
    size_t n_places;                /* a power of two */
    int32_t next_id; /* for a token that the vocabulary lacks: at first as many as there
                        are tokens in it, as the reference counts */
    size_t added_capacity;
    void *added_places; /* of added tokens in their list, by content */
};

/* Parses the files of a model; those that are not there have data NULL. The bytes must
 * outlive `parsed`. `path` (of the model) is for messages. On success the caller frees
 * with bs_tokenizer_parsed_free. What `truncation` and `padding` of a tokenizer.json
 * say is its last user's wish and ignored. */
int bs_tokenizer_parse(struct bs_tokenizer_parsed *parsed,
                       const struct bs_span files[BS_TOKENIZER_FILES], const char *path,
                       struct bs_error *error) BS_MUST_CHECK;
void bs_tokenizer_parsed_free(struct bs_tokenizer_parsed *parsed);

/* One past the greatest id that the tokenizer can give. */
int64_t bs_tokenizer_settings_ids(const struct bs_tokenizer_settings *settings);

#endif
