/*
 * Numbers from text, strictly: the whole text is one number within a range, or it is
 * an error whose message says what was wanted. No leading blanks, no locale.
 */
#ifndef BS_COMMON_NUMBER_H
#define BS_COMMON_NUMBER_H

#include "common/error.h"

#include <stddef.h>
#include <stdint.h>

/* BS_USAGE with `WHAT must be a whole number from MIN to MAX, not "TEXT"`. */
int bs_parse_integer(const char *text, const char *what, int64_t min, int64_t max,
                     int64_t *value, struct bs_error *error) BS_MUST_CHECK;

/* Finite numbers only; likewise. */
int bs_parse_real(const char *text, const char *what, double min, double max,
                  double *value, struct bs_error *error) BS_MUST_CHECK;

/* Bytes: a whole number, optionally followed by K, M, G or T (powers of 1,024). */
int bs_parse_size(const char *text, const char *what, int64_t min, int64_t max,
                  int64_t *value, struct bs_error *error) BS_MUST_CHECK;

/* The shortest text that reads back as the same double ("0.1"); `text` holds 32. */
void bs_format_real(double value, char text[32]);

#endif
