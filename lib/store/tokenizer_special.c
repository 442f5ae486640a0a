/* The files beside vocab.txt, put together as the reference's from_pretrained does. */
#include "store/tokenizer_parts.h"

#include <stdlib.h>

/* What every tokenizer has, in the reference's order. */
static const struct {
    const char *key, *fallback;
} roles[] = {
    {"bos_token", NULL},      {"eos_token", NULL},    {"unk_token", "[UNK]"},
    {"sep_token", "[SEP]"},   {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"},
    {"mask_token", "[MASK]"},
};
enum { N_ROLES = sizeof roles / sizeof roles[0] };

static const char extra_key[] = "extra_special_tokens";
static const char additional_key[] = "additional_special_tokens";

/* A token is a string, or an object that holds one. */
static bool is_token(const json_t *value) {
    return json_is_string(value) || json_is_string(json_object_get(value, "content"));
}

static bool are_tokens(const json_t *value) {
    const char *key;
    const json_t *token;
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!is_token(json_array_get(value, i)))
            return false;
    json_object_foreach((json_t *)value, key, token) {
        if (!is_token(token))
            return false;
    }
    return !value || json_is_null(value) || json_is_array(value) || json_is_object(value);
}

static int check_tokens(const struct bs_tokenizer_reading *file, const json_t *object) {
    static const char wanted[] = "a string or an object with \"content\"";
    const char *const lists[] = {extra_key, additional_key};
    for (size_t i = 0; i < N_ROLES; i++) {
        const json_t *value = json_object_get(object, roles[i].key);
        if (value && !json_is_null(value) && !is_token(value))
            return bs_fail(file->error, BS_DATA, "%s: \"%s\" must be %s", file->path,
                           roles[i].key, wanted);
    }
    for (size_t i = 0; i < 2; i++)
        if (!are_tokens(json_object_get(object, lists[i])))
            return bs_fail(file->error, BS_DATA, "%s: each of \"%s\" must be %s",
                           file->path, lists[i], wanted);
    return BS_OK;
}

static int fail_memory(const struct bs_tokenizer_reading *file) {
    return bs_fail_memory(file->error, sizeof(json_t), file->path);
}

/* Of an object that special_tokens_map.json holds. */
static const char of_map[] = "of special_tokens_map.json";

/* It is always a special token. */
static bool mark_special(json_t *value) {
    bool done = true;
    for (size_t i = 0; i < json_array_size(value); i++)
        done = mark_special(json_array_get(value, i)) && done;
    if (json_object_get(value, "content"))
        done = !json_object_set_new(value, "special", json_true()) &&
               !json_object_set_new(value, "__type", json_string("AddedToken")) &&
               !json_object_set_new(value, of_map, json_true()) && done;
    return done;
}

/* Extra tokens in a list are added to those of tokenizer_config.json. */
static bool set_over(json_t *settings, const char *key, json_t *value) {
    json_t *before = json_object_get(settings, key);
    if (strcmp(key, extra_key) != 0 || !json_is_array(value) || !json_is_array(before))
        return !json_object_set(settings, key, value);
    json_t *both = json_copy(before);
    if (both && !json_array_extend(both, value))
        return !json_object_set_new(settings, key, both);
    json_decref(both);
    return false;
}

static bool is_role(const char *key) {
    for (size_t i = 0; i < N_ROLES; i++)
        if (strcmp(key, roles[i].key) == 0)
            return true;
    return false;
}

/* A key of the model's own, such as "image_token", with a token. */
static bool is_own_role(const char *key, const json_t *value) {
    size_t size = strlen(key), ending = strlen("_token");
    return size >= ending && strcmp(key + size - ending, "_token") == 0 &&
           !is_role(key) &&
           (json_is_string(value) ||
            (bs_json_is(json_object_get(value, "__type"), "AddedToken") &&
             is_token(value)));
}

static bool has_entries(const json_t *value) {
    return json_array_size(value) > 0 || json_object_size(value) > 0;
}

/* Older files call extra tokens additional. */
static bool rename_additional(json_t *settings) {
    json_t *additional = json_object_get(settings, additional_key);
    return !additional || (!json_object_set(settings, extra_key, additional) &&
                           !json_object_del(settings, additional_key));
}

/* Extra tokens in an object have roles of the model's own. */
static bool move_extra_roles(struct bs_special_tokens *tokens) {
    json_t *extra = json_object_get(tokens->settings, extra_key);
    return !json_is_object(extra) || (!json_object_update(tokens->own, extra) &&
                                      !json_object_del(tokens->settings, extra_key));
}

