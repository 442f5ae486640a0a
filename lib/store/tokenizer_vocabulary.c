/*
 * vocab.txt with the files beside it, as BertTokenizer loads them: a token a line, its
 * id the number of the line, and of equal lines the last.
 */
#include "common/utf8.h"
#include "store/tokenizer_parts.h"

/* A line as Python's text mode cuts it: ended by LF, CR LF or CR. */
static struct bs_span next_line(struct bs_span *rest) {
    const char *text = rest->data;
    size_t size = 0;
    while (size < rest->size && text[size] != '\n' && text[size] != '\r')
        size++;
    size_t end = size;
    if (end < rest->size)
        end += text[end] == '\r' && end + 1 < rest->size && text[end + 1] == '\n' ? 2 : 1;
    *rest = bs_span(text + end, rest->size - end);
    return bs_span(text, size);
}

static int read_lines(const struct bs_tokenizer_reading *reading, struct bs_span bytes) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    size_t count = 0;
    if (!bs_utf8_valid(bytes))
        return bs_fail(reading->error, BS_DATA, "%s: not valid UTF-8", reading->path);
    for (struct bs_span rest = bytes; rest.size > 0; count++)
        (void)next_line(&rest);
    if (bs_vocabulary_new(reading, count))
        return reading->error->code;
    for (size_t i = 0; i < count; i++)
        settings->vocabulary[i] = next_line(&bytes);
    if (bs_vocabulary_index(reading))
        return reading->error->code;
    for (size_t i = 0; i < count; i++) /* an empty line is counted, but no token */
        if (settings->vocabulary[i].size == 0)
            settings->vocabulary[i] = bs_span(NULL, 0);
    return BS_OK;
}

static int check_class(const struct bs_tokenizer_reading *reading, const json_t *config) {
    const json_t *class = json_object_get(config, "tokenizer_class");
    if (!json_is_string(class) || bs_json_is(class, "BertTokenizer") ||
        bs_json_is(class, "BertTokenizerFast"))
        return BS_OK;
    return bs_fail(reading->error, BS_DATA,
                   "%s: tokenizer_config.json has \"tokenizer_class\": \"%.60s\": only "
                   "BertTokenizer can be used",
                   reading->path, json_string_value(class));
}

static void read_switches(struct bs_tokenizer_settings *settings, const json_t *config) {
    settings->continuing_prefix = bs_span_of("##");
    settings->max_input_chars_per_word = 100;
    settings->clean_text = true;
    settings->handle_chinese_chars = bs_json_flag(config, "tokenize_chinese_chars", true);
    settings->lowercase = bs_json_flag(config, "do_lower_case", true);
    settings->strip_accents = bs_json_flag(config, "strip_accents", settings->lowercase);
}

static int add_stated(struct bs_tokenizer_reading reading,
                      const struct bs_special_tokens *tokens) {
    reading.path = tokens->stated_path;
    for (size_t i = 0; i < tokens->n_stated; i++)
        if (bs_add_token(&reading, tokens->stated[i], tokens->stated[i].id))
            return reading.error->code;
    return BS_OK;
}

static int add_others(const struct bs_tokenizer_reading *reading,
                      const struct bs_special_tokens *tokens) {
    size_t n_stated = reading->parsed->settings.n_added;
    const char *key;
    const json_t *value;
    json_object_foreach(tokens->named, key, value) {
        if (bs_add_token_again(reading, value, true, n_stated))
            return reading->error->code;
    }
    const json_t *extra = json_object_get(tokens->settings, "extra_special_tokens");
    for (size_t i = 0; i < json_array_size(extra); i++)
        if (bs_add_token_again(reading, json_array_get(extra, i), false, n_stated))
            return reading->error->code;
    return BS_OK;
}

static struct bs_span name_of(const struct bs_special_tokens *tokens, const char *key) {
    return bs_added_token_of(json_object_get(tokens->named, key), true).content;
}

/* A token with a role that no text can do without: in the vocabulary, or with an id. */
static int find_needed(const struct bs_tokenizer_reading *reading,
                       const struct bs_special_tokens *tokens, const char *key,
                       int32_t *id) {
    struct bs_span name = name_of(tokens, key);
    if (name.size == 0)
        return bs_fail(reading->error, BS_DATA,
                       "%s: \"%s\" is null or empty in the files beside it",
                       reading->path, key);
    *id = bs_find_token(reading->parsed, name);
    if (*id >= 0)
        return BS_OK;
    return bs_fail(reading->error, BS_DATA, "%s: the token %.*s is missing",
                   reading->path, (int)(name.size < 60 ? name.size : 60), name.data);
}

/* [UNK] is sought before any token is added: WordPiece takes it from the vocabulary. */
static int add_all(const struct bs_tokenizer_reading *reading,
                   const struct bs_special_tokens *tokens) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    if (find_needed(reading, tokens, "unk_token", &settings->unk_id) ||
        add_stated(*reading, tokens) ||
        find_needed(reading, tokens, "cls_token", &settings->cls_id) ||
        find_needed(reading, tokens, "sep_token", &settings->sep_id) ||
        add_others(reading, tokens))
        return reading->error->code;
    settings->pad_id = bs_find_token(reading->parsed, name_of(tokens, "pad_token"));
    settings->mask_id = bs_find_token(reading->parsed, name_of(tokens, "mask_token"));
    return BS_OK;
}

int bs_read_vocabulary(struct bs_tokenizer_parsed *parsed,
                       const struct bs_span files[BS_TOKENIZER_FILES],
                       char *const names[BS_TOKENIZER_FILES], struct bs_error *error) {
    struct bs_tokenizer_reading reading = {parsed, names[BS_TOKENIZER_VOCABULARY], error};
    struct bs_special_tokens tokens;
    int code = bs_special_tokens_read(&tokens, parsed, files, names, error);
    if (!code)
        code = check_class(&reading, tokens.settings);
    if (!code)
        code = read_lines(&reading, files[BS_TOKENIZER_VOCABULARY]);
    if (!code) {
        read_switches(&parsed->settings, tokens.settings);
        code = add_all(&reading, &tokens);
    }
    bs_special_tokens_free(&tokens);
    return code;
}
