/* Lines, TSV, CSV and JSON lines: reading, rejecting, writing. */
#include "format_help.h"

#include "common/log.h"
#include "format/rejects.h"

static const struct bs_reader_options plain = {0};

static void test_lines(void) {
    check_read("a", SPAN("one\n\ntwo \r\nthree"), NULL,
               "{\"text\":\"one\"}\n{\"text\":\"\"}\n{\"text\":\"two \\r\"}\n"
               "{\"text\":\"three\"}\n",
               "lines: empty, with CR, the last without LF");
    check_read("a", SPAN(""), NULL, "", "an empty file");
    check_read("a", SPAN("\n"), NULL, "{\"text\":\"\"}\n", "one empty line");
    check_read("a", SPAN("a\0b\n\xff\n"), NULL,
               "{\"text\":\"a\\u0000b\"}\n{\"text\":\"\xef\xbf\xbd\"}\n",
               "NUL, and invalid UTF-8 as U+FFFD in JSON");
    struct bs_reader_options strict = {.reject_invalid_utf8 = true};
    check_read("a", SPAN("a\n\xff\nb\n"), &strict,
               "{\"text\":\"a\"}\n! line 2: invalid UTF-8\n{\"text\":\"b\"}\n",
               "invalid UTF-8 rejected");
    struct bs_reader_options lines = {.format = BS_FORMAT_LINES};
    check_read("a.tsv", SPAN("a\tb\n"), &lines, "{\"text\":\"a\\tb\"}\n",
               "--from lines beats the extension");
    make_text("a", SPAN("x\xff\ty\n"));
    struct bs_span back = convert("a", &lines, BS_FORMAT_LINES);
    check(bs_span_is(back, "x\xff\ty\n"), "lines into lines, byte for byte");
    free((char *)back.data);
    make_text("a.jsonl", SPAN("{\"text\":\"x\\ny\"}\n"));
    back = convert("a.jsonl", &plain, BS_FORMAT_LINES);
    check(bs_span_is(back, "x y\n"), "a line feed within becomes a blank");
    free((char *)back.data);
}

static void test_long(void) {
    struct bs_reader_options options = {.max_record = 10};
    check_read(
        "a", SPAN("1234567890\n12345678901\nshort\n123456789012"), &options,
        "{\"text\":\"1234567890\"}\n! line 2: longer than 10 bytes (--max-record)\n"
        "{\"text\":\"short\"}\n! line 4: longer than 10 bytes (--max-record)\n",
        "lines too long");
    check_read(
        "a.csv", SPAN("text\n\"12\n\n90\"\n\"1234\n5678901\",\nb\n"), &options,
        "{\"text\":\"12\\n\\n90\"}\n! line 5: longer than 10 bytes (--max-record)\n"
        "{\"text\":\"b\"}\n",
        "rows of CSV too long");
    enum { HUGE_LINE = 20 << 20 };
    char *big = malloc(HUGE_LINE + 8);
    memset(big, 'x', HUGE_LINE);
    memcpy(big, "a\n", 2);
    memcpy(big + HUGE_LINE, "\nb\n", 4);
    options.max_record = 1 << 20;
    check_read("big", bs_span(big, HUGE_LINE + 3), &options,
               "{\"text\":\"a\"}\n! line 2: longer than 1048576 bytes (--max-record)\n"
               "{\"text\":\"b\"}\n",
               "20 MB in one line");
    make_file("big", big, HUGE_LINE);
    char *got = read_file("big", NULL);
    check(strlen(got) == HUGE_LINE - 2 + strlen("{\"text\":\"a\"}\n{\"text\":\"\"}\n"),
          "20 MB in one line within the limit");
    free(got);
    free(big);
}

