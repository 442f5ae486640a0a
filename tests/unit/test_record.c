/* Records: memory, fields, typed access. */
#include "record/record.h"

#include "tap.h"

static struct bs_value text_of(const char *text) {
    return (struct bs_value){.kind = BS_VALUE_TEXT, .bytes = bs_span_of(text)};
}

static void add(struct bs_record *record, const char *name, struct bs_value value) {
    if (!bs_record_add(record, bs_span_of(name), value))
        check(0, "adds %s", name);
}

static void test_memory(void) {
    struct bs_record record = {0};
    char *places[200];
    bool aligned = true, kept = true;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 200; i++) {
            places[i] = bs_record_alloc(&record, i * 37);
            aligned = aligned && (uintptr_t)places[i] % 16 == 0;
            memset(places[i], (int)i, i * 37);
        }
        for (size_t i = 0; i < 200; i++)
            for (size_t k = 0; k < i * 37; k++)
                kept = kept && places[i][k] == (char)i;
        bs_record_clear(&record);
    }
    check(aligned, "memory is aligned");
    check(kept, "memory does not move or overlap");
    check(!bs_record_alloc(&record, SIZE_MAX - 8), "an impossible size is refused");
    bs_record_free(&record);
    bs_record_free(&record);
    check(record.blocks == NULL, "freed twice");
}

static void test_fields(void) {
    struct bs_record record = {0};
    add(&record, "a", text_of("1"));
    add(&record, "b", text_of("2"));
    add(&record, "a", text_of("3"));
    check(bs_span_is(bs_record_find(&record, "a")->value.bytes, "1"), "finds the first");
    check(!bs_record_find(&record, "c"), "finds nothing");
    record.fields[1].raw_value = bs_span_of("raw");
    check(bs_record_set(&record, "b", text_of("4")) == &record.fields[1] &&
              record.fields[1].raw_value.size == 0,
          "sets in place, without the old source");
    check(bs_record_set(&record, "c", text_of("5")) == &record.fields[3], "sets anew");
    bs_record_remove(&record, "a");
    bs_record_remove(&record, "z");
    check(record.n_fields == 3 && bs_span_is(record.fields[0].name, "b") &&
              bs_span_is(record.fields[1].value.bytes, "3"),
          "removes one and keeps the order");
    bs_record_free(&record);
}

/* Columns have no type; values out of JSON or msgpack do. */
static void test_types(void) {
    struct bs_record record = {0};
    struct bs_error error = {0};
    double real;
    int64_t integer;
    bool boolean;
    struct bs_span text;
    add(&record, "column", text_of("0.5"));
    add(&record, "whole", text_of("12"));
    add(&record, "empty", text_of(""));
    add(&record, "bad", text_of("1x"));
    add(&record, "yes", text_of("true"));
    add(&record, "string", text_of("0.5"));
    record.fields[record.n_fields - 1].raw_value = bs_span_of("\"0.5\"");
    add(&record, "null",
        (struct bs_value){.kind = BS_VALUE_JSON, .bytes = bs_span_of("null")});
    add(&record, "nil",
        (struct bs_value){.kind = BS_VALUE_MSGPACK, .bytes = bs_span_of("\xc0")});
    add(&record, "integer", (struct bs_value){.kind = BS_VALUE_INTEGER, .integer = 7});
    check(!bs_record_real(&record, "column", &real, &error) && real == 0.5,
          "a number out of a column");
    check(!bs_record_integer(&record, "whole", &integer, &error) && integer == 12,
          "a whole number out of a column");
    check(!bs_record_boolean(&record, "yes", &boolean, &error) && boolean,
          "a boolean out of a column");
    check(bs_record_real(&record, "empty", &real, &error) == BS_END, "an empty column");
    check(bs_record_text(&record, "empty", &text, &error) == BS_OK && text.size == 0,
          "an empty column is a text");
    check(bs_record_real(&record, "bad", &real, &error) == BS_REJECTED &&
              strcmp(error.text, "field \"bad\" is not a number") == 0,
          "no number");
    check(bs_record_real(&record, "string", &real, &error) == BS_REJECTED,
          "a string in JSON is no number");
    check(bs_record_integer(&record, "column", &integer, &error) == BS_REJECTED,
          "0.5 is no whole number");
    check(bs_record_text(&record, "null", &text, &error) == BS_END &&
              bs_record_text(&record, "nil", &text, &error) == BS_END &&
              bs_record_text(&record, "none", &text, &error) == BS_END,
          "null, nil and missing");
    check(!bs_record_real(&record, "integer", &real, &error) && real == 7,
          "a whole number is a number");
    check(bs_record_text(&record, "integer", &text, &error) == BS_REJECTED &&
              strcmp(error.text, "field \"integer\" is not a text") == 0,
          "a number is no text");
    bs_record_free(&record);
}

static void test_lists(void) {
    static const int32_t values[] = {101, 7, 102};
    struct bs_record record = {0};
    struct bs_error error = {0};
    struct bs_ids ids = {0};
    add(&record, "ids",
        (struct bs_value){.kind = BS_VALUE_IDS, .ids = {.values = values, .count = 3}});
    add(&record, "text", text_of("1 2"));
    check(!bs_record_ids(&record, "ids", &ids, &error) && ids.count == 3 &&
              ids.values[2] == 102,
          "ids");
    check(bs_record_ids(&record, "text", &ids, &error) == BS_REJECTED && ids.count == 0,
          "a text is no ids");
    bs_ids_free(&ids);
    bs_record_free(&record);
}

int main(void) {
    test_memory();
    test_fields();
    test_types();
    test_lists();
    return tap_end();
}
