/* Chooses among a model's tokenizer files, and keeps what their readers share. */
#include "store/tokenizer_files.h"

#include "common/log.h"
#include "store/tokenizer_parts.h"

#include <stdlib.h>

bool bs_json_flag(const json_t *object, const char *key, bool fallback) {
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

int bs_vocabulary_new(const struct bs_tokenizer_reading *reading, size_t count) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    if (count > BS_MAX_TOKENS)
        return bs_fail(reading->error, BS_DATA, "%s: more than %d tokens", reading->path,
                       BS_MAX_TOKENS);
    settings->vocabulary = bs_alloc(count + 1, sizeof *settings->vocabulary);
    if (!settings->vocabulary)
        return bs_fail_memory(reading->error, count * sizeof *settings->vocabulary,
                              reading->path);
    settings->vocabulary_size = count;
    return BS_OK;
}

static size_t hash(struct bs_span token) {
    uint64_t value = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < token.size; i++)
        value = (value ^ (uint8_t)token.data[i]) * 1099511628211u;
    return (size_t)(value ^ value >> 32);
}

/* Where a token stands in the index, or belongs. */
static size_t place_of(const struct bs_tokenizer_parsed *parsed, struct bs_span token) {
    const struct bs_span *vocabulary = parsed->settings.vocabulary;
    size_t place = hash(token) & (parsed->n_places - 1);
    while (parsed->places[place] &&
           !bs_span_equal(vocabulary[parsed->places[place] - 1], token))
        place = (place + 1) & (parsed->n_places - 1);
    return place;
}

int bs_vocabulary_index(const struct bs_tokenizer_reading *reading) {
    struct bs_tokenizer_parsed *parsed = reading->parsed;
    struct bs_tokenizer_settings *settings = &parsed->settings;
    parsed->n_places = 16;
    while (parsed->n_places < 2 * settings->vocabulary_size)
        parsed->n_places *= 2;
    parsed->places = bs_alloc(parsed->n_places, sizeof *parsed->places);
    if (!parsed->places)
        return bs_fail_memory(reading->error, parsed->n_places * sizeof *parsed->places,
                              reading->path);
    for (size_t i = 0; i < settings->vocabulary_size; i++) {
        if (!settings->vocabulary[i].data)
            continue;
        uint32_t *place = &parsed->places[place_of(parsed, settings->vocabulary[i])];
        if (*place)
            settings->vocabulary[*place - 1] = bs_span(NULL, 0);
        else
            parsed->next_id++;
        *place = (uint32_t)i + 1;
    }
    return BS_OK;
}

int32_t bs_vocabulary_find(const struct bs_tokenizer_parsed *parsed,
                           struct bs_span content) {
    return content.size ? (int32_t)parsed->places[place_of(parsed, content)] - 1 : -1;
}

/* The place of an added token in the list, or -1. */
static int64_t find_added(const struct bs_tokenizer_parsed *parsed,
                          struct bs_span content) {
    const json_t *place =
        json_object_getn(parsed->added_places, content.data, content.size);
    return place ? json_integer_value(place) : -1;
}

static bool note_added(struct bs_tokenizer_parsed *parsed, struct bs_span content) {
    if (!parsed->added_places)
        parsed->added_places = json_object();
    json_t *place = json_integer((json_int_t)parsed->settings.n_added);
    return json_object_setn_new(parsed->added_places, content.data, content.size,
                                place) == 0;
}

static int append_added(const struct bs_tokenizer_reading *reading,
                        struct bs_added_token token) {
    struct bs_tokenizer_parsed *parsed = reading->parsed;
    struct bs_tokenizer_settings *settings = &parsed->settings;
    if (settings->n_added == parsed->added_capacity) {
        size_t capacity = parsed->added_capacity ? 2 * parsed->added_capacity : 16;
        void *grown = bs_realloc(settings->added, capacity, sizeof *settings->added);
        if (!grown)
            return bs_fail_memory(reading->error, capacity * sizeof *settings->added,
                                  reading->path);
        settings->added = grown;
        parsed->added_capacity = capacity;
    }
    if (!note_added(parsed, token.content))
        return bs_fail_memory(reading->error, token.content.size, reading->path);
    settings->added[settings->n_added++] = token;
    if (token.id >= parsed->next_id)
        parsed->next_id = token.id + 1;
    return BS_OK;
}

struct bs_added_token bs_added_token_of(const json_t *value, bool special) {
    if (json_is_string(value))
        return (struct bs_added_token){.content = bs_json_span(value), .special = true};
    special = special || bs_json_flag(value, "special", false);
    return (struct bs_added_token){
        .content = bs_json_span(json_object_get(value, "content")),
        .special = special,
        .lstrip = bs_json_flag(value, "lstrip", false),
        .rstrip = bs_json_flag(value, "rstrip", false),
        .single_word = bs_json_flag(value, "single_word", false),
        .normalized = bs_json_flag(value, "normalized", !special),
    };
}

