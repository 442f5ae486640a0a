/* Rejected records: said, counted, kept. */
#include "format/rejects.h"

#include "common/file.h"
#include "common/log.h"
#include "common/utf8.h"
#include "format/input.h"
#include "format/json.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

enum { DESCRIBED = 10 };

struct bs_rejects {
    pthread_mutex_t lock;
    struct bs_output *output; /* NULL: no file */
    struct bs_buffer line;
    bool strict;
    int64_t count;
};

int bs_rejects_open(struct bs_rejects **result, const char *path, bool strict,
                    struct bs_error *error) {
    struct bs_rejects *rejects = bs_alloc(1, sizeof *rejects);
    if (!rejects)
        return bs_fail_memory(error, sizeof *rejects, "a list of rejected records");
    pthread_mutex_init(&rejects->lock, NULL);
    rejects->strict = strict;
    if (path && bs_output_open(&rejects->output, path, error)) {
        rejects->output = NULL;
        bs_rejects_abandon(rejects);
        return error->code;
    }
    *result = rejects;
    return BS_OK;
}

/* Any bytes as a JSON string; what is no UTF-8 becomes U+FFFD. */
static bool put_text(struct bs_buffer *line, struct bs_span text) {
    struct bs_buffer repaired = {0};
    bool done = bs_utf8_repair(&repaired, text) &&
                bs_json_put_string(line, bs_buffer_span(&repaired));
    bs_buffer_free(&repaired);
    return done;
}

static bool put_line(struct bs_buffer *line, const struct bs_record *record,
                     const char *reason) {
    struct bs_span raw = record->raw;
    if (raw.size > BS_RAW_KEPT)
        raw.size = BS_RAW_KEPT;
    line->size = 0;
    return bs_buffer_printf(line, "{\"file\":") &&
           put_text(line, bs_span_of(record->file ? record->file : "")) &&
           bs_buffer_printf(line, ",\"%s\":%" PRId64 ",\"reason\":",
                            record->unit ? record->unit : "record", record->number) &&
           put_text(line, bs_span_of(reason)) && bs_buffer_printf(line, ",\"raw\":") &&
           put_text(line, raw) && bs_buffer_append(line, "}\n", 2);
}

static int write_line(struct bs_rejects *rejects, const struct bs_record *record,
                      struct bs_error *error) {
    if (!rejects->output)
        return BS_OK;
    if (!put_line(&rejects->line, record, error->text))
        return bs_fail_memory(error, rejects->line.size, "a rejected record");
    return bs_output_write(rejects->output, bs_buffer_span(&rejects->line), error);
}

int bs_rejects_add(struct bs_rejects *rejects, const struct bs_record *record,
                   struct bs_error *error) {
    pthread_mutex_lock(&rejects->lock);
    struct bs_error said = *error;
    int code = write_line(rejects, record, error);
    bool describe = rejects->count++ < DESCRIBED;
    bs_error_prefix(&said, "%s: %s %" PRId64 ": ", record->file ? record->file : "input",
                    record->unit ? record->unit : "record", record->number);
    if (!code && rejects->strict)
        code = bs_fail(error, BS_DATA, "%s", said.text);
    else if (describe)
        bs_warn("%s", said.text);
    pthread_mutex_unlock(&rejects->lock);
    return code;
}

int64_t bs_rejects_count(const struct bs_rejects *rejects) {
    return rejects->count;
}

int bs_rejects_close(struct bs_rejects *rejects, struct bs_error *error) {
    int64_t count = rejects->count;
    int code = BS_OK;
    if (count > DESCRIBED)
        bs_warn("%" PRId64 " records were rejected", count);
    if (rejects->output)
        code = bs_output_commit(rejects->output, error);
    rejects->output = NULL;
    bs_rejects_abandon(rejects);
    if (code || count == 0)
        return code;
    return bs_fail(error, BS_REJECTED, "%" PRId64 " record%s rejected", count,
                   count == 1 ? " was" : "s were");
}

void bs_rejects_abandon(struct bs_rejects *rejects) {
    if (!rejects)
        return;
    bs_output_abandon(rejects->output);
    pthread_mutex_destroy(&rejects->lock);
    bs_buffer_free(&rejects->line);
    free(rejects);
}
