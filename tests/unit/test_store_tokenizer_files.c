/* tokenizer.json and vocab.txt: settings that come out, kinds that are refused. */
#include "common/file.h"
#include "store/tokenizer_files.h"
#include "tap.h"

#include <stdlib.h>

static const char minilm[] = "models/all-minilm-l6-v2";

/* A whole tokenizer.json with places for other parts. */
#define MODEL                                                                            \
    "{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##" \
    "\","                                                                                \
    "\"max_input_chars_per_word\":100,\"vocab\":{\"[PAD]\":0,\"[UNK]\":1,\"[CLS]\":2,"   \
    "\"[SEP]\":3,\"a\":5}}"
#define NORMAL                                                                           \
    "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":false,"   \
    "\"strip_accents\":null,\"lowercase\":true}"
#define SPLIT       "{\"type\":\"BertPreTokenizer\"}"
#define POST        "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",3],\"cls\":[\"[CLS]\",2]}"
#define SPECIAL(id) "{\"SpecialToken\":{\"id\":\"" id "\",\"type_id\":0}}"
#define TWO_ENDS                                                                         \
    SPECIAL("[CLS]")                                                                     \
    ",{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}," SPECIAL("[SEP]") "," SPECIAL("[SEP"  \
                                                                                 "]")
#define FRAME                                                                            \
    "\"single\":[" SPECIAL(                                                              \
        "[CLS]") ",{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}," SPECIAL("[SEP]") "]"
#define PAIR                                                                             \
    "\"pair\":[" SPECIAL("[CLS]") ",{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"         \
                                  "," SPECIAL("[SEP]") ",{\"Sequence\":{\"id\":\"B\","   \
                                                       "\"type_id\":1}},"                \
                                                       "{\"SpecialToken\":{\"id\":\"["   \
                                                       "SEP]\",\"type_id\":1}}]"
#define TOKENS "\"special_tokens\":{\"[CLS]\":{\"ids\":[2]},\"[SEP]\":{\"ids\":[3]}}"
#define ADDED  "[{\"id\":5,\"content\":\"<x>\",\"special\":false,\"lstrip\":true}]"

struct parts {
    const char *model, *normalizer, *splitter, *post, *added;
};

static int parse_json(struct bs_tokenizer_parsed *parsed, struct bs_buffer *json,
                      struct parts parts, struct bs_error *error) {
    struct bs_span files[BS_TOKENIZER_FILES] = {0};
    json->size = 0;
    if (!bs_buffer_printf(
            json,
            "{\"truncation\":{\"max_length\":3},\"padding\":null,\"model\":%s,"
            "\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,"
            "\"added_tokens\":%s}",
            parts.model, parts.normalizer, parts.splitter, parts.post, parts.added))
        abort();
    files[BS_TOKENIZER_JSON] = bs_buffer_span(json);
    return bs_tokenizer_parse(parsed, files, "dir", error);
}

static void test_json(const char *post) {
    struct bs_error error = {0};
    struct bs_tokenizer_parsed parsed;
    struct bs_buffer json = {0};
    struct parts parts = {MODEL, NORMAL, SPLIT, post, ADDED};
    int code = parse_json(&parsed, &json, parts, &error);
    const struct bs_tokenizer_settings *s = &parsed.settings;
    if (check(code == BS_OK, "a tokenizer.json is read %s", error.text)) {
        check(s->vocabulary_size == 6 && bs_span_is(s->vocabulary[5], "a") &&
                  !s->vocabulary[4].data,
              "tokens by id, an unused id is empty");
        check(s->unk_id == 1 && s->cls_id == 2 && s->sep_id == 3 && s->pad_id == 0 &&
                  s->mask_id == -1,
              "special ids");
        check(s->clean_text && !s->handle_chinese_chars && s->strip_accents &&
                  s->lowercase && s->max_input_chars_per_word == 100 &&
                  bs_span_is(s->continuing_prefix, "##"),
              "switches; strip_accents null is lowercase");
        check(s->n_added == 1 && bs_span_is(s->added[0].content, "<x>") &&
                  s->added[0].id == 5 && s->added[0].lstrip && !s->added[0].rstrip &&
                  !s->added[0].special && s->added[0].normalized,
              "added tokens with their switches, and ids that count tokens, not ids");
        check(bs_tokenizer_settings_ids(s) == 6, "ids up to 5");
        bs_tokenizer_parsed_free(&parsed);
    }
    bs_buffer_free(&json);
}

