/*
 * The token source: from any input to tokens, in order, on many threads.
 *
 * Input is text in any format, tokenized on the way, or token records (msgpack streams
 * of kind "tokens", whose header must name the same tokenizer; JSON lines that have
 * "ids" and no "text"). Records come in blocks:
 *
 *     read     (reader thread)    up to 256 records or 1 MiB, fewer if input pauses or
 *                                 bs_source_read_ahead says so
 *     tokenize (worker threads)   checks, ids; then the tool's `work`, if it has one
 *     take     (calling thread)   the tool's `take`, in input order
 *
 * so that what `take` does, such as labelling, overlaps with the tokenizing of what
 * follows. Order of calls: bs_source_open, bs_source_run once, bs_source_close.
 *
 * A record that cannot be used is told to `rejects` and comes along with `rejected`
 * set, so that a tool can answer it. Damage and other failures end the run after all
 * records before the fault have been taken. After bs_tool_signal, what is ready
 * is read, a block at most, and all that has been read is taken; if it came before the
 * run, nothing is read.
 */
#ifndef BS_FRONT_SOURCE_H
#define BS_FRONT_SOURCE_H

#include "batch/packing.h"
#include "format/reader.h"
#include "format/rejects.h"
#include "front/split.h"
#include "store/model_config.h"
#include "text/tokenizer.h"

/* A record on its way. The source owns it; `take` may exchange its contents for those
 * of another one (a whole-struct swap), to keep it. */
struct bs_token_record {
    struct bs_record record;     /* as read, with what `work` changed */
    struct bs_encoding encoding; /* ids and type_ids, whether read or made; n_tokens and
                                    truncated if made */
    bool made;                   /* tokenized here; else it was a token record */
    bool rejected;               /* `record` may have no fields, `encoding` is empty */
    struct bs_error reason;      /* why */
};

/* A text as a model takes it; borrows the ids. */
struct bs_sequence bs_encoding_sequence(const struct bs_encoding *encoding);

struct bs_token_block {
    struct bs_token_record *records; /* [count]; records of other parts of a split are
                                        not among them */
    size_t count;
    bool pause; /* no more input is ready: answer what is there. count may be 0 */

    struct bs_buffer bytes; /* for `work`, empty before it: its output for the block, */
    uint32_t *sizes;        /* [count], and how much of that is each record's */
};

struct bs_source_options {
    struct bs_reader_options reader;
    const struct bs_tokenizer *tokenizer;
    int64_t max_length; /* 0: no limit; texts only, token records stay as they are */
    enum bs_truncation truncation;
    bool literal_special_tokens;
    bool text_only; /* token records are refused (BS_DATA), unless `overwrite`: then
                       their text is tokenized again */
    const struct bs_model_config *config; /* ids, types and lengths must fit, else the
                                             record is rejected; NULL: not checked */
    const struct bs_split *split;         /* records of its part only; NULL: all */
    char *const *labels;                  /* a label that is not among them rejects the */
    size_t n_labels;                      /* record; 0: any */
    bool needs_label;          /* a record without a label, or one that is no text, is
                                  rejected */
    const char *const *writes; /* names of fields that the tool writes, ending with NULL:
                                  one of them in the input is BS_DATA, unless */
    bool overwrite;            /* they may be replaced */
    double linger; /* seconds that a record may wait for company before a pause */
    int threads;   /* at least 1 */

    struct bs_rejects *rejects; /* borrowed; told of rejected records in input order */
    void *context;
    /* On worker threads; may be NULL. */
    int (*work)(void *context, struct bs_token_block *block, struct bs_error *error);
    /* On the thread that called bs_source_run, in input order. */
    int (*take)(void *context, struct bs_token_block *block, struct bs_error *error);
};

/* What is known of the input once the first block is taken; stays the same after. */
struct bs_source_info {
    enum bs_format format;          /* of the first file */
    bool has_header;                /* it was a msgpack stream, */
    struct bs_stream_header header; /* and this its header */
    char **columns;                 /* of TSV and CSV with a header row */
    size_t n_columns;
};

struct bs_source;

/* `paths` and what `options` points to are borrowed until close; `options` itself is
 * copied. None, or "-", is standard input. */
int bs_source_open(struct bs_source **source, char *const *paths, size_t n_paths,
                   const struct bs_source_options *options,
                   struct bs_error *error) BS_MUST_CHECK;

/* BS_OK when the input has ended or a signal was noted; rejected records do not count
 * as a failure here (see bs_rejects_close). */
int bs_source_run(struct bs_source *source, struct bs_error *error) BS_MUST_CHECK;

/* From now on about `bytes` at most, a record for each block at least, are read ahead of
 * what is taken: whoever takes slowly has less to take after a signal. For `take`, and
 * before the run. */
void bs_source_read_ahead(struct bs_source *source, int64_t bytes);

/* Owned by the source. For `take`, and after the run. */
const struct bs_source_info *bs_source_info(const struct bs_source *source);

/* Bytes read so far and to come (-1: unknown): see bs_reader_position. For `take`. */
int64_t bs_source_position(const struct bs_source *source, int64_t *total);

/* Records taken so far, rejected ones among them; records of other parts are not. */
int64_t bs_source_records(const struct bs_source *source);

void bs_source_close(struct bs_source *source);

/* --max-length, or if it was not given (-1) the smaller of 512 and the model's
 * positions (0: unknown). */
int64_t bs_source_length(int64_t max_length, int64_t max_positions);

/* Moves `fields` (values for `count` names) to the front of a record, in that order,
 * replacing fields of these names. */
int bs_record_put_first(struct bs_record *record, const struct bs_field *fields,
                        size_t count, struct bs_error *error) BS_MUST_CHECK;

#endif
