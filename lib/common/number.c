/* Strict number parsing. */
#include "common/number.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No blanks, hexadecimal digits, "inf" or "nan", which the C library would take. */
static bool looks_like_number(const char *text) {
    size_t sign = *text == '-' || *text == '+';
    bool begins = text[sign] == '.' || (text[sign] >= '0' && text[sign] <= '9');
    return begins && strpbrk(text, "xX") == NULL;
}

static int fail_integer(const char *text, const char *what, int64_t min, int64_t max,
                        struct bs_error *error) {
    return bs_fail(error, BS_USAGE,
                   "%s must be a whole number from %" PRId64 " to %" PRId64
                   ", not \"%.100s\"",
                   what, min, max, text);
}

int bs_parse_integer(const char *text, const char *what, int64_t min, int64_t max,
                     int64_t *value, struct bs_error *error) {
    char *end = NULL;
    errno = 0;
    long long number = looks_like_number(text) ? strtoll(text, &end, 10) : 0;
    if (!end || errno || *end || number < min || number > max)
        return fail_integer(text, what, min, max, error);
    *value = number;
    return BS_OK;
}

int bs_parse_real(const char *text, const char *what, double min, double max,
                  double *value, struct bs_error *error) {
    char *end = NULL;
    double number = looks_like_number(text) ? strtod(text, &end) : NAN;
    if (!end || !isfinite(number) || *end || number < min || number > max)
        return bs_fail(error, BS_USAGE,
                       "%s must be a number from %g to %g, not \"%.100s\"", what, min,
                       max, text);
    *value = number;
    return BS_OK;
}

int bs_parse_size(const char *text, const char *what, int64_t min, int64_t max,
                  int64_t *value, struct bs_error *error) {
    static const char units[] = "KMGT";
    char *end = NULL;
    errno = 0;
    long long number = looks_like_number(text) ? strtoll(text, &end, 10) : 0;
    if (!end || errno)
        return fail_integer(text, what, min, max, error);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (*end && (!unit || end[1]))
        return fail_integer(text, what, min, max, error);
    int64_t scaled = number;
    int64_t factor = unit ? (int64_t)1 << (10 * (unit - units + 1)) : 1;
    if (__builtin_mul_overflow(scaled, factor, &scaled) || scaled < min || scaled > max)
        return fail_integer(text, what, min, max, error);
    *value = scaled;
    return BS_OK;
}

void bs_format_real(double value, char text[32]) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, 32, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}
