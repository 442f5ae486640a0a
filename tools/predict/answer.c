/* The window of bs-predict: labels it, turns logits into fields, writes in order. */
#include "answer.h"

#include <stdlib.h>

/* Enough for batches of like lengths; few enough that answers flow. */
enum { WINDOW_TOKENS = 1 << 18, WINDOW_BYTES = 1 << 25 };
enum { KEPT_BYTES = 1 << 18 };

struct answer {
    struct bs_labeller *labeller;
    struct bs_writer *writer;
    struct answer_options options;
    struct bs_token_record *records; /* [BS_LABELLER_WINDOW], `count` of them in use */
    size_t count;
    int64_t tokens;
    size_t bytes;
    bool columns_known, broken;

    struct bs_buffer encoded;
    uint32_t *sizes; /* [BS_LABELLER_WINDOW] */
};

int answer_new(struct answer **result, struct bs_labeller *labeller,
               struct bs_writer *writer, const struct answer_options *options,
               struct bs_error *error) {
    struct answer *answer = bs_alloc(1, sizeof *answer);
    if (!answer)
        return bs_fail_memory(error, sizeof *answer, "answers");
    *answer =
        (struct answer){.labeller = labeller, .writer = writer, .options = *options};
    answer->records = bs_alloc(BS_LABELLER_WINDOW, sizeof *answer->records);
    answer->sizes = bs_alloc(BS_LABELLER_WINDOW, sizeof *answer->sizes);
    if (!answer->records || !answer->sizes) {
        answer_free(answer);
        return bs_fail_memory(error, BS_LABELLER_WINDOW * sizeof *answer->records,
                              "answers");
    }
    *result = answer;
    return BS_OK;
}

void answer_free(struct answer *answer) {
    if (!answer)
        return;
    for (size_t i = 0; answer->records && i < BS_LABELLER_WINDOW; i++) {
        bs_record_free(&answer->records[i].record);
        bs_encoding_free(&answer->records[i].encoding);
    }
    bs_buffer_free(&answer->encoded);
    free(answer->records);
    free(answer->sizes);
    free(answer);
}

/* ---- columns --------------------------------------------------------------------- */

static bool is_one_of(struct bs_span name, const char *const *names) {
    for (; *names; names++)
        if (bs_span_is(name, *names))
            return true;
    return false;
}

/* Ours are set already, and token ids are not for people; a user's own column of such a
 * name, which is text, is kept. */
static bool has_column(const struct answer *answer, struct bs_span name, bool is_text) {
    static const char *const ours[] = {BS_FIELD_PREDICTED, BS_FIELD_PROBABILITY,
                                       BS_FIELD_PROBABILITIES, NULL};
    static const char *const tokens[] = {BS_FIELD_IDS, BS_FIELD_TYPE_IDS,
                                         BS_FIELD_N_TOKENS, BS_FIELD_TRUNCATED, NULL};
    static const char *const texts[] = {BS_FIELD_TEXT, BS_FIELD_TEXT2, NULL};
    return !is_one_of(name, ours) && (is_text || !is_one_of(name, tokens)) &&
           (!answer->options.drop_text || !is_one_of(name, texts));
}

/* The first record that says which fields there are: rejected ones may be torn. */
static const struct bs_record *telling_record(const struct answer *answer) {
    const struct bs_record *torn = NULL;
    for (size_t i = 0; i < answer->count; i++) {
        const struct bs_token_record *record = &answer->records[i];
        if (!record->rejected)
            return &record->record;
        if (!torn && record->record.n_fields)
            torn = &record->record;
    }
    return torn;
}

/* Ours, then those of the first record there is, else of the header row. */
static int set_columns(struct answer *answer, const struct bs_source_info *info,
                       struct bs_error *error) {
    const struct bs_record *record = telling_record(answer);
    size_t n_others = record ? record->n_fields : info->n_columns, n = 0;
    struct bs_span *names = bs_alloc(n_others + 4, sizeof *names);
    if (!names)
        return bs_fail_memory(error, n_others * sizeof *names, "columns");
    names[n++] = bs_span_of(BS_FIELD_PREDICTED);
    names[n++] = bs_span_of(BS_FIELD_PROBABILITY);
    if (answer->options.probabilities)
        names[n++] = bs_span_of(BS_FIELD_PROBABILITIES);
    if (n_others == 0 && !answer->options.drop_text)
        names[n++] = bs_span_of(BS_FIELD_TEXT);
    for (size_t i = 0; i < n_others; i++) {
        struct bs_span name =
            record ? record->fields[i].name : bs_span_of(info->columns[i]);
        if (has_column(answer, name,
                       !record || record->fields[i].value.kind == BS_VALUE_TEXT))
            names[n++] = name;
    }
    int code = bs_writer_columns(answer->writer, names, n, error);
    free(names);
    answer->columns_known = true;
    return code;
}

/* ---- one record ------------------------------------------------------------------- */

static struct bs_field text_field(const char *name, const char *text) {
    return (struct bs_field){.name = bs_span_of(name),
                             .value = {.kind = BS_VALUE_TEXT, .bytes = bs_span_of(text)}};
}

