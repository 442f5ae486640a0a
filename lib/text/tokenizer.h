/*
 * WordPiece tokenization: text to ids, the same ids as the reference implementation
 * (Hugging Face tokenizers, BertTokenizerFast) for any bytes.
 *
 * A tokenizer is made once and then only read; each thread works through a
 * bs_tokenizer_worker of its own, which holds its caches and scratch memory.
 */
#ifndef BS_TEXT_TOKENIZER_H
#define BS_TEXT_TOKENIZER_H

#include "common/buffer.h"
#include "common/ids.h"

struct bs_added_token {
    struct bs_span content;
    int32_t id;
    bool special;
    bool lstrip, rstrip, single_word, normalized;
};

/* All that changes ids. Whoever reads model files fills it; spans are borrowed while
 * bs_tokenizer_new runs and copied by it. */
struct bs_tokenizer_settings {
    struct bs_span *vocabulary; /* token by id; an unused id has data NULL */
    size_t vocabulary_size;
    struct bs_added_token *added;
    size_t n_added;
    struct bs_span continuing_prefix; /* "##" */
    int max_input_chars_per_word;     /* 100 */
    bool clean_text;
    bool handle_chinese_chars;
    bool strip_accents; /* already resolved: null means the same as lowercase */
    bool lowercase;
    int32_t unk_id, cls_id, sep_id, pad_id, mask_id; /* -1: none (pad and mask only) */
};

struct bs_tokenizer;
struct bs_tokenizer_worker;

int bs_tokenizer_new(struct bs_tokenizer **tokenizer,
                     const struct bs_tokenizer_settings *settings,
                     struct bs_error *error) BS_MUST_CHECK;
void bs_tokenizer_free(struct bs_tokenizer *tokenizer);

/* SHA-256 over vocabulary, special tokens and every setting that changes ids, as
 * hexadecimal digits. */
const char *bs_tokenizer_digest(const struct bs_tokenizer *tokenizer);
size_t bs_tokenizer_vocabulary_size(const struct bs_tokenizer *tokenizer);

/* `literal_special_tokens`: added special tokens in the text are plain text. */
int bs_tokenizer_worker_new(struct bs_tokenizer_worker **worker,
                            const struct bs_tokenizer *tokenizer,
                            bool literal_special_tokens,
                            struct bs_error *error) BS_MUST_CHECK;
void bs_tokenizer_worker_free(struct bs_tokenizer_worker *worker);

/* Appends the ids of `text`, without [CLS] and [SEP]. Invalid UTF-8 is what Python's
 * errors="replace" makes of it: each maximal invalid part becomes U+FFFD, which the
 * clean stage drops. */
int bs_tokenize(struct bs_tokenizer_worker *worker, struct bs_span text,
                struct bs_ids *pieces, struct bs_error *error) BS_MUST_CHECK;

enum bs_truncation {
    BS_TRUNCATE_HEAD,      /* keep the first pieces, as the reference does */
    BS_TRUNCATE_TAIL,      /* keep the last */
    BS_TRUNCATE_HEAD_TAIL, /* keep the first quarter and the last three quarters */
};

struct bs_encoding {
    struct bs_ids ids;      /* [CLS] a [SEP], or [CLS] a [SEP] b [SEP] */
    struct bs_ids type_ids; /* only for pairs; else empty */
    int64_t n_tokens;       /* before truncation, [CLS] and [SEP] counted */
    bool truncated;
};
void bs_encoding_free(struct bs_encoding *encoding);

/* Tokenizes, truncates to `max_length` (0: no limit; else at least 2, 3 for pairs)
 * and frames one text or, if `pair` is not NULL, two (longest first, as the
 * reference). `encoding` is overwritten. */
int bs_encode(struct bs_tokenizer_worker *worker, struct bs_span text,
              const struct bs_span *pair, int64_t max_length,
              enum bs_truncation truncation, struct bs_encoding *encoding,
              struct bs_error *error) BS_MUST_CHECK;

#endif
