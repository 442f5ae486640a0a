/* Output, writer and rejects of a tool, opened and closed as one. */
#include "front/result.h"

#include "common/file.h"
#include "front/tool.h"

#include <signal.h>
#include <sys/stat.h>

static volatile sig_atomic_t reader_gone;

static void note_pipe(int number) {
    (void)number;
    reader_gone = 1;
}

static void give_up(struct bs_result *result) {
    bs_writer_free(result->writer);
    bs_output_abandon(result->output);
    bs_rejects_abandon(result->rejects);
    *result = (struct bs_result){0};
}

/* What a stream has been given cannot be taken back, and the rejects belong to it. A
 * failure to keep them is told if nothing worse is. */
static int end_early(struct bs_result *result, int code, struct bs_error *error) {
    struct bs_error failure;
    int kept = BS_OK;
    if (result->streams) {
        kept = bs_rejects_close(result->rejects, &failure);
        result->rejects = NULL;
    }
    give_up(result);
    if (code || !kept)
        return code;
    *error = failure;
    return kept;
}

/* Standard output, a device or a pipe. */
static bool is_stream(const char *path) {
    struct stat there;
    return !path || strcmp(path, "-") == 0 || bs_is_stdout(path) ||
           (stat(path, &there) == 0 && !S_ISREG(there.st_mode));
}

/* What goes to an output that is open, and the rejects. */
static int open_rest(struct bs_result *result, const struct bs_options *options,
                     const struct bs_stream_header *header, bool begins,
                     struct bs_error *error) {
    struct bs_writer_options writer = {.format = options->to,
                                       .header = header,
                                       .header_row =
                                           begins && options->header != BS_HEADER_NO,
                                       .keep_text = !options->drop_text,
                                       .overwrite = options->overwrite};
    if (bs_writer_open(&result->writer, result->output, &writer, error) ||
        bs_rejects_open(&result->rejects, options->rejects, options->strict, error)) {
        give_up(result);
        return error->code;
    }
    return BS_OK;
}

int bs_result_open(struct bs_result *result, const struct bs_options *options,
                   const struct bs_stream_header *header, struct bs_error *error) {
    *result = (struct bs_result){0};
    if (bs_output_open(&result->output, options->output, error) ||
        open_rest(result, options, header, true, error))
        return error->code;
    result->streams = is_stream(options->output);
    if (options->rejects && result->streams)
        signal(SIGPIPE, note_pipe);
    return BS_OK;
}

int bs_result_continue(struct bs_result *result, const struct bs_options *options,
                       const struct bs_stream_header *header, int64_t size,
                       struct bs_error *error) {
    *result = (struct bs_result){0};
    if (bs_output_continue(&result->output, options->output, size, error))
        return error->code;
    return open_rest(result, options, header, size == 0, error);
}

void bs_result_mind_reader(struct bs_result *result) {
    struct bs_error ignored;
    if (!reader_gone)
        return;
    (void)!end_early(result, BS_RESOURCE, &ignored);
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

static int end(struct bs_result *result, int code, struct bs_error *error) {
    if (bs_tool_keeps_output(code)) {
        int ended = bs_writer_finish(result->writer, error);
        code = ended ? ended : code;
    }
    if (!bs_tool_keeps_output(code))
        return end_early(result, code, error);
    bs_writer_free(result->writer);
    struct bs_result done = *result;
    *result = (struct bs_result){0};
    int closed = bs_rejects_close(done.rejects, error);
    if (!bs_tool_keeps_output(closed)) { /* before there is an output */
        bs_output_abandon(done.output);
        return closed;
    }
    struct bs_error failure;
    int committed = bs_output_commit(done.output, &failure);
    if (committed) {
        *error = failure;
        return committed;
    }
    return closed ? closed : code;
}

int bs_result_close(struct bs_result *result, int code, struct bs_error *error) {
    code = end(result, code, error);
    bs_result_mind_reader(result);
    return code;
}
