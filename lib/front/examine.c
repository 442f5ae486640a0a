/* Checks a record's fields, decides whether it is wanted, and gets its ids: from the
 * record, or from its text. */
#include "front/examine.h"

#include "model/model.h"

#include <inttypes.h>

/* What a record's fields hold, once looked at. */
struct content {
    struct bs_span text, text2;
    bool has_text, has_text2;
};

/* BS_END if there is none. */
static int get_role(const struct bs_source_options *options,
                    const struct bs_record *record, const char *name,
                    struct bs_span *text, struct bs_error *error) {
    int code = bs_record_text(record, name, text, error);
    return code == BS_REJECTED ? bs_fail(error, BS_REJECTED, "field \"%s\" is not a text",
                                         bs_field_called(&options->reader, name))
                               : code;
}

static int get_text(const struct bs_source_options *options,
                    const struct bs_record *record, const char *name, bool *has,
                    struct bs_span *text, struct bs_error *error) {
    int code = get_role(options, record, name, text, error);
    *has = code == BS_OK;
    return code == BS_END ? BS_OK : code;
}

static int check_label(const struct bs_source_options *options,
                       const struct bs_record *record, struct bs_error *error) {
    if (!options->needs_label && options->n_labels == 0)
        return BS_OK;
    struct bs_span label;
    int code = get_role(options, record, BS_FIELD_LABEL, &label, error);
    if (code == BS_END && options->needs_label)
        return bs_fail(error, BS_REJECTED, "field \"%s\" is missing",
                       bs_field_called(&options->reader, BS_FIELD_LABEL));
    if (code)
        return code == BS_END ? BS_OK : code;
    for (size_t i = 0; i < options->n_labels; i++)
        if (bs_span_is(label, options->labels[i]))
            return BS_OK;
    if (options->n_labels == 0)
        return BS_OK;
    int shown = label.size > 64 ? 64 : (int)label.size;
    return bs_fail(error, BS_REJECTED, "label \"%.*s\" is not one of the labels given",
                   shown, label.data);
}

/* n_tokens and truncated travel with a token record; types are checked all the same. */
static int get_counts(struct bs_token_record *record, struct bs_error *error) {
    struct bs_encoding *encoding = &record->encoding;
    encoding->n_tokens = (int64_t)encoding->ids.count;
    encoding->truncated = false;
    int code =
        bs_record_integer(&record->record, BS_FIELD_N_TOKENS, &encoding->n_tokens, error);
    if (code == BS_OK && encoding->n_tokens < 0)
        return bs_fail(error, BS_REJECTED, "field \"%s\" is %" PRId64 ", not a count",
                       BS_FIELD_N_TOKENS, encoding->n_tokens);
    if (code == BS_OK || code == BS_END)
        code = bs_record_boolean(&record->record, BS_FIELD_TRUNCATED,
                                 &encoding->truncated, error);
    return code == BS_END ? BS_OK : code;
}

static int get_ids(struct bs_token_record *record, struct bs_error *error) {
    struct bs_encoding *encoding = &record->encoding;
    int code = bs_record_ids(&record->record, BS_FIELD_IDS, &encoding->ids, error);
    if (code == BS_END)
        return bs_fail(error, BS_REJECTED, "field \"%s\" is missing", BS_FIELD_IDS);
    if (code)
        return code;
    code = bs_record_ids(&record->record, BS_FIELD_TYPE_IDS, &encoding->type_ids, error);
    if (code && code != BS_END)
        return code;
    if (code == BS_OK && encoding->type_ids.count != encoding->ids.count)
        return bs_fail(error, BS_REJECTED, "%zu type_ids for %zu ids",
                       encoding->type_ids.count, encoding->ids.count);
    return get_counts(record, error);
}

static int make_ids(const struct bs_source_options *options,
                    struct bs_tokenizer_worker *worker, struct bs_token_record *record,
                    const struct content *content, struct bs_error *error) {
    if (!content->has_text)
        return bs_fail(error, BS_REJECTED,
                       "field \"%s\" is missing (--text chooses another)",
                       bs_field_called(&options->reader, BS_FIELD_TEXT));
    if (options->reader.text2 && !content->has_text2)
        return bs_fail(error, BS_REJECTED, "field \"%s\" is missing (--text2)",
                       options->reader.text2);
    if (content->has_text2 && options->max_length > 0 && options->max_length < 3)
        return bs_fail(error, BS_REJECTED, "a pair needs --max-length 3 at least");
    return bs_encode(worker, content->text, content->has_text2 ? &content->text2 : NULL,
                     options->max_length, options->truncation, &record->encoding, error);
}

struct bs_sequence bs_encoding_sequence(const struct bs_encoding *encoding) {
    return (struct bs_sequence){
        .ids = encoding->ids.values,
        .type_ids = encoding->type_ids.count ? encoding->type_ids.values : NULL,
        .length = (int64_t)encoding->ids.count};
}

static int check_fit(const struct bs_source_options *options,
                     const struct bs_encoding *encoding, struct bs_error *error) {
    if (!options->config)
        return BS_OK;
    struct bs_sequence sequence = bs_encoding_sequence(encoding);
    return bs_model_check_ids(options->config, &sequence, error);
}

/* BS_END: of another part. */
static int check_part(const struct bs_split *split, const struct content *content,
                      struct bs_error *error) {
    if (!split)
        return BS_OK;
    if (!content->has_text)
        return bs_fail(error, BS_REJECTED, "--split needs the text, and there is none");
    const struct bs_span *text2 = content->has_text2 ? &content->text2 : NULL;
    return bs_split_has(split, content->text, text2) ? BS_OK : BS_END;
}

static int examine(const struct bs_source_options *options,
                   struct bs_tokenizer_worker *worker, struct bs_token_record *record,
                   struct bs_error *error) {
    struct content content;
    const struct bs_record *fields = &record->record;
    if (get_text(options, fields, BS_FIELD_TEXT, &content.has_text, &content.text,
                 error) ||
        get_text(options, fields, BS_FIELD_TEXT2, &content.has_text2, &content.text2,
                 error))
        return error->code;
    int code = check_part(options->split, &content, error);
    if (code || check_label(options, fields, error))
        return code ? code : (int)error->code;
    if (record->made && !content.has_text && !options->text_only)
        record->made = !bs_record_find(fields, BS_FIELD_IDS);
    code = record->made ? make_ids(options, worker, record, &content, error)
                        : get_ids(record, error);
    return code ? code : check_fit(options, &record->encoding, error);
}

int bs_examine(const struct bs_source_options *options,
               struct bs_tokenizer_worker *worker, struct bs_token_record *record,
               struct bs_error *error) {
    record->encoding.ids.count = record->encoding.type_ids.count = 0;
    if (record->rejected)
        return BS_OK;
    int code = examine(options, worker, record, error);
    if (code != BS_REJECTED)
        return code;
    record->rejected = true;
    record->reason = *error;
    record->encoding.ids.count = record->encoding.type_ids.count = 0;
    return BS_OK;
}
