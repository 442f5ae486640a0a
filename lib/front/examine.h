/* One record of a token source: is it usable, and what are its ids. Used by source.c. */
#ifndef BS_FRONT_EXAMINE_H
#define BS_FRONT_EXAMINE_H

#include "front/source.h"

/*
 * Fills record->encoding. `record->made` says on entry whether the record is text (a
 * token stream's records are not); JSON lines with "ids" and no "text" become token
 * records here.
 *   BS_OK    go on; the record may have become rejected, with its reason;
 *   BS_END   it belongs to another part of the split;
 *   else     a failure.
 */
int bs_examine(const struct bs_source_options *options,
               struct bs_tokenizer_worker *worker, struct bs_token_record *record,
               struct bs_error *error) BS_MUST_CHECK;

#endif
