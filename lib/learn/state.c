/* The state file: text that is read with care, moments that are streamed. */
#include "learn/state.h"

#include "common/file.h"
#include "common/hash.h"
#include "common/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char magic[] = "bs-state 1\n";

void bs_train_state_free(struct bs_train_state *state) {
    bs_buffer_free(&state->identity);
    bs_buffer_free(&state->rows);
    *state = (struct bs_train_state){0};
}

/* ---- writing -------------------------------------------------------------------- */

struct sink {
    struct bs_output *output;
    uint32_t crc;
};

static int put(struct sink *sink, const void *data, size_t size, struct bs_error *error) {
    sink->crc = bs_crc32(sink->crc, data, size);
    return bs_output_write(sink->output, bs_span(data, size), error);
}

/* Lines of `block`, each behind `name` and a tab. */
static bool describe_lines(struct bs_buffer *text, const char *name,
                           const struct bs_buffer *block) {
    size_t begin = 0;
    for (size_t i = 0; i < block->size; i++) {
        if (block->data[i] != '\n')
            continue;
        if (!bs_buffer_printf(text, "%s\t", name) ||
            !bs_buffer_append(text, block->data + begin, i + 1 - begin))
            return false;
        begin = i + 1;
    }
    return true;
}

/* fp16 alone has one. */
static bool describe_scale(const struct bs_loss_scale *scale, struct bs_buffer *text) {
    return scale->scale == 0 ||
           bs_buffer_printf(
               text, "loss_scale\t%a\ngood_updates\t%d\nskipped\t%" PRId64 "\n",
               (double)scale->scale, (int)scale->good_updates, scale->skipped);
}

/* %a keeps every bit of a double. */
static bool describe(const struct bs_train_state *state, struct bs_buffer *text) {
    return bs_buffer_printf(text, "%sfinished\t%d\nstep\t%" PRId64 "\nreported\t%" PRId64,
                            magic, state->finished, state->step, state->reported) &&
           bs_buffer_printf(text, "\nloss_sum\t%a\nloss_count\t%" PRId64, state->loss_sum,
                            state->loss_count) &&
           bs_buffer_printf(text, "\nbest_step\t%" PRId64 "\nbest_value\t%a",
                            state->best_step, state->best_value) &&
           bs_buffer_printf(
               text, "\nworse\t%" PRId64 "\nweights_crc\t%" PRId64 "\nbest_crc\t%" PRId64,
               state->worse, state->weights_crc, state->best_crc) &&
           bs_buffer_printf(text, "\nhardware\t%s\n", state->hardware) &&
           describe_scale(&state->loss_scale, text) &&
           describe_lines(text, "identity", &state->identity) &&
           describe_lines(text, "row", &state->rows) && bs_buffer_append_byte(text, '\n');
}

enum { CHUNK = 1 << 18 }; /* elements moved at once */

/* Calls `move` for whole rows of each moment of each trainable parameter. */
typedef int move_rows(void *context, struct bs_weights *weights, int parameter,
                      enum bs_slot slot, int64_t first, int64_t rows, int64_t columns,
                      struct bs_error *error);

static int each_moment(const struct bs_model *model, move_rows *move, void *context,
                       struct bs_error *error) {
    const struct bs_parameters *parameters = bs_model_parameters(model);
    struct bs_weights *weights = bs_model_weights(model);
    for (int i = 0; i < parameters->count; i++) {
        const struct bs_parameter *p = &parameters->list[i];
        int64_t step = p->columns < CHUNK ? CHUNK / p->columns : 1;
        for (int moment = 0; p->trainable && moment < 2; moment++)
            for (int64_t row = 0; row < p->rows; row += step) {
                int64_t rows = p->rows - row < step ? p->rows - row : step;
                enum bs_slot slot = moment ? BS_SLOT_MOMENT2 : BS_SLOT_MOMENT1;
                if (move(context, weights, i, slot, row, rows, p->columns, error))
                    return error->code;
            }
    }
    return BS_OK;
}

static int save_rows(void *context, struct bs_weights *weights, int parameter,
                     enum bs_slot slot, int64_t first, int64_t rows, int64_t columns,
                     struct bs_error *error) {
    size_t size = (size_t)(rows * columns) * sizeof(float);
    float *values = malloc(size);
    if (!values)
        return bs_fail_memory(error, size, "the optimizer's state");
    int code = bs_weights_download(weights, parameter, slot, first, rows, values, error);
    if (!code)
        code = put(context, values, size, error);
    free(values);
    return code;
}