/* The reference skips a token without content. */
static void test_empty_token(void) {
    struct bs_error error = {0};
    struct bs_tokenizer_parsed parsed;
    struct bs_buffer json = {0};
    struct parts parts = {MODEL, NORMAL, SPLIT, POST, "[{\"id\":7,\"content\":\"\"}]"};
    int code = parse_json(&parsed, &json, parts, &error);
    if (check(code == BS_OK, "an added token without content is read %s", error.text)) {
        check(parsed.settings.n_added == 0, "and left out");
        bs_tokenizer_parsed_free(&parsed);
    }
    bs_buffer_free(&json);
}

static const struct {
    struct parts parts;
    const char *expected;
} refused[] = {
    {{"{\"type\":\"BPE\"}", NORMAL, SPLIT, POST, "[]"}, "the model is \"BPE\""},
    {{"{\"type\":\"Unigram\"}", NORMAL, SPLIT, POST, "[]"}, "the model is \"Unigram\""},
    {{"null", NORMAL, SPLIT, POST, "[]"}, "the model is \"none\""},
    {{MODEL, "{\"type\":\"Lowercase\"}", SPLIT, POST, "[]"},
     "normalizer is \"Lowercase\""},
    {{MODEL, "null", SPLIT, POST, "[]"}, "normalizer is \"none\""},
    {{MODEL, NORMAL, "{\"type\":\"ByteLevel\"}", POST, "[]"},
     "pre-tokenizer is \"ByteLevel\""},
    {{MODEL, NORMAL, SPLIT, "{\"type\":\"RobertaProcessing\"}", "[]"},
     "post-processor is \"RobertaProcessing\""},
    {{MODEL, NORMAL, SPLIT, "null", "[]"}, "post-processor is \"none\""},
    {{MODEL, NORMAL, SPLIT,
      "{\"type\":\"TemplateProcessing\",\"single\":[]," PAIR "," TOKENS "}", "[]"},
     "template is not BERT's"},
    {{MODEL, NORMAL, SPLIT,
      "{\"type\":\"TemplateProcessing\"," FRAME ",\"pair\":[]," TOKENS "}", "[]"},
     "template is not BERT's"},
    {{MODEL, NORMAL, SPLIT,
      "{\"type\":\"TemplateProcessing\",\"single\":[" TWO_ENDS "]," PAIR "," TOKENS "}",
      "[]"},
     "template is not BERT's"},
    {{MODEL, NORMAL, SPLIT, "{\"type\":\"TemplateProcessing\"," FRAME "," PAIR "}", "[]"},
     "names no usable ids"},
    {{MODEL, NORMAL, SPLIT, POST, "[{\"id\":-1,\"content\":\"x\"}]"}, "added token"},
    {{MODEL, NORMAL, SPLIT, POST, "[{\"id\":1}]"}, "added token"},
    {{MODEL, NORMAL, SPLIT, POST, "[7]"}, "added token"},
    {{MODEL, NORMAL, SPLIT, POST, "[{\"id\":9,\"content\":\"a\"}]"},
     "the added token \"a\" has the id 9, but the vocabulary gives it 5"},
    {{MODEL, NORMAL, SPLIT, POST, "[{\"id\":9,\"content\":\"x\"}]"},
     "the added token \"x\" has the id 9, but the next free one is 5"},
    {{MODEL, NORMAL, SPLIT, POST,
      "[{\"id\":6,\"content\":\"x\"},{\"id\":5,\"content\":\"y\"}]"},
     "the added token \"x\" has the id 6"},
    {{"{\"type\":\"WordPiece\",\"vocab\":{\"a\":0,\"b\":0}}", NORMAL, SPLIT, POST, "[]"},
     "the same id"},
    {{"{\"type\":\"WordPiece\",\"vocab\":{\"a\":2000000000}}", NORMAL, SPLIT, POST, "[]"},
     "the id of token \"a\""},
    {{"{\"type\":\"WordPiece\",\"vocab\":{\"a\":-1}}", NORMAL, SPLIT, POST, "[]"},
     "the id of"},
    {{"{\"type\":\"WordPiece\",\"vocab\":[]}", NORMAL, SPLIT, POST, "[]"},
     "no \"vocab\""},
    {{"{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}", NORMAL, SPLIT, POST, "[]"},
     "lacks the token for unknown words"},
    {{"{\"type\":\"WordPiece\",\"max_input_chars_per_word\":0,\"vocab\":{}}", NORMAL,
      SPLIT, POST, "[]"},
     "max_input_chars_per_word"},
};

