/* A JSON object. */
#include "log_state.h"

#include "common/file.h"
#include "store/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGEST = 4096 /* bytes */ };

static bool read_number(const json_t *object, const char *key, json_int_t least,
                        int64_t *number) {
    const json_t *value = json_object_get(object, key);
    *number = json_integer_value(value);
    return json_is_integer(value) && *number >= least;
}

static int is_no_state(const struct log_state *state, struct bs_error *error) {
    return bs_fail(error, BS_DATA,
                   "%s: is no state of bs-predict --follow; without it the log is "
                   "labelled from its beginning",
                   state->path);
}

static int parse(struct log_state *state, struct bs_span text, struct bs_error *error) {
    json_t *object;
    int64_t inode, before, output_inode;
    int code = bs_json_object(&object, text, state->path, error);
    if (code)
        return code == BS_DATA ? is_no_state(state, error) : code;
    struct bs_log_place *place = &state->place;
    const char *digest = json_string_value(json_object_get(object, "line_sha256"));
    /* 0: unknown, as in states of earlier versions. */
    (void)read_number(object, "lines", 0, &place->lines);
    (void)read_number(object, "birth_ns", 0, &place->birth_ns);
    (void)read_number(object, "birth_before_ns", 0, &place->before_birth_ns);
    (void)read_number(object, "since_ns", 0, &place->since_ns);
    bool good = read_number(object, "inode", INT64_MIN, &inode) &&
                read_number(object, "inode_before", INT64_MIN, &before) &&
                read_number(object, "offset", 0, &place->offset) &&
                place->lines <= place->offset &&
                read_number(object, "time_ns", 0, &place->begun_ns) &&
                read_number(object, "line_bytes", 0, &place->line_bytes) &&
                read_number(object, "output", -1, &state->output) &&
                read_number(object, "output_inode", INT64_MIN, &output_inode) && digest &&
                strlen(digest) == sizeof place->digest - 1;
    const char *rows = json_string_value(json_object_get(object, "rows"));
    if (good) {
        snprintf(state->rows, sizeof state->rows, "%s", rows ? rows : "");
        place->inode = (uint64_t)inode;
        place->before = (uint64_t)before;
        state->output_inode = (uint64_t)output_inode;
        memcpy(place->digest, digest, sizeof place->digest);
    }
    json_decref(object);
    return good ? BS_OK : is_no_state(state, error);
}

static int lock_state(struct log_state *state, struct bs_error *error) {
    struct bs_buffer path = {0};
    if (!bs_buffer_printf(&path, "%s.lock", state->path))
        return bs_fail_memory(error, strlen(state->path), state->path);
    int code = bs_lock(path.data, &state->lock, error);
    bs_buffer_free(&path);
    return code;
}

int log_state_open(struct log_state *state, const char *path, struct bs_error *error) {
    struct bs_buffer bytes = {0};
    *state = (struct log_state){.path = bs_path_follow(path), .lock = -1};
    if (!state->path)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot resolve", path);
    if (lock_state(state, error))
        return error->code;
    state->is_there = bs_file_exists(state->path);
    if (!state->is_there)
        return BS_OK;
    int code = bs_file_read(state->path, LARGEST, &bytes, error);
    if (!code)
        code = parse(state, bs_buffer_span(&bytes), error);
    bs_buffer_free(&bytes);
    return code;
}

/* Under a name of its own first, always the same one: a kill leaves no litter. */
static int replace(const char *path, struct bs_span text, struct bs_error *error) {
    struct bs_output *output;
    struct bs_buffer fresh = {0};
    int64_t size;
    if (!bs_buffer_printf(&fresh, "%s.new", path))
        return bs_fail_memory(error, strlen(path), path);
    int code = bs_output_continue(&output, fresh.data, 0, error);
    if (!code &&
        (bs_output_write(output, text, error) || bs_output_sync(output, &size, error))) {
        bs_output_abandon(output);
        code = (int)error->code;
    } else if (!code) {
        code = bs_output_commit(output, error);
    }
    if (!code)
        code = bs_rename_durable(fresh.data, path, error);
    bs_buffer_free(&fresh);
    return code;
}

int log_state_write(const struct log_state *state, struct bs_error *error) {
    const struct bs_log_place *place = &state->place;
    char text[640 + LOG_ROWS];
    int size = snprintf(
        text, sizeof text,
        "{\"inode\": %lld, \"inode_before\": %lld,\n"
        " \"birth_ns\": %lld, \"birth_before_ns\": %lld, \"since_ns\": %lld,\n"
        " \"offset\": %lld, \"lines\": %lld,\n"
        " \"line_bytes\": %lld, \"line_sha256\": \"%s\",\n"
        " \"time_ns\": %lld,\n"
        " \"output\": %lld, \"output_inode\": %lld,\n"
        " \"rows\": \"%s\"}\n",
        (long long)place->inode, (long long)place->before, (long long)place->birth_ns,
        (long long)place->before_birth_ns, (long long)place->since_ns,
        (long long)place->offset, (long long)place->lines, (long long)place->line_bytes,
        place->digest, (long long)place->begun_ns, (long long)state->output,
        (long long)state->output_inode, state->rows);
    return replace(state->path, bs_span(text, (size_t)size), error);
}

void log_state_close(struct log_state *state) {
    if (state->lock >= 0)
        bs_unlock(state->lock);
    state->lock = -1;
    free(state->path);
    state->path = NULL;
}
