/* Following, the state and the output, brought together. */
#include "tagging.h"

#include "common/file.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

/* -o, if it is a file. */
static const char *output_file(const struct bs_options *options) {
    bool named = options->output && strcmp(options->output, "-") != 0;
    return named ? options->output : NULL;
}

static bool makes_rows(const struct bs_options *options) {
    return options->from == BS_FORMAT_JSONL && options->to != BS_FORMAT_JSONL;
}

/* Of the state, what its replacement and its lock are called as well. */
static int check_files(const struct tagging *tagging, const char *output,
                       struct bs_error *error) {
    const char *state = tagging->state_path;
    char fresh[PATH_MAX], lock[PATH_MAX];
    snprintf(fresh, sizeof fresh, "%s.new", state ? state : "");
    snprintf(lock, sizeof lock, "%s.lock", state ? state : "");
    const struct {
        const char *name, *path;
    } files[] = {{"--follow", tagging->log},
                 {"--state", state},
                 {"--state", state ? fresh : NULL},
                 {"--state", state ? lock : NULL},
                 {"-o", output}};
    if (!output && bs_is_stdout(tagging->log))
        return bs_fail(error, BS_USAGE, "%s is input and output", tagging->log);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            if (files[i].path && files[k].path &&
                bs_is_same_file(files[i].path, files[k].path))
                return bs_fail(error, BS_USAGE, "%s and %s are one file, %s",
                               files[k].name, files[i].name, files[i].path);
    return BS_OK;
}

int tagging_check(const struct tagging *tagging, const struct bs_options *options,
                  struct bs_error *error) {
    if (tagging->state_path && !tagging->log)
        return bs_fail(error, BS_USAGE, "--state is for --follow");
    if (!tagging->log)
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
    if (tagging->state_path && makes_rows(options) && options->header == BS_HEADER_NO)
        return bs_fail(error, BS_USAGE,
                       "--state needs the header row, since JSON lines need not tell the "
                       "same columns when it goes on; leave out --header no, or write -t "
                       "jsonl");
    if (bs_options_check_output(options, "--state", tagging->state_path, error))
        return error->code;
    return check_files(tagging, output_file(options), error);
}

static int check_output(const struct log_state *state, const char *output,
                        struct bs_error *error) {
    struct stat there;
    if (!output || stat(output, &there))
        return BS_OK;
    if (!S_ISREG(there.st_mode))
        return bs_fail(
            error, BS_USAGE,
            "%s: is no regular file, and --follow goes on in no other; leave out "
            "-o to write to standard output, or name a file",
            output);
    if (there.st_size == 0)
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

/* The options that rows depend on, as they are given. */
static void describe_rows(const struct tagging *tagging, const struct bs_options *options,
                          char rows[LOG_ROWS]) {
    bool jsonl = options->from == BS_FORMAT_JSONL;
    snprintf(rows, LOG_ROWS, "-f %s -t %s%s%s", jsonl ? "jsonl" : "lines",
             bs_format_name(options->to),
             tagging->probabilities ? " --probabilities" : "",
             options->drop_text ? " --drop text" : "");
}

static int check_rows(const struct tagging *tagging, const struct bs_options *options,
                      struct bs_error *error) {
    const struct log_state *state = &tagging->state;
    char rows[LOG_ROWS];
    describe_rows(tagging, options, rows);
    if (!output_file(options) || state->output <= 0 || !*state->rows ||
        strcmp(rows, state->rows) == 0)
        return BS_OK;
    return bs_fail(
        error, BS_USAGE,
        "%s: was begun with %s, and would go on with %s; give the same options "
        "as before, or another -o and --state",
        options->output, state->rows, rows);
}

int tagging_open(struct tagging *tagging, const struct bs_options *options,
                 struct bs_error *error) {
    struct log_state *state = &tagging->state;
    if (!tagging->log)
        return BS_OK;
    if (tagging->state_path && log_state_open(state, tagging->state_path, error))
        return error->code;
    if (check_output(state, output_file(options), error) ||
        check_rows(tagging, options, error))
        return error->code;
    describe_rows(tagging, options, state->rows);
    tagging->output = (char *)output_file(options);
    if (bs_follow_new(&tagging->follow, tagging->log,
                      state->is_there ? &state->place : NULL, error))
        return error->code;
    state->place = *bs_follow_first(tagging->follow);
    return BS_OK;
}

int tagging_open_result(struct tagging *tagging, const struct bs_options *options,
                        const struct bs_stream_header *header, struct bs_result *result,
                        struct bs_error *error) {
    struct log_state *state = &tagging->state;
    struct stat there;
    tagging->result = result;
    if (!tagging->log || !output_file(options)) {
        state->output = -1;
        int code = bs_result_open(result, options, header, error);
        return code || !state->path || state->is_there ? code
                                                       : log_state_write(state, error);
    }
    bool is_known = state->is_there && state->output >= 0;
    if (!is_known)
        state->output = 0;
    if (bs_result_continue(result, options, header, state->output, error))
        return error->code;
    if (stat(options->output, &there))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open", options->output);
    is_known = is_known && state->output_inode == (uint64_t)there.st_ino;
    state->output_inode = (uint64_t)there.st_ino;
    return state->path && !is_known ? log_state_write(state, error) : BS_OK;
}

int tagging_open_rows(const struct tagging *tagging, const struct bs_options *options,
                      struct bs_reader **rows, struct bs_error *error) {
    struct bs_reader_options reading = {
        .format = options->to, .header = BS_HEADER_YES, .required = BS_FIELD_PREDICTED};
    *rows = NULL;
    if (!tagging->output || !makes_rows(options) || tagging->state.output <= 0)
        return BS_OK;
    return bs_reader_open(rows, &tagging->output, 1, &reading, error);
}

int tagging_written(void *context, const struct bs_record *last, struct bs_error *error) {
    struct tagging *tagging = context;
    struct log_state *state = &tagging->state;
    bool is_file = state->output >= 0;
    int code = is_file ? bs_output_sync(tagging->result->output, &state->output, error)
                       : bs_writer_flush(tagging->result->writer, error);
    if (code || !state->path)
        return code;
    bs_follow_locate(tagging->follow, last->end, last->number, last->line_bytes,
                     last->raw, &state->place);
    return log_state_write(state, error);
}

void tagging_close(struct tagging *tagging) {
    bs_follow_free(tagging->follow);
    log_state_close(&tagging->state);
}