/* A rejected record has an empty prediction and no probability; else `place` is its own
 * in the labeller's window. */
static int add_prediction(struct answer *answer, struct bs_token_record *token,
                          size_t place, struct bs_error *error) {
    const struct answer_options *options = &answer->options;
    const struct bs_model_config *config = answer->labeller->config;
    struct bs_record *record = &token->record;
    struct bs_field fields[3];
    size_t n = 0;
    bs_record_remove(record, BS_FIELD_PROBABILITY);
    bs_record_remove(record, BS_FIELD_PROBABILITIES);
    fields[n++] = text_field(BS_FIELD_PREDICTED, "");
    if (!token->rejected) {
        size_t best = bs_labeller_answer(answer->labeller, place);
        const double *p = answer->labeller->probabilities;
        const char *label = p[best] < options->threshold ? ABSTAIN : config->labels[best];
        fields[0] = text_field(BS_FIELD_PREDICTED, label);
        fields[n++] =
            (struct bs_field){.name = bs_span_of(BS_FIELD_PROBABILITY),
                              .value = {.kind = BS_VALUE_REAL, .real = p[best]}};
        if (options->probabilities)
            fields[n++] =
                (struct bs_field){.name = bs_span_of(BS_FIELD_PROBABILITIES),
                                  .value = {.kind = BS_VALUE_MAP,
                                            .map = {(const char *const *)config->labels,
                                                    p, (size_t)config->num_labels}}};
    }
    return bs_record_put_first(record, fields, n, error);
}

/* ---- the window ------------------------------------------------------------------- */

static int label_window(struct answer *answer, struct bs_error *error) {
    for (size_t i = 0; i < answer->count; i++)
        if (!answer->records[i].rejected)
            bs_labeller_add(answer->labeller, &answer->records[i].encoding);
    return bs_labeller_run(answer->labeller, error);
}

static int encode_window(struct answer *answer, struct bs_error *error) {
    size_t place = 0;
    answer->encoded.size = 0;
    for (size_t i = 0; i < answer->count; i++) {
        struct bs_token_record *record = &answer->records[i];
        size_t before = answer->encoded.size;
        if (add_prediction(answer, record, place, error) ||
            bs_writer_encode(answer->writer, &record->record, &answer->encoded, error))
            return error->code;
        place += !record->rejected;
        if (answer->encoded.size - before > UINT32_MAX)
            return bs_fail(error, BS_RESOURCE, "%s: record %lld is too large to write",
                           record->record.file, (long long)record->record.number);
        answer->sizes[i] = (uint32_t)(answer->encoded.size - before);
    }
    return BS_OK;
}

static void empty_window(struct answer *answer) {
    for (size_t i = 0; i < answer->count; i++)
        if (answer->records[i].record.raw.size > KEPT_BYTES)
            bs_record_free(&answer->records[i].record);
    if (answer->encoded.capacity > 2 * (size_t)WINDOW_BYTES)
        bs_buffer_free(&answer->encoded);
    answer->count = answer->bytes = 0;
    answer->tokens = 0;
}

static int answer_window(struct answer *answer, const struct bs_source_info *info,
                         struct bs_error *error) {
    if (answer->count == 0)
        return BS_OK;
    bool columns = answer->options.columns && !answer->columns_known;
    if ((columns && set_columns(answer, info, error)) || label_window(answer, error) ||
        encode_window(answer, error) ||
        bs_writer_put(answer->writer, bs_buffer_span(&answer->encoded), answer->sizes,
                      answer->count, error)) {
        answer->broken = true;
        return error->code;
    }
    empty_window(answer);
    return BS_OK;
}

/* Exchanges contents, so that the block gets memory to reuse. */
static void take_record(struct answer *answer, struct bs_token_record *record) {
    struct bs_token_record *slot = &answer->records[answer->count++];
    struct bs_token_record kept = *slot;
    *slot = *record;
    *record = kept;
    answer->tokens += (int64_t)slot->encoding.ids.count;
    answer->bytes += slot->record.raw.size;
}

int answer_block(struct answer *answer, const struct bs_source_info *info,
                 struct bs_token_block *block, struct bs_error *error) {
    for (size_t i = 0; i < block->count; i++) {
        take_record(answer, &block->records[i]);
        bool full = answer->count == BS_LABELLER_WINDOW ||
                    answer->tokens >= WINDOW_TOKENS || answer->bytes >= WINDOW_BYTES;
        if (full && answer_window(answer, info, error))
            return error->code;
    }
    if (!block->pause)
        return BS_OK;
    if (answer_window(answer, info, error))
        return error->code;
    return bs_writer_flush(answer->writer, error);
}

int answer_rest(struct answer *answer, const struct bs_source_info *info,
                struct bs_error *error) {
    if (answer->broken)
        return BS_OK;
    if (answer_window(answer, info, error))
        return error->code;
    /* A header row without rows below it is answered with one. */
    if (answer->options.columns && !answer->columns_known && info->n_columns)
        return set_columns(answer, info, error);
    return BS_OK;
}
