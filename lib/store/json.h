/*
 * JSON inside the store: strict reading through jansson (duplicate keys refused), and
 * the few typed lookups that model files need.
 */
#ifndef BS_STORE_JSON_H
#define BS_STORE_JSON_H

#include "common/buffer.h"

#include <jansson.h>

/* Parses a JSON object. `what` names it in messages (BS_DATA). The caller decrefs. */
int bs_json_object(json_t **object, struct bs_span text, const char *what,
                   struct bs_error *error) BS_MUST_CHECK;

/* The same, but whole numbers become reals: tokenizer_config.json often says that there
 * is no longest text with the number 1000000000000000019884624838656. */
int bs_json_object_as_reals(json_t **object, struct bs_span text, const char *what,
                            struct bs_error *error) BS_MUST_CHECK;

/* A string value as a span that lives as long as the value; data NULL if `value` is
 * not a string. */
struct bs_span bs_json_span(const json_t *value);

/* True if `value` is exactly this string. */
bool bs_json_is(const json_t *value, const char *string);

#endif
