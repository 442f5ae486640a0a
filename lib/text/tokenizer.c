/* Making tokenizers and their workers, and the first stage: added tokens. */
#include "common/hash.h"
#include "common/utf8.h"
#include "text/unicode.h"
#include "text/wordpiece.h"

#include <stdlib.h>

static void hash_number(struct bs_sha256 *sha, int64_t number) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> 8 * i);
    bs_sha256_add(sha, bytes, sizeof bytes);
}

static void hash_span(struct bs_sha256 *sha, struct bs_span span) {
    hash_number(sha, span.data ? (int64_t)span.size : -1);
    if (span.size)
        bs_sha256_add(sha, span.data, span.size);
}

/* By first byte, the longest first: stored streams and runs have digests in this order.
 */
static int by_first_byte_and_size(const void *a, const void *b) {
    const struct bs_added_token *x = a, *y = b;
    int first = (uint8_t)x->content.data[0] - (uint8_t)y->content.data[0];
    if (first)
        return first;
    if (x->content.size != y->content.size)
        return x->content.size < y->content.size ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool hash_added(struct bs_sha256 *sha, const struct bs_added_tokens *set) {
    struct bs_added_token *tokens = bs_alloc(set->n_tokens, sizeof *tokens);
    if (!tokens)
        return false;
    if (set->n_tokens > 0)
        memcpy(tokens, set->tokens, set->n_tokens * sizeof *tokens);
    qsort(tokens, set->n_tokens, sizeof *tokens, by_first_byte_and_size);
    hash_number(sha, (int64_t)set->n_tokens);
    for (size_t i = 0; i < set->n_tokens; i++) {
        const struct bs_added_token *token = &tokens[i];
        hash_span(sha, token->content);
        hash_number(sha, token->id);
        hash_number(sha, token->special | token->lstrip << 1 | token->rstrip << 2 |
                             token->single_word << 3 | token->normalized << 4);
    }
    free(tokens);
    return true;
}

static bool make_digest(struct bs_tokenizer *tokenizer,
                        const struct bs_tokenizer_settings *settings) {
    struct bs_sha256 sha;
    bs_sha256_begin(&sha);
    hash_number(&sha, (int64_t)settings->vocabulary_size);
    for (size_t i = 0; i < settings->vocabulary_size; i++)
        hash_span(&sha, settings->vocabulary[i]);
    if (!hash_added(&sha, &tokenizer->raw_added) ||
        !hash_added(&sha, &tokenizer->normalized_added))
        return false;
    hash_span(&sha, settings->continuing_prefix);
    hash_number(&sha, settings->max_input_chars_per_word);
    hash_number(&sha, settings->clean_text | settings->handle_chinese_chars << 1 |
                          settings->strip_accents << 2 | settings->lowercase << 3);
    const int32_t ids[] = {settings->unk_id, settings->cls_id, settings->sep_id,
                           settings->pad_id, settings->mask_id};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        hash_number(&sha, ids[i]);
    bs_sha256_end_hex(&sha, tokenizer->digest);
    return true;
}

static struct bs_normalizer normalizer_of(const struct bs_tokenizer *tokenizer) {
    return (struct bs_normalizer){
        .clean_text = tokenizer->clean_text,
        .handle_chinese_chars = tokenizer->handle_chinese_chars,
        .strip_accents = tokenizer->strip_accents,
        .lowercase = tokenizer->lowercase,
    };
}

/* The added tokens of one set; the normalized ones as they look in normalized text. */
static bool build_added(struct bs_added_tokens *set, const struct bs_tokenizer *tokenizer,
                        const struct bs_tokenizer_settings *settings, bool normalized) {
    struct bs_added_token *chosen = bs_alloc(settings->n_added, sizeof *chosen);
    struct bs_normalizer normalizer = normalizer_of(tokenizer);
    size_t count = 0, made = 0;
    bool done = chosen != NULL;
    for (size_t i = 0; done && i < settings->n_added; i++)
        if (settings->added[i].normalized == normalized)
            chosen[count++] = settings->added[i];
    for (; done && normalized && made < count; made++) {
        done = bs_normalize(&normalizer, chosen[made].content);
        chosen[made].content =
            normalizer.text.data ? bs_buffer_span(&normalizer.text) : bs_span(NULL, 0);
        normalizer.text = (struct bs_buffer){0};
    }
    done = done && bs_added_tokens_build(set, chosen, count);
    while (made > 0)
        free((char *)chosen[--made].content.data);
    free(chosen);
    bs_normalizer_free(&normalizer);
    return done;
}

static int check_settings(const struct bs_tokenizer_settings *settings,
                          struct bs_error *error) {
    const struct {
        const char *name;
        int32_t id;
    } needed[] = {
        {"[UNK]", settings->unk_id},
        {"[CLS]", settings->cls_id},
        {"[SEP]", settings->sep_id},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (needed[i].id < 0)
            return bs_fail(error, BS_DATA, "the vocabulary has no %s token",
                           needed[i].name);
    if (settings->vocabulary_size > INT32_MAX)
        return bs_fail(error, BS_DATA, "the vocabulary is too large");
    for (size_t i = 0; i < settings->n_added; i++)
        if (!bs_utf8_valid(settings->added[i].content))
            return bs_fail(error, BS_DATA, "added token %d is not valid UTF-8",
                           (int)settings->added[i].id);
    return BS_OK;
}

static int build(struct bs_tokenizer *tokenizer,
                 const struct bs_tokenizer_settings *settings, struct bs_error *error) {
    int code = bs_vocabulary_build(&tokenizer->vocabulary, settings->vocabulary,
                                   settings->vocabulary_size, settings->continuing_prefix,
                                   error);
    if (code != BS_OK)
        return code;
    if (!build_added(&tokenizer->raw_added, tokenizer, settings, false) ||
        !build_added(&tokenizer->normalized_added, tokenizer, settings, true) ||
        !make_digest(tokenizer, settings))
        return bs_fail_memory(error, settings->n_added * sizeof *settings->added,
                              "the added tokens");
    return BS_OK;
}

int bs_tokenizer_new(struct bs_tokenizer **result,
                     const struct bs_tokenizer_settings *settings,
                     struct bs_error *error) {
    int code = check_settings(settings, error);
    if (code != BS_OK)
        return code;
    struct bs_tokenizer *tokenizer = bs_alloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return bs_fail_memory(error, sizeof *tokenizer, "a tokenizer");
    tokenizer->vocabulary_size = settings->vocabulary_size;
    tokenizer->clean_text = settings->clean_text;
    tokenizer->handle_chinese_chars = settings->handle_chinese_chars;
    tokenizer->strip_accents = settings->strip_accents;
    tokenizer->lowercase = settings->lowercase;
    if (settings->max_input_chars_per_word > 0)
        tokenizer->max_word = (size_t)settings->max_input_chars_per_word;
    tokenizer->unk_id = settings->unk_id;
    tokenizer->cls_id = settings->cls_id;
    tokenizer->sep_id = settings->sep_id;
    code = build(tokenizer, settings, error);
    if (code != BS_OK) {
        bs_tokenizer_free(tokenizer);
        return code;
    }
    *result = tokenizer;
    return BS_OK;
}

void bs_tokenizer_free(struct bs_tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    bs_vocabulary_free(&tokenizer->vocabulary);
    bs_added_tokens_free(&tokenizer->raw_added);
    bs_added_tokens_free(&tokenizer->normalized_added);
    free(tokenizer);
}

const char *bs_tokenizer_digest(const struct bs_tokenizer *tokenizer) {
    return tokenizer->digest;
}

size_t bs_tokenizer_vocabulary_size(const struct bs_tokenizer *tokenizer) {
    return tokenizer->vocabulary_size;
}

int bs_tokenizer_worker_new(struct bs_tokenizer_worker **result,
                            const struct bs_tokenizer *tokenizer,
                            bool literal_special_tokens, struct bs_error *error) {
    struct bs_tokenizer_worker *worker = bs_alloc(1, sizeof *worker);
    if (!worker)
        return bs_fail_memory(error, sizeof *worker, "a tokenizer's worker");
    worker->tokenizer = tokenizer;
    worker->literal_special_tokens = literal_special_tokens;
    worker->normalizer = normalizer_of(tokenizer);
    if (!bs_word_cache_new(&worker->cache)) {
        bs_tokenizer_worker_free(worker);
        return bs_fail_memory(error, sizeof(struct bs_short_word) << BS_SHORT_BITS,
                              "a tokenizer's cache");
    }
    *result = worker;
    return BS_OK;
}

void bs_tokenizer_worker_free(struct bs_tokenizer_worker *worker) {
    if (!worker)
        return;
    bs_word_cache_free(&worker->cache);
    bs_normalizer_free(&worker->normalizer);
    bs_buffer_free(&worker->repaired);
    bs_ids_free(&worker->pieces);
    bs_ids_free(&worker->second);
    free(worker);
}

typedef bool piece_work(struct bs_tokenizer_worker *worker, struct bs_span text,
                        struct bs_ids *ids);

/* The ids of added tokens, and what `work` makes of the text between them. */
static bool split_at_added(struct bs_tokenizer_worker *worker,
                           const struct bs_added_tokens *set, struct bs_span text,
                           piece_work *work, struct bs_ids *ids) {
    struct bs_added_match match = {.text = text,
                                   .literal_special = worker->literal_special_tokens};
    const struct bs_added_token *token;
    size_t done = 0;
    while ((token = bs_added_match_next(set, &match))) {
        if (match.start > done &&
            !work(worker, bs_span(text.data + done, match.start - done), ids))
            return false;
        if (!bs_ids_append(ids, token->id))
            return false;
        done = match.stop;
    }
    return done == text.size ||
           work(worker, bs_span(text.data + done, text.size - done), ids);
}

/* A piece of text in a model that has added tokens to be found after normalization. */
static bool normalize_whole(struct bs_tokenizer_worker *worker, struct bs_span text,
                            struct bs_ids *ids) {
    return bs_normalize(&worker->normalizer, text) &&
           split_at_added(worker, &worker->tokenizer->normalized_added,
                          bs_buffer_span(&worker->normalizer.text), bs_split_words, ids);
}

int bs_tokenize(struct bs_tokenizer_worker *worker, struct bs_span text,
                struct bs_ids *pieces, struct bs_error *error) {
    const struct bs_tokenizer *tokenizer = worker->tokenizer;
    piece_work *work =
        tokenizer->normalized_added.n_tokens ? normalize_whole : bs_scan_text;
    bool done = true;
    if (!bs_utf8_valid(text)) {
        worker->repaired.size = 0;
        done = bs_utf8_repair(&worker->repaired, text);
        text = bs_buffer_span(&worker->repaired);
    }
    if (!done || !split_at_added(worker, &tokenizer->raw_added, text, work, pieces))
        return bs_fail_memory(error, text.size, "a tokenized text");
    return BS_OK;
}
