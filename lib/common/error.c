/* Recording a failure: code and text, cut to what fits. */
#undef __clang_analyzer__ /* the definitions, not their stand-ins */
#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void write_text(struct bs_error *error, const char *format, va_list args) {
    if (vsnprintf(error->text, sizeof error->text, format, args) < 0)
        error->text[0] = '\0';
}

int bs_fail(struct bs_error *error, enum bs_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    write_text(error, format, args);
    va_end(args);
    error->code = code;
    return code;
}

static enum bs_code code_of_errno(int number, enum bs_code code) {
    switch (number) {
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EROFS:
    case EMFILE:
    case ENFILE:
        return BS_RESOURCE;
    case EINTR:
        return BS_INTERRUPTED;
    default:
        return code;
    }
}

int bs_fail_errno(struct bs_error *error, enum bs_code code, const char *format, ...) {
    int number = errno;
    va_list args;
    va_start(args, format);
    write_text(error, format, args);
    va_end(args);
    size_t used = strlen(error->text);
    snprintf(error->text + used, sizeof error->text - used, ": %s", strerror(number));
    error->code = code_of_errno(number, code);
    return error->code;
}

int bs_fail_memory(struct bs_error *error, unsigned long long bytes, const char *what) {
    return bs_fail(error, BS_RESOURCE, "out of memory (wanted %llu bytes for %s)", bytes,
                   what);
}

int bs_error_prefix(struct bs_error *error, const char *format, ...) {
    char text[sizeof error->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof text) {
        snprintf(text + n, sizeof text - (size_t)n, "%.*s", (int)(sizeof text) - n - 1,
                 error->text);
        memcpy(error->text, text, sizeof text);
    }
    return error->code;
}
