/* A trie whose edges live in one hash table: quick to build (a tool that labels one
 * line pays for it each time), and one probe a byte to walk. */
#include "text/vocabulary.h"

#include "common/utf8.h"

#include <stdlib.h>

enum { FIRST_SIZE = 1 << 12, MAX_NODES = 1 << 24 };

static inline uint32_t edge_hash(uint32_t key) {
    uint32_t hash = key * 0x9E3779B1U;
    return hash ^ hash >> 15;
}

/* The edge with that key, or the free place where it belongs. */
static inline struct bs_trie_edge *find_edge(const struct bs_trie *trie, uint32_t key) {
    uint32_t place = edge_hash(key) & trie->mask;
    while (trie->edges[place].key != key && trie->edges[place].key != 0)
        place = (place + 1) & trie->mask;
    return &trie->edges[place];
}

static bool grow(struct bs_trie *trie) {
    struct bs_trie old = *trie;
    trie->mask = old.mask * 2 + 1;
    trie->edges = bs_alloc((size_t)trie->mask + 1, sizeof *trie->edges);
    if (!trie->edges) {
        *trie = old;
        return false;
    }
    for (size_t i = 0; i <= old.mask; i++)
        if (old.edges[i].key)
            *find_edge(trie, old.edges[i].key) = old.edges[i];
    free(old.edges);
    return true;
}

static int add(struct bs_trie *trie, uint32_t root, struct bs_span token, int32_t id,
               struct bs_error *error) {
    uint32_t node = root;
    for (size_t i = 0; i < token.size; i++) {
        if (trie->n_nodes == MAX_NODES)
            return bs_fail(error, BS_DATA,
                           "the vocabulary is too large (16,777,216 "
                           "different beginnings of tokens)");
        if (trie->n_edges > trie->mask / 2 && !grow(trie))
            return bs_fail_memory(error, trie->mask * sizeof *trie->edges * 2,
                                  "the vocabulary");
        uint32_t key = (node << 8 | (uint8_t)token.data[i]) + 1;
        struct bs_trie_edge *edge = find_edge(trie, key);
        if (!edge->key) {
            *edge = (struct bs_trie_edge){key, trie->n_nodes++, -1};
            trie->n_edges++;
        }
        if (i + 1 == token.size)
            edge->id = id;
        node = edge->child;
    }
    return BS_OK;
}

int bs_trie_build(struct bs_trie *trie, const struct bs_span *tokens, size_t n_tokens,
                  struct bs_span prefix, struct bs_error *error) {
    *trie = (struct bs_trie){.mask = FIRST_SIZE - 1, .n_nodes = 2};
    trie->edges = bs_alloc(FIRST_SIZE, sizeof *trie->edges);
    if (!trie->edges)
        return bs_fail_memory(error, FIRST_SIZE * sizeof *trie->edges, "the vocabulary");
    int code = BS_OK;
    for (size_t i = 0; i < n_tokens && code == BS_OK; i++) {
        struct bs_span token = tokens[i];
        if (!token.data || !bs_utf8_valid(token))
            continue;
        code = add(trie, BS_TRIE_BEGINS, token, (int32_t)i, error);
        bool goes_on = token.size >= prefix.size &&
                       bs_span_equal(bs_span(token.data, prefix.size), prefix);
        if (goes_on && code == BS_OK)
            code = add(trie, BS_TRIE_CONTINUES,
                       bs_span(token.data + prefix.size, token.size - prefix.size),
                       (int32_t)i, error);
    }
    if (code != BS_OK)
        bs_trie_free(trie);
    return code;
}

void bs_trie_free(struct bs_trie *trie) {
    free(trie->edges);
    *trie = (struct bs_trie){0};
}

size_t bs_trie_match(const struct bs_trie *trie, uint32_t root, struct bs_span text,
                     int32_t *id) {
    size_t longest = 0;
    uint32_t node = root;
    for (size_t i = 0; i < text.size; i++) {
        uint32_t key = (node << 8 | (uint8_t)text.data[i]) + 1;
        const struct bs_trie_edge *edge = find_edge(trie, key);
        if (!edge->key)
            break;
        if (edge->id >= 0) {
            longest = i + 1;
            *id = edge->id;
        }
        node = edge->child;
    }
    return longest;
}
