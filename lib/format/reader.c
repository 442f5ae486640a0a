/* The reader: files one after the other, the choice of format, and the alternation of
 * finding and taking (reading.h). */
#include "format/reader.h"

#include "common/file.h"
#include "common/log.h"
#include "common/utf8.h"
#include "format/archive.h"
#include "format/reading.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FIELDS = 65536 };
static const int64_t default_max_record = (int64_t)128 << 20;

static const struct {
    const char *name;
    const struct bs_reading *reading;
} formats[] = {
    [BS_FORMAT_AUTO] = {"auto", NULL},
    [BS_FORMAT_LINES] = {"lines", &bs_reading_lines},
    [BS_FORMAT_TSV] = {"tsv", &bs_reading_tsv},
    [BS_FORMAT_CSV] = {"csv", &bs_reading_csv},
    [BS_FORMAT_JSONL] = {"jsonl", &bs_reading_jsonl},
    [BS_FORMAT_MSGPACK] = {"msgpack", &bs_reading_msgpack},
    [BS_FORMAT_TREE] = {"tree", &bs_reading_tree},
    [BS_FORMAT_IDS] = {"ids", NULL},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

int bs_format_parse(const char *name, enum bs_format *format, struct bs_error *error) {
    for (int i = 0; i < N_FORMATS; i++)
        if (strcmp(formats[i].name, name) == 0) {
            *format = (enum bs_format)i;
            return BS_OK;
        }
    return bs_fail(error, BS_USAGE,
                   "\"%.100s\" is no format: auto, lines, tsv, csv, jsonl, msgpack, tree "
                   "or ids",
                   name);
}

const char *bs_format_name(enum bs_format format) {
    return formats[format].name;
}

/* Fails early for what cannot be read at all, before hours of work on other files. */
static int check_paths(struct bs_reader *reader, struct bs_error *error) {
    int stdins = reader->n_paths == 0;
    for (size_t i = 0; i < reader->n_paths; i++) {
        const char *path = reader->paths[i];
        struct stat status;
        if (strcmp(path, "-") == 0) {
            stdins++;
            reader->total = -1;
            continue;
        }
        if (reader->options.follow) { /* may be away for a moment */
            reader->total = -1;
            continue;
        }
        if (stat(path, &status) || access(path, R_OK))
            return bs_fail_errno(error, BS_DATA, "%s: cannot open", path);
        if (!S_ISREG(status.st_mode))
            reader->total = -1;
        else if (reader->total >= 0)
            reader->total += status.st_size;
    }
    if (stdins > 1)
        return bs_fail(error, BS_USAGE, "standard input (-) can be read only once");
    if (reader->n_paths == 0)
        reader->total = -1;
    return BS_OK;
}

int bs_reader_open(struct bs_reader **result, char *const *paths, size_t n_paths,
                   const struct bs_reader_options *options, struct bs_error *error) {
    if (options->format == BS_FORMAT_IDS)
        return bs_fail(error, BS_USAGE, "ids are written, not read");
    struct bs_reader *reader = bs_alloc(1, sizeof *reader);
    if (!reader)
        return bs_fail_memory(error, sizeof *reader, "a reader");
    int64_t max = options->max_record > 0 ? options->max_record : default_max_record;
    reader->options = *options;
    reader->max_record = (size_t)max;
    reader->paths = paths;
    reader->n_paths = n_paths;
    if (check_paths(reader, error)) {
        bs_reader_close(reader);
        return error->code;
    }
    *result = reader;
    return BS_OK;
}

static void close_file(struct bs_reader *reader) {
    if (!reader->path)
        return;
    if (reader->invalid_utf8 > 0 && !reader->options.reject_invalid_utf8)
        bs_warn("%s: %" PRId64 " record%s held invalid UTF-8", reader->path,
                reader->invalid_utf8, reader->invalid_utf8 == 1 ? "" : "s");
    if (reader->reading && reader->reading->end)
        reader->reading->end(reader);
    if (!reader->is_folder) {
        reader->stored_before += reader->input.stored;
        reader->taken_before += reader->input.taken;
        bs_input_close(&reader->input);
    }
    reader->path = NULL;
}

static int open_file(struct bs_reader *reader, struct bs_error *error) {
    const char *path = reader->n_paths ? reader->paths[reader->next_path] : "-";
    struct bs_follow *follow = reader->options.follow;
    if (!follow)
        reader->next_path++;
    reader->is_folder = !follow && strcmp(path, "-") != 0 && bs_is_directory(path);
    reader->sniffed = false;
    reader->reading = NULL;
    reader->invalid_utf8 = 0;
    bs_columns_reset(&reader->columns);
    enum bs_format format = reader->options.format;
    if (reader->is_folder && format != BS_FORMAT_AUTO && format != BS_FORMAT_TREE)
        return bs_fail(error, BS_DATA, "%s: is a folder; read it with --from tree", path);
    int64_t lines = 0;
    if (follow && bs_input_open_log(&reader->input, follow, path, &lines, error))
        return error->code;
    if (!follow && !reader->is_folder && bs_input_open(&reader->input, path, error))
        return error->code;
    reader->path = reader->is_folder ? path : reader->input.name;
    reader->number = lines + 1;
    return BS_OK;
}

static enum bs_format format_of_extension(const char *path) {
    static const struct {
        const char *extension;
        enum bs_format format;
    } known[] = {{"tsv", BS_FORMAT_TSV},         {"csv", BS_FORMAT_CSV},
                 {"jsonl", BS_FORMAT_JSONL},     {"ndjson", BS_FORMAT_JSONL},
                 {"msgpack", BS_FORMAT_MSGPACK}, {"tar", BS_FORMAT_TREE},
                 {"tgz", BS_FORMAT_TREE},        {"zip", BS_FORMAT_TREE}};
    static const char *const compressed[] = {".gz", ".zst", ".xz"};
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof compressed / sizeof *compressed; i++) {
        size_t cut = strlen(compressed[i]);
        if (size > cut && strcasecmp(path + size - cut, compressed[i]) == 0) {
            size -= cut;
            break;
        }
    }
    const char *dot = memrchr(path, '.', size);
    size_t length = dot ? size - (size_t)(dot + 1 - path) : 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (length == strlen(known[i].extension) &&
            strncasecmp(dot + 1, known[i].extension, length) == 0)
            return known[i].format;
    return BS_FORMAT_LINES;
}

