/*
 * bs-predict: text or token records in, the same records with predictions out, in input
 * order. The token source reads and tokenizes while answer.c labels and writes.
 */
#include "answer.h"
#include "common/log.h"
#include "common/number.h"
#include "common/version.h"
#include "front/result.h"
#include "front/tool.h"
#include "tagging.h"

enum {
    OPTION_LINGER = BS_OPTION_OWN,
    OPTION_PROBABILITIES,
    OPTION_THRESHOLD,
    OPTION_FOLLOW,
    OPTION_STATE
};

struct settings {
    double linger, threshold;
    bool probabilities;
    char *follow; /* the log; NULL: FILEs */
    const char *state;
};

static const struct argp_option own_options[] = {
    {"follow", OPTION_FOLLOW, "LOG", 0,
     "Label what is in LOG and whatever is written to it, through rotation", 1},
    {"state", OPTION_STATE, "FILE", 0,
     "With --follow: keep in FILE how far it got, and go on there", 1},
    {"probabilities", OPTION_PROBABILITIES, NULL, 0,
     "Add the probabilities of all labels", 4},
    {"threshold", OPTION_THRESHOLD, "P", 0,
     "Predict " ABSTAIN " where the probability is below P", 3},
    {"linger", OPTION_LINGER, "SECONDS", 0,
     "A record may wait this long for company when input pauses (default 0)", 3},
    {0}};

static int parse_own(void *own, int key, const char *value, struct bs_error *error) {
    struct settings *settings = own;
    switch (key) {
    case OPTION_LINGER:
        return bs_parse_real(value, "--linger", 0, 3600, &settings->linger, error);
    case OPTION_FOLLOW:
        settings->follow = (char *)value;
        return BS_OK;
    case OPTION_STATE:
        settings->state = value;
        return BS_OK;
    case OPTION_THRESHOLD:
        return bs_parse_real(value, "--threshold", 0, 1, &settings->threshold, error);
    default:
        settings->probabilities = true;
        return BS_OK;
    }
}

static const struct bs_command command = {
    .tool = "bs-predict",
    .arguments = "[FILE...]",
    .about =
        "  tail -F app.log | bs-predict -m models/logs | grep --line-buffered "
        "'^error'\n\n"
        "Labels text, or token records of bs-tokenize, with a model trained by bs-train. "
        "Each record comes out as it came in, in input order, behind its prediction; a "
        "line is answered as soon as input pauses. Reads standard input if no FILE, or "
        "-, is given.\v"
        "FORMAT of -t is tsv (default), csv, jsonl or msgpack. A record that cannot be "
        "used is answered with an empty prediction.\n\n"
        "Exit status: 0 done; 2 wrong command line; 3 done, but records were rejected; "
        "4 bad input or model; 5 no space or memory; 6 device failure; 128+N ended by "
        "signal N, after what had been read was answered.",
    .shared = BS_OPT_INPUT | BS_OPT_TOKENS | BS_OPT_TO | BS_OPT_OUTPUT | BS_OPT_MODEL |
              BS_OPT_OVERWRITE | BS_OPT_DROP | BS_OPT_THREADS | BS_OPT_PRECISION |
              BS_OPT_BATCH_TOKENS | BS_OPT_DEVICE,
    .required = BS_OPT_MODEL,
    .to_formats = 1U << BS_FORMAT_TSV | 1U << BS_FORMAT_CSV | 1U << BS_FORMAT_JSONL |
                  1U << BS_FORMAT_MSGPACK,
    .to_default = BS_FORMAT_TSV,
    .own = own_options,
    .parse_own = parse_own,
    .shows_backends = true,
};

static const char *const written[] = {BS_FIELD_PREDICTED, BS_FIELD_PROBABILITY,
                                      BS_FIELD_PROBABILITIES, NULL};

struct job {
    struct bs_labeller labeller;
    struct answer *answer;
    struct bs_source *source;
    struct bs_result result;
    struct bs_progress progress;
    bool length_given, warned;
    struct tagging tagging;
};

/* Of an output that goes on. */
static int keep_columns(struct job *job, const struct bs_options *options,
                        struct bs_error *error) {
    struct bs_reader *rows;
    struct bs_record row = {0};
    const struct bs_span *names;
    if (tagging_open_rows(&job->tagging, options, &rows, error))
        return error->code;
    if (!rows)
        return BS_OK;
    int code = bs_reader_next(rows, &row, error);
    if (code == BS_OK || code == BS_END || code == BS_REJECTED) {
        size_t count = bs_reader_columns(rows, &names);
        code = answer_columns(job->answer, names, count, error);
    }
    bs_record_free(&row);
    bs_reader_close(rows);
    return code;
}

