/* Tokenizers of hostile files, and hostile texts. */
#include "fuzz/tokens.h"

static void tokenize_twice(struct bs_tokenizer_worker *worker, struct bs_span text) {
    struct bs_ids first = {0}, second = {0};
    struct bs_error error;
    fuzz_done(!bs_tokenize(worker, text, &first, &error) &&
              !bs_tokenize(worker, text, &second, &error));
    fuzz_require(first.count == second.count &&
                     (first.count == 0 || memcmp(first.values, second.values,
                                                 first.count * sizeof(int32_t)) == 0),
                 "a text has other ids the second time");
    bs_ids_free(&first);
    bs_ids_free(&second);
}

static void encode(struct bs_tokenizer_worker *worker, struct bs_span text,
                   const struct bs_span *pair, int64_t max_length,
                   enum bs_truncation truncation) {
    struct bs_encoding encoding = {0};
    struct bs_error error;
    fuzz_done(!bs_encode(worker, text, pair, max_length, truncation, &encoding, &error));
    fuzz_require(max_length == 0 || encoding.ids.count <= (size_t)max_length,
                 "an encoding is too long");
    fuzz_require(!encoding.type_ids.count ||
                     encoding.type_ids.count == encoding.ids.count,
                 "as many types as ids are wanted");
    bs_encoding_free(&encoding);
}

void fuzz_encode(struct bs_tokenizer_worker *worker, struct bs_span text) {
    struct bs_span first = bs_span(text.data, text.size / 3);
    struct bs_span second = bs_span(text.data + first.size, text.size - first.size);
    tokenize_twice(worker, text);
    encode(worker, text, NULL, 0, BS_TRUNCATE_HEAD);
    encode(worker, first, &second, 0, BS_TRUNCATE_HEAD);
    for (int truncation = 0; truncation < 3; truncation++) {
        encode(worker, text, NULL, 5, (enum bs_truncation)truncation);
        encode(worker, first, &second, 8, (enum bs_truncation)truncation);
    }
}

void fuzz_tokenizer(const struct bs_span files[BS_TOKENIZER_FILES], struct bs_span text) {
    struct bs_tokenizer_parsed parsed;
    struct bs_tokenizer *tokenizer;
    struct bs_tokenizer_worker *worker;
    struct bs_error error;
    if (bs_tokenizer_parse(&parsed, files, "model", &error))
        return;
    (void)bs_tokenizer_settings_ids(&parsed.settings);
    int code = bs_tokenizer_new(&tokenizer, &parsed.settings, &error);
    bs_tokenizer_parsed_free(&parsed);
    if (code)
        return;
    fuzz_done(!bs_tokenizer_worker_new(&worker, tokenizer, text.size % 2, &error));
    fuzz_encode(worker, text);
    bs_tokenizer_worker_free(worker);
    bs_tokenizer_free(tokenizer);
}
