/*
 * JSON text (RFC 8259), looked at where it stands: a scanner that checks one value and
 * finds its end, the decoding of strings, and writing. Nothing is rewritten that need
 * not be, so numbers, escapes and duplicate keys pass through as they are.
 */
#ifndef BS_FORMAT_JSON_H
#define BS_FORMAT_JSON_H

#include "common/buffer.h"

enum { BS_JSON_DEPTH = 64 };

struct bs_json {
    const char *at, *end; /* the text not looked at yet */
    const char *why;      /* after a failure: what is wrong at `at` */
};

/* Skips blanks (RFC 8259: space, TAB, LF, CR). */
void bs_json_skip_blank(struct bs_json *json);

/* Skips blanks, then `byte` if it comes next; else false and nothing more. */
bool bs_json_take(struct bs_json *json, char byte);

/* Skips blanks and one value and gives its text; false with `why` if it is not valid or
 * nests deeper than `depth`, at most BS_JSON_DEPTH. Needs no memory. */
bool bs_json_skip(struct bs_json *json, int depth, struct bs_span *value) BS_MUST_CHECK;

/* The same for a string, quotes included. */
bool bs_json_skip_string(struct bs_json *json, struct bs_span *string) BS_MUST_CHECK;

/* Whether a valid string holds escapes; without them its bytes are those between the
 * quotes. */
bool bs_json_has_escapes(struct bs_span string);

/* Decodes a valid string (quotes included) to at most string.size bytes at `to`;
 * returns their number. A surrogate without its other half becomes U+FFFD and sets
 * `lossy`, unless that is NULL. */
size_t bs_json_decode(struct bs_span string, char *to, bool *lossy);

/* Appends a string with quotes, escaping what JSON demands. Invalid UTF-8 is left. */
bool bs_json_put_string(struct bs_buffer *buffer, struct bs_span text) BS_MUST_CHECK;

/* Appends the shortest decimal text of a number; null if it is not finite. */
bool bs_json_put_real(struct bs_buffer *buffer, double value) BS_MUST_CHECK;

#endif