static bool is_stream(struct bs_span data) {
    static const struct bs_span magic = {"\x92\xa2"
                                         "bs",
                                         4};
    return data.size >= magic.size && memcmp(data.data, magic.data, magic.size) == 0;
}

static enum bs_format choose_format(const struct bs_reader *reader) {
    struct bs_span data = bs_input_data(&reader->input);
    if (reader->is_folder)
        return BS_FORMAT_TREE;
    if (reader->options.format != BS_FORMAT_AUTO)
        return reader->options.format;
    if (is_stream(data))
        return BS_FORMAT_MSGPACK;
    if (bs_archive_sniff(data))
        return BS_FORMAT_TREE;
    return format_of_extension(reader->path);
}

/* Looks at the first bytes: BS_MORE if they are too few. */
static int sniff(struct bs_reader *reader, struct bs_error *error) {
    enum bs_format format = reader->options.format;
    bool may_be_tree =
        !reader->options.follow && (format == BS_FORMAT_AUTO || format == BS_FORMAT_TREE);
    if (reader->is_folder)
        return BS_OK;
    int code = bs_input_sniff(&reader->input, error);
    if (code || !may_be_tree || reader->input.ended)
        return code;
    struct bs_span data = bs_input_data(&reader->input);
    return !is_stream(data) && bs_archive_may_be(data) ? BS_MORE : BS_OK;
}

static int begin_file(struct bs_reader *reader, struct bs_error *error) {
    int code = sniff(reader, error);
    if (code)
        return code;
    reader->sniffed = true;
    reader->format = choose_format(reader);
    reader->reading = formats[reader->format].reading;
    return reader->reading->begin ? reader->reading->begin(reader, error) : BS_OK;
}

/* One step towards a pending record: BS_OK without `pending` means to go on. */
static int step(struct bs_reader *reader, struct bs_error *error) {
    size_t n_paths = reader->n_paths ? reader->n_paths : 1;
    if (!reader->path)
        return reader->next_path == n_paths ? BS_END : open_file(reader, error);
    if (!reader->sniffed)
        return begin_file(reader, error);
    int code = reader->reading->find(reader, error);
    reader->pending = code == BS_OK;
    if (code != BS_END)
        return code;
    close_file(reader);
    return BS_OK;
}

/* An interrupted archive cannot be read on. */
static bool is_failure(int code) {
    return code > BS_OK || code == BS_INTERRUPTED;
}