/* Moves the strings of the model's own roles out of the settings. */
static bool move_own_roles(struct bs_special_tokens *tokens) {
    const char *key;
    json_t *value;
    void *next;
    bool done = true;
    json_object_foreach_safe(tokens->settings, next, key, value) {
        if (json_is_string(value) && is_own_role(key, value))
            done = !json_object_set(tokens->own, key, value) &&
                   !json_object_del(tokens->settings, key) && done;
    }
    return done;
}

static int take_config(struct bs_special_tokens *tokens,
                       const struct bs_tokenizer_reading *file, struct bs_span bytes) {
    json_t *config;
    if (bs_read_tokenizer_config(file, bytes, &config) || check_tokens(file, config))
        return file->error->code;
    tokens->settings = config ? json_copy(config) : json_object();
    tokens->named = json_object();
    tokens->own = json_object();
    file->parsed->named = json_incref(tokens->named);
    if (!tokens->settings || !tokens->named || !tokens->own)
        return fail_memory(file);
    bool old = !has_entries(json_object_get(config, extra_key));
    if ((old && !rename_additional(tokens->settings)) || !move_own_roles(tokens) ||
        !move_extra_roles(tokens))
        return fail_memory(file);
    return BS_OK;
}

static int take_special_map(struct bs_special_tokens *tokens,
                            const struct bs_tokenizer_reading *file,
                            struct bs_span bytes) {
    json_t *map, *value;
    const char *key;
    if (!bytes.data)
        return BS_OK;
    int code = bs_json_object_as_reals(&map, bytes, file->path, file->error);
    file->parsed->json[BS_TOKENIZER_SPECIAL] = map;
    if (code || check_tokens(file, map))
        return file->error->code;
    json_object_foreach(map, key, value) {
        if (!mark_special(value) || !set_over(tokens->settings, key, value))
            return fail_memory(file);
    }
    return move_extra_roles(tokens) ? BS_OK : fail_memory(file);
}

static bool name_all(struct bs_special_tokens *tokens) {
    bool done = true;
    const char *key;
    json_t *value;
    for (size_t i = 0; done && i < N_ROLES; i++) {
        value = json_object_get(tokens->settings, roles[i].key);
        if (value && !json_is_null(value))
            done = !json_object_set(tokens->named, roles[i].key, value);
        else if (!value && roles[i].fallback)
            done = !json_object_set_new(tokens->named, roles[i].key,
                                        json_string(roles[i].fallback));
    }
    json_object_foreach(tokens->settings, key, value) {
        if (is_own_role(key, value))
            done = !json_object_set(tokens->named, key, value) && done;
    }
    return !json_object_update(tokens->named, tokens->own) && done;
}

static bool put_content(json_t *set, const json_t *token) {
    struct bs_span content = bs_added_token_of(token, false).content;
    return content.size == 0 ||
           !json_object_setn_new(set, content.data, content.size, json_true());
}

/* The reference compares strings, when those of tokenizer_config.json are objects yet. */
static bool put_comparable(json_t *set, const json_t *token) {
    bool is_object = json_is_object(token) && !json_object_get(token, of_map);
    return is_object || put_content(set, token);
}

static bool has_content(const json_t *set, struct bs_span content) {
    return json_object_getn(set, content.data, content.size);
}

/* The contents of tokens that have a role. */
static json_t *contents_of_named(const struct bs_special_tokens *tokens) {
    const char *key;
    const json_t *token;
    json_t *set = json_object();
    bool done = set != NULL;
    json_object_foreach(tokens->named, key, token) {
        done = done && put_content(set, token);
    }
    if (done)
        return set;
    json_decref(set);
    return NULL;
}

/* The contents of tokens that the files, not defaults, call special. */
static json_t *contents_of_special(const struct bs_special_tokens *tokens) {
    const json_t *extra = json_object_get(tokens->settings, extra_key);
    json_t *set = json_object();
    bool done = set != NULL;
    for (size_t i = 0; i < N_ROLES; i++)
        done =
            done && put_comparable(set, json_object_get(tokens->settings, roles[i].key));
    for (size_t i = 0; i < json_array_size(extra); i++)
        done = done && put_comparable(set, json_array_get(extra, i));
    if (done)
        return set;
    json_decref(set);
    return NULL;
}

static int state(struct bs_special_tokens *tokens,
                 const struct bs_tokenizer_reading *file, struct bs_added_token token,
                 int64_t id) {
    if (id < 0 || id >= BS_MAX_TOKENS || !token.content.data)
        return bs_fail(file->error, BS_DATA,
                       "%s: an added token has no usable id or \"content\"", file->path);
    token.id = (int32_t)id;
    tokens->stated[tokens->n_stated++] = token;
    return BS_OK;
}

