/* The windows of bs-predict: labels them, turns logits into fields, writes in order. */
#include "answer.h"

#include <stdlib.h>

/* At most: enough for batches of like lengths; few enough that answers flow. */
enum { WINDOW_TOKENS = 1 << 18, WINDOW_BYTES = 1 << 25 };
/* As long a window may take, where there would be more tokens. */
static const double window_seconds = 0.5;

enum { KEPT_BYTES = 1 << 18 };

struct window {
    struct bs_token_record *records; /* [BS_LABELLER_WINDOW], `count` of them in use */
    size_t count, most; /* now; at once so far: what is behind holds nothing */
    int64_t tokens;
    size_t bytes;
};

struct answer {
    struct bs_labeller *labeller;
    struct bs_writer *writer;
    struct answer_options options;
    struct window windows[2];
    struct window *open, *closed; /* being filled; being labelled */
    bool columns_known, broken;
    int64_t pace; /* tokens that fill a window */

    struct bs_buffer encoded;
    uint32_t *sizes; /* [BS_LABELLER_WINDOW] */
};

static void set_pace(struct answer *answer) {
    int64_t pace = bs_labeller_pace(answer->labeller, window_seconds);
    answer->pace = pace < WINDOW_TOKENS ? pace : WINDOW_TOKENS;
}

int64_t answer_read_ahead(const struct answer *answer) {
    return answer->pace; /* a token is seldom less than two bytes */
}

int answer_new(struct answer **result, struct bs_labeller *labeller,
               struct bs_writer *writer, const struct answer_options *options,
               struct bs_error *error) {
    struct answer *answer = bs_alloc(1, sizeof *answer);
    if (!answer)
        return bs_fail_memory(error, sizeof *answer, "answers");
    *answer =
        (struct answer){.labeller = labeller, .writer = writer, .options = *options};
    set_pace(answer);
    struct bs_token_record *records[2];
    for (int i = 0; i < 2; i++)
        answer->windows[i].records = records[i] =
            bs_alloc(BS_LABELLER_WINDOW, sizeof **records);
    answer->open = &answer->windows[0];
    answer->closed = &answer->windows[1];
    answer->sizes = bs_alloc(BS_LABELLER_WINDOW, sizeof *answer->sizes);
    if (!records[0] || !records[1] || !answer->sizes) {
        answer_free(answer);
        return bs_fail_memory(error, 2 * BS_LABELLER_WINDOW * sizeof **records,
                              "answers");
    }
    *result = answer;
    return BS_OK;
}

static void free_window(struct window *window) {
    for (size_t i = 0; i < window->most; i++) {
        bs_record_free(&window->records[i].record);
        bs_encoding_free(&window->records[i].encoding);
    }
    free(window->records);
}

void answer_free(struct answer *answer) {
    struct bs_error ignored;
    if (!answer)
        return;
    (void)!bs_labeller_wait(answer->labeller, &ignored); /* it reads the closed window */
    free_window(&answer->windows[0]);
    free_window(&answer->windows[1]);
    bs_buffer_free(&answer->encoded);
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

/* Ours are set already, and what comes with token ids is not for people; a user's own
 * column of such a name is kept. */
static bool has_column(const struct answer *answer, struct bs_span name, bool of_tokens) {
    static const char *const ours[] = {BS_FIELD_PREDICTED, BS_FIELD_PROBABILITY,
                                       BS_FIELD_PROBABILITIES, NULL};
    static const char *const tokens[] = {BS_FIELD_IDS, BS_FIELD_TYPE_IDS,
                                         BS_FIELD_N_TOKENS, BS_FIELD_TRUNCATED, NULL};
    static const char *const texts[] = {BS_FIELD_TEXT, BS_FIELD_TEXT2, NULL};
    return !is_one_of(name, ours) && (!of_tokens || !is_one_of(name, tokens)) &&
           (!answer->options.drop_text || !is_one_of(name, texts));
}

static const struct bs_record *first_sound(const struct window *window) {
    for (size_t i = 0; i < window->count; i++)
        if (!window->records[i].rejected)
            return &window->records[i].record;
    return NULL;
}

/* The first record that says which fields there are: rejected ones may be torn, and of a
 * tree a file at the top has no label. */
static const struct bs_record *telling_record(const struct window *window,
                                              const struct bs_source_info *info) {
    static struct bs_field fields[] = {{.name = {BS_FIELD_LABEL, 5}},
                                       {.name = {BS_FIELD_TEXT, 4}},
                                       {.name = {"path", 4}}};
    static const struct bs_record of_tree = {.fields = fields, .n_fields = 3};
    if (info->format == BS_FORMAT_TREE)
        return &of_tree;
    const struct bs_record *sound = first_sound(window);
    for (size_t i = 0; !sound && i < window->count; i++)
        if (window->records[i].record.n_fields)
            return &window->records[i].record;
    return sound;
}

/* Where records tell the columns, a pause before the first sound one does not: the same
 * input gets the same columns. */
static bool waits_for_columns(const struct answer *answer,
                              const struct bs_source_info *info) {
    bool told = info->format != BS_FORMAT_JSONL && info->format != BS_FORMAT_MSGPACK;
    return answer->options.columns && !answer->columns_known && !told &&
           !first_sound(answer->open);
}

int answer_columns(struct answer *answer, const struct bs_span *names, size_t count,
                   struct bs_error *error) {
    answer->columns_known = true;
    return bs_writer_columns(answer->writer, names, count, error);
}

/* Ours, then those of the first record there is, else of the header row. */
static int set_columns(struct answer *answer, const struct window *window,
                       const struct bs_source_info *info, struct bs_error *error) {
    const struct bs_record *record = telling_record(window, info);
    bool tokens = record && bs_record_find(record, BS_FIELD_IDS);
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
                       tokens && record->fields[i].value.kind != BS_VALUE_TEXT))
            names[n++] = name;
    }
    int code = answer_columns(answer, names, n, error);
    free(names);
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