static int open_answer(struct job *job, const struct bs_options *options,
                       const struct settings *settings, int64_t max_length,
                       struct bs_error *error) {
    struct bs_stream_header header = {.kind = BS_STREAM_PREDICTIONS,
                                      .max_length = max_length,
                                      .tool = "bs-predict " BS_VERSION};
    struct answer_options answer = {.threshold = settings->threshold,
                                    .probabilities = settings->probabilities,
                                    .columns = options->to == BS_FORMAT_TSV ||
                                               options->to == BS_FORMAT_CSV,
                                    .drop_text = options->drop_text,
                                    .written = job->tagging.log ? tagging_written : NULL,
                                    .context = &job->tagging};
    memcpy(header.tokenizer, bs_tokenizer_digest(job->labeller.tokenizer), 64);
    if (tagging_open_result(&job->tagging, options, &header, &job->result, error))
        return error->code;
    if (answer_new(&job->answer, &job->labeller, job->result.writer, &answer, error))
        return error->code;
    return keep_columns(job, options, error);
}

static int take_block(void *context, struct bs_token_block *block,
                      struct bs_error *error) {
    struct job *job = context;
    const struct bs_source_info *info = bs_source_info(job->source);
    if (info->has_header && job->length_given && !job->warned) {
        bs_warn("--max-length and --truncation change nothing in token records");
        job->warned = true;
    }
    int code = answer_block(job->answer, info, block, error);
    bs_result_mind_reader(&job->result);
    bs_source_read_ahead(job->source, answer_read_ahead(job->answer));
    bs_progress_show(&job->progress, bs_source_records(job->source), "");
    return code;
}

/* `source`: as the labeller wants it. */
static int work(struct job *job, const struct bs_options *options,
                struct bs_source_options source, struct bs_error *error) {
    source.rejects = job->result.rejects;
    source.context = job;
    source.take = take_block;
    struct tagging *tagging = &job->tagging;
    char *const *paths = tagging->log ? &tagging->log : options->paths;
    size_t n_paths = tagging->log ? 1 : options->n_paths;
    source.reader.follow = tagging->follow;
    if (tagging->log && source.reader.format == BS_FORMAT_AUTO)
        source.reader.format = BS_FORMAT_LINES;
    if (bs_source_open(&job->source, paths, n_paths, &source, error))
        return error->code;
    bs_source_read_ahead(job->source, answer_read_ahead(job->answer));
    if (!bs_output_is_terminal(job->result.output))
        bs_progress_begin(&job->progress, "texts", 0, 0);
    int code = bs_source_run(job->source, error);
    struct bs_error later;
    int rest = answer_rest(job->answer, bs_source_info(job->source), &later);
    bs_progress_end(&job->progress);
    if (!code && rest)
        *error = later;
    return code ? code : rest;
}

static int label_all(struct job *job, const struct bs_options *options,
                     const struct settings *settings, struct bs_error *error) {
    struct bs_source_options source = bs_labeller_source(&job->labeller, options);
    source.writes = written;
    source.overwrite = options->overwrite;
    source.linger = settings->linger;
    if (tagging_open(&job->tagging, options, error) ||
        open_answer(job, options, settings, source.max_length, error))
        return error->code;
    return work(job, options, source, error);
}

static int run(const struct bs_options *options, const struct settings *settings,
               struct bs_error *error) {
    struct job job = {.length_given = options->max_length >= 0,
                      .tagging.log = settings->follow,
                      .tagging.probabilities = settings->probabilities,
                      .tagging.state_path = settings->state,
                      .tagging.state.lock = -1};
    int code = tagging_check(&job.tagging, options, error);
    if (!code)
        code = bs_labeller_open(&job.labeller, options, error);
    if (!code)
        code = label_all(&job, options, settings, error);
    if (job.result.output)
        code = bs_result_close(&job.result, code, error);
    bs_source_close(job.source);
    tagging_close(&job.tagging);
    answer_free(job.answer);
    bs_labeller_close(&job.labeller);
    return code;
}

int main(int argc, char **argv) {
    struct bs_options options;
    struct settings settings = {0};
    struct bs_error error = {0};
    bs_tool_start();
    bs_options_parse(&command, argc, argv, &options, &settings);
    bs_tool_catch_signals();
    int code = run(&options, &settings, &error);
    bs_options_free(&options);
    return bs_tool_end(code, &error);
}
