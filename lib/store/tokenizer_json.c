/*
 * tokenizer.json of Hugging Face tokenizers, for BERT's kind alone: WordPiece behind
 * BertNormalizer and BertPreTokenizer, framed by [CLS] and [SEP].
 */
#include "store/tokenizer_parts.h"

static int refuse(const struct bs_tokenizer_reading *reading, const char *part,
                  const json_t *value, const char *wanted) {
    const char *has = json_string_value(json_object_get(value, "type"));
    return bs_fail(reading->error, BS_DATA,
                   "%s: the %s is \"%.60s\": only BERT's tokenizer (%s) can be used",
                   reading->path, part, has ? has : "none", wanted);
}

static bool is_kind(const json_t *value, const char *kind) {
    return bs_json_is(json_object_get(value, "type"), kind);
}

static int read_vocabulary(const struct bs_tokenizer_reading *reading,
                           const json_t *vocabulary) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    const char *token;
    const json_t *value;
    json_int_t greatest = -1;
    if (!json_is_object(vocabulary))
        return bs_fail(reading->error, BS_DATA, "%s: the model has no \"vocab\"",
                       reading->path);
    json_object_foreach((json_t *)vocabulary, token, value) {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= BS_MAX_TOKENS)
            return bs_fail(reading->error, BS_DATA,
                           "%s: the id of token \"%.60s\" is no number from 0 to %d",
                           reading->path, token, BS_MAX_TOKENS - 1);
        greatest = id > greatest ? id : greatest;
    }
    if (bs_vocabulary_new(reading, (size_t)(greatest + 1)))
        return reading->error->code;
    json_object_foreach((json_t *)vocabulary, token, value) {
        struct bs_span *place = &settings->vocabulary[json_integer_value(value)];
        if (place->data)
            return bs_fail(reading->error, BS_DATA,
                           "%s: tokens \"%.60s\" and \"%.60s\" have the same id",
                           reading->path, place->data, token);
        *place = bs_span_of(token);
    }
    return bs_vocabulary_index(reading);
}

static int read_model(const struct bs_tokenizer_reading *reading, const json_t *model) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    struct bs_span prefix =
        bs_json_span(json_object_get(model, "continuing_subword_prefix"));
    /* Early files have no type; only WordPiece has this prefix without merges. */
    bool early = !json_object_get(model, "type") && prefix.data &&
                 !json_object_get(model, "merges");
    if (!is_kind(model, "WordPiece") && !early)
        return refuse(reading, "model", model, "WordPiece");
    const json_t *longest = json_object_get(model, "max_input_chars_per_word");
    json_int_t chars = longest ? json_integer_value(longest) : 100;
    if (chars < 1 || chars > 1000000)
        return bs_fail(reading->error, BS_DATA,
                       "%s: \"max_input_chars_per_word\" must be from 1 to 1000000",
                       reading->path);
    settings->max_input_chars_per_word = (int)chars;
    settings->continuing_prefix = prefix.data ? prefix : bs_span_of("##");
    return read_vocabulary(reading, json_object_get(model, "vocab"));
}

static int read_normalizer(const struct bs_tokenizer_reading *reading,
                           const json_t *normalizer) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    if (!is_kind(normalizer, "BertNormalizer"))
        return refuse(reading, "normalizer", normalizer, "BertNormalizer");
    settings->clean_text = bs_json_flag(normalizer, "clean_text", true);
    settings->handle_chinese_chars =
        bs_json_flag(normalizer, "handle_chinese_chars", true);
    settings->lowercase = bs_json_flag(normalizer, "lowercase", true);
    settings->strip_accents =
        bs_json_flag(normalizer, "strip_accents", settings->lowercase);
    return BS_OK;
}

/* One piece of a template: {"SpecialToken" or "Sequence": {"id": ..., "type_id": ...}}.
 * The id as a span, data NULL if it is another piece. */
static struct bs_span piece(const json_t *list, size_t index, const char *kind,
                            json_int_t type_id) {
    const json_t *item = json_object_get(json_array_get(list, index), kind);
    const json_t *type = json_object_get(item, "type_id");
    if (!json_is_integer(type) || json_integer_value(type) != type_id)
        return bs_span(NULL, 0);
    return bs_json_span(json_object_get(item, "id"));
}

static bool is_frame(const json_t *single, struct bs_span *cls, struct bs_span *sep) {
    *cls = piece(single, 0, "SpecialToken", 0);
    *sep = piece(single, 2, "SpecialToken", 0);
    return json_array_size(single) == 3 && cls->data && sep->data &&
           bs_span_is(piece(single, 1, "Sequence", 0), "A");
}

