/*
 * How every tool starts and ends.
 *
 *     int main(int argc, char **argv) {
 *         struct bs_options options;
 *         struct bs_error error = {0};
 *         bs_tool_start();
 *         bs_options_parse(&command, argc, argv, &options, &settings);
 *         int code = run(&options, &settings, &error);
 *         bs_options_free(&options);
 *         return bs_tool_end(code, &error);
 *     }
 *
 * Output goes through `struct bs_output`, whose commit closes standard output and fails
 * if that fails; what goes through stdio (--help) is checked when the process exits.
 */
#ifndef BS_FRONT_TOOL_H
#define BS_FRONT_TOOL_H

#include "common/error.h"

#include <stdbool.h>

/* First in main. Descriptors 0 to 2 that are closed become ones that fail, so that no
 * file of ours is taken for them; SIGPIPE ends the process, as is the custom, SIGXFSZ
 * does not: the write fails. */
void bs_tool_start(void);

/*
 * From now on the first SIGINT, SIGTERM or SIGHUP is only noted, for bs_tool_signal;
 * the next ends the process at once. A signal that was ignored at the start (nohup)
 * stays ignored. A call that waits (for input, for the other end of a pipe) returns
 * EINTR, which becomes BS_INTERRUPTED, in the thread that hears: the main thread, but
 * while a token source runs and nothing is taken from it its reader.
 */
void bs_tool_catch_signals(void);

/* Blocks the three signals in the calling thread, and lets them through. Threads of
 * common/team.h begin with them blocked. */
void bs_tool_mute_signals(void);
void bs_tool_hear_signals(void);

/* The signal that was noted, or 0. */
int bs_tool_signal(void);

/*
 * Last in main: says the error on stderr if `code` is a failure, and returns the exit
 * status: 128 + N if a signal was noted and nothing worse happened (BS_INTERRUPTED is
 * the signal's doing), else `code`.
 */
int bs_tool_end(int code, const struct bs_error *error) BS_MUST_CHECK;

/* Whether an output that was asked for by name is to appear: with status 0, 1 and 3,
 * and never after a signal. */
bool bs_tool_keeps_output(int code);

#endif