static int write_all(struct sink *sink, const struct bs_train_state *state,
                     const struct bs_model *model, struct bs_error *error) {
    struct bs_buffer text = {0};
    int code = describe(state, &text) ? put(sink, text.data, text.size, error)
                                      : bs_fail_memory(error, text.size, "the state");
    bs_buffer_free(&text);
    if (!code && !state->finished)
        code = each_moment(model, save_rows, sink, error);
    if (code)
        return code;
    uint8_t crc[4];
    for (int i = 0; i < 4; i++)
        crc[i] = (uint8_t)(sink->crc >> (8 * i));
    return put(sink, crc, sizeof crc, error);
}

int bs_train_state_write(const struct bs_train_state *state, const struct bs_model *model,
                         const char *folder, struct bs_error *error) {
    struct sink sink = {0};
    char *path = bs_path_join(folder, BS_STATE_FILE);
    if (!path)
        return bs_fail_memory(error, strlen(folder), "a path");
    int code = bs_output_open(&sink.output, path, error);
    free(path);
    if (code)
        return code;
    if (write_all(&sink, state, model, error)) {
        bs_output_abandon(sink.output);
        return error->code;
    }
    return bs_output_commit(sink.output, error);
}

/* ---- reading -------------------------------------------------------------------- */

#define DAMAGED "damaged; --restart begins the run anew"

struct bs_state_file {
    char *path;
    struct bs_span bytes;   /* the mapping */
    struct bs_span moments; /* within it */
};

static bool parse_integer(const char *value, int64_t *number) {
    struct bs_error ignored;
    return bs_parse_integer(value, "", 0, INT64_MAX, number, &ignored) == BS_OK;
}

static bool parse_real(const char *value, double *number) {
    char *end;
    *number = strtod(value, &end);
    return end != value && *end == '\0' && isfinite(*number);
}

static bool keep_line(struct bs_buffer *block, const char *value) {
    return bs_buffer_printf(block, "%s\n", value);
}

static bool parse_scale(struct bs_loss_scale *scale, const char *value) {
    double number;
    if (!parse_real(value, &number) || !(number > 0))
        return false;
    scale->scale = (float)number;
    return true;
}

/* One line of the text. Unknown names are damage: versions are told by the magic. */
static bool parse_line(struct bs_train_state *state, const char *name,
                       const char *value) {
    int64_t number, good_updates = state->loss_scale.good_updates;
    if (strcmp(name, "identity") == 0)
        return keep_line(&state->identity, value);
    if (strcmp(name, "row") == 0)
        return keep_line(&state->rows, value);
    if (strcmp(name, "loss_sum") == 0)
        return parse_real(value, &state->loss_sum);
    if (strcmp(name, "best_value") == 0)
        return parse_real(value, &state->best_value);
    if (strcmp(name, "loss_scale") == 0)
        return parse_scale(&state->loss_scale, value);
    if (strcmp(name, "hardware") == 0)
        return snprintf(state->hardware, sizeof state->hardware, "%s", value) >= 0;
    if (!parse_integer(value, &number))
        return false;
    struct {
        const char *name;
        int64_t *to;
    } integers[] = {{"step", &state->step},
                    {"reported", &state->reported},
                    {"loss_count", &state->loss_count},
                    {"best_step", &state->best_step},
                    {"worse", &state->worse},
                    {"weights_crc", &state->weights_crc},
                    {"best_crc", &state->best_crc},
                    {"good_updates", &good_updates},
                    {"skipped", &state->loss_scale.skipped}};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        if (strcmp(name, integers[i].name) == 0) {
            *integers[i].to = number;
            state->loss_scale.good_updates = (int32_t)good_updates;
            return true;
        }
    state->finished = number != 0;
    return strcmp(name, "finished") == 0;
}

/* Lines, which are cut apart. */
static bool parse_lines(struct bs_train_state *state, char *lines, size_t size) {
    for (char *line = lines, *end; line < lines + size; line = end + 1) {
        end = memchr(line, '\n', (size_t)(lines + size - line));
        char *value = end ? memchr(line, '\t', (size_t)(end - line)) : NULL;
        if (!value)
            return false;
        *end = *value++ = '\0';
        if (!parse_line(state, line, value))
            return false;
    }
    return true;
}

