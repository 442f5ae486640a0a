/*
 * What a tool that turns records into records leaves behind: an output, the records
 * written to it, and the rejected ones. They are opened together, and together kept or
 * given up: see design of exit statuses in common/error.h. What was written to a stream
 * stays, however the tool ends, and so do the rejects that belong to it.
 */
#ifndef BS_FRONT_RESULT_H
#define BS_FRONT_RESULT_H

#include "format/rejects.h"
#include "format/writer.h"
#include "front/options.h"

struct bs_result {
    struct bs_output *output;
    struct bs_writer *writer;
    struct bs_rejects *rejects;
    bool streams; /* the output is standard output, a device or a pipe */
};

/* Opens -o, -t and --rejects as `options` say; `header` is for msgpack. On failure
 * nothing is left open. With --rejects and a stream SIGPIPE no longer ends the process at
 * once: see bs_result_mind_reader. */
int bs_result_open(struct bs_result *result, const struct bs_options *options,
                   const struct bs_stream_header *header,
                   struct bs_error *error) BS_MUST_CHECK;

/* The same with -o as a file that is written in place behind its first `size` bytes (see
 * bs_output_continue), with a header row only at its beginning. */
int bs_result_continue(struct bs_result *result, const struct bs_options *options,
                       const struct bs_stream_header *header, int64_t size,
                       struct bs_error *error) BS_MUST_CHECK;

/* Ends the process by SIGPIPE, once the rejects are kept, if the reader of a stream has
 * gone. To be called when something has been written. */
void bs_result_mind_reader(struct bs_result *result);

/*
 * Ends what bs_result_open began. `code` says how the work went, with `error` if it
 * failed. Ends the stream and keeps the files if the work is whole
 * (bs_tool_keeps_output); else a named file leaves no trace, nor do its rejects, and a
 * stream has no end, but its rejects so far are kept. Returns `code`, or BS_REJECTED if
 * records were rejected, or the failure of closing.
 */
int bs_result_close(struct bs_result *result, int code,
                    struct bs_error *error) BS_MUST_CHECK;

#endif
