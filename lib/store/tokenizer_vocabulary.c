/*
 * vocab.txt with tokenizer_config.json, as BertTokenizer loads them: a token a line, its
 * id the number of the line, and of equal lines the last.
 */
#include "common/utf8.h"
#include "store/tokenizer_parts.h"

#include <stdlib.h>

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

static size_t hash(struct bs_span token) {
    uint64_t value = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < token.size; i++)
        value = (value ^ (uint8_t)token.data[i]) * 1099511628211u;
    return (size_t)(value ^ value >> 32);
}

/* Of equal tokens only the last keeps its id; an empty line is no token. */
static int drop_repeated(const struct bs_tokenizer_reading *reading) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    size_t slots = 16;
    while (slots < 2 * settings->vocabulary_size)
        slots *= 2;
    uint32_t *table = bs_alloc(slots, sizeof *table); /* id + 1; 0: free */
    if (!table)
        return bs_fail_memory(reading->error, slots * sizeof *table, reading->path);
    for (size_t i = 0; i < settings->vocabulary_size; i++) {
        struct bs_span *token = &settings->vocabulary[i];
        size_t slot = hash(*token) & (slots - 1);
        while (table[slot] &&
               !bs_span_equal(settings->vocabulary[table[slot] - 1], *token))
            slot = (slot + 1) & (slots - 1);
        if (table[slot])
            settings->vocabulary[table[slot] - 1] = bs_span(NULL, 0);
        table[slot] = (uint32_t)i + 1;
        if (token->size == 0)
            *token = bs_span(NULL, 0);
    }
    free(table);
    return BS_OK;
}

static int read_lines(const struct bs_tokenizer_reading *reading, struct bs_span bytes) {
    size_t count = 0;
    if (!bs_utf8_valid(bytes))
        return bs_fail(reading->error, BS_DATA, "%s: not valid UTF-8", reading->path);
    for (struct bs_span rest = bytes; rest.size > 0; count++)
        (void)next_line(&rest);
    if (bs_vocabulary_new(reading, count))
        return reading->error->code;
    for (size_t i = 0; i < count; i++)
        reading->parsed->settings.vocabulary[i] = next_line(&bytes);
    return drop_repeated(reading);
}

/* A special token's text: a string or an object with "content", else the usual name. */
static struct bs_span special_name(const json_t *config, const char *key,
                                   const char *fallback) {
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    struct bs_span name = bs_json_span(value);
    return name.size > 0 ? name : bs_span_of(fallback);
}

static int read_special_tokens(const struct bs_tokenizer_reading *reading,
                               const json_t *config) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    const struct {
        const char *key, *name;
        int32_t *id;
        bool needed;
    } tokens[] = {
        {"unk_token", "[UNK]", &settings->unk_id, true},
        {"cls_token", "[CLS]", &settings->cls_id, true},
        {"sep_token", "[SEP]", &settings->sep_id, true},
        {"pad_token", "[PAD]", &settings->pad_id, false},
        {"mask_token", "[MASK]", &settings->mask_id, false},
    };
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        struct bs_span name = special_name(config, tokens[i].key, tokens[i].name);
        *tokens[i].id = bs_find_token(reading->parsed, name);
        if (*tokens[i].id < 0 && tokens[i].needed)
            return bs_fail(reading->error, BS_DATA, "%s: the token %.*s is missing",
                           reading->path, (int)(name.size < 60 ? name.size : 60),
                           name.data);
        if (*tokens[i].id >= 0 && bs_add_special_token(reading, name, *tokens[i].id))
            return reading->error->code;
    }
    return BS_OK;
}

/* {"100": {"content": "[UNK]", "special": true, ...}, ...} */
static int read_decoder(const struct bs_tokenizer_reading *reading,
                        const json_t *tokens) {
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)tokens, key, value) {
        char *end;
        long id = strtol(key, &end, 10);
        if (bs_read_added_token(reading, value, *end || end == key ? -1 : id))
            return reading->error->code;
    }
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

int bs_read_vocabulary(const struct bs_tokenizer_reading *reading, struct bs_span bytes,
                       const json_t *config) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    if (check_class(reading, config) || read_lines(reading, bytes))
        return reading->error->code;
    settings->continuing_prefix = bs_span_of("##");
    settings->max_input_chars_per_word = 100;
    settings->clean_text = true;
    settings->handle_chinese_chars = bs_json_flag(config, "tokenize_chinese_chars", true);
    settings->lowercase = bs_json_flag(config, "do_lower_case", true);
    settings->strip_accents = bs_json_flag(config, "strip_accents", settings->lowercase);
    if (read_decoder(reading, json_object_get(config, "added_tokens_decoder")))
        return reading->error->code;
    return read_special_tokens(reading, config);
}
