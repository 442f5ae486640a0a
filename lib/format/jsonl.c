/* JSON lines: one object a line. Blank lines are passed over. */
#include "common/utf8.h"
#include "format/json.h"
#include "format/reading.h"
#include "format/writing.h"

static bool is_blank(struct bs_span line) {
    for (size_t i = 0; i < line.size; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}

static int find(struct bs_reader *reader, struct bs_error *error) {
    int code;
    while (!(code = bs_reading_find_line(reader, error)) && !reader->line.too_long) {
        if (!is_blank(bs_reading_without_mark(reader->line.text, reader->number)))
            break;
        bs_input_next_line(&reader->input, &reader->line);
        reader->number++;
    }
    return code;
}

static int not_valid(const struct bs_record *record, const struct bs_json *json,
                     struct bs_error *error) {
    return bs_fail(error, BS_REJECTED, "not valid JSON: byte %zu: %s",
                   (size_t)(json->at - record->raw.data) + 1, json->why);
}

/* The decoded name of a field; without data if memory ran out. */
static struct bs_span decode_name(struct bs_record *record, struct bs_span string) {
    if (!bs_json_has_escapes(string))
        return bs_span(string.data + 1, string.size - 2);
    char *name = bs_record_alloc(record, string.size);
    return bs_span(name, name ? bs_json_decode(string, name, NULL) : 0);
}

static int take_field(struct bs_reader *reader, struct bs_record *record,
                      struct bs_json *json, struct bs_error *error) {
    struct bs_span string, text;
    struct bs_field *field;
    enum bs_field_type type;
    bool is_valid = bs_json_skip_string(json, &string);
    if (is_valid && !bs_json_take(json, ':')) {
        json->why = "a colon is wanted";
        is_valid = false;
    }
    if (!is_valid || !bs_json_skip(json, BS_JSON_DEPTH - 1, &text))
        return not_valid(record, json, error);
    bs_json_skip_blank(json);
    if (json->at == json->end || (*json->at != ',' && *json->at != '}')) {
        /* 01 is not 0 */
        json->why = "a comma or } is wanted";
        return not_valid(record, json, error);
    }
    struct bs_span name = decode_name(record, string);
    if (!name.data)
        return bs_fail_memory(error, string.size, "a name");
    if (bs_reading_add(reader, record, name, &field, &type, error))
        return error->code;
    if (!field)
        return BS_OK;
    if (bs_span_equal(field->name, name))
        field->raw_name = string;
    return bs_field_from_json(record, field, type, text, error);
}

/* Without --text, "sentence" serves where there is no "text". */
static void choose_sentence(const struct bs_reader *reader, struct bs_record *record) {
    if (reader->options.text || reader->seen & 1 << BS_KNOWN_TEXT)
        return;
    struct bs_field *field = bs_record_find(record, "sentence");
    if (field && field->value.kind == BS_VALUE_TEXT) {
        field->name = bs_span_of(BS_FIELD_TEXT);
        field->raw_name = bs_span(NULL, 0);
    }
}

static int take_object(struct bs_reader *reader, struct bs_record *record,
                       struct bs_json *json, struct bs_error *error) {
    if (!bs_json_take(json, '{'))
        return bs_fail(error, BS_REJECTED, "not a JSON object");
    bool more = !bs_json_take(json, '}');
    while (more) {
        if (take_field(reader, record, json, error))
            return error->code;
        more = !bs_json_take(json, '}') && bs_json_take(json, ',');
    }
    bs_json_skip_blank(json);
    json->why = "something follows the object";
    return json->at < json->end ? not_valid(record, json, error) : BS_OK;
}

static int take(struct bs_reader *reader, struct bs_record *record,
                struct bs_error *error) {
    int64_t number = reader->number;
    if (bs_reading_take_line(reader, record, error))
        return error->code;
    struct bs_span text = bs_reading_without_mark(record->raw, number);
    struct bs_json json = {.at = text.data, .end = text.data + text.size};
    if (take_object(reader, record, &json, error))
        return error->code;
    choose_sentence(reader, record);
    return BS_OK;
}

const struct bs_reading bs_reading_jsonl = {.find = find, .take = take};

static bool put_field(struct bs_buffer *bytes, const struct bs_field *field) {
    bool raw = field->raw_name.size > 0 && field->raw_kind == BS_VALUE_JSON;
    bool named = raw ? bs_buffer_append_span(bytes, field->raw_name)
                     : bs_json_put_string(bytes, field->name);
    return named && bs_buffer_append_byte(bytes, ':') && bs_put_json(bytes, field);
}

/* Bytes from `begin` on, with invalid UTF-8 as U+FFFD. */
static bool repair(struct bs_buffer *bytes, size_t begin) {
    struct bs_span line = bs_span(bytes->data + begin, bytes->size - begin);
    struct bs_buffer repaired = {0};
    if (bs_utf8_valid(line))
        return true;
    bool done = bs_utf8_repair(&repaired, line);
    bytes->size = begin;
    done = done && bs_buffer_append_span(bytes, bs_buffer_span(&repaired));
    bs_buffer_free(&repaired);
    return done;
}

static bool encode(const struct bs_writer *writer, const struct bs_record *record,
                   struct bs_buffer *bytes) {
    size_t begin = bytes->size;
    bool first = true;
    if (!bs_buffer_append_byte(bytes, '{'))
        return false;
    for (size_t i = 0; i < record->n_fields; i++) {
        if (!bs_writing_keeps(writer, &record->fields[i]))
            continue;
        if (!first && !bs_buffer_append_byte(bytes, ','))
            return false;
        if (!put_field(bytes, &record->fields[i]))
            return false;
        first = false;
    }
    return bs_buffer_append(bytes, "}\n", 2) && repair(bytes, begin);
}

const struct bs_writing bs_writing_jsonl = {.encode = encode};