static void test_refused(void) {
    struct bs_buffer json = {0};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct bs_error error = {0};
        struct bs_tokenizer_parsed parsed;
        int code = parse_json(&parsed, &json, refused[i].parts, &error);
        check(code == BS_DATA && strstr(error.text, refused[i].expected), "refused: %s",
              error.text);
    }
    bs_buffer_free(&json);
}

static int parse_text(struct bs_tokenizer_parsed *parsed, const char *vocabulary,
                      const char *config, struct bs_error *error) {
    struct bs_span files[BS_TOKENIZER_FILES] = {0};
    files[BS_TOKENIZER_VOCABULARY] = bs_span_of(vocabulary);
    if (config)
        files[BS_TOKENIZER_CONFIG] = bs_span_of(config);
    return bs_tokenizer_parse(parsed, files, "dir", error);
}

/* What Python's load_vocab makes of the same bytes. */
static void test_vocabulary(void) {
    struct bs_error error = {0};
    struct bs_tokenizer_parsed parsed;
    int code = parse_text(
        &parsed, "[PAD]\n[UNK]\r\n[CLS]\r[SEP]\na\n\nb \na\n\xc2\x85 x\n##\xc3\xa9", NULL,
        &error);
    const struct bs_tokenizer_settings *s = &parsed.settings;
    if (!check(code == BS_OK, "a vocab.txt alone is read %s", error.text))
        return;
    check(s->vocabulary_size == 10 && bs_span_is(s->vocabulary[1], "[UNK]") &&
              bs_span_is(s->vocabulary[2], "[CLS]") &&
              bs_span_is(s->vocabulary[3], "[SEP]"),
          "lines end with LF, CR LF or CR");
    check(!s->vocabulary[4].data && !s->vocabulary[5].data &&
              bs_span_is(s->vocabulary[6], "b ") && bs_span_is(s->vocabulary[7], "a") &&
              bs_span_is(s->vocabulary[8], "\xc2\x85 x") &&
              bs_span_is(s->vocabulary[9], "##\xc3\xa9"),
          "of equal lines the last counts, blanks stay");
    check(s->lowercase && s->strip_accents && s->handle_chinese_chars && s->clean_text &&
              s->max_input_chars_per_word == 100,
          "uncased unless told otherwise");
    check(s->unk_id == 1 && s->cls_id == 2 && s->sep_id == 3 && s->pad_id == 0 &&
              s->mask_id == 9 && s->n_added == 5 && s->added[0].special &&
              !s->added[0].normalized,
          "special tokens are added tokens, also one that no line has");
    bs_tokenizer_parsed_free(&parsed);
}

static void test_config(void) {
    struct bs_error error = {0};
    struct bs_tokenizer_parsed parsed;
    int code = parse_text(
        &parsed, "<pad>\n<unk>\n<cls>\n<sep>\n<new>\n",
        "{\"model_max_length\":1000000000000000019884624838656,\"do_lower_case\":false,"
        "\"strip_accents\":true,\"tokenize_chinese_chars\":"
        "false,"
        "\"unk_token\":\"<unk>\",\"cls_token\":{\"content\":\"<cls>\"},"
        "\"sep_token\":\"<sep>\",\"pad_token\":\"<pad>\",\"tokenizer_class\":"
        "\"BertTokenizer\","
        "\"added_tokens_decoder\":{\"4\":{\"content\":\"<new>\",\"rstrip\":true}}}",
        &error);
    const struct bs_tokenizer_settings *s = &parsed.settings;
    if (!check(code == BS_OK, "tokenizer_config.json is read %s", error.text))
        return;
    check(!s->lowercase && s->strip_accents && !s->handle_chinese_chars, "its switches");
    check(s->unk_id == 1 && s->cls_id == 2 && s->sep_id == 3 && s->pad_id == 0,
          "its special tokens, as strings or objects");
    check(s->n_added == 6 && bs_span_is(s->added[0].content, "<new>") &&
              s->added[0].id == 4 && s->added[0].rstrip,
          "its added tokens");
    bs_tokenizer_parsed_free(&parsed);
}

