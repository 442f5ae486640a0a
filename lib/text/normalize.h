/*
 * Stages clean, CJK, accents and lower case of WordPiece, as the reference's
 * BertNormalizer runs them. A normalizer is scratch memory of one thread; all-zero
 * with its settings filled in is valid; freed with bs_normalizer_free.
 */
#ifndef BS_TEXT_NORMALIZE_H
#define BS_TEXT_NORMALIZE_H

#include "common/buffer.h"

struct bs_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
    struct bs_buffer text; /* output, UTF-8 */
    /* Marks that survive, since the last starter, waiting to be put in canonical order:
     * combining class << 24 | code point. */
    uint32_t *marks;
    size_t n_marks, marks_capacity;
};

/* Puts the normalized form of `text`, valid UTF-8, into normalizer->text; false without
 * memory. Any stretch between ASCII white space can be normalized on its own. */
bool bs_normalize(struct bs_normalizer *normalizer, struct bs_span text) BS_MUST_CHECK;

void bs_normalizer_free(struct bs_normalizer *normalizer);

#endif
