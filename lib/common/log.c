/* Messages and progress on stderr. */
#include "common/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *tool;
    bool quiet;
    bool verbose;
} settings = {.tool = "bs"};

static atomic_bool line_stands; /* of progress, on the terminal */
static const char clear_line[] = "\r\033[K";

void bs_log_setup(const char *tool, bool quiet, bool verbose) {
    settings.tool = tool;
    settings.quiet = quiet;
    settings.verbose = verbose;
}

const char *bs_log_tool(void) {
    return settings.tool;
}

/* U+0080 to U+009F, one of which is as good as an escape and a bracket. */
static bool is_c1(const char *text) {
    return text[0] == '\xc2' && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] < 0xa0;
}

/* Messages quote names and texts of files: what would steer the terminal is not sent. */
static void disarm(char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
            text[i] = '?';
        else if (i + 1 < size && is_c1(text + i))
            text[i] = text[i + 1] = '?';
}

/* One write a message, so that lines of several processes do not mix. */
static void say(const char *format, va_list args) {
    char line[sizeof((struct bs_error *)0)->text + 1024];
    bool clear = atomic_exchange(&line_stands, false);
    size_t cleared = clear ? sizeof clear_line - 1 : 0;
    memcpy(line, clear_line, cleared);
    int n = (int)cleared +
            snprintf(line + cleared, sizeof line - cleared, "%s: ", settings.tool);
    int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    size_t size = (size_t)n + (m < 0 ? 0 : (size_t)m);
    if (size > sizeof line - 2)
        size = sizeof line - 2;
    disarm(line + cleared, size - cleared);
    line[size++] = '\n';
    fwrite(line, 1, size, stderr);
    fflush(stderr);
}

static void say_this(const char *format, ...) {
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

const char *bs_plural(int64_t count) {
    return count == 1 ? "" : "s";
}

void bs_log_error(const struct bs_error *error) {
    say_this("%s", error->text);
}

void bs_warn(const char *format, ...) {
    if (settings.quiet)
        return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void bs_note(const char *format, ...) {
    if (settings.quiet)
        return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void bs_detail(const char *format, ...) {
    if (!settings.verbose)
        return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

double bs_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void bs_progress_begin(struct bs_progress *progress, const char *what, int64_t total,
                       double interval) {
    double now = bs_seconds();
    *progress = (struct bs_progress){
        .what = what, .total = total, .interval = interval, .began = now, .drawn = now};
}

void bs_progress_show(struct bs_progress *progress, int64_t done, const char *extra) {
    bool terminal = isatty(STDERR_FILENO);
    double now = bs_seconds();
    double wait = terminal ? 1.0 / 6 : progress->interval;
    if (settings.quiet || !progress->what || wait <= 0 || now - progress->drawn < wait)
        return;
    progress->drawn = now;
    double rate = (double)done / (now - progress->began);
    char total[32] = "", left[32] = "";
    if (progress->total > 0)
        snprintf(total, sizeof total, " of %lld", (long long)progress->total);
    if (progress->total > 0 && rate > 0)
        snprintf(left, sizeof left, ", %.0f s left",
                 (double)(progress->total - done) / rate);
    bool one = (progress->total ? progress->total : done) == 1;
    int size = (int)strlen(progress->what) - one;
    fprintf(stderr, "%s%s: %lld%s %.*s, %.1f/s%s%s%s%s", terminal ? "\r" : "",
            settings.tool, (long long)done, total, size, progress->what, rate, left,
            *extra ? ", " : "", extra, terminal ? "\033[K" : "\n");
    fflush(stderr);
    atomic_store(&line_stands, terminal);
}

void bs_progress_end(struct bs_progress *progress) {
    (void)progress;
    if (atomic_exchange(&line_stands, false))
        fputs(clear_line, stderr);
}
