/*
 * Tests that print TAP. A test program is a list of `check`s between tap_begin and
 * tap_end; it exits 1 if any failed.
 *
 *     int main(void) {
 *         check(1 + 1 == 2, "adds");
 *         return tap_end();
 *     }
 */
#ifndef BS_TESTS_TAP_H
#define BS_TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>

static int tap_count, tap_failures;

__attribute__((format(printf, 2, 3), unused)) static int check(int ok, const char *format,
                                                               ...) {
    va_list args;
    printf("%s %d - ", ok ? "ok" : "not ok", ++tap_count);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    tap_failures += !ok;
    return ok;
}

__attribute__((format(printf, 1, 2), unused)) static void skip(const char *format, ...) {
    va_list args;
    printf("ok %d # SKIP ", ++tap_count);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

__attribute__((unused)) static int tap_end(void) {
    printf("1..%d\n", tap_count);
    return tap_failures ? 1 : 0;
}

#endif