static int fail_for_good(struct bs_reader *reader, const struct bs_error *error) {
    reader->failure = *error;
    return error->code;
}

/* Until a record is pending (BS_OK): BS_MORE, BS_END, or a failure, which sticks. */
static int advance(struct bs_reader *reader, struct bs_error *error) {
    int code = BS_OK;
    if (reader->failure.code) {
        *error = reader->failure;
        return error->code;
    }
    while (!reader->pending && !code)
        code = step(reader, error);
    return is_failure(code) ? fail_for_good(reader, error) : code;
}

static int fill(struct bs_reader *reader, struct bs_error *error) {
    int code = bs_input_fill(&reader->input, error);
    return code > BS_OK ? fail_for_good(reader, error) : BS_OK;
}

static bool is_valid_utf8(const struct bs_reader *reader,
                          const struct bs_record *record) {
    if (reader->format != BS_FORMAT_MSGPACK && reader->format != BS_FORMAT_TREE)
        return bs_utf8_valid(record->raw);
    for (size_t i = 0; i < record->n_fields; i++) {
        const struct bs_field *field = &record->fields[i];
        int known = bs_known_field(field->name);
        if (known >= 0 && known <= BS_KNOWN_LABEL && field->value.kind == BS_VALUE_TEXT &&
            !bs_utf8_valid(field->value.bytes))
            return false;
    }
    return true;
}

static bool has_type(const struct bs_field *field, enum bs_field_type type) {
    enum bs_value_kind kind = field->value.kind;
    return type == BS_TYPE_IDS    ? kind == BS_VALUE_IDS
           : type == BS_TYPE_TEXT ? kind == BS_VALUE_TEXT
           : type == BS_TYPE_NAME ? kind == BS_VALUE_TEXT
                                  : true;
}

const char *bs_field_called(const struct bs_reader_options *reading, const char *field) {
    const char *const chosen[] = {reading->text, reading->text2, reading->label};
    for (int i = 0; i < 3; i++)
        if (chosen[i] && strcmp(field, bs_known_fields[i].name) == 0)
            return chosen[i];
    return field;
}

static int check_record(struct bs_reader *reader, const struct bs_record *record,
                        struct bs_error *error) {
    if (!is_valid_utf8(reader, record)) {
        reader->invalid_utf8++;
        if (reader->options.reject_invalid_utf8)
            return bs_fail(error, BS_REJECTED, "invalid UTF-8");
    }
    const char *required = reader->options.required;
    if (!required)
        return BS_OK;
    const struct bs_field *field = bs_record_find(record, required);
    if (!field)
        return bs_fail(error, BS_REJECTED, "field \"%s\" is missing",
                       bs_field_called(&reader->options, required));
    int known = bs_known_field(bs_span_of(required));
    if (known >= 0 && !has_type(field, bs_known_fields[known].type))
        return bs_fail(error, BS_REJECTED, "field \"%s\" is not %s",
                       bs_field_called(&reader->options, required),
                       bs_type_name(bs_known_fields[known].type));
    return BS_OK;
}

int bs_reader_next(struct bs_reader *reader, struct bs_record *record,
                   struct bs_error *error) {
    bs_record_clear(record);
    int code;
    while ((code = advance(reader, error)) == BS_MORE)
        if (fill(reader, error))
            return error->code;
    if (code)
        return code;
    reader->pending = false;
    reader->seen = 0;
    reader->fault.code = BS_OK;
    code = reader->reading->take(reader, record, error);
    if (!code && reader->fault.code) {
        *error = reader->fault;
        code = error->code;
    }
    if (!code)
        code = check_record(reader, record, error);
    return is_failure(code) && code != BS_REJECTED ? fail_for_good(reader, error) : code;
}

bool bs_reader_ready(struct bs_reader *reader) {
    return bs_reader_wait(reader, 0);
}

bool bs_reader_wait(struct bs_reader *reader, double seconds) {
    struct bs_error ignored; /* kept by the reader for the next call */
    double until = bs_seconds() + seconds;
    while (advance(reader, &ignored) == BS_MORE) {
        double left = seconds < 0 ? -1 : until - bs_seconds();
        if (!bs_input_wait(&reader->input, seconds >= 0 && left < 0 ? 0 : left))
            return false;
        if (fill(reader, &ignored))
            return true;
    }
    return true;
}

enum bs_format bs_reader_format(const struct bs_reader *reader) {
    return reader->format;
}

