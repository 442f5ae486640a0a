/* The token source: a pipeline of blocks around a reader. What single records need is
 * in examine.c. */
#include "front/source.h"

#include "common/log.h"
#include "common/team.h"
#include "front/examine.h"
#include "front/tool.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { BLOCK_RECORDS = 256, BLOCK_BYTES = 1 << 20, KEPT_BYTES = 1 << 18 };

/* The reader is woken by signals; this bounds the wait if one slips in just before, or
 * if another thread has failed. */
static const double signal_wait = 0.5;

struct bs_source {
    struct bs_source_options options;
    const char *first_path;
    struct bs_reader *reader;
    struct bs_tokenizer_worker **workers; /* [threads] */
    struct bs_token_block *blocks;        /* [n_blocks] */
    void **jobs;                          /* [n_blocks], pointers to them */
    size_t n_blocks;

    /* Of the reader thread. */
    bool listening, looked, ended;
    int failed; /* a failure to be returned when the block before it is on its way */
    struct bs_error failure;
    bool unanswered; /* records were handed on since the last pause */
    double since;    /* when the first of them, or of the block at hand, came */
    struct bs_source_info info; /* written before the first block is handed on */

    atomic_bool given_up; /* a worker or the taker has failed: nothing need be read */
    atomic_int_fast64_t position, total; /* bytes, for progress */
    atomic_int_fast64_t n_read;          /* blocks */
    atomic_size_t block_bytes;           /* how many fill one */
    int64_t n_taken, n_records;          /* of the calling thread */
};

/* ---- reading -------------------------------------------------------------------- */

enum verdict { READ, PAUSE, STOP };

/* Waits for input; a block at hand, or records handed on without a pause, wait no
 * longer than `linger`. */
static enum verdict await_input(struct bs_source *source, bool at_hand) {
    for (;;) {
        if (bs_tool_signal() || atomic_load(&source->given_up))
            return STOP;
        if (bs_reader_ready(source->reader))
            return READ;
        double wait = signal_wait;
        if (at_hand || source->unanswered) {
            double left = source->options.linger - (bs_seconds() - source->since);
            if (left <= 0)
                return PAUSE;
            wait = left < wait ? left : wait;
        }
        bs_reader_wait(source->reader, wait);
    }
}

static int copy_columns(struct bs_source *source, struct bs_error *error) {
    const struct bs_span *names = NULL;
    size_t count = bs_reader_columns(source->reader, &names);
    if (count == 0)
        return BS_OK;
    struct bs_source_info *info = &source->info;
    info->columns = bs_alloc(count, sizeof *info->columns);
    for (size_t i = 0; info->columns && i < count; i++) {
        if (!names[i].data) /* it is left out */
            continue;
        if (!(info->columns[info->n_columns] = bs_span_string(names[i])))
            return bs_fail_memory(error, names[i].size, "columns");
        info->n_columns++;
    }
    return info->columns ? BS_OK : bs_fail_memory(error, count, "columns");
}

/* After the first call of bs_reader_next, whatever it said. */
static int look_at_input(struct bs_source *source, struct bs_error *error) {
    if (source->looked)
        return BS_OK;
    source->looked = true;
    source->info.format = bs_reader_format(source->reader);
    const struct bs_stream_header *header = bs_reader_header(source->reader);
    if (header && bs_stream_header_copy(&source->info.header, header, error))
        return error->code;
    source->info.has_header = header != NULL;
    return copy_columns(source, error);
}

/* Of the file being read; NULL if it is no msgpack stream. */
static const struct bs_stream_header *current_header(const struct bs_source *source) {
    return bs_reader_format(source->reader) == BS_FORMAT_MSGPACK
               ? bs_reader_header(source->reader)
               : NULL;
}

