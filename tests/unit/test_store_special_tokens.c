/* vocab.txt with the files beside it: the ids of the reference's AutoTokenizer, recorded
 * by tests/parity/generate_special.py, and what is refused. */
#include "common/file.h"
#include "store/json.h"
#include "store/tokenizer_files.h"
#include "tap.h"

static const char golden[] = "tests/parity/golden/special_tokens.jsonl";

static bool same_ids(struct bs_tokenizer *tokenizer, struct bs_span text,
                     const json_t *wanted, bool literal) {
    struct bs_tokenizer_worker *worker;
    struct bs_encoding encoding = {0};
    struct bs_error error;
    if (bs_tokenizer_worker_new(&worker, tokenizer, literal, &error))
        return false;
    bool same = !bs_encode(worker, text, NULL, 0, BS_TRUNCATE_HEAD, &encoding, &error) &&
                encoding.ids.count == json_array_size(wanted);
    for (size_t i = 0; same && i < encoding.ids.count; i++)
        same = encoding.ids.values[i] == json_integer_value(json_array_get(wanted, i));
    for (size_t i = 0; !same && i < encoding.ids.count; i++)
        printf("# %zu: %d\n", i, (int)encoding.ids.values[i]);
    bs_encoding_free(&encoding);
    bs_tokenizer_worker_free(worker);
    return same;
}

static void test_case(const json_t *record) {
    struct bs_span files[BS_TOKENIZER_FILES];
    struct bs_tokenizer_parsed parsed;
    struct bs_tokenizer *tokenizer = NULL;
    struct bs_error error = {0};
    const char *name = json_string_value(json_object_get(record, "name"));
    struct bs_span text = bs_json_span(json_object_get(record, "text"));
    for (int i = 0; i < BS_TOKENIZER_FILES; i++)
        files[i] = bs_json_span(json_object_get(json_object_get(record, "files"),
                                                bs_tokenizer_file_names[i]));
    int code = bs_tokenizer_parse(&parsed, files, "dir", &error);
    if (!code) {
        code = bs_tokenizer_new(&tokenizer, &parsed.settings, &error);
        bs_tokenizer_parsed_free(&parsed);
    }
    if (!check(!code, "%s: is read %s", name, error.text))
        return;
    check(same_ids(tokenizer, text, json_object_get(record, "ids"), false), "%s: ids",
          name);
    check(same_ids(tokenizer, text, json_object_get(record, "literal"), true),
          "%s: ids without special tokens", name);
    bs_tokenizer_free(tokenizer);
}

static void test_golden(void) {
    struct bs_error error;
    struct bs_span bytes;
    if (!check(!bs_file_map(golden, &bytes, &error), "%s is there", golden))
        return;
    for (struct bs_span rest = bytes; rest.size > 0;) {
        const char *end = memchr(rest.data, '\n', rest.size);
        struct bs_span line = bs_span(rest.data, (size_t)(end - rest.data));
        json_t *record;
        if (check(!bs_json_object(&record, line, golden, &error), "a line is JSON")) {
            test_case(record);
            json_decref(record);
        }
        rest = bs_span(end + 1, rest.size - line.size - 1);
    }
    bs_file_unmap(bytes);
}

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\nbad\n";

