/* What the targets share that make tokenizers. */
#ifndef BS_TESTS_FUZZ_TOKENS_H
#define BS_TESTS_FUZZ_TOKENS_H

#include "fuzz/fuzz.h"

#include "store/tokenizer_files.h"

/* A tokenizer out of a model's files, if they make one, and the ids of a text. */
void fuzz_tokenizer(const struct bs_span files[BS_TOKENIZER_FILES], struct bs_span text);

/* Encodes a text, and the two parts of it, in every way; the second time, from the
 * worker's cache, ids must be the same. */
void fuzz_encode(struct bs_tokenizer_worker *worker, struct bs_span text);

#endif