/* Up to the empty line, without it; 0: there is no text. */
static size_t text_size(struct bs_span bytes) {
    size_t begin = sizeof magic - 1;
    if (bytes.size < begin || memcmp(bytes.data, magic, begin) != 0)
        return 0;
    const char *end = memmem(bytes.data, bytes.size, "\n\n", 2);
    return end ? (size_t)(end - bytes.data) + 1 : 0;
}

/* There is room for all lines before the first of them is kept: one that is refused is
 * damage. */
static int parse_text(struct bs_train_state *state, struct bs_span text, const char *path,
                      struct bs_error *error) {
    char *copy = bs_span_string(text);
    size_t begin = sizeof magic - 1;
    int code = BS_OK;
    if (!copy || !bs_buffer_reserve(&state->identity, text.size) ||
        !bs_buffer_reserve(&state->rows, text.size))
        code = bs_fail_memory(error, text.size, path);
    else if (!parse_lines(state, copy + begin, text.size - begin))
        code = bs_fail(error, BS_DATA, "%s: " DAMAGED, path);
    free(copy);
    return code;
}

static uint32_t stored_crc(struct bs_span bytes) {
    const uint8_t *end = (const uint8_t *)bytes.data + bytes.size;
    return (uint32_t)end[-4] | (uint32_t)end[-3] << 8 | (uint32_t)end[-2] << 16 |
           (uint32_t)end[-1] << 24;
}

static int check_file(struct bs_state_file *file, struct bs_train_state *state,
                      struct bs_error *error) {
    struct bs_span bytes = file->bytes;
    size_t size = 0;
    if (bytes.size >= 4 && stored_crc(bytes) == bs_crc32(0, bytes.data, bytes.size - 4))
        size = text_size(bs_span(bytes.data, bytes.size - 4));
    if (!size)
        return bs_fail(error, BS_DATA, "%s: " DAMAGED, file->path);
    file->moments = bs_span(bytes.data + size + 1, bytes.size - 4 - (size + 1));
    return parse_text(state, bs_span(bytes.data, size), file->path, error);
}

int bs_state_file_open(struct bs_state_file **result, const char *folder,
                       struct bs_train_state *state, struct bs_error *error) {
    struct bs_state_file *file = bs_alloc(1, sizeof *file);
    if (!file)
        return bs_fail_memory(error, sizeof *file, "the state");
    int code = BS_OK;
    file->path = bs_path_join(folder, BS_STATE_FILE);
    if (!file->path)
        code = bs_fail_memory(error, strlen(folder), "a path");
    if (!code)
        code = bs_file_map(file->path, &file->bytes, error);
    if (!code)
        code = check_file(file, state, error);
    if (code) {
        bs_state_file_close(file);
        bs_train_state_free(state);
        return code;
    }
    *result = file;
    return BS_OK;
}

struct source {
    struct bs_span left;
};

static int load_rows(void *context, struct bs_weights *weights, int parameter,
                     enum bs_slot slot, int64_t first, int64_t rows, int64_t columns,
                     struct bs_error *error) {
    struct source *source = context;
    size_t size = (size_t)(rows * columns) * sizeof(float);
    if (source->left.size < size)
        return bs_fail(error, BS_DATA, "too short for this model");
    float *values = malloc(size);
    if (!values)
        return bs_fail_memory(error, size, "the optimizer's state");
    memcpy(values, source->left.data, size);
    source->left.data += size;
    source->left.size -= size;
    int code = bs_weights_upload(weights, parameter, slot, first, rows, values, error);
    free(values);
    return code;
}

int bs_state_file_restore(const struct bs_state_file *file, const struct bs_model *model,
                          struct bs_error *error) {
    struct source source = {file->moments};
    int code = each_moment(model, load_rows, &source, error);
    if (!code && source.left.size)
        code = bs_fail(error, BS_DATA, "too long for this model");
    return code ? bs_error_prefix(error, "%s: ", file->path) : BS_OK;
}

void bs_state_file_close(struct bs_state_file *file) {
    if (!file)
        return;
    bs_file_unmap(file->bytes);
    free(file->path);
    free(file);
}
