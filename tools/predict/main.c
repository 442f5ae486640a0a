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
#include "log_state.h"

#include <sys/stat.h>

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
    char *log;                /* that is followed; NULL: FILEs are read */
    struct bs_follow *follow; /* of the log */
    struct log_state state;   /* of the log; path NULL: it is not kept */
};

static int check_labels(const struct bs_model_config *config,
                        const struct settings *settings, struct bs_error *error) {
    for (int64_t i = 0; settings->threshold > 0 && i < config->num_labels; i++)
        if (strcmp(config->labels[i], ABSTAIN) == 0)
            return bs_fail(error, BS_USAGE,
                           "--threshold cannot be told apart from the model's own label "
                           "\"" ABSTAIN "\"");
    return BS_OK;
}

/* ---- a log that is followed ---------------------------------------------------------
 */

/* -o, if it is a file. */
static const char *output_file(const struct bs_options *options) {
    bool named = options->output && strcmp(options->output, "-") != 0;
    return named ? options->output : NULL;
}

/* What is behind the state is cut off, so it must be what the state is about, or empty.
 */
static int check_output(const struct log_state *state, const char *output,
                        struct bs_error *error) {
    struct stat there;
    if (!output || stat(output, &there) || there.st_size == 0)
        return BS_OK;
    if (!state->is_there || state->output < 0)
        return bs_fail(error, BS_USAGE,
                       "%s: holds answers already, and there is no --state that says of "
                       "what; remove it to label the log from its beginning",
                       output);
    if ((uint64_t)there.st_ino != state->output_inode)
        return bs_fail(error, BS_USAGE,
                       "%s: is not the file that %s is about; give each its own", output,
                       state->path);
    return BS_OK;
}

static int check_log(const struct bs_options *options, const struct settings *settings,
                     struct bs_error *error) {
    if (settings->state && !settings->follow)
        return bs_fail(error, BS_USAGE, "--state is for --follow");
    if (!settings->follow)
        return BS_OK;
    if (options->n_paths > 0)
        return bs_fail(error, BS_USAGE, "--follow reads its LOG, and no FILE beside it");
    if (options->from != BS_FORMAT_AUTO && options->from != BS_FORMAT_LINES &&
        options->from != BS_FORMAT_JSONL)
        return bs_fail(error, BS_USAGE, "--follow reads lines or jsonl");
    if (options->rejects)
        return bs_fail(error, BS_USAGE,
                       "--follow never ends, so that --rejects would never appear; leave "
                       "it out");
    if (options->to == BS_FORMAT_MSGPACK)
        return bs_fail(error, BS_USAGE,
                       "--follow writes tsv, csv or jsonl: a record stream needs an end");
    return BS_OK;
}

static int open_log(struct job *job, const struct bs_options *options,
                    const struct settings *settings, struct bs_error *error) {
    struct log_state *state = &job->state;
    if (!settings->follow)
        return BS_OK;
    if (settings->state && log_state_open(state, settings->state, error))
        return error->code;
    if (check_output(state, output_file(options), error))
        return error->code;
    return bs_follow_new(&job->follow, settings->follow,
                         state->is_there ? &state->place : NULL, error);
}

/* All answers up to this record are written: so it is kept. */
static int keep_state(void *context, const struct bs_record *last,
                      struct bs_error *error) {
    struct job *job = context;
    struct log_state *state = &job->state;
    bool is_file = state->output >= 0;
    int code = is_file ? bs_output_sync(job->result.output, &state->output, error)
                       : bs_writer_flush(job->result.writer, error);
    if (code || !state->path)
        return code;
    bs_follow_locate(job->follow, last->end, last->line_bytes, last->raw, &state->place);
    return log_state_write(state, error);
}

static int open_result(struct job *job, const struct bs_options *options,
                       const struct bs_stream_header *header, struct bs_error *error) {
    if (!job->follow || !output_file(options)) {
        job->state.output = -1;
        return bs_result_open(&job->result, options, header, error);
    }
    struct log_state *state = &job->state;
    struct stat there;
    if (!state->is_there || state->output < 0)
        state->output = 0;
    if (bs_result_continue(&job->result, options, header, state->output, error))
        return error->code;
    if (stat(options->output, &there))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open", options->output);
    state->output_inode = (uint64_t)there.st_ino;
    return BS_OK;
}

/* ---- answers --------------------------------------------------------------------------
 */

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
                                    .written = job->follow ? keep_state : NULL,
                                    .context = job};
    memcpy(header.tokenizer, bs_tokenizer_digest(job->labeller.tokenizer), 64);
    if (check_labels(job->labeller.config, settings, error) ||
        open_result(job, options, &header, error))
        return error->code;
    return answer_new(&job->answer, &job->labeller, job->result.writer, &answer, error);
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
    bs_progress_show(&job->progress, bs_source_records(job->source), "");
    return code;
}

/* `source`: as the labeller wants it. */
static int work(struct job *job, const struct bs_options *options,
                struct bs_source_options source, struct bs_error *error) {
    source.rejects = job->result.rejects;
    source.context = job;
    source.take = take_block;
    char *const *paths = job->log ? &job->log : options->paths;
    size_t n_paths = job->log ? 1 : options->n_paths;
    source.reader.follow = job->follow;
    if (job->log && source.reader.format == BS_FORMAT_AUTO)
        source.reader.format = BS_FORMAT_LINES;
    if (bs_source_open(&job->source, paths, n_paths, &source, error))
        return error->code;
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
    if (open_log(job, options, settings, error) ||
        open_answer(job, options, settings, source.max_length, error))
        return error->code;
    return work(job, options, source, error);
}

static int run(const struct bs_options *options, const struct settings *settings,
               struct bs_error *error) {
    struct job job = {.length_given = options->max_length >= 0,
                      .log = settings->follow,
                      .state.lock = -1};
    int code = check_log(options, settings, error);
    if (!code)
        code = bs_labeller_open(&job.labeller, options, error);
    if (!code)
        code = label_all(&job, options, settings, error);
    if (job.result.output)
        code = bs_result_close(&job.result, code, error);
    bs_source_close(job.source);
    bs_follow_free(job.follow);
    log_state_close(&job.state);
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
