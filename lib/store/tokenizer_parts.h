/* What the readers of tokenizer.json and of vocab.txt share. */
#ifndef BS_STORE_TOKENIZER_PARTS_H
#define BS_STORE_TOKENIZER_PARTS_H

#include "store/json.h"
#include "store/tokenizer_files.h"

/* More tokens than any vocabulary has; an id above it is damage. */
enum { BS_MAX_TOKENS = 1 << 22 };

/* A file being read: where to put what it says, and how to name it. */
struct bs_tokenizer_reading {
    struct bs_tokenizer_parsed *parsed;
    const char *path; /* of the file, for messages */
    struct bs_error *error;
};

int bs_read_tokenizer_json(const struct bs_tokenizer_reading *reading,
                           struct bs_span bytes) BS_MUST_CHECK;

/* vocab.txt and the files that go with it; `names` are their paths, for messages. */
int bs_read_vocabulary(struct bs_tokenizer_parsed *parsed,
                       const struct bs_span files[BS_TOKENIZER_FILES],
                       char *const names[BS_TOKENIZER_FILES],
                       struct bs_error *error) BS_MUST_CHECK;

/* One of the JSON files, owned by `parsed`; NULL if it is not there. */
int bs_read_tokenizer_config(const struct bs_tokenizer_reading *reading,
                             struct bs_span bytes, json_t **config) BS_MUST_CHECK;

/* What the files beside vocab.txt say. */
struct bs_special_tokens {
    json_t *settings; /* those of special_tokens_map.json over tokenizer_config.json's */
    json_t *named;    /* {"mask_token": a string or an object, ...} in the order in which
                         the reference adds them; without those that are null */
    json_t *own;      /* of these, what tokenizer_config.json names beyond BERT's */
    struct bs_added_token *stated; /* those that come with an id, in its order */
    size_t n_stated;
    const char *stated_path; /* of the file that says so */
};

/* Finds out what the reference (transformers 5.24) takes from these files: with
 * "added_tokens_decoder" tokenizer_config.json alone counts; else what
 * special_tokens_map.json says goes over it, except for "additional_special_tokens" where
 * it has some itself, and added_tokens.json gives ids. Every key that ends in "_token"
 * names a token. The caller frees with bs_special_tokens_free, also on failure. */
int bs_special_tokens_read(struct bs_special_tokens *tokens,
                           struct bs_tokenizer_parsed *parsed,
                           const struct bs_span files[BS_TOKENIZER_FILES],
                           char *const names[BS_TOKENIZER_FILES],
                           struct bs_error *error) BS_MUST_CHECK;
void bs_special_tokens_free(struct bs_special_tokens *tokens);

/* A list of `count` tokens, all unused. */
int bs_vocabulary_new(const struct bs_tokenizer_reading *reading,
                      size_t count) BS_MUST_CHECK;
/* Makes it searchable when it is filled; of equal tokens only the last keeps its id. */
int bs_vocabulary_index(const struct bs_tokenizer_reading *reading) BS_MUST_CHECK;

/* A token out of a string, which is a special one, or of {"content", "special", ...};
 * `special` overrides the object. Content without data if it is neither. */
struct bs_added_token bs_added_token_of(const json_t *value, bool special);

/* Adds a token, as the reference does: nothing if that content is empty or there
 * already; its id is that of the vocabulary, else the next one behind all. BS_DATA if
 * `stated` (-1: nothing) is another. */
int bs_add_token(const struct bs_tokenizer_reading *reading, struct bs_added_token token,
                 int64_t stated) BS_MUST_CHECK;

/* The same of bs_added_token_of(value, special), but only the first `n_kept` tokens stay
 * as they are: another gets the flags of the later one, and stays special. */
int bs_add_token_again(const struct bs_tokenizer_reading *reading, const json_t *value,
                       bool special, size_t n_kept) BS_MUST_CHECK;

/* The id of a token among vocabulary and added tokens, or in the vocabulary alone; -1 if
 * there is none, as for an empty one. */
int32_t bs_find_token(const struct bs_tokenizer_parsed *parsed, struct bs_span content);
int32_t bs_vocabulary_find(const struct bs_tokenizer_parsed *parsed,
                           struct bs_span content);

/* A true or false, or `fallback` where there is none or null. */
bool bs_json_flag(const json_t *object, const char *key, bool fallback);

#endif