static void test_tsv(void) {
    check_read("a.tsv", SPAN("sentence\tlabel\r\nit 's\t1\r\na\\tb\\n\\\\\\q\\\t0"), NULL,
               "{\"text\":\"it 's\",\"label\":\"1\"}\n"
               "{\"text\":\"a\\tb\\n\\\\\\\\q\\\\\",\"label\":\"0\"}\n",
               "GLUE's TSV, CRLF and escapes");
    check_read("a.tsv",
               SPAN("\xef\xbb\xbflabel\ttext\tid\np\tx\t1\nshort\np\ty\t2\tmore\n"), NULL,
               "{\"label\":\"p\",\"text\":\"x\",\"id\":\"1\"}\n"
               "! line 3: has 1 column, the header has 3\n"
               "! line 4: has 4 columns, the header has 3\n",
               "a mark, too few columns and too many");
    struct bs_reader_options numbers = {.text = "3", .label = "2"};
    check_read("a.tsv", SPAN("7\t1.5\tfilm\n8\t2\n9\t3\ttext\tmore\n"), &numbers,
               "{\"1\":\"7\",\"label\":\"1.5\",\"text\":\"film\"}\n"
               "! line 2: has 2 columns, not 3\n"
               "{\"1\":\"9\",\"label\":\"3\",\"text\":\"text\",\"4\":\"more\"}\n",
               "columns by number");
    struct bs_reader_options text = {.required = "text"};
    check_read("a.tsv", SPAN("1\tfilm\n"), &text,
               "= 2: a.tsv: has 2 columns and no header row that names a text; say which "
               "they are with --text and --label (by number, from 1)",
               "two columns without names");
    check_read("a.tsv", SPAN("film\nfilm two\n"), &text,
               "{\"text\":\"film\"}\n{\"text\":\"film two\"}\n",
               "one column is the text");
    struct bs_reader_options named = {.text = "review", .label = "stars"};
    check_read("a.tsv", SPAN("stars\ttext\treview\n5\tno\tyes\n"), &named,
               "{\"label\":\"5\",\"text\":\"yes\"}\n",
               "chosen by name; the other is left out");
    check_read("a.tsv", SPAN("a\tb\n5\tno\n"), &named,
               "= 4: a.tsv: no column \"review\"; its first row is: a, b (choose with "
               "--text, or see --header)",
               "a name that is not there");
    struct bs_reader_options yes = {.header = BS_HEADER_YES},
                             no = {.header = BS_HEADER_NO};
    check_read("a.tsv", SPAN("a\tb\n5\tno\n"), &yes, "{\"a\":\"5\",\"b\":\"no\"}\n",
               "--header yes");
    check_read("a.tsv", SPAN("text\nx\n"), &no, "{\"text\":\"text\"}\n{\"text\":\"x\"}\n",
               "--header no");
    check_read("a.tsv", SPAN("text\ttext\nx\ty\n"), NULL,
               "= 4: a.tsv: two columns are called \"text\"", "two columns of one name");
}

/* A column that goes by one of our names, chosen for what another one of them is: as in
 * JSON lines. */
static void test_swapped(void) {
    static const struct {
        struct bs_reader_options options;
        const char *expected;
    } swaps[] = {
        {{.text = "label", .required = "text"},
         "{\"sentence\":\"a\",\"text\":\"c\",\"text2\":\"d\"}\n"},
        {{.text = "text2", .required = "text"},
         "{\"sentence\":\"a\",\"label\":\"c\",\"text\":\"d\"}\n"},
        {{.label = "text", .required = "text"},
         "{\"text\":\"a\",\"label\":\"b\",\"text2\":\"d\"}\n"},
        {{.text = "label", .label = "text", .required = "text"},
         "{\"sentence\":\"a\",\"label\":\"b\",\"text\":\"c\",\"text2\":\"d\"}\n"}};
    for (size_t i = 0; i < sizeof swaps / sizeof *swaps; i++) {
        check_read("a.tsv", SPAN("sentence\ttext\tlabel\ttext2\na\tb\tc\td\n"),
                   &swaps[i].options, swaps[i].expected, "columns chosen crosswise");
        check_read("a.jsonl",
                   SPAN("{\"sentence\":\"a\",\"text\":\"b\",\"label\":\"c\",\"text2\":"
                        "\"d\"}\n"),
                   &swaps[i].options, swaps[i].expected, "and fields");
    }
}

