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
    if (find_added(parsed, token.content) >= 0)
        return BS_OK;
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
    return BS_OK;
}

int bs_read_added_token(const struct bs_tokenizer_reading *reading, const json_t *object,
                        int64_t id) {
    const json_t *number = json_object_get(object, "id");
    bool special = bs_json_flag(object, "special", false);
    struct bs_added_token token = {
        .content = bs_json_span(json_object_get(object, "content")),
        .special = special,
        .lstrip = bs_json_flag(object, "lstrip", false),
        .rstrip = bs_json_flag(object, "rstrip", false),
        .single_word = bs_json_flag(object, "single_word", false),
        .normalized = bs_json_flag(object, "normalized", !special),
    };
    if (json_is_integer(number))
        id = json_integer_value(number);
    if (id < 0 || id >= BS_MAX_TOKENS || token.content.size == 0)
        return bs_fail(reading->error, BS_DATA,
                       "%s: an added token has no usable \"id\" or \"content\"",
                       reading->path);
    token.id = (int32_t)id;
    return append_added(reading, token);
}

int bs_add_special_token(const struct bs_tokenizer_reading *reading,
                         struct bs_span content, int32_t id) {
    return append_added(
        reading, (struct bs_added_token){.content = content, .id = id, .special = true});
}

int32_t bs_find_token(const struct bs_tokenizer_parsed *parsed, struct bs_span content) {
    const struct bs_tokenizer_settings *settings = &parsed->settings;
    int64_t added = find_added(parsed, content);
    if (added >= 0)
        return settings->added[added].id;
    for (size_t i = 0; i < settings->vocabulary_size; i++)
        if (settings->vocabulary[i].data &&
            bs_span_equal(settings->vocabulary[i], content))
            return (int32_t)i;
    return -1;
}

int64_t bs_tokenizer_settings_ids(const struct bs_tokenizer_settings *settings) {
    int64_t ids = (int64_t)settings->vocabulary_size;
    for (size_t i = 0; i < settings->n_added; i++)
        if (settings->added[i].id >= ids)
            ids = settings->added[i].id + 1;
    return ids;
}

static int read_config(const struct bs_tokenizer_reading *reading, struct bs_span bytes,
                       json_t **config) {
    *config = NULL;
    if (!bytes.data)
        return BS_OK;
    int code = bs_json_object_as_reals(config, bytes, reading->path, reading->error);
    reading->parsed->json[1] = *config;
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
    json_t *config;
    if (read_config(&config_file, files[BS_TOKENIZER_CONFIG], &config))
        return error->code;
    if (files[BS_TOKENIZER_JSON].data) {
        struct bs_tokenizer_reading file = {parsed, names[BS_TOKENIZER_JSON], error};
        if (bs_read_tokenizer_json(&file, files[BS_TOKENIZER_JSON]))
            return error->code;
        warn_of_conflict(&parsed->settings, config, path);
        return BS_OK;
    }
    if (!files[BS_TOKENIZER_VOCABULARY].data)
        return bs_fail(
            error, BS_DATA,
            "%s: neither tokenizer.json nor vocab.txt is there; copy them from "
            "the model it was made of",
            path);
    struct bs_tokenizer_reading file = {parsed, names[BS_TOKENIZER_VOCABULARY], error};
    return bs_read_vocabulary(&file, files[BS_TOKENIZER_VOCABULARY], config);
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
    json_decref(parsed->json[0]);
    json_decref(parsed->json[1]);
    json_decref(parsed->added_places);
    *parsed = (struct bs_tokenizer_parsed){0};
}