static void test_refused_vocabulary(void) {
    static const struct {
        const char *vocabulary, *config, *expected;
    } cases[] = {
        {"[UNK]\n[CLS]\n", NULL, "the token [SEP] is missing"},
        {"", NULL, "the token [UNK] is missing"},
        {"[UNK]\n[CLS]\n[SEP]\n\xff\n", NULL, "not valid UTF-8"},
        {"[UNK]\n[CLS]\n[SEP]\n", "{", "tokenizer_config.json: not valid JSON"},
        {"[UNK]\n[CLS]\n[SEP]\n", "{\"tokenizer_class\":\"RobertaTokenizer\"}",
         "\"RobertaTokenizer\": only BertTokenizer"},
        {"[UNK]\n[CLS]\n[SEP]\n",
         "{\"added_tokens_decoder\":{\"x\":{\"content\":\"a\"}}}", "added token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bs_error error = {0};
        struct bs_tokenizer_parsed parsed;
        int code = parse_text(&parsed, cases[i].vocabulary, cases[i].config, &error);
        check(code == BS_DATA && strstr(error.text, cases[i].expected), "refused: %s",
              error.text);
    }
    struct bs_span none[BS_TOKENIZER_FILES] = {0};
    struct bs_tokenizer_parsed parsed;
    struct bs_error error = {0};
    check(bs_tokenizer_parse(&parsed, none, "dir", &error) == BS_DATA &&
              strstr(error.text, "neither tokenizer.json nor vocab.txt"),
          "refused: %s", error.text);
}

static struct bs_span map(const char *name) {
    struct bs_error error;
    struct bs_span bytes = {0};
    char *path = bs_path_join(minilm, name);
    if (!path || bs_file_map(path, &bytes, &error))
        bytes = bs_span(NULL, 0);
    free(path);
    return bytes;
}

static bool same_settings(const struct bs_tokenizer_settings *a,
                          const struct bs_tokenizer_settings *b) {
    bool same = a->vocabulary_size == b->vocabulary_size && a->n_added == b->n_added &&
                a->unk_id == b->unk_id && a->cls_id == b->cls_id &&
                a->sep_id == b->sep_id && a->pad_id == b->pad_id &&
                a->mask_id == b->mask_id && a->lowercase == b->lowercase &&
                a->strip_accents == b->strip_accents;
    for (size_t i = 0; same && i < a->vocabulary_size; i++)
        same = bs_span_equal(a->vocabulary[i], b->vocabulary[i]);
    return same;
}

static void test_real_files(void) {
    struct bs_error error = {0};
    struct bs_tokenizer_parsed json, text;
    struct bs_span files[BS_TOKENIZER_FILES];
    for (int i = 0; i < BS_TOKENIZER_FILES; i++)
        files[i] = map(bs_tokenizer_file_names[i]);
    if (!files[BS_TOKENIZER_JSON].data) {
        skip("%s is not there (make model)", minilm);
        return;
    }
    struct bs_span classic[BS_TOKENIZER_FILES] = {0};
    classic[BS_TOKENIZER_CONFIG] = files[BS_TOKENIZER_CONFIG];
    classic[BS_TOKENIZER_VOCABULARY] = files[BS_TOKENIZER_VOCABULARY];
    int code = bs_tokenizer_parse(&json, files, minilm, &error) ||
               bs_tokenizer_parse(&text, classic, minilm, &error);
    check(!code && json.settings.vocabulary_size == 30522 &&
              json.settings.mask_id == 103 &&
              same_settings(&json.settings, &text.settings),
          "both forms of MiniLM's tokenizer say the same %s", error.text);
    bs_tokenizer_parsed_free(&json);
    bs_tokenizer_parsed_free(&text);
    for (int i = 0; i < BS_TOKENIZER_FILES; i++)
        bs_file_unmap(files[i]);
}

int main(void) {
    test_json(POST);
    test_json("{\"type\":\"TemplateProcessing\"," FRAME "," PAIR "," TOKENS "}");
    test_empty_token();
    test_refused();
    test_vocabulary();
    test_config();
    test_refused_vocabulary();
    test_real_files();
    return tap_end();
}