/* A stream must hold tokens, made with our vocabulary. */
static int check_header(const struct bs_source *source, const char *file,
                        struct bs_error *error) {
    const struct bs_stream_header *header = current_header(source);
    if (!header)
        return BS_OK;
    if (!file)
        file = source->first_path;
    if (header->kind != BS_STREAM_TOKENS)
        return bs_fail(error, BS_DATA,
                       "%s: a stream of predictions where text or tokens are expected; "
                       "bs-eval without --model reads those",
                       file);
    const char *digest = bs_tokenizer_digest(source->options.tokenizer);
    if (source->options.text_only || strcmp(header->tokenizer, digest) == 0)
        return BS_OK;
    return bs_fail(error, BS_DATA,
                   "%s: made with another vocabulary (%.12s, the model has %.12s); "
                   "tokenize the texts again with bs-tokenize -m of this model",
                   file, header->tokenizer, digest);
}

/* Fields that the tool writes must not be there already. */
static int check_names(const struct bs_source_options *options,
                       const struct bs_record *record, struct bs_error *error) {
    if (options->overwrite || !options->writes)
        return BS_OK;
    for (const char *const *name = options->writes; *name; name++)
        if (bs_record_find(record, *name))
            return bs_fail(
                error, BS_DATA,
                "%s: %s %lld: field \"%s\" is one that %s writes; rename it, or "
                "replace it with --overwrite",
                record->file, record->unit ? record->unit : "record",
                (long long)record->number, *name, bs_log_tool());
    return BS_OK;
}

/* BS_OK: a record, perhaps rejected; BS_END; or a failure. */
static int read_record(struct bs_source *source, struct bs_token_record *record,
                       struct bs_error *error) {
    int code = bs_reader_next(source->reader, &record->record, error);
    if (code != BS_OK && code != BS_END && code != BS_REJECTED)
        return code;
    record->rejected = code == BS_REJECTED;
    if (record->rejected)
        record->reason = *error;
    const char *file = code == BS_END ? NULL : record->record.file;
    if (look_at_input(source, error) || check_header(source, file, error))
        return error->code;
    if (code == BS_END)
        return BS_END;
    record->made = source->options.text_only || !current_header(source);
    return record->rejected ? BS_OK
                            : check_names(&source->options, &record->record, error);
}

static void note_position(struct bs_source *source) {
    int64_t total = -1;
    atomic_store(&source->position, bs_reader_position(source->reader, &total));
    atomic_store(&source->total, total);
}

static void fill_block(struct bs_source *source, struct bs_token_block *block) {
    size_t bytes = 0, most = atomic_load(&source->block_bytes);
    while (block->count < BLOCK_RECORDS && bytes < most) {
        enum verdict verdict = await_input(source, block->count > 0);
        block->pause = verdict == PAUSE;
        source->ended = verdict == STOP;
        if (verdict != READ)
            return;
        struct bs_token_record *record = &block->records[block->count];
        int code = read_record(source, record, &source->failure);
        source->ended = code != BS_OK;
        source->failed = code == BS_END ? BS_OK : code;
        if (code)
            return;
        if (block->count++ == 0 && !source->unanswered)
            source->since = bs_seconds();
        bytes += record->record.raw.size;
    }
}

static int read_block(void *context, void *job, struct bs_error *error) {
    struct bs_source *source = context;
    struct bs_token_block *block = job;
    if (!source->listening) {
        source->listening = true;
        bs_tool_hear_signals();
        source->ended = bs_tool_signal() != 0; /* before a wait for input begins */
    }
    block->count = 0;
    block->pause = false;
    block->bytes.size = 0;
    if (!source->ended)
        fill_block(source, block);
    if (bs_tool_signal())
        source->ended = true;
    note_position(source);
    if (source->ended && block->count == 0) {
        *error = source->failure;
        return source->failed ? source->failed : BS_END;
    }
    source->unanswered = !block->pause;
    atomic_fetch_add(&source->n_read, 1);
    return BS_OK;
}

/* ---- tokenizing ----------------------------------------------------------------- */

static void swap_records(struct bs_token_record *a, struct bs_token_record *b) {
    struct bs_token_record kept = *a;
    *a = *b;
    *b = kept;
}

