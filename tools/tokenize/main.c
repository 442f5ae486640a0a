/*
 * bs-tokenize: text in, token records out, in input order, on many threads.
 * The token source reads and tokenizes; here records get their fields and are encoded
 * (on its worker threads) and written.
 */
#include "common/log.h"
#include "common/version.h"
#include "front/options.h"
#include "front/result.h"
#include "front/source.h"
#include "front/tool.h"
#include "store/model_files.h"

static const struct bs_command command = {
    .tool = "bs-tokenize",
    .arguments = "[FILE...]",
    .about =
        "  bs-tokenize -m models/all-minilm-l6-v2 reviews.tsv |\n"
        "  bs-train -f msgpack -m models/all-minilm-l6-v2 -o models/reviews\n\n"
        "Turns text into token records, with the ids that the model's own tokenizer "
        "gives. Reads standard input if no FILE, or -, is given.\v"
        "FORMAT of -t is msgpack (default; records for the other tools), jsonl, or ids: "
        "decimal ids, a line for each record. An empty text is [CLS] [SEP].\n\n"
        "Exit status: 0 done; 2 wrong command line; 3 done, but records were rejected; "
        "4 bad input or model; 5 no space or memory; 128+N ended by signal N.",
    .shared = BS_OPT_INPUT | BS_OPT_TOKENS | BS_OPT_TO | BS_OPT_OUTPUT | BS_OPT_MODEL |
              BS_OPT_OVERWRITE | BS_OPT_DROP | BS_OPT_THREADS | BS_OPT_SEED |
              BS_OPT_LABELS | BS_OPT_SPLIT,
    .required = BS_OPT_MODEL,
    .to_formats = 1U << BS_FORMAT_MSGPACK | 1U << BS_FORMAT_JSONL | 1U << BS_FORMAT_IDS,
    .to_default = BS_FORMAT_MSGPACK,
};

static const char *const written[] = {BS_FIELD_IDS, BS_FIELD_TYPE_IDS, BS_FIELD_N_TOKENS,
                                      BS_FIELD_TRUNCATED, NULL};

struct job {
    struct bs_tokenizer *tokenizer;
    struct bs_split *split;
    struct bs_source *source;
    struct bs_result result;
    struct bs_progress progress;
};

static struct bs_value ids_value(const struct bs_ids *ids) {
    return (struct bs_value){.kind = BS_VALUE_IDS, .ids = {ids->values, ids->count}};
}

static int add_tokens(struct bs_token_record *record, struct bs_error *error) {
    const struct bs_encoding *encoding = &record->encoding;
    struct bs_field fields[4];
    size_t n = 0;
    fields[n++] = (struct bs_field){.name = bs_span_of(BS_FIELD_IDS),
                                    .value = ids_value(&encoding->ids)};
    if (encoding->type_ids.count)
        fields[n++] = (struct bs_field){.name = bs_span_of(BS_FIELD_TYPE_IDS),
                                        .value = ids_value(&encoding->type_ids)};
    else
        bs_record_remove(&record->record, BS_FIELD_TYPE_IDS);
    fields[n++] = (struct bs_field){
        .name = bs_span_of(BS_FIELD_N_TOKENS),
        .value = {.kind = BS_VALUE_INTEGER, .integer = encoding->n_tokens}};
    fields[n++] = (struct bs_field){
        .name = bs_span_of(BS_FIELD_TRUNCATED),
        .value = {.kind = BS_VALUE_BOOLEAN, .boolean = encoding->truncated}};
    return bs_record_put_first(&record->record, fields, n, error);
}

/* On the source's worker threads. */
static int encode_block(void *context, struct bs_token_block *block,
                        struct bs_error *error) {
    const struct job *job = context;
    for (size_t i = 0; i < block->count; i++) {
        struct bs_token_record *record = &block->records[i];
        size_t before = block->bytes.size;
        block->sizes[i] = 0;
        if (record->rejected)
            continue;
        if (add_tokens(record, error) ||
            bs_writer_encode(job->result.writer, &record->record, &block->bytes, error))
            return error->code;
        if (block->bytes.size - before > UINT32_MAX)
            return bs_fail(error, BS_RESOURCE, "%s: record %lld is too large to write",
                           record->record.file, (long long)record->record.number);
        block->sizes[i] = (uint32_t)(block->bytes.size - before);
    }
    return BS_OK;
}