/* {"100": {"content": "[UNK]", "special": true, ...}, ...} */
static int state_decoder(struct bs_special_tokens *tokens,
                         const struct bs_tokenizer_reading *file, const json_t *decoder,
                         const json_t *named) {
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)decoder, key, value) {
        char *end;
        long id = strtol(key, &end, 10);
        struct bs_added_token token = bs_added_token_of(value, false);
        token = bs_added_token_of(value, has_content(named, token.content));
        if (!json_is_object(value) || *end || end == key)
            id = -1;
        if (state(tokens, file, token, id))
            return file->error->code;
    }
    return BS_OK;
}

/* {"[E1]": 30522, ...} */
static int state_added(struct bs_special_tokens *tokens,
                       const struct bs_tokenizer_reading *file, const json_t *added,
                       const json_t *named) {
    const char *key;
    const json_t *id;
    json_t *special = contents_of_special(tokens);
    int code = special ? BS_OK : fail_memory(file);
    json_object_foreach((json_t *)added, key, id) {
        struct bs_added_token token = {.content = bs_span_of(key)};
        token.normalized = !has_content(special, token.content);
        token.special = !token.normalized || has_content(named, token.content);
        if (!code)
            code = state(tokens, file, token,
                         json_is_integer(id) ? json_integer_value(id) : -1);
    }
    json_decref(special);
    return code;
}

static int by_id(const void *a, const void *b) {
    int32_t x = ((const struct bs_added_token *)a)->id;
    int32_t y = ((const struct bs_added_token *)b)->id;
    return (x > y) - (x < y);
}

typedef int state_list(struct bs_special_tokens *tokens,
                       const struct bs_tokenizer_reading *file, const json_t *list,
                       const json_t *named);

static int state_all(struct bs_special_tokens *tokens,
                     const struct bs_tokenizer_reading *file, const json_t *list,
                     state_list *state_each) {
    json_t *named = contents_of_named(tokens);
    tokens->stated_path = file->path;
    tokens->stated = bs_alloc(json_object_size(list) + 1, sizeof *tokens->stated);
    int code = named && tokens->stated ? state_each(tokens, file, list, named)
                                       : fail_memory(file);
    json_decref(named);
    if (!code)
        qsort(tokens->stated, tokens->n_stated, sizeof *tokens->stated, by_id);
    return code;
}

static int take_added(struct bs_special_tokens *tokens,
                      const struct bs_tokenizer_reading *file, struct bs_span bytes) {
    json_t *added;
    if (!bytes.data)
        return BS_OK;
    int code = bs_json_object(&added, bytes, file->path, file->error);
    file->parsed->json[BS_TOKENIZER_ADDED] = added;
    return code ? code : state_all(tokens, file, added, state_added);
}

static int take_decoder(struct bs_special_tokens *tokens,
                        const struct bs_tokenizer_reading *file, const json_t *decoder) {
    if (!json_is_object(decoder))
        return bs_fail(file->error, BS_DATA,
                       "%s: \"added_tokens_decoder\" must be an object", file->path);
    return state_all(tokens, file, decoder, state_decoder);
}

int bs_special_tokens_read(struct bs_special_tokens *tokens,
                           struct bs_tokenizer_parsed *parsed,
                           const struct bs_span files[BS_TOKENIZER_FILES],
                           char *const names[BS_TOKENIZER_FILES],
                           struct bs_error *error) {
    struct bs_tokenizer_reading config = {parsed, names[BS_TOKENIZER_CONFIG], error};
    struct bs_tokenizer_reading map = {parsed, names[BS_TOKENIZER_SPECIAL], error};
    struct bs_tokenizer_reading added = {parsed, names[BS_TOKENIZER_ADDED], error};
    *tokens = (struct bs_special_tokens){0};
    if (take_config(tokens, &config, files[BS_TOKENIZER_CONFIG]))
        return error->code;
    const json_t *decoder = json_object_get(tokens->settings, "added_tokens_decoder");
    if (!decoder && take_special_map(tokens, &map, files[BS_TOKENIZER_SPECIAL]))
        return error->code;
    if (!name_all(tokens))
        return fail_memory(&map);
    if (decoder ? take_decoder(tokens, &config, decoder)
                : take_added(tokens, &added, files[BS_TOKENIZER_ADDED]))
        return error->code;
    if (!json_object_get(tokens->settings, extra_key) &&
        !rename_additional(tokens->settings))
        return fail_memory(&map);
    return BS_OK;
}

void bs_special_tokens_free(struct bs_special_tokens *tokens) {
    json_decref(tokens->settings);
    json_decref(tokens->named);
    json_decref(tokens->own);
    free(tokens->stated);
}
