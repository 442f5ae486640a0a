/* Added tokens; the rules are those of find_matches in the reference's
 * added_vocabulary.rs. */
#include "text/added_tokens.h"

#include "text/unicode.h"

#include <stdlib.h>

/* A token comes after those that it begins with. */
static int by_content(const void *a, const void *b) {
    const struct bs_added_token *x = a, *y = b;
    int order = bs_span_order(x->content, y->content);
    return order ? order : (x->id < y->id) - (x->id > y->id);
}

static size_t common_size(struct bs_span a, struct bs_span b) {
    size_t size = 0;
    while (size < a.size && size < b.size && a.data[size] == b.data[size])
        size++;
    return size;
}

/* The last token before `end` that is no longer than `size`, among tokens[end - 1] and
 * those that it begins with: where it stands, from 1; 0 if there is none. */
static size_t within(const struct bs_added_tokens *set, size_t end, size_t size) {
    while (end && set->tokens[end - 1].content.size > size)
        end = set->shorter[end - 1];
    return end;
}

static void link_shorter(struct bs_added_tokens *set) {
    for (size_t i = 1; i < set->n_tokens; i++) {
        struct bs_span content = set->tokens[i].content;
        size_t common = common_size(set->tokens[i - 1].content, content);
        bool equal = common == content.size;
        set->shorter[i] = equal ? set->shorter[i - 1] : within(set, i, common);
    }
}

static void index_first_bytes(struct bs_added_tokens *set) {
    size_t token = 0;
    int n_bytes = 0;
    set->only_byte = -1;
    for (int byte = 0; byte < 256; byte++) {
        set->first[byte] = token;
        while (token < set->n_tokens &&
               (uint8_t)set->tokens[token].content.data[0] == byte)
            token++;
        if (token > set->first[byte]) {
            n_bytes++;
            set->only_byte = byte;
        }
    }
    set->first[256] = token;
    if (n_bytes != 1)
        set->only_byte = -1;
}

bool bs_added_tokens_build(struct bs_added_tokens *set,
                           const struct bs_added_token *tokens, size_t n_tokens) {
    *set = (struct bs_added_tokens){0};
    set->tokens = bs_alloc(n_tokens, sizeof *set->tokens);
    set->shorter = bs_alloc(n_tokens, sizeof *set->shorter);
    if (!set->tokens || !set->shorter)
        return false;
    for (size_t i = 0; i < n_tokens; i++) {
        if (tokens[i].content.size == 0)
            continue;
        char *content = bs_span_string(tokens[i].content);
        if (!content)
            return false;
        set->tokens[set->n_tokens] = tokens[i];
        set->tokens[set->n_tokens++].content.data = content;
    }
    qsort(set->tokens, set->n_tokens, sizeof *set->tokens, by_content);
    link_shorter(set);
    index_first_bytes(set);
    return true;
}

void bs_added_tokens_free(struct bs_added_tokens *set) {
    for (size_t i = 0; i < set->n_tokens; i++)
        free((char *)set->tokens[i].content.data);
    free(set->tokens);
    free(set->shorter);
    *set = (struct bs_added_tokens){0};
}

/* The code point that ends at `end` (not 0) of valid UTF-8, and where it begins. */
static uint32_t code_before(struct bs_span text, size_t end, size_t *begin) {
    do
        end--;
    while (((uint8_t)text.data[end] & 0xC0) == 0x80);
    const char *p = text.data + end;
    *begin = end;
    return bs_unicode_decode(&p);
}

static bool is_single_word(struct bs_span text, size_t start, size_t stop) {
    size_t begin;
    if (start > 0 &&
        (bs_unicode_kind(code_before(text, start, &begin))->flags & BS_UNICODE_WORD))
        return false;
    const char *p = text.data + stop;
    return stop == text.size ||
           !(bs_unicode_kind(bs_unicode_decode(&p))->flags & BS_UNICODE_WORD);
}

static size_t white_before(struct bs_span text, size_t start, size_t limit) {
    size_t begin;
    while (start > limit &&
           (bs_unicode_kind(code_before(text, start, &begin))->flags & BS_UNICODE_WHITE))
        start = begin;
    return start;
}

static size_t white_after(struct bs_span text, size_t stop) {
    while (stop < text.size) {
        const char *p = text.data + stop;
        if (!(bs_unicode_kind(bs_unicode_decode(&p))->flags & BS_UNICODE_WHITE))
            break;
        stop = (size_t)(p - text.data);
    }
    return stop;
}

/* The longest token at `place`, or NULL: the last that is not after the text in order, or
 * one that this begins with. */
static const struct bs_added_token *token_at(const struct bs_added_tokens *set,
                                             struct bs_span text, size_t place) {
    int byte = (uint8_t)text.data[place];
    size_t low = set->first[byte], high = set->first[byte + 1];
    if (low == high)
        return NULL;
    struct bs_span rest = bs_span(text.data + place, text.size - place);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bs_span_order(set->tokens[middle].content, rest) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == set->first[byte])
        return NULL;
    size_t found = within(set, low, common_size(set->tokens[low - 1].content, rest));
    return found ? &set->tokens[found - 1] : NULL;
}

static const struct bs_added_token *find(const struct bs_added_tokens *set,
                                         struct bs_span text, size_t *place) {
    for (size_t i = *place; i < text.size; i++) {
        if (set->only_byte >= 0) {
            const char *p = memchr(text.data + i, set->only_byte, text.size - i);
            if (!p)
                break;
            i = (size_t)(p - text.data);
        }
        const struct bs_added_token *token = token_at(set, text, i);
        if (token) {
            *place = i;
            return token;
        }
    }
    *place = text.size;
    return NULL;
}

const struct bs_added_token *bs_added_match_next(const struct bs_added_tokens *set,
                                                 struct bs_added_match *match) {
    size_t taken = match->stop; /* by the match before */
    const struct bs_added_token *token;
    while (set->n_tokens && (token = find(set, match->text, &match->searched))) {
        size_t start = match->searched, stop = start + token->content.size;
        match->searched = stop;
        if (token->special && match->literal_special)
            continue;
        if (token->single_word && !is_single_word(match->text, start, stop))
            continue;
        if (token->rstrip)
            stop = white_after(match->text, stop);
        if (token->lstrip && stop <= taken)
            continue;
        match->start = token->lstrip ? white_before(match->text, start, taken) : start;
        match->stop = stop;
        return token;
    }
    return NULL;
}