int bs_add_token(const struct bs_tokenizer_reading *reading, struct bs_added_token token,
                 int64_t stated) {
    struct bs_span content = token.content;
    if (content.size == 0 || find_added(reading->parsed, content) >= 0)
        return BS_OK;
    int32_t known = bs_vocabulary_find(reading->parsed, content);
    token.id = known >= 0 ? known : reading->parsed->next_id;
    if (stated >= 0 && stated != token.id)
        return bs_fail(reading->error, BS_DATA,
                       "%s: the added token \"%.*s\" has the id %lld, but %s %d; correct "
                       "that file",
                       reading->path, (int)(content.size < 60 ? content.size : 60),
                       content.data, (long long)stated,
                       known >= 0 ? "the vocabulary gives it" : "the next free one is",
                       (int)token.id);
    if (token.id >= BS_MAX_TOKENS)
        return bs_fail(reading->error, BS_DATA, "%s: more than %d tokens", reading->path,
                       BS_MAX_TOKENS);
    return append_added(reading, token);
}

int bs_add_token_again(const struct bs_tokenizer_reading *reading, const json_t *value,
                       bool special, size_t n_kept) {
    struct bs_added_token token = bs_added_token_of(value, special);
    int64_t at = find_added(reading->parsed, token.content);
    if (at < (int64_t)n_kept)
        return bs_add_token(reading, token, -1);
    struct bs_added_token *before = &reading->parsed->settings.added[at];
    token = bs_added_token_of(value, before->special);
    token.id = before->id;
    *before = token;
    return BS_OK;
}

int32_t bs_find_token(const struct bs_tokenizer_parsed *parsed, struct bs_span content) {
    int64_t added = find_added(parsed, content);
    return added >= 0 ? parsed->settings.added[added].id
                      : bs_vocabulary_find(parsed, content);
}

int64_t bs_tokenizer_settings_ids(const struct bs_tokenizer_settings *settings) {
    int64_t ids = (int64_t)settings->vocabulary_size;
    for (size_t i = 0; i < settings->n_added; i++)
        if (settings->added[i].id >= ids)
            ids = settings->added[i].id + 1;
    return ids;
}

int bs_read_tokenizer_config(const struct bs_tokenizer_reading *reading,
                             struct bs_span bytes, json_t **config) {
    *config = NULL;
    if (!bytes.data)
        return BS_OK;
    int code = bs_json_object_as_reals(config, bytes, reading->path, reading->error);
    reading->parsed->json[BS_TOKENIZER_CONFIG] = *config;
    return code;
}

/* tokenizer.json decides; a reader of the other file would get other ids. */
static void warn_of_conflict(const struct bs_tokenizer_settings *settings,
                             const json_t *config, const char *path) {
    const json_t *lower = json_object_get(config, "do_lower_case");
    if (json_is_boolean(lower) && json_is_true(lower) != settings->lowercase)
        bs_warn("%s: tokenizer.json has \"lowercase\": %s, tokenizer_config.json the "
                "contrary; the former is followed",
                path, settings->lowercase ? "true" : "false");
}

static int parse(struct bs_tokenizer_parsed *parsed,
                 const struct bs_span files[BS_TOKENIZER_FILES], const char *path,
                 char *const names[BS_TOKENIZER_FILES], struct bs_error *error) {
    struct bs_tokenizer_reading config_file = {parsed, names[BS_TOKENIZER_CONFIG], error};
    struct bs_tokenizer_reading file = {parsed, names[BS_TOKENIZER_JSON], error};
    json_t *config;
    if (!files[BS_TOKENIZER_JSON].data && files[BS_TOKENIZER_VOCABULARY].data)
        return bs_read_vocabulary(parsed, files, names, error);
    if (bs_read_tokenizer_config(&config_file, files[BS_TOKENIZER_CONFIG], &config))
        return error->code;
    if (!files[BS_TOKENIZER_JSON].data)
        return bs_fail(
            error, BS_DATA,
            "%s: neither tokenizer.json nor vocab.txt is there; copy them from "
            "the model it was made of",
            path);
    if (bs_read_tokenizer_json(&file, files[BS_TOKENIZER_JSON]))
        return error->code;
    warn_of_conflict(&parsed->settings, config, path);
    return BS_OK;
}

int bs_tokenizer_parse(struct bs_tokenizer_parsed *parsed,
                       const struct bs_span files[BS_TOKENIZER_FILES], const char *path,
                       struct bs_error *error) {
    *parsed = (struct bs_tokenizer_parsed){0};
    parsed->settings.pad_id = parsed->settings.mask_id = -1;
    char *names[BS_TOKENIZER_FILES] = {0};
    int code = BS_OK;
    for (int i = 0; !code && i < BS_TOKENIZER_FILES; i++) {
        struct bs_buffer name = {0};
        if (!bs_buffer_printf(&name, "%s/%s", path, bs_tokenizer_file_names[i]))
            code = bs_fail_memory(error, strlen(path), path);
        names[i] = name.data;
    }
    if (!code)
        code = parse(parsed, files, path, names, error);
    for (int i = 0; i < BS_TOKENIZER_FILES; i++)
        free(names[i]);
    if (code)
        bs_tokenizer_parsed_free(parsed);
    return code;
}

void bs_tokenizer_parsed_free(struct bs_tokenizer_parsed *parsed) {
    free(parsed->settings.vocabulary);
    free(parsed->settings.added);
    free(parsed->places);
    for (int i = 0; i < BS_TOKENIZER_FILES; i++)
        json_decref(parsed->json[i]);
    json_decref(parsed->named);
    json_decref(parsed->added_places);
    *parsed = (struct bs_tokenizer_parsed){0};
}