static void test_csv(void) {
    check_read(
        "a.csv",
        SPAN("\xef\xbb\xbf\"text\",label\r\n\"a,\"\"b\"\"\n2\",x\r\n5\" disk,y\n,\n"),
        NULL,
        "{\"text\":\"a,\\\"b\\\"\\n2\",\"label\":\"x\"}\n"
        "{\"text\":\"5\\\" disk\",\"label\":\"y\"}\n{\"text\":\"\",\"label\":\"\"}\n",
        "quotes, commas, line feeds within");
    check_read("a.csv", SPAN("text,label\na,1\n\"open,2\nb,3\n"), NULL,
               "{\"text\":\"a\",\"label\":\"1\"}\n"
               "! line 3: the quote opened on line 3 is never closed\n",
               "an open quote");
    check_read("a.csv", SPAN("text,label\n\"a\nb\",\"c\n"), NULL,
               "! line 2: the quote opened on line 3 is never closed\n",
               "an open quote in a later line of the row");
    check_read("a.csv", SPAN("text,label\na\nb,1,2\n\"c\",3"), NULL,
               "! line 2: has 1 column, the header has 2\n"
               "! line 3: has 3 columns, the header has 2\n"
               "{\"text\":\"c\",\"label\":\"3\"}\n",
               "rows of other lengths, the last without LF");
}

static void test_jsonl(void) {
    check_read(
        "a.jsonl",
        SPAN("{\"x\" : 1.0, \"y\":\"\\u00e9\\/\" ,\"x\":[1 , "
             "2e400],\"text\":\"\\ud83d\"}\r\n"
             " \n{}"),
        NULL,
        "{\"x\":1.0,\"y\":\"\\u00e9\\/\",\"x\":[1 , 2e400],\"text\":\"\\ud83d\"}\n{}\n",
        "numbers, escapes and duplicates stay as they are");
    check_read("a.jsonl",
               SPAN("{\"label\":1}\n{\"label\":-1.50}\n{\"label\":true}\n"
                    "{\"label\":null}\n{\"predicted\":2}\n"),
               NULL,
               "{\"label\":\"1\"}\n{\"label\":\"-1.50\"}\n{\"label\":\"true\"}\n"
               "{\"label\":null}\n{\"predicted\":\"2\"}\n",
               "labels that are numbers become names");
    check_read(
        "a.jsonl",
        SPAN("{\"text\":\"a\",\"text\":\"b\"}\n{\"text\":\"c\"\n[1]\n{\"text\":\"d\"}x\n"
             "{\"text\":\"\t\"}\n{\"t\\u0065xt\":\"e\",\"text\":\"f\"}\n"),
        NULL,
        "! line 1: field \"text\" stands there twice\n"
        "! line 2: not valid JSON: byte 12: a comma or } is wanted\n"
        "! line 3: not a JSON object\n"
        "! line 4: not valid JSON: byte 13: something follows the object\n"
        "! line 5: not valid JSON: byte 10: a control character in a string\n"
        "! line 6: field \"text\" stands there twice\n",
        "what is not valid is rejected");
    struct bs_reader_options text = {.required = "text"};
    check_read(
        "a.jsonl",
        SPAN("{\"text\":5}\n{\"text\":null}\n{\"t\":1}\n{\"sentence\":\"s\"}\n"), &text,
        "! line 1: field \"text\" is not a text\n! line 2: field \"text\" is not a text\n"
        "! line 3: field \"text\" is missing\n{\"text\":\"s\"}\n",
        "a text is wanted");
    struct bs_reader_options ids = {.required = "ids"};
    check_read("a.jsonl",
               SPAN("{\"ids\":[2147483648]}\n{\"ids\":[1.5]}\n{\"ids\":[]}\n{\"ids\":[-1,"
                    "2e0]}\n"),
               &ids,
               "! line 1: field \"ids\" is not a list of whole numbers below 2147483648\n"
               "! line 2: field \"ids\" is not a list of whole numbers below 2147483648\n"
               "{\"ids\":[]}\n{\"ids\":[-1,2e0]}\n",
               "ids are wanted");
    struct bs_reader_options chosen = {.text = "body", .label = "stars"};
    check_read("a.jsonl",
               SPAN("{\"body\":\"b\",\"stars\":4,\"text\":\"t\",\"sentence\":\"s\"}\n"),
               &chosen, "{\"text\":\"b\",\"label\":\"4\",\"sentence\":\"s\"}\n",
               "chosen fields are called by their roles");
    check_read("a.jsonl", SPAN("{\"x\":\"\xff\",\"\xff\":1}\n"), NULL,
               "{\"x\":\"\xef\xbf\xbd\",\"\xef\xbf\xbd\":1}\n", "invalid UTF-8");
}