static int examine_block(struct bs_source *source, struct bs_token_block *block,
                         struct bs_tokenizer_worker *worker, struct bs_error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < block->count; i++) {
        int code = bs_examine(&source->options, worker, &block->records[i], error);
        if (code == BS_END)
            continue;
        if (code)
            return code;
        if (kept != i)
            swap_records(&block->records[kept], &block->records[i]);
        kept++;
    }
    block->count = kept;
    if (!source->options.work)
        return BS_OK;
    return source->options.work(source->options.context, block, error);
}

/* A reader that waits for input must not keep a failure from being told. */
static int note_failure(struct bs_source *source, int code) {
    if (code)
        atomic_store(&source->given_up, true);
    return code;
}

static int work_block(void *context, void *job, int worker, struct bs_error *error) {
    struct bs_source *source = context;
    int code = examine_block(source, job, source->workers[worker], error);
    return note_failure(source, code);
}

/* ---- taking --------------------------------------------------------------------- */

/* Tells of rejected records; with --strict the block ends before the first. */
static int tell_rejects(const struct bs_source *source, struct bs_token_block *block,
                        struct bs_error *error) {
    size_t bytes = 0;
    for (size_t i = 0; i < block->count; i++) {
        const struct bs_token_record *record = &block->records[i];
        if (record->rejected) {
            *error = record->reason;
            if (bs_rejects_add(source->options.rejects, &record->record, error)) {
                block->count = i;
                block->bytes.size = bytes;
                return error->code;
            }
        }
        bytes += source->options.work ? block->sizes[i] : 0;
    }
    return BS_OK;
}

/* One giant must not be paid for in every slot of every block. */
static void drop_giants(struct bs_token_block *block) {
    for (size_t i = 0; i < block->count; i++) {
        struct bs_token_record *record = &block->records[i];
        if (record->record.raw.size > KEPT_BYTES)
            bs_record_free(&record->record);
        if (record->encoding.ids.capacity > KEPT_BYTES)
            bs_encoding_free(&record->encoding);
    }
    if (block->bytes.capacity > 8 * BLOCK_BYTES)
        bs_buffer_free(&block->bytes);
}

static int take_block(void *context, void *job, struct bs_error *error) {
    struct bs_source *source = context;
    struct bs_token_block *block = job;
    struct bs_error rejection;
    int rejected = tell_rejects(source, block, &rejection);
    source->n_records += (int64_t)block->count;
    /* Input that has come since brings a pause of its own. */
    source->n_taken++;
    block->pause = block->pause && atomic_load(&source->n_read) == source->n_taken;
    /* Whoever reads the output may let us wait when there is no reader left to hear. */
    bs_tool_hear_signals();
    int code = source->options.take(source->options.context, block, error);
    bs_tool_mute_signals();
    drop_giants(block);
    if (!code && rejected)
        *error = rejection;
    return note_failure(source, code ? code : rejected);
}

/* ---- the object ----------------------------------------------------------------- */

static int make_blocks(struct bs_source *source, struct bs_error *error) {
    size_t wanted = 2 * (size_t)source->options.threads + 1;
    source->blocks = bs_alloc(wanted, sizeof *source->blocks);
    source->jobs = bs_alloc(wanted, sizeof *source->jobs);
    if (!source->blocks || !source->jobs)
        return bs_fail_memory(error, wanted * sizeof *source->blocks, "blocks");
    for (; source->n_blocks < wanted; source->n_blocks++) {
        struct bs_token_block *block = &source->blocks[source->n_blocks];
        source->jobs[source->n_blocks] = block;
        block->records = bs_alloc(BLOCK_RECORDS, sizeof *block->records);
        block->sizes = bs_alloc(BLOCK_RECORDS, sizeof *block->sizes);
        if (!block->records || !block->sizes) {
            source->n_blocks++;
            return bs_fail_memory(error, BLOCK_RECORDS * sizeof *block->records,
                                  "a block of records");
        }
    }
    return BS_OK;
}

static int make_workers(struct bs_source *source, struct bs_error *error) {
    const struct bs_source_options *options = &source->options;
    size_t count = (size_t)options->threads;
    source->workers = bs_alloc(count, sizeof(void *));
    if (!source->workers)
        return bs_fail_memory(error, count * sizeof(void *), "workers");
    for (size_t i = 0; i < count; i++)
        if (bs_tokenizer_worker_new(&source->workers[i], options->tokenizer,
                                    options->literal_special_tokens, error))
            return error->code;
    return BS_OK;
}

