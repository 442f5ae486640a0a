/*
 * Added tokens: what a text is split at before WordPiece sees it, as the reference
 * does: leftmost, then longest, without overlap. Two sets: one is matched against the
 * raw text, the other (`normalized`) against what normalization leaves of it.
 */
#ifndef BS_TEXT_ADDED_TOKENS_H
#define BS_TEXT_ADDED_TOKENS_H

#include "text/tokenizer.h"

struct bs_added_tokens {
    struct bs_added_token *tokens; /* by content; `content` is owned */
    size_t
        *shorter; /* the longest token that each begins with: its place, from 1, or 0 */
    size_t n_tokens;
    size_t first[257]; /* tokens[first[b]] is the first that begins with byte b */
    int only_byte;     /* the one byte with which all begin, or -1 */
};

/* `tokens` are copied. False without memory. */
bool bs_added_tokens_build(struct bs_added_tokens *set,
                           const struct bs_added_token *tokens,
                           size_t n_tokens) BS_MUST_CHECK;
void bs_added_tokens_free(struct bs_added_tokens *set);

/* A walk over the added tokens in a text of valid UTF-8: begin with all zero but
 * `text` and `literal_special`, call bs_added_match_next until it returns NULL. A token
 * that takes white space before it (lstrip), and is nothing but white space which the
 * match before has taken already, is no match. */
struct bs_added_match {
    struct bs_span text;
    bool literal_special; /* special tokens are plain text */
    size_t start, stop;   /* of the match, with the white space that it takes along */
    size_t searched;
};
const struct bs_added_token *bs_added_match_next(const struct bs_added_tokens *set,
                                                 struct bs_added_match *match);

#endif