/* Where the reference would take other ids than the file says, or crash. */
static const struct {
    enum bs_tokenizer_file file;
    const char *json, *expected;
} refused[] = {
    {BS_TOKENIZER_ADDED, "{\"good\":50}",
     "dir/added_tokens.json: the added token \"good\" has the id 50, but the vocabulary "
     "gives it 5"},
    {BS_TOKENIZER_ADDED, "{\"x\":9}",
     "dir/added_tokens.json: the added token \"x\" has the id 9, but the next free one "
     "is 7"},
    {BS_TOKENIZER_ADDED, "{\"x\":3}", "the next free one is 7"},
    {BS_TOKENIZER_ADDED, "{\"x\":7,\"y\":7}", "the next free one is 8"},
    {BS_TOKENIZER_ADDED, "{\"x\":7,\"y\":2147483647}", "no usable id"},
    {BS_TOKENIZER_ADDED, "{\"x\":-1}", "no usable id"},
    {BS_TOKENIZER_ADDED, "{\"x\":\"7\"}", "no usable id"},
    {BS_TOKENIZER_ADDED, "{\"x\":7.0}", "no usable id"},
    {BS_TOKENIZER_ADDED, "{\"x\":null}", "no usable id"},
    {BS_TOKENIZER_ADDED, "{\"x\":{\"id\":7}}", "no usable id"},
    {BS_TOKENIZER_ADDED, "[]", "dir/added_tokens.json: not a JSON object"},
    {BS_TOKENIZER_ADDED, "", "dir/added_tokens.json: not valid JSON"},
    {BS_TOKENIZER_SPECIAL, "[]", "dir/special_tokens_map.json: not a JSON object"},
    {BS_TOKENIZER_SPECIAL, "{", "dir/special_tokens_map.json: not valid JSON"},
    {BS_TOKENIZER_SPECIAL, "{\"cls_token\":7}",
     "dir/special_tokens_map.json: \"cls_token\" must be a string or an object with"},
    {BS_TOKENIZER_SPECIAL, "{\"mask_token\":{\"contents\":\"x\"}}",
     "\"mask_token\" must be"},
    {BS_TOKENIZER_SPECIAL, "{\"bos_token\":[\"x\"]}", "\"bos_token\" must be"},
    {BS_TOKENIZER_SPECIAL, "{\"additional_special_tokens\":\"x\"}",
     "each of \"additional_special_tokens\" must be"},
    {BS_TOKENIZER_SPECIAL, "{\"additional_special_tokens\":[\"x\",7]}",
     "each of \"additional_special_tokens\" must be"},
    {BS_TOKENIZER_SPECIAL, "{\"extra_special_tokens\":{\"x\":[]}}",
     "each of \"extra_special_tokens\" must be"},
    {BS_TOKENIZER_SPECIAL, "{\"cls_token\":null}", "\"cls_token\" is null or empty"},
    {BS_TOKENIZER_SPECIAL, "{\"sep_token\":\"\"}", "\"sep_token\" is null or empty"},
    {BS_TOKENIZER_SPECIAL, "{\"unk_token\":\"[U]\"}", "the token [U] is missing"},
    {BS_TOKENIZER_SPECIAL, "{\"cls_token\":\"[C]\"}", "the token [C] is missing"},
    {BS_TOKENIZER_CONFIG, "{\"extra_special_tokens\":7}",
     "dir/tokenizer_config.json: each of \"extra_special_tokens\" must be"},
    {BS_TOKENIZER_CONFIG, "{\"added_tokens_decoder\":[]}",
     "\"added_tokens_decoder\" must be an object"},
    {BS_TOKENIZER_CONFIG, "{\"added_tokens_decoder\":{\"7\":\"x\"}}", "no usable id"},
    {BS_TOKENIZER_CONFIG, "{\"added_tokens_decoder\":{\"x\":{\"content\":\"x\"}}}",
     "no usable id"},
    {BS_TOKENIZER_CONFIG, "{\"added_tokens_decoder\":{\"50\":{\"content\":\"good\"}}}",
     "dir/tokenizer_config.json: the added token \"good\" has the id 50"},
};

static int parse(struct bs_tokenizer_parsed *parsed, enum bs_tokenizer_file file,
                 const char *json, struct bs_error *error) {
    struct bs_span files[BS_TOKENIZER_FILES] = {0};
    files[BS_TOKENIZER_VOCABULARY] = bs_span_of(vocabulary);
    files[file] = bs_span_of(json);
    return bs_tokenizer_parse(parsed, files, "dir", error);
}

static void test_refused(void) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct bs_error error = {0};
        struct bs_tokenizer_parsed parsed;
        int code = parse(&parsed, refused[i].file, refused[i].json, &error);
        check(code == BS_DATA && strstr(error.text, refused[i].expected), "refused: %s",
              error.text);
        if (!code)
            bs_tokenizer_parsed_free(&parsed);
    }
}

/* The reference cannot read these, but what they mean is plain. */
static void test_objects(void) {
    struct bs_error error;
    struct bs_tokenizer_parsed parsed;
    int code = parse(&parsed, BS_TOKENIZER_SPECIAL,
                     "{\"additional_special_tokens\":[{\"content\":\"x\",\"lstrip\":true}"
                     "]}",
                     &error);
    if (!check(!code, "objects among additional tokens are read"))
        return;
    const struct bs_added_token *token =
        &parsed.settings.added[parsed.settings.n_added - 1];
    check(bs_span_is(token->content, "x") && token->id == 7 && token->special &&
              token->lstrip && !token->normalized,
          "and are special");
    bs_tokenizer_parsed_free(&parsed);
}

int main(void) {
    test_golden();
    test_refused();
    test_objects();
    return tap_end();
}
