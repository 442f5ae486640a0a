/*
 * The vocabulary as a hash table: greedy longest match of WordPiece. Made once, then
 * only read.
 *
 * A hash of every beginning of a word comes out of one pass over its bytes, so the
 * candidates are looked up from the longest down without reading them again; most
 * words are tokens themselves and found at the first try.
 */
#ifndef BS_TEXT_VOCABULARY_H
#define BS_TEXT_VOCABULARY_H

#include "common/buffer.h"

struct bs_vocabulary_slot {
    uint32_t tag; /* the hash's low half */
    int32_t id;   /* -1: free */
};

struct bs_vocabulary {
    struct bs_vocabulary_slot *slots; /* open addressing, at most half full */
    uint32_t bits;                    /* 2^bits slots */
    size_t longest;                   /* bytes, of a token without its prefix */
    size_t prefix_size;               /* of "##" */
    char *bytes;                      /* all tokens, one after the other */
    uint32_t *ends;                   /* by id: where its bytes end */
};

/* `tokens` by id; empty and invalid ones are left out, the last of equals counts.
 * BS_DATA if they are too many. */
int bs_vocabulary_build(struct bs_vocabulary *vocabulary, const struct bs_span *tokens,
                        size_t n_tokens, struct bs_span continuing_prefix,
                        struct bs_error *error) BS_MUST_CHECK;
void bs_vocabulary_free(struct bs_vocabulary *vocabulary);

/* Size of the longest token at the front of `text` (0: none), and its id. `continues`:
 * tokens that begin with the prefix, which `text` does not have. */
size_t bs_vocabulary_match(const struct bs_vocabulary *vocabulary, bool continues,
                           struct bs_span text, int32_t *id);

#endif
