/*
 * UTF-8: validity as Unicode and Python's decoder see it (maximal invalid subparts).
 */
#ifndef BS_COMMON_UTF8_H
#define BS_COMMON_UTF8_H

#include "common/buffer.h"

bool bs_utf8_valid(struct bs_span text);

/* Decodes one code point at `text` (at least one byte), sets its size in bytes, and
 * returns it, or -1 for a maximal invalid subpart. */
int32_t bs_utf8_next(const char *text, size_t size, size_t *used);

/* Appends `text` with each maximal invalid subpart as U+FFFD. */
bool bs_utf8_repair(struct bs_buffer *buffer, struct bs_span text) BS_MUST_CHECK;

#endif