const struct bs_stream_header *bs_reader_header(const struct bs_reader *reader) {
    return reader->header_path ? &reader->header : NULL;
}

size_t bs_reader_columns(const struct bs_reader *reader, const struct bs_span **names) {
    *names = reader->columns.names;
    return reader->columns.named ? reader->columns.count : 0;
}

int64_t bs_reader_position(const struct bs_reader *reader, int64_t *total) {
    *total = reader->total;
    bool reads = reader->path && !reader->is_folder;
    return reader->stored_before + (reads ? reader->input.stored : 0);
}

int64_t bs_reader_invalid_utf8(const struct bs_reader *reader) {
    return reader->invalid_utf8;
}

void bs_reader_close(struct bs_reader *reader) {
    if (!reader)
        return;
    close_file(reader);
    free(reader->cells.cells);
    free(reader->columns.names);
    bs_record_free(&reader->names);
    bs_stream_header_free(&reader->header);
    free(reader);
}

/* ---- what formats share (reading.h) ---- */

void bs_reading_begin_record(struct bs_reader *reader, struct bs_record *record,
                             const char *unit, int64_t number) {
    record->file = reader->path;
    record->unit = unit;
    record->number = number;
}

int bs_reading_find_line(struct bs_reader *reader, struct bs_error *error) {
    return bs_input_find_line(&reader->input, reader->max_record, &reader->line, error);
}

int bs_reading_take_line(struct bs_reader *reader, struct bs_record *record,
                         struct bs_error *error) {
    struct bs_line line = reader->line;
    bs_reading_begin_record(reader, record, "line", reader->number++);
    bool copied = bs_record_copy(record, line.text, &record->raw);
    record->line_bytes = line.too_long ? 0 : (int64_t)line.size;
    bs_input_next_line(&reader->input, &line);
    record->end = reader->taken_before + reader->input.taken;
    if (!copied)
        return bs_fail_memory(error, line.text.size, reader->path);
    if (line.too_long)
        return bs_fail(error, BS_REJECTED, "longer than %zu bytes (--max-record)",
                       reader->max_record);
    return BS_OK;
}

struct bs_span bs_reading_without_mark(struct bs_span text, int64_t number) {
    if (number == 1 && text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        return bs_span(text.data + 3, text.size - 3);
    return text;
}

bool bs_reading_taken(struct bs_reader *reader, struct bs_span name) {
    const struct bs_reader_options *options = &reader->options;
    const char *chosen[] = {options->text, options->text2, options->label};
    for (int i = 0; i < 3; i++)
        if (chosen[i] && bs_span_is(name, bs_known_fields[i].name)) {
            if (!reader->shadow_warned)
                bs_warn("%s: field \"%s\" is left out, for \"%s\" takes its name",
                        reader->path, bs_known_fields[i].name, chosen[i]);
            reader->shadow_warned = true;
            return true;
        }
    return false;
}

struct bs_span bs_reading_rename(struct bs_reader *reader, struct bs_span source) {
    const struct bs_reader_options *options = &reader->options;
    const char *chosen[] = {options->text, options->text2, options->label};
    for (int i = 0; i < 3; i++)
        if (chosen[i] && bs_span_is(source, chosen[i]))
            return bs_span_of(bs_known_fields[i].name);
    return bs_reading_taken(reader, source) ? bs_span(NULL, 0) : source;
}

int bs_reading_add(struct bs_reader *reader, struct bs_record *record,
                   struct bs_span source, struct bs_field **field,
                   enum bs_field_type *type, struct bs_error *error) {
    struct bs_span name = bs_reading_rename(reader, source);
    *field = NULL;
    if (!name.data)
        return BS_OK;
    int known = bs_known_field(name);
    *type = known < 0 ? BS_TYPE_ANY : bs_known_fields[known].type;
    if (known >= 0 && reader->seen >> known & 1) {
        if (!reader->fault.code)
            (void)bs_fail(&reader->fault, BS_REJECTED, "field \"%s\" stands there twice",
                          bs_known_fields[known].name);
        return BS_OK;
    }
    if (known >= 0)
        reader->seen |= (uint32_t)1 << known;
    if (record->n_fields == MAX_FIELDS)
        return bs_fail(error, BS_REJECTED, "more than %d fields", MAX_FIELDS);
    *field = bs_record_add(record, name, (struct bs_value){.kind = BS_VALUE_TEXT});
    if (!*field)
        return bs_fail_memory(error, sizeof **field, "a field");
    return BS_OK;
}
