/* Texts, for tokenizers of each kind (first byte) with a vocabulary of few tokens. */
#include "fuzz/tokens.h"

static const char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##ab\nab\n##"
    "\xc3\xa9\n\xc3\xa9\ne\n##e\n!\n\xe4\xb8\x80\n##!\nnot\n"
    "\xea\xb0\x80\n";

/* Cased or not, with tokens that take white space along or are words of their own. */
static const char *const configs[] = {
    "{}",
    "{\"do_lower_case\":false}",
    "{\"strip_accents\":false,\"tokenize_chinese_chars\":false}",
    "{\"added_tokens_decoder\":{"
    "\"19\":{\"content\":\"<a>\",\"lstrip\":true,\"rstrip\":true,\"normalized\":true},"
    "\"20\":{\"content\":\"\xc3\x89\",\"single_word\":true},"
    "\"21\":{\"content\":\"a\xcc\x81\",\"normalized\":true,\"lstrip\":true},"
    "\"22\":{\"content\":\"[X]\",\"special\":true,\"rstrip\":true}}}",
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static struct bs_tokenizer_worker *make_worker(const char *config, bool literal) {
    struct bs_tokenizer_parsed parsed;
    struct bs_tokenizer *tokenizer;
    struct bs_tokenizer_worker *worker = NULL;
    struct bs_error error;
    struct bs_span files[BS_TOKENIZER_FILES] = {0};
    files[BS_TOKENIZER_VOCABULARY] = bs_span_of(vocabulary);
    files[BS_TOKENIZER_CONFIG] = bs_span_of(config);
    fuzz_done(!bs_tokenizer_parse(&parsed, files, "model", &error) &&
              !bs_tokenizer_new(&tokenizer, &parsed.settings, &error) &&
              !bs_tokenizer_worker_new(&worker, tokenizer, literal, &error));
    bs_tokenizer_parsed_free(&parsed);
    return worker;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct bs_tokenizer_worker *workers[N_CONFIGS][2]; /* as long as the process */
    struct bs_span text = fuzz_begin(data, size);
    unsigned config = fuzz_choose(&text, N_CONFIGS), literal = fuzz_choose(&text, 2);
    struct bs_tokenizer_worker **worker = &workers[config][literal];
    if (!*worker)
        *worker = make_worker(configs[config], literal);
    fuzz_encode(*worker, text);
    return 0;
}
