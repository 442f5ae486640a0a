/* The window of bs-predict: labels it, turns logits into fields, writes in order. */
#include "answer.h"

#include "metric/probabilities.h"

#include <stdlib.h>

/* Enough for batches of like lengths; few enough that answers flow. */
enum { WINDOW_RECORDS = 4096, WINDOW_TOKENS = 1 << 18, WINDOW_BYTES = 1 << 25 };
enum { KEPT_BYTES = 1 << 18 };

struct answer {
    struct bs_infer *infer;
    struct bs_writer *writer;
    struct answer_options options;
    struct bs_token_record *records; /* [WINDOW_RECORDS], `count` of them in use */
    size_t count;
    int64_t tokens;
    size_t bytes;
    bool columns_known, broken;

    struct bs_sequence *sequences; /* [WINDOW_RECORDS], of usable records */
    float *logits;                 /* [WINDOW_RECORDS, n_labels] */
    double *probabilities;         /* [n_labels], of the record at hand */
    struct bs_buffer encoded;
    uint32_t *sizes; /* [WINDOW_RECORDS] */
};

int answer_new(struct answer **result, struct bs_infer *infer, struct bs_writer *writer,
               const struct answer_options *options, struct bs_error *error) {
    struct answer *answer = bs_alloc(1, sizeof *answer);
    if (!answer)
        return bs_fail_memory(error, sizeof *answer, "answers");
    *answer = (struct answer){.infer = infer, .writer = writer, .options = *options};
    answer->records = bs_alloc(WINDOW_RECORDS, sizeof *answer->records);
    answer->sequences = bs_alloc(WINDOW_RECORDS, sizeof *answer->sequences);
    answer->sizes = bs_alloc(WINDOW_RECORDS, sizeof *answer->sizes);
    answer->logits = bs_alloc(options->n_labels, WINDOW_RECORDS * sizeof(float));
    answer->probabilities = bs_alloc(options->n_labels, sizeof(double));
    if (!answer->records || !answer->sequences || !answer->sizes || !answer->logits ||
        !answer->probabilities) {
        answer_free(answer);
        return bs_fail_memory(error, WINDOW_RECORDS * sizeof *answer->records, "answers");
    }
    *result = answer;
    return BS_OK;
}

void answer_free(struct answer *answer) {
    if (!answer)
        return;
    for (size_t i = 0; answer->records && i < WINDOW_RECORDS; i++) {
        bs_record_free(&answer->records[i].record);
        bs_encoding_free(&answer->records[i].encoding);
    }
    bs_buffer_free(&answer->encoded);
    free(answer->records);
    free(answer->sequences);
    free(answer->sizes);
    free(answer->logits);
    free(answer->probabilities);
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

/* A rejected record has an empty prediction and no probability. `logits` NULL: it is
 * rejected. */
static int add_prediction(struct answer *answer, struct bs_record *record,
                          const float *logits, struct bs_error *error) {
    const struct answer_options *options = &answer->options;
    struct bs_field fields[3];
    size_t n = 0;
    bs_record_remove(record, BS_FIELD_PROBABILITY);
    bs_record_remove(record, BS_FIELD_PROBABILITIES);
    fields[n++] = text_field(BS_FIELD_PREDICTED, "");
    if (logits) {
        double *p = answer->probabilities;
        size_t best = bs_label_probabilities(logits, options->n_labels, p);
        const char *label =
            p[best] < options->threshold ? ABSTAIN : options->labels[best];
        fields[0] = text_field(BS_FIELD_PREDICTED, label);
        fields[n++] =
            (struct bs_field){.name = bs_span_of(BS_FIELD_PROBABILITY),
                              .value = {.kind = BS_VALUE_REAL, .real = p[best]}};
        if (options->probabilities)
            fields[n++] =
                (struct bs_field){.name = bs_span_of(BS_FIELD_PROBABILITIES),
                                  .value = {.kind = BS_VALUE_MAP,
                                            .map = {(const char *const *)options->labels,
                                                    p, options->n_labels}}};
    }
    return bs_record_put_first(record, fields, n, error);
}

/* ---- the window ------------------------------------------------------------------- */

static int label_window(struct answer *answer, struct bs_error *error) {
    int64_t n = 0;
    for (size_t i = 0; i < answer->count; i++) {
        const struct bs_encoding *encoding = &answer->records[i].encoding;
        if (answer->records[i].rejected)
            continue;
        answer->sequences[n++] = (struct bs_sequence){
            .ids = encoding->ids.values,
            .type_ids = encoding->type_ids.count ? encoding->type_ids.values : NULL,
            .length = (int64_t)encoding->ids.count};
    }
    if (n == 0)
        return BS_OK;
    if (bs_infer_run(answer->infer, answer->sequences, n, answer->logits, error))
        return error->code;
    return bs_infer_check_logits(answer->logits, n * (int64_t)answer->options.n_labels,
                                 error);
}

static int encode_window(struct answer *answer, struct bs_error *error) {
    const float *logits = answer->logits;
    answer->encoded.size = 0;
    for (size_t i = 0; i < answer->count; i++) {
        struct bs_token_record *record = &answer->records[i];
        size_t before = answer->encoded.size;
        if (add_prediction(answer, &record->record, record->rejected ? NULL : logits,
                           error) ||
            bs_writer_encode(answer->writer, &record->record, &answer->encoded, error))
            return error->code;
        if (!record->rejected)
            logits += answer->options.n_labels;
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
        bool full = answer->count == WINDOW_RECORDS || answer->tokens >= WINDOW_TOKENS ||
                    answer->bytes >= WINDOW_BYTES;
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
