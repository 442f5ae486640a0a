/*
 * For tests: tokenizer settings of a BERT model from its vocab.txt (one token a line),
 * without what reads model directories.
 */
#ifndef BS_TESTS_VOCABULARY_H
#define BS_TESTS_VOCABULARY_H

#include "common/file.h"
#include "text/tokenizer.h"

#include <stdlib.h>

struct vocabulary {
    struct bs_tokenizer_settings settings;
    struct bs_buffer bytes;
    struct bs_added_token added[64];
};

static int32_t vocabulary_id(const struct vocabulary *vocabulary, const char *token) {
    const struct bs_tokenizer_settings *settings = &vocabulary->settings;
    for (size_t i = settings->vocabulary_size; i-- > 0;)
        if (bs_span_is(settings->vocabulary[i], token))
            return (int32_t)i;
    return -1;
}

/* Takes what is in vocabulary->bytes apart and fills in the settings of an uncased
 * model with BERT's five special tokens. */
static bool vocabulary_fill(struct vocabulary *vocabulary) {
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    struct bs_tokenizer_settings *settings = &vocabulary->settings;
    *settings = (struct bs_tokenizer_settings){
        .added = vocabulary->added,
        .continuing_prefix = bs_span("##", 2),
        .max_input_chars_per_word = 100,
        .clean_text = true,
        .handle_chinese_chars = true,
        .strip_accents = true,
        .lowercase = true,
    };
    settings->vocabulary = bs_alloc(vocabulary->bytes.size, sizeof(struct bs_span));
    if (!settings->vocabulary)
        return false;
    const char *p = vocabulary->bytes.data, *end = p + vocabulary->bytes.size;
    while (p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t size = (size_t)((stop ? stop : end) - p);
        settings->vocabulary[settings->vocabulary_size++] = bs_span(p, size);
        p += size + 1;
    }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        int32_t id = vocabulary_id(vocabulary, special[i]);
        if (id >= 0)
            vocabulary->added[settings->n_added++] = (struct bs_added_token){
                .content = bs_span_of(special[i]), .id = id, .special = true};
    }
    settings->pad_id = vocabulary_id(vocabulary, "[PAD]");
    settings->unk_id = vocabulary_id(vocabulary, "[UNK]");
    settings->cls_id = vocabulary_id(vocabulary, "[CLS]");
    settings->sep_id = vocabulary_id(vocabulary, "[SEP]");
    settings->mask_id = vocabulary_id(vocabulary, "[MASK]");
    return true;
}

__attribute__((unused)) static int
vocabulary_read(struct vocabulary *vocabulary, const char *path, struct bs_error *error) {
    if (bs_file_read(path, 1 << 28, &vocabulary->bytes, error))
        return error->code;
    return vocabulary_fill(vocabulary)
               ? BS_OK
               : bs_fail_memory(error, vocabulary->bytes.size, "a vocabulary");
}

static void vocabulary_free(struct vocabulary *vocabulary) {
    free(vocabulary->settings.vocabulary);
    bs_buffer_free(&vocabulary->bytes);
}

#endif
