/*
 * Tagging a log that grows (--follow): what of it has been answered (--state), and an
 * output that goes on where that says.
 *
 * Order of calls: tagging_check, tagging_open, tagging_open_result, then tagging_written
 * for each batch of answers; tagging_close in any case.
 */
#ifndef BS_PREDICT_TAGGING_H
#define BS_PREDICT_TAGGING_H

#include "front/result.h"
#include "log_state.h"

struct tagging {
    char *log;                /* its path; NULL: no log is followed */
    char *output;             /* the path of a file that gets the answers, or NULL */
    bool probabilities;       /* are among the columns */
    const char *state_path;   /* NULL: how far it got is not kept */
    struct bs_follow *follow; /* of the log */
    struct log_state state;
    struct bs_result *result; /* borrowed */
};

/* BS_USAGE if options do not go together. */
int tagging_check(const struct tagging *tagging, const struct bs_options *options,
                  struct bs_error *error) BS_MUST_CHECK;

/* Nothing, where no log is followed. BS_USAGE where the output is not what the state is
 * about, for what is behind the state will be cut off, or has rows of another kind. */
int tagging_open(struct tagging *tagging, const struct bs_options *options,
                 struct bs_error *error) BS_MUST_CHECK;

/* Opens `result`, which stays the caller's; a file goes on behind the last answer. */
int tagging_open_result(struct tagging *tagging, const struct bs_options *options,
                        const struct bs_stream_header *header, struct bs_result *result,
                        struct bs_error *error) BS_MUST_CHECK;

/* A reader of the output, if it goes on and JSON lines become its rows: those begun now
 * need not tell the same columns. NULL: there is none. */
int tagging_open_rows(const struct tagging *tagging, const struct bs_options *options,
                      struct bs_reader **rows, struct bs_error *error) BS_MUST_CHECK;

/* All answers up to `last` are written: puts them onto the disk, and then how far it
 * got. `context`: struct tagging. */
int tagging_written(void *context, const struct bs_record *last,
                    struct bs_error *error) BS_MUST_CHECK;

void tagging_close(struct tagging *tagging);

#endif