/* ---- the windows ------------------------------------------------------------------ */

/* Closes the open window and has it labelled; the other one, written by now, is open. */
static void close_window(struct answer *answer) {
    struct window *window = answer->open;
    for (size_t i = 0; i < window->count; i++)
        if (!window->records[i].rejected)
            bs_labeller_add(answer->labeller, &window->records[i].encoding);
    bs_labeller_start(answer->labeller);
    answer->open = answer->closed;
    answer->closed = window;
}

static int encode_window(struct answer *answer, const struct window *window,
                         struct bs_error *error) {
    size_t place = 0;
    answer->encoded.size = 0;
    for (size_t i = 0; i < window->count; i++) {
        struct bs_token_record *record = &window->records[i];
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

static void empty_window(struct answer *answer, struct window *window) {
    for (size_t i = 0; i < window->count; i++)
        if (window->records[i].record.raw.size > KEPT_BYTES)
            bs_record_free(&window->records[i].record);
    if (answer->encoded.capacity > 2 * (size_t)WINDOW_BYTES)
        bs_buffer_free(&answer->encoded);
    window->count = window->bytes = 0;
    window->tokens = 0;
}

/* A window that has been labelled, if it holds anything. */
static int write_window(struct answer *answer, struct window *window,
                        const struct bs_source_info *info, struct bs_error *error) {
    if (window->count == 0)
        return BS_OK;
    bool columns = answer->options.columns && !answer->columns_known;
    if ((columns && set_columns(answer, window, info, error)) ||
        encode_window(answer, window, error) ||
        bs_writer_put(answer->writer, bs_buffer_span(&answer->encoded), answer->sizes,
                      window->count, error))
        return error->code;
    const struct bs_record *last = &window->records[window->count - 1].record;
    if (answer->options.written &&
        answer->options.written(answer->options.context, last, error))
        return error->code;
    empty_window(answer, window);
    return BS_OK;
}

/* The open window is full. */
static int answer_full(struct answer *answer, const struct bs_source_info *info,
                       struct bs_error *error) {
    struct window *last = answer->closed;
    if (bs_labeller_wait(answer->labeller, error)) {
        answer->broken = true;
        return error->code;
    }
    set_pace(answer);
    close_window(answer);
    if (write_window(answer, last, info, error))
        answer->broken = true;
    return answer->broken ? error->code : BS_OK;
}

/* All that there is. */
static int answer_all(struct answer *answer, const struct bs_source_info *info,
                      struct bs_error *error) {
    int code = answer_full(answer, info, error);
    return code ? code : answer_full(answer, info, error);
}

/* Exchanges contents, so that the block gets memory to reuse. */
static void take_record(struct window *window, struct bs_token_record *record) {
    struct bs_token_record *slot = &window->records[window->count++];
    if (window->most < window->count)
        window->most = window->count;
    struct bs_token_record kept = *slot;
    *slot = *record;
    *record = kept;
    window->tokens += (int64_t)slot->encoding.ids.count;
    window->bytes += slot->record.raw.size;
}

static bool is_full(const struct window *window, int64_t pace) {
    return window->count == BS_LABELLER_WINDOW || window->tokens >= pace ||
           window->bytes >= WINDOW_BYTES;
}

int answer_block(struct answer *answer, const struct bs_source_info *info,
                 struct bs_token_block *block, struct bs_error *error) {
    for (size_t i = 0; i < block->count; i++) {
        take_record(answer->open, &block->records[i]);
        if (is_full(answer->open, answer->pace) && answer_full(answer, info, error))
            return error->code;
    }
    if (!block->pause || waits_for_columns(answer, info))
        return BS_OK;
    if (answer_all(answer, info, error))
        return error->code;
    return bs_writer_flush(answer->writer, error);
}

int answer_rest(struct answer *answer, const struct bs_source_info *info,
                struct bs_error *error) {
    if (answer->broken)
        return BS_OK;
    if (answer_all(answer, info, error))
        return error->code;
    /* A header row without rows below it is answered with one. */
    if (answer->options.columns && !answer->columns_known && info->n_columns)
        return set_columns(answer, answer->open, info, error);
    return BS_OK;
}
