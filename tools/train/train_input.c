/* From token source to examples. */
#include "train_input.h"

#include "front/source.h"

#include <inttypes.h>

struct reading {
    const struct train_input *input;
    struct bs_examples *examples;
    struct bs_source *source;
    bool began;
};

/* Names that a stream's header gives are the labels, in that order. */
static int take_header(struct reading *reading, const char *file,
                       struct bs_error *error) {
    struct bs_labels *labels = reading->input->labels;
    const struct bs_source_info *info = bs_source_info(reading->source);
    if (reading->began)
        return BS_OK;
    reading->began = true;
    if (!info->has_header || info->header.n_labels == 0 || labels->count > 0)
        return BS_OK;
    if (!bs_labels_fix(labels, info->header.labels, info->header.n_labels, error))
        return BS_OK;
    if (error->code == BS_USAGE)
        error->code = BS_DATA; /* nobody typed them */
    return bs_error_prefix(error, "%s: header: ", file);
}

static int add(struct reading *reading, const struct bs_token_record *record,
               struct bs_error *error) {
    const struct bs_ids *ids = &record->encoding.ids;
    const struct bs_ids *types = &record->encoding.type_ids;
    struct bs_sequence sequence = {.ids = ids->values,
                                   .type_ids = types->count ? types->values : NULL,
                                   .length = (int64_t)ids->count};
    struct bs_span name;
    int32_t label;
    int code = bs_record_text(&record->record, BS_FIELD_LABEL, &name, error);
    if (code == BS_END)
        return bs_fail(error, BS_REJECTED, "there is no label");
    if (code || bs_labels_index(reading->input->labels, name, &label, error))
        return error->code;
    return bs_examples_add(reading->examples, &sequence, label, error);
}

static int take(void *context, struct bs_token_block *block, struct bs_error *error) {
    struct reading *reading = context;
    for (size_t i = 0; i < block->count; i++) {
        struct bs_token_record *record = &block->records[i];
        if (take_header(reading, record->record.file, error))
            return error->code;
        int code = record->rejected ? BS_OK : add(reading, record, error);
        if (code == BS_REJECTED)
            code = bs_rejects_add(reading->input->rejects, &record->record, error);
        else if (code == BS_DATA)
            bs_error_prefix(error, "%s: %s %" PRId64 ": ", record->record.file,
                            record->record.unit ? record->record.unit : "record",
                            record->record.number);
        if (code)
            return code;
    }
    return BS_OK;
}

int train_input_read(const struct train_input *input, char *const *paths, size_t n_paths,
                     struct bs_examples *examples, struct bs_error *error) {
    struct reading reading = {.input = input, .examples = examples};
    const struct bs_options *options = input->options;
    struct bs_source_options source = {
        .reader = bs_options_reader(options, NULL),
        .tokenizer = input->tokenizer,
        .max_length =
            bs_source_length(options->max_length, input->config->max_position_embeddings),
        .truncation = options->truncation,
        .literal_special_tokens = options->literal_special_tokens,
        .config = input->config,
        .needs_label = true,
        .threads = options->threads,
        .rejects = input->rejects,
        .context = &reading,
        .take = take};
    if (bs_source_open(&reading.source, paths, n_paths, &source, error))
        return error->code;
    int code = bs_source_run(reading.source, error);
    bs_source_close(reading.source);
    return code;
}