int bs_source_open(struct bs_source **result, char *const *paths, size_t n_paths,
                   const struct bs_source_options *options, struct bs_error *error) {
    struct bs_source *source = bs_alloc(1, sizeof *source);
    if (!source)
        return bs_fail_memory(error, sizeof *source, "the input");
    source->options = *options;
    source->block_bytes = BLOCK_BYTES;
    if (source->options.threads < 1)
        source->options.threads = 1;
    bool standard = n_paths == 0 || strcmp(paths[0], "-") == 0;
    source->first_path = standard ? "standard input" : paths[0];
    if (make_blocks(source, error) || make_workers(source, error) ||
        bs_reader_open(&source->reader, paths, n_paths, &source->options.reader, error)) {
        bs_source_close(source);
        return error->code;
    }
    *result = source;
    return BS_OK;
}

int bs_source_run(struct bs_source *source, struct bs_error *error) {
    struct bs_pipeline pipeline = {.context = source,
                                   .read = read_block,
                                   .work = work_block,
                                   .write = take_block,
                                   .jobs = source->jobs,
                                   .n_jobs = source->n_blocks,
                                   .threads = source->options.threads};
    bs_tool_mute_signals(); /* the reader hears them */
    int code = bs_pipeline_run(&pipeline, error);
    bs_tool_hear_signals();
    return code;
}

void bs_source_read_ahead(struct bs_source *source, int64_t bytes) {
    size_t each = (size_t)bytes / source->n_blocks + 1;
    atomic_store(&source->block_bytes, each < BLOCK_BYTES ? each : BLOCK_BYTES);
}

const struct bs_source_info *bs_source_info(const struct bs_source *source) {
    return &source->info;
}

int64_t bs_source_position(const struct bs_source *source, int64_t *total) {
    *total = atomic_load(&source->total);
    return atomic_load(&source->position);
}

int64_t bs_source_records(const struct bs_source *source) {
    return source->n_records;
}

static void free_block(struct bs_token_block *block) {
    for (size_t i = 0; block->records && i < BLOCK_RECORDS; i++) {
        bs_record_free(&block->records[i].record);
        bs_encoding_free(&block->records[i].encoding);
    }
    free(block->records);
    free(block->sizes);
    bs_buffer_free(&block->bytes);
}

void bs_source_close(struct bs_source *source) {
    if (!source)
        return;
    for (size_t i = 0; i < source->n_blocks; i++)
        free_block(&source->blocks[i]);
    for (int i = 0; source->workers && i < source->options.threads; i++)
        bs_tokenizer_worker_free(source->workers[i]);
    for (size_t i = 0; i < source->info.n_columns; i++)
        free(source->info.columns[i]);
    free(source->info.columns);
    bs_stream_header_free(&source->info.header);
    if (source->reader)
        bs_reader_close(source->reader);
    free(source->workers);
    free(source->blocks);
    free(source->jobs);
    free(source);
}

/* ---- small things shared by tools ------------------------------------------------ */

int64_t bs_source_length(int64_t max_length, int64_t max_positions) {
    if (max_length >= 0)
        return max_length;
    return max_positions > 0 && max_positions < 512 ? max_positions : 512;
}

int bs_record_put_first(struct bs_record *record, const struct bs_field *fields,
                        size_t count, struct bs_error *error) {
    for (size_t i = 0; i < count; i++) {
        char *name = bs_span_string(fields[i].name);
        if (!name)
            return bs_fail_memory(error, fields[i].name.size, "a field name");
        bs_record_remove(record, name);
        free(name);
    }
    for (size_t i = 0; i < count; i++)
        if (!bs_record_add(record, fields[i].name, fields[i].value))
            return bs_fail_memory(error, sizeof *fields, "a field");
    size_t others = record->n_fields - count;
    memmove(record->fields + count, record->fields, others * sizeof *record->fields);
    memcpy(record->fields, fields, count * sizeof *fields);
    return BS_OK;
}