static void test_deep(void) {
    enum { DEEP = 10000 };
    char *line = malloc(3 * DEEP);
    memcpy(line, "{\"x\":", 5);
    memset(line + 5, '[', DEEP);
    memset(line + 5 + DEEP, ']', DEEP);
    memcpy(line + 5 + 2 * DEEP, "}\n{}\n", 5);
    check_read("a.jsonl", bs_span(line, 10 + 2 * DEEP), NULL,
               "! line 1: not valid JSON: byte 69: nested too deeply\n{}\n",
               "JSON nested 10,000 deep");
    free(line);
}

static void test_write(void) {
    static const char rows[] =
        "{\"text\":\"a\\tb\\n\\\\\\\"\",\"n\":1.50,\"x\":null,\"l\":[1,\"\\t\"]}\n";
    make_file("a.jsonl", rows, sizeof rows - 1);
    struct bs_span out = convert("a.jsonl", &plain, BS_FORMAT_TSV);
    check(bs_span_is(out, "a\\tb\\n\\\\\"\t1.50\t\t[1,\"\\\\t\"]\n"), "TSV is escaped");
    free((char *)out.data);
    out = convert("a.jsonl", &plain, BS_FORMAT_CSV);
    check(bs_span_is(out, "\"a\tb\n\\\"\"\",1.50,,\"[1,\"\"\\t\"\"]\"\n"),
          "CSV is quoted");
    free((char *)out.data);
    make_text("a.jsonl",
              SPAN("{\"ids\":[101,-5,2147483647],\"text\":\"x\"}\n{\"ids\":[]}\n"));
    out = convert("a.jsonl", &plain, BS_FORMAT_IDS);
    check(bs_span_is(out, "101 -5 2147483647\n\n"), "ids");
    free((char *)out.data);
}

static void test_columns(void) {
    struct bs_error error = {0};
    struct bs_output *output;
    struct bs_writer *writer;
    struct bs_buffer all = {0}, bytes = {0};
    struct bs_record record = {0};
    struct bs_span names[] = {bs_span_of("label"), bs_span_of("te\txt")};
    struct bs_writer_options options = {.format = BS_FORMAT_TSV, .header_row = true};
    struct bs_value text = {.kind = BS_VALUE_TEXT, .bytes = bs_span_of("x")};
    uint32_t size;
    bool done = !bs_output_open(&output, "out", &error) &&
                !bs_writer_open(&writer, output, &options, &error) &&
                !bs_writer_columns(writer, names, 2, &error) &&
                bs_record_add(&record, bs_span_of("te\txt"), text) &&
                !bs_writer_encode(writer, &record, &bytes, &error);
    size = (uint32_t)bytes.size;
    done = done && !bs_writer_put(writer, bs_buffer_span(&bytes), &size, 1, &error) &&
           !bs_writer_finish(writer, &error) && !bs_output_commit(output, &error) &&
           !bs_file_read("out", 1000, &all, &error);
    check(done && bs_span_is(bs_buffer_span(&all), "label\tte\\txt\n\tx\n"),
          "columns in their order, missing ones empty");
    check(bs_writer_set(writer, &record, "te\txt", text, &error) == BS_DATA,
          "a field of the input is not overwritten");
    check(!bs_writer_set(writer, &record, "new", text, &error), "a new one is set");
    bs_writer_free(writer);
    bs_buffer_free(&all);
    bs_buffer_free(&bytes);
    bs_record_free(&record);
}

/* A row of a record whose fields have these names, one letter each, and them as values.
 */
static void row_of(const char *fields, const struct bs_writer *writer,
                   struct bs_buffer *row) {
    struct bs_error error;
    struct bs_record record = {0};
    for (const char *name = fields; *name; name++) {
        struct bs_value value = {.kind = BS_VALUE_INTEGER, .integer = name - fields};
        if (!bs_record_add(&record, bs_span(name, 1), value))
            abort();
    }
    row->size = 0;
    if (bs_writer_encode(writer, &record, row, &error))
        abort();
    bs_record_free(&record);
}

/* However many fields there are, those of one name go to the columns of that name in
 * their order, wherever they stand. */
