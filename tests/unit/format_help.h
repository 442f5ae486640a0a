/* For the tests of lib/format: files made on the spot, and all that a reader says of
 * them as one text. */
#ifndef BS_TESTS_FORMAT_HELP_H
#define BS_TESTS_FORMAT_HELP_H

#include "format/reader.h"
#include "format/writer.h"

#include "common/file.h"
#include "tap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static char help_folder[] = "/tmp/bs-test-XXXXXX";

__attribute__((unused)) static void help_begin(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!mkdtemp(help_folder) || chdir(help_folder))
        abort();
}

__attribute__((unused)) static int help_end(void) {
    struct bs_error error;
    if (chdir("/") || bs_remove_tree(help_folder, &error))
        abort();
    return tap_end();
}

__attribute__((unused)) static void make_file(const char *path, const void *data,
                                              size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file))
        abort();
}

__attribute__((unused)) static void make_text(const char *path, struct bs_span text) {
    make_file(path, text.data, text.size);
}

/* What came out: records as JSON lines, rejected ones as `! line 3: reason`, and at the
 * end nothing, or `= code: message`. Zero-terminated. */
struct outcome {
    struct bs_buffer text;
    int code;
    int records, rejected;
};

static struct bs_writer *help_writer(enum bs_format format, struct bs_output *output) {
    struct bs_error error;
    struct bs_writer *writer;
    struct bs_stream_header header = {.tokenizer = "feed", .tool = "test 1"};
    struct bs_writer_options options = {
        .format = format, .header = &header, .keep_text = true};
    if (bs_writer_open(&writer, output, &options, &error))
        abort();
    return writer;
}

__attribute__((unused)) static struct outcome
read_paths(char **paths, size_t n_paths, const struct bs_reader_options *options) {
    struct bs_reader_options none = {0};
    struct outcome out = {0};
    struct bs_error error = {0};
    struct bs_reader *reader = NULL;
    struct bs_output *output;
    struct bs_record record = {0};
    if (bs_output_open(&output, "/tmp/unused", &error))
        abort();
    struct bs_writer *writer = help_writer(BS_FORMAT_JSONL, output);
    out.code = bs_reader_open(&reader, paths, n_paths, options ? options : &none, &error);
    while (!out.code || out.code == BS_REJECTED) {
        out.code = bs_reader_next(reader, &record, &error);
        if (out.code == BS_REJECTED) {
            out.rejected++;
            if (!bs_buffer_printf(&out.text, "! %s %" PRId64 ": %s\n", record.unit,
                                  record.number, error.text))
                abort();
        } else if (!out.code) {
            out.records++;
            if (bs_writer_encode(writer, &record, &out.text, &error))
                abort();
        }
    }
    if (out.code != BS_END &&
        !bs_buffer_printf(&out.text, "= %d: %s", out.code, error.text))
        abort();
    if (!bs_buffer_append_byte(&out.text, '\0'))
        abort();
    bs_record_free(&record);
    bs_reader_close(reader);
    bs_writer_free(writer);
    bs_output_abandon(output);
    return out;
}

/* The text of what comes out of one file, to be freed. */
__attribute__((unused)) static char *read_file(const char *path,
                                               const struct bs_reader_options *options) {
    char *paths[] = {(char *)path};
    return read_paths(paths, 1, options).text.data;
}

/* Checks what comes out of a file of that content. */
__attribute__((unused)) static void check_read(const char *path, struct bs_span content,
                                               const struct bs_reader_options *options,
                                               const char *expected, const char *what) {
    make_file(path, content.data, content.size);
    char *got = read_file(path, options);
    if (!check(strcmp(got, expected) == 0, "%s", what))
        printf("# got:\n%s\n# expected:\n%s\n", got, expected);
    free(got);
}

/* Converts a file; the bytes are to be freed. */
__attribute__((unused)) static struct bs_span
convert(const char *path, const struct bs_reader_options *options,
        enum bs_format format) {
    struct bs_error error = {0};
    struct bs_reader *reader;
    struct bs_output *output;
    struct bs_record record = {0};
    struct bs_buffer bytes = {0}, all = {0};
    char *paths[] = {(char *)path};
    int code;
    if (bs_output_open(&output, "converted", &error) ||
        bs_reader_open(&reader, paths, 1, options, &error))
        abort();
    struct bs_writer *writer = help_writer(format, output);
    while (!(code = bs_reader_next(reader, &record, &error))) {
        bytes.size = 0;
        if (bs_writer_encode(writer, &record, &bytes, &error))
            abort();
        uint32_t size = (uint32_t)bytes.size;
        if (bs_writer_put(writer, bs_buffer_span(&bytes), &size, 1, &error))
            abort();
    }
    if (code != BS_END || bs_writer_finish(writer, &error) ||
        bs_output_commit(output, &error) ||
        bs_file_read("converted", SIZE_MAX, &all, &error)) {
        printf("# %s\n", error.text);
        abort();
    }
    bs_buffer_free(&bytes);
    bs_record_free(&record);
    bs_writer_free(writer);
    bs_reader_close(reader);
    return bs_buffer_span(&all);
}

#define SPAN(literal) bs_span(literal, sizeof(literal) - 1)

#endif
