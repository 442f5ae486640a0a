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

/* `config` NULL: there is no tokenizer_config.json. */
int bs_read_vocabulary(const struct bs_tokenizer_reading *reading, struct bs_span bytes,
                       const json_t *config) BS_MUST_CHECK;

/* A list of `count` tokens, all unused. */
int bs_vocabulary_new(const struct bs_tokenizer_reading *reading,
                      size_t count) BS_MUST_CHECK;

/* Adds {"id", "content", "special", ...} unless that content is there already; `id` is
 * used if the object has none. */
int bs_read_added_token(const struct bs_tokenizer_reading *reading, const json_t *object,
                        int64_t id) BS_MUST_CHECK;
int bs_add_special_token(const struct bs_tokenizer_reading *reading,
                         struct bs_span content, int32_t id) BS_MUST_CHECK;

/* The id of a token among added tokens and vocabulary, or -1. */
int32_t bs_find_token(const struct bs_tokenizer_parsed *parsed, struct bs_span content);

/* A true or false, or `fallback` where there is none or null. */
bool bs_json_flag(const json_t *object, const char *key, bool fallback);

#endif