static void test_many_fields(void) {
    static const char few[] = "zcbaba", wanted[] = "3\t2\t1\t5\t\n";
    char many[100];
    struct bs_error error;
    struct bs_output *output;
    struct bs_writer *writer;
    struct bs_buffer row = {0};
    struct bs_span names[] = {bs_span("a", 1), bs_span("b", 1), bs_span("c", 1),
                              bs_span("a", 1), bs_span("y", 1)};
    struct bs_writer_options options = {.format = BS_FORMAT_TSV};
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    memcpy(many, few, sizeof few - 1);
    if (bs_output_open(&output, "out", &error) ||
        bs_writer_open(&writer, output, &options, &error) ||
        bs_writer_columns(writer, names, 5, &error))
        abort();
    row_of(few, writer, &row);
    check(bs_span_is(bs_buffer_span(&row), wanted), "columns of a record of few fields");
    row_of(many, writer, &row);
    check(bs_span_is(bs_buffer_span(&row), wanted), "and of one of many");
    bs_buffer_free(&row);
    bs_writer_free(writer);
    bs_output_abandon(output);
}

static void test_paths(void) {
    struct bs_error error = {0};
    struct bs_reader *reader = NULL;
    struct bs_reader_options ids = {.format = BS_FORMAT_IDS};
    char *missing[] = {(char *)"none"}, *twice[] = {(char *)"-", (char *)"-"};
    check(bs_reader_open(&reader, missing, 1, &plain, &error) == BS_DATA &&
              strcmp(error.text, "none: cannot open: No such file or directory") == 0,
          "a missing file");
    check(bs_reader_open(&reader, twice, 2, &plain, &error) == BS_USAGE,
          "standard input twice");
    check(bs_reader_open(&reader, missing, 1, &ids, &error) == BS_USAGE, "ids");
    make_text("1.tsv", SPAN("text\tlabel\na\t1\n"));
    make_text("2.tsv", SPAN("label\ttext\n2\tb\n"));
    make_text("3", SPAN("c\n"));
    char *paths[] = {(char *)"1.tsv", (char *)"2.tsv", (char *)"3"};
    struct outcome out = read_paths(paths, 3, NULL);
    check(strcmp(out.text.data,
                 "{\"text\":\"a\",\"label\":\"1\"}\n"
                 "{\"label\":\"2\",\"text\":\"b\"}\n{\"text\":\"c\"}\n") == 0,
          "files one after the other, each in its own format");
    bs_buffer_free(&out.text);
}

static void test_rejects(void) {
    struct bs_error error = {0};
    struct bs_rejects *rejects;
    struct bs_record record = {
        .file = "in.tsv", .unit = "line", .number = 3, .raw = SPAN("a\xff\0b")};
    struct bs_buffer kept = {0};
    bool done = !bs_rejects_open(&rejects, "rejects", false, &error);
    bs_fail(&error, BS_REJECTED, "too \"few\" columns");
    done = done && !bs_rejects_add(rejects, &record, &error);
    check(done && bs_rejects_count(rejects) == 1, "takes note");
    check(bs_rejects_close(rejects, &error) == BS_REJECTED, "says that there were any");
    done = !bs_file_read("rejects", 1000, &kept, &error);
    check(done &&
              bs_span_is(bs_buffer_span(&kept),
                         "{\"file\":\"in.tsv\",\"line\":3,\"reason\":\"too \\\"few\\\" "
                         "columns\",\"raw\":\"a\xef\xbf\xbd\\u0000b\"}\n"),
          "keeps them");
    done = !bs_rejects_open(&rejects, NULL, true, &error);
    bs_fail(&error, BS_REJECTED, "why");
    check(done && bs_rejects_add(rejects, &record, &error) == BS_DATA &&
              strcmp(error.text, "in.tsv: line 3: why") == 0,
          "--strict stops at the first");
    bs_rejects_abandon(rejects);
    done = !bs_rejects_open(&rejects, "none", false, &error);
    check(done && bs_rejects_close(rejects, &error) == BS_OK, "none is fine");
    bs_buffer_free(&kept);
}

int main(void) {
    bs_log_setup("test", true, false);
    help_begin();
    test_lines();
    test_long();
    test_tsv();
    test_swapped();
    test_csv();
    test_jsonl();
    test_deep();
    test_write();
    test_columns();
    test_many_fields();
    test_paths();
    test_rejects();
    return help_end();
}
