/*
 * Text for people, on stderr: `TOOL: message`, and a progress line.
 *
 * Used by tools and by callbacks they hand down; libraries report through
 * `struct bs_error`, and through `bs_warn` only what the caller cannot be asked about.
 */
#ifndef BS_COMMON_LOG_H
#define BS_COMMON_LOG_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Set once by main: the tool's name, and --quiet or --verbose. */
void bs_log_setup(const char *tool, bool quiet, bool verbose);
const char *bs_log_tool(void);

/* Errors always appear; warnings and notes unless --quiet; details with --verbose. */
void bs_log_error(const struct bs_error *error);
void bs_warn(const char *format, ...) BS_PRINTF(1, 2);
void bs_note(const char *format, ...) BS_PRINTF(1, 2);
void bs_detail(const char *format, ...) BS_PRINTF(1, 2);

/* The ending of a counted noun, "" or "s": bs_note("%d step%s", n, bs_plural(n)). */
const char *bs_plural(int64_t count);

/*
 * Progress: on a terminal a line redrawn at most six times a second; elsewhere one
 * line every `interval` seconds (0: never). `total` 0 means unknown. Messages take the
 * line away; call bs_progress_end before standard output is written to. One that is all
 * zero is not shown: for a tool whose records go to the terminal.
 */
struct bs_progress {
    const char *what; /* "texts", "steps": one of them loses the s */
    int64_t total;
    double interval;
    double began;
    double drawn;
};
void bs_progress_begin(struct bs_progress *progress, const char *what, int64_t total,
                       double interval);
void bs_progress_show(struct bs_progress *progress, int64_t done, const char *extra);
void bs_progress_end(struct bs_progress *progress);

/* Seconds of a clock that never goes back. */
double bs_seconds(void);

#endif
