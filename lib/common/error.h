/*
 * Errors: what a library function returns, and the text that says why.
 *
 * Every function under lib/ that can fail returns an `int` that is an
 * `enum bs_code`: BS_OK (0) or the exit status that a tool should end with. The
 * reason is written to the caller's `struct bs_error`, which is never NULL.
 * Nothing under lib/ exits or prints: the tool decides.
 *
 *     if (bs_file_read(path, &bytes, error))
 *         return error->code;
 *
 * A message names the thing and the remedy, without the tool's name and without a
 * final newline: `train.msgpack: record 1291: field "ids" is missing`.
 */
#ifndef BS_COMMON_ERROR_H
#define BS_COMMON_ERROR_H

#include <limits.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The exit statuses of all tools; the only place where they are listed. */
enum bs_code {
    BS_INTERRUPTED = -2, /* not a status: a signal met a call that waits (EINTR) */
    BS_END = -1,         /* not a status: there is nothing more to read */
    BS_OK = 0,           /* done */
    BS_NEGATIVE = 1,     /* a verdict that was asked for is negative */
    BS_USAGE = 2,        /* wrong command line */
    BS_REJECTED = 3,     /* done, but some records were rejected */
    BS_DATA = 4,         /* bad model, stream or data, or an input that cannot be read */
    BS_RESOURCE = 5,     /* no space or memory, or an output that cannot be written */
    BS_DEVICE = 6,       /* a compute device failed, or a value was not finite */
};

struct bs_error {
    enum bs_code code;
    char text[PATH_MAX + 1024]; /* a path never crowds out what is the matter */
};

#define BS_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define BS_MUST_CHECK          __attribute__((warn_unused_result))

/* Records a failure and returns `code`, so that `return bs_fail(...)` reads well. */
int bs_fail(struct bs_error *error, enum bs_code code, const char *format, ...)
    BS_PRINTF(3, 4) __attribute__((cold));

/* The same with ": strerror(errno)" behind the text. ENOMEM, ENOSPC, EDQUOT,
 * EFBIG, EROFS, EMFILE and ENFILE become BS_RESOURCE whatever `code` says, EINTR becomes
 * BS_INTERRUPTED. */
int bs_fail_errno(struct bs_error *error, enum bs_code code, const char *format, ...)
    BS_PRINTF(3, 4) __attribute__((cold));

/* "out of memory (wanted N bytes for WHAT)", BS_RESOURCE. */
int bs_fail_memory(struct bs_error *error, unsigned long long bytes, const char *what)
    __attribute__((cold));

/* Puts context in front of the text: bs_error_prefix(error, "%s: ", path). Returns
 * the code that the error already has. */
int bs_error_prefix(struct bs_error *error, const char *format, ...) BS_PRINTF(2, 3)
    __attribute__((cold));

/* Tells the analyzer what it cannot see: a failure is never BS_OK. */
#ifdef __clang_analyzer__
#define bs_fail(error, code, ...)       (bs_fail(error, code, __VA_ARGS__), BS_DATA)
#define bs_fail_errno(error, code, ...) (bs_fail_errno(error, code, __VA_ARGS__), BS_DATA)
#define bs_fail_memory(...)             (bs_fail_memory(__VA_ARGS__), BS_RESOURCE)
#endif

#ifdef __cplusplus
}
#endif

#endif
