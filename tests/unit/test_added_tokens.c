/*
 * Added tokens in a text, against a search that tries every token at every place.
 * Tokens and texts are of two letters, so that many tokens begin with others.
 */
#include "common/random.h"
#include "tap.h"
#include "text/added_tokens.h"

#include <stdlib.h>

enum { MOST_TOKENS = 40, LONGEST = 8, TEXT = 200 };

struct lab {
    struct bs_random random;
    char contents[MOST_TOKENS][LONGEST];
    struct bs_added_token tokens[MOST_TOKENS];
    size_t n_tokens;
    char text[TEXT];
};

static size_t below(struct lab *lab, size_t n) {
    return (size_t)bs_random_below(&lab->random, n);
}

static void fill(struct lab *lab, char *letters, size_t size) {
    for (size_t i = 0; i < size; i++)
        letters[i] = "ab"[below(lab, 2)];
}

/* Some are there twice, with another id. */
static void draw(struct lab *lab) {
    lab->n_tokens = 1 + below(lab, MOST_TOKENS);
    for (size_t i = 0; i < lab->n_tokens; i++) {
        size_t size = 1 + below(lab, LONGEST);
        fill(lab, lab->contents[i], size);
        lab->tokens[i] = (struct bs_added_token){
            .content = bs_span(lab->contents[i], size), .id = (int32_t)(1000 - i)};
    }
    fill(lab, lab->text, TEXT);
}

/* The longest token at `place`, of these the one with the least id. */
static const struct bs_added_token *longest(const struct lab *lab, size_t place) {
    const struct bs_added_token *best = NULL;
    for (size_t i = 0; i < lab->n_tokens; i++) {
        const struct bs_added_token *token = &lab->tokens[i];
        size_t size = token->content.size;
        if (size <= TEXT - place &&
            !memcmp(token->content.data, lab->text + place, size) &&
            (!best || size > best->content.size ||
             (size == best->content.size && token->id < best->id)))
            best = token;
    }
    return best;
}

static bool agrees(const struct lab *lab, const struct bs_added_tokens *set) {
    struct bs_added_match match = {.text = bs_span(lab->text, TEXT)};
    for (size_t place = 0; place < TEXT;) {
        const struct bs_added_token *wanted = longest(lab, place);
        if (!wanted) {
            place++;
            continue;
        }
        const struct bs_added_token *found = bs_added_match_next(set, &match);
        if (!found || found->id != wanted->id || match.start != place)
            return false;
        place += wanted->content.size;
    }
    return !bs_added_match_next(set, &match);
}

int main(void) {
    static struct lab lab = {.random.seed = 3};
    int same = 0, tries = 2000;
    for (int i = 0; i < tries; i++) {
        struct bs_added_tokens set;
        draw(&lab);
        if (!bs_added_tokens_build(&set, lab.tokens, lab.n_tokens))
            abort();
        same += agrees(&lab, &set);
        bs_added_tokens_free(&set);
    }
    check(same == tries, "leftmost, longest, least id (%d of %d)", same, tries);
    return tap_end();
}