static int write_block(void *context, struct bs_token_block *block,
                       struct bs_error *error) {
    struct job *job = context;
    size_t n = 0;
    for (size_t i = 0; i < block->count; i++)
        if (!block->records[i].rejected)
            block->sizes[n++] = block->sizes[i];
    int code = n == 0 ? BS_OK
                      : bs_writer_put(job->result.writer, bs_buffer_span(&block->bytes),
                                      block->sizes, n, error);
    if (!code && block->pause)
        code = bs_writer_flush(job->result.writer, error);
    bs_result_mind_reader(&job->result);
    bs_progress_show(&job->progress, bs_source_records(job->source), "");
    return code;
}

static int open_tokenizer(struct job *job, const struct bs_options *options,
                          int64_t *max_length, struct bs_error *error) {
    int64_t max_positions = 0;
    if (bs_tokenizer_load(options->model, &job->tokenizer, &max_positions, error))
        return error->code;
    *max_length = bs_source_length(options->max_length, max_positions);
    if (!options->split)
        return BS_OK;
    return bs_split_new(&job->split, options->split, options->part, options->seed, error);
}

static int open_result(struct job *job, const struct bs_options *options,
                       int64_t max_length, struct bs_error *error) {
    struct bs_stream_header header = {.kind = BS_STREAM_TOKENS,
                                      .max_length = max_length,
                                      .tool = "bs-tokenize " BS_VERSION,
                                      .labels = options->labels,
                                      .n_labels = options->n_labels};
    memcpy(header.tokenizer, bs_tokenizer_digest(job->tokenizer), 64);
    return bs_result_open(&job->result, options, &header, error);
}

static int work(struct job *job, const struct bs_options *options, int64_t max_length,
                struct bs_error *error) {
    struct bs_source_options source = {.reader = bs_options_reader(options, NULL),
                                       .tokenizer = job->tokenizer,
                                       .max_length = max_length,
                                       .truncation = options->truncation,
                                       .literal_special_tokens =
                                           options->literal_special_tokens,
                                       .text_only = true,
                                       .split = job->split,
                                       .labels = options->labels,
                                       .n_labels = options->n_labels,
                                       .writes = written,
                                       .overwrite = options->overwrite,
                                       .threads = options->threads,
                                       .rejects = job->result.rejects,
                                       .context = job,
                                       .work = encode_block,
                                       .take = write_block};
    if (bs_source_open(&job->source, options->paths, options->n_paths, &source, error))
        return error->code;
    if (!bs_output_is_terminal(job->result.output))
        bs_progress_begin(&job->progress, "texts", 0, 0);
    int code = bs_source_run(job->source, error);
    bs_progress_end(&job->progress);
    int64_t records = bs_source_records(job->source);
    bs_detail("%lld record%s", (long long)records, bs_plural(records));
    return code;
}

static int run(const struct bs_options *options, struct bs_error *error) {
    struct job job = {0};
    int64_t max_length = 0;
    int code = open_tokenizer(&job, options, &max_length, error);
    if (!code)
        code = open_result(&job, options, max_length, error);
    if (!code) {
        code = work(&job, options, max_length, error);
        code = bs_result_close(&job.result, code, error);
    }
    bs_source_close(job.source);
    bs_split_free(job.split);
    bs_tokenizer_free(job.tokenizer);
    return code;
}

int main(int argc, char **argv) {
    struct bs_options options;
    struct bs_error error = {0};
    bs_tool_start();
    bs_options_parse(&command, argc, argv, &options, NULL);
    bs_tool_catch_signals();
    int code = run(&options, &error);
    bs_options_free(&options);
    return bs_tool_end(code, &error);
}