static bool is_pair_frame(const json_t *pair, struct bs_span cls, struct bs_span sep) {
    return json_array_size(pair) == 5 &&
           bs_span_equal(piece(pair, 0, "SpecialToken", 0), cls) &&
           bs_span_is(piece(pair, 1, "Sequence", 0), "A") &&
           bs_span_equal(piece(pair, 2, "SpecialToken", 0), sep) &&
           bs_span_is(piece(pair, 3, "Sequence", 1), "B") &&
           bs_span_equal(piece(pair, 4, "SpecialToken", 1), sep);
}

/* The only id of a special token of a template, or -1. */
static int64_t template_id(const json_t *tokens, struct bs_span name) {
    const json_t *ids =
        json_object_get(json_object_getn(tokens, name.data, name.size), "ids");
    const json_t *id = json_array_get(ids, 0);
    return json_array_size(ids) == 1 && json_is_integer(id) ? json_integer_value(id) : -1;
}

static int set_frame(const struct bs_tokenizer_reading *reading, int64_t cls,
                     int64_t sep) {
    if (cls < 0 || cls >= BS_MAX_TOKENS || sep < 0 || sep >= BS_MAX_TOKENS)
        return bs_fail(reading->error, BS_DATA,
                       "%s: the post-processor names no usable ids", reading->path);
    reading->parsed->settings.cls_id = (int32_t)cls;
    reading->parsed->settings.sep_id = (int32_t)sep;
    return BS_OK;
}

static int read_post_processor(const struct bs_tokenizer_reading *reading,
                               const json_t *post) {
    static const char wanted[] = "[CLS] A [SEP]";
    if (is_kind(post, "BertProcessing")) {
        const json_t *cls = json_array_get(json_object_get(post, "cls"), 1);
        const json_t *sep = json_array_get(json_object_get(post, "sep"), 1);
        return set_frame(reading, json_is_integer(cls) ? json_integer_value(cls) : -1,
                         json_is_integer(sep) ? json_integer_value(sep) : -1);
    }
    struct bs_span cls, sep;
    if (!is_kind(post, "TemplateProcessing"))
        return refuse(reading, "post-processor", post, wanted);
    if (!is_frame(json_object_get(post, "single"), &cls, &sep) ||
        !is_pair_frame(json_object_get(post, "pair"), cls, sep))
        return bs_fail(reading->error, BS_DATA,
                       "%s: the post-processor's template is not BERT's (%s, %s B "
                       "[SEP])",
                       reading->path, wanted, wanted);
    const json_t *tokens = json_object_get(post, "special_tokens");
    return set_frame(reading, template_id(tokens, cls), template_id(tokens, sep));
}

static int read_added_tokens(const struct bs_tokenizer_reading *reading,
                             const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        const json_t *id = json_object_get(object, "id");
        struct bs_added_token token = bs_added_token_of(object, false);
        int64_t stated = json_is_integer(id) ? json_integer_value(id) : -1;
        if (stated < 0 || !token.content.data)
            return bs_fail(reading->error, BS_DATA,
                           "%s: an added token has no usable \"id\" or \"content\"",
                           reading->path);
        if (bs_add_token(reading, token, stated))
            return reading->error->code;
    }
    return BS_OK;
}

static int read_special_ids(const struct bs_tokenizer_reading *reading,
                            const json_t *model) {
    struct bs_tokenizer_settings *settings = &reading->parsed->settings;
    struct bs_span unk = bs_json_span(json_object_get(model, "unk_token"));
    settings->unk_id =
        bs_find_token(reading->parsed, unk.data ? unk : bs_span_of("[UNK]"));
    settings->pad_id = bs_find_token(reading->parsed, bs_span_of("[PAD]"));
    settings->mask_id = bs_find_token(reading->parsed, bs_span_of("[MASK]"));
    if (settings->unk_id < 0)
        return bs_fail(reading->error, BS_DATA,
                       "%s: the vocabulary lacks the token for unknown words",
                       reading->path);
    return BS_OK;
}

int bs_read_tokenizer_json(const struct bs_tokenizer_reading *reading,
                           struct bs_span bytes) {
    json_t *json;
    if (bs_json_object(&json, bytes, reading->path, reading->error))
        return reading->error->code;
    reading->parsed->json[BS_TOKENIZER_JSON] = json;
    const json_t *model = json_object_get(json, "model");
    const json_t *splitter = json_object_get(json, "pre_tokenizer");
    if (read_model(reading, model) ||
        read_normalizer(reading, json_object_get(json, "normalizer")))
        return reading->error->code;
    if (!is_kind(splitter, "BertPreTokenizer"))
        return refuse(reading, "pre-tokenizer", splitter, "BertPreTokenizer");
    if (read_post_processor(reading, json_object_get(json, "post_processor")) ||
        read_added_tokens(reading, json_object_get(json, "added_tokens")))
        return reading->error->code;
    return read_special_ids(reading, model);
}
