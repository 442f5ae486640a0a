/* Identity lines: made, compared, and turned into JSON. */
#include "learn/identity.h"

#include "common/hash.h"
#include "learn/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static bool describe_digest(struct bs_buffer *lines, const char *name, const char *hex) {
    return bs_buffer_printf(lines, "%s\t%s\n", name, hex);
}

static void labels_digest(const struct bs_labels *labels, char hex[65]) {
    struct bs_sha256 sha;
    bs_sha256_begin(&sha);
    for (int64_t i = 0; i < labels->count; i++)
        bs_sha256_add(&sha, labels->names[i], strlen(labels->names[i]) + 1);
    bs_sha256_end_hex(&sha, hex);
}

int bs_identity_describe(const struct bs_run_sources *sources, struct bs_buffer *lines,
                         struct bs_error *error) {
    char labels[65], train[65], eval[65] = "none";
    labels_digest(sources->labels, labels);
    if (bs_examples_digest(sources->train, train, error) ||
        (sources->eval && bs_examples_digest(sources->eval, eval, error)))
        return error->code;
    if (!bs_train_settings_describe(sources->settings, lines) ||
        !describe_digest(lines, "base_model", sources->base) ||
        !describe_digest(lines, "tokenizer", sources->tokenizer) ||
        !describe_digest(lines, "labels", labels) ||
        !describe_digest(lines, "training_data", train) ||
        !describe_digest(lines, "evaluation_data", eval))
        return bs_fail_memory(error, lines->size, "the run's settings");
    return BS_OK;
}

/* Takes what stands before `mark` off `text`, and the mark; all if there is none. */
static struct bs_span take_until(struct bs_span *text, char mark) {
    const char *end = text->size ? memchr(text->data, mark, text->size) : NULL;
    size_t size = end ? (size_t)(end - text->data) : text->size;
    struct bs_span taken = bs_span(text->data, size);
    *text = end ? bs_span(end + 1, text->size - size - 1) : bs_span("", 0);
    return taken;
}

static struct bs_span next_line(struct bs_span *text) {
    return take_until(text, '\n');
}

static struct bs_span next_field(struct bs_span *line) {
    return take_until(line, '\t');
}

/* What is not an option, in words. */
static const struct {
    const char *name, *words;
} sources[] = {
    {"base_model", "the base model (-m)"},
    {"tokenizer", "the tokenizer"},
    {"labels", "the list of labels"},
    {"training_data", "the training data"},
    {"evaluation_data", "the evaluation data (--eval-data)"},
};

static bool says_source(struct bs_span name, char *text, size_t size) {
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (bs_span_is(name, sources[i].name))
            return snprintf(text, size, "%s is not the same", sources[i].words) >= 0;
    return false;
}

/* A value as it is written on the command line. */
static struct bs_span in_words(struct bs_span name, struct bs_span value) {
    static const char *const defaults[][2] = {{"max_steps", "0"},
                                              {"patience", "0"},
                                              {"eval_fraction", "0"},
                                              {"class_weights", "none"},
                                              {"freeze", "-1"}};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (bs_span_is(name, defaults[i][0]) && bs_span_is(value, defaults[i][1]))
            return bs_span_of("not given");
    if (bs_span_is(name, "freeze") && bs_span_is(value, "0"))
        return bs_span_of("embeddings");
    return value;
}

/* "learning_rate" is --learning-rate. */
static void say_option(struct bs_span name, struct bs_span is, struct bs_span was,
                       char *text, size_t size) {
    is = in_words(name, is);
    was = in_words(name, was);
    int end = snprintf(text, size, "--%.*s", (int)name.size, name.data);
    for (char *c = text; *c; c++)
        if (*c == '_')
            *c = '-';
    if (end > 0 && (size_t)end < size)
        snprintf(text + end, size - (size_t)end, " is %.*s, was %.*s", (int)is.size,
                 is.data, (int)was.size, was.data);
}

bool bs_identity_difference(struct bs_span stored, struct bs_span wanted, char *text,
                            size_t size) {
    while (stored.size || wanted.size) {
        struct bs_span was = next_line(&stored), is = next_line(&wanted);
        if (bs_span_equal(was, is))
            continue;
        struct bs_span was_name = next_field(&was), is_name = next_field(&is);
        if (!bs_span_equal(was_name, is_name))
            snprintf(text, size, "it was made by another version of this tool");
        else if (!says_source(is_name, text, size))
            say_option(is_name, is, was, text, size);
        return true;
    }
    return false;
}

/* Whether it is a number in JSON, where 01 and 1. are none. */
static bool is_number(struct bs_span value) {
    static const char digits[] = "0123456789";
    char text[32], *end;
    if (value.size >= sizeof text)
        return false;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    const char *first = text + (text[0] == '-');
    size_t whole = strspn(first, digits);
    if (whole == 0 || (whole > 1 && first[0] == '0') ||
        (first[whole] == '.' && strspn(first + whole + 1, digits) == 0))
        return false;
    strtod(text, &end);
    return end == text + value.size && !strpbrk(text, "xX");
}

static bool json_text(struct bs_buffer *json, struct bs_span text) {
    bool good = bs_buffer_append_byte(json, '"');
    for (size_t i = 0; i < text.size && good; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            good = bs_buffer_printf(json, "\\%c", c);
        else if (c < ' ')
            good = bs_buffer_printf(json, "\\u%04x", c);
        else
            good = bs_buffer_append_byte(json, (char)c);
    }
    return good && bs_buffer_append_byte(json, '"');
}

static bool json_member(struct bs_buffer *json, const char *before, struct bs_span name,
                        struct bs_span value) {
    if (!bs_buffer_printf(json, "%s\n    ", before) || !json_text(json, name) ||
        !bs_buffer_printf(json, ": "))
        return false;
    return is_number(value) ? bs_buffer_append_span(json, value) : json_text(json, value);
}

static bool json_settings(struct bs_buffer *json, struct bs_span identity) {
    const char *before = "";
    while (identity.size) {
        struct bs_span value = next_line(&identity);
        struct bs_span name = next_field(&value);
        if (!json_member(json, before, name, value))
            return false;
        before = ",";
    }
    return true;
}

static bool json_metrics(struct bs_buffer *json, struct bs_span row) {
    struct bs_span names = bs_span(bs_table_header, strlen(bs_table_header) - 1);
    const char *before = "";
    next_field(&names); /* the step stands elsewhere */
    next_field(&row);
    while (names.size) {
        struct bs_span name = next_field(&names), value = next_field(&row);
        if (value.size && !json_member(json, before, name, value))
            return false;
        if (value.size)
            before = ",";
    }
    return true;
}

bool bs_identity_json(struct bs_span identity, const char *tool, int64_t step,
                      struct bs_span row, struct bs_buffer *json) {
    if (row.size && row.data[row.size - 1] == '\n')
        row.size--;
    return bs_buffer_printf(json, "{\n  \"tool\": ") &&
           json_text(json, bs_span_of(tool)) &&
           bs_buffer_printf(json, ",\n  \"step\": %" PRId64 ",\n  \"run\": {", step) &&
           json_settings(json, identity) &&
           bs_buffer_printf(json, "\n  },\n  \"metrics\": {") &&
           json_metrics(json, row) &&
           bs_buffer_printf(json, "%s}\n}\n", row.size ? "\n  " : "");
}
