/*
 * The vocabulary as a trie over bytes: greedy longest match of WordPiece. Made once,
 * then only read.
 */
#ifndef BS_TEXT_VOCABULARY_H
#define BS_TEXT_VOCABULARY_H

#include "common/buffer.h"

/* The two roots: pieces that begin a word, and pieces that go on (their prefix "##"
 * taken off). */
enum { BS_TRIE_BEGINS, BS_TRIE_CONTINUES };

struct bs_trie_edge {
    uint32_t key; /* (parent << 8 | byte) + 1; 0: free */
    uint32_t child;
    int32_t id; /* of the token that ends at the child; -1: none */
};

struct bs_trie {
    struct bs_trie_edge *edges; /* open addressing, at most half full */
    uint32_t mask;
    uint32_t n_edges;
    uint32_t n_nodes;
};

/* `tokens` by id; empty and invalid ones are left out, the last of equals counts.
 * BS_DATA if they are too many for 32 bits. */
int bs_trie_build(struct bs_trie *trie, const struct bs_span *tokens, size_t n_tokens,
                  struct bs_span continuing_prefix, struct bs_error *error) BS_MUST_CHECK;
void bs_trie_free(struct bs_trie *trie);

/* Size of the longest token at the front of `text` (0: none), and its id. */
size_t bs_trie_match(const struct bs_trie *trie, uint32_t root, struct bs_span text,
                     int32_t *id);

#endif
