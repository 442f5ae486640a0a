/* The shared options: defaults, every value they can take, lists of names; and fields
 * put in front of a record. */
#include "front/options.h"
#include "front/source.h"
#include "tap.h"

#include <stdlib.h>

static int seen_key;
static char seen_value[16];

static int parse_own(void *own, int key, const char *value, struct bs_error *error) {
    (void)error;
    *(int *)own += 1;
    seen_key = key;
    snprintf(seen_value, sizeof seen_value, "%s", value);
    return BS_OK;
}

static const struct argp_option own_options[] = {
    {"own", BS_OPTION_OWN, "X", 0, "An option of its own", 0}, {0}};

static const struct bs_command command = {
    .tool = "bs-test",
    .arguments = "[FILE...]",
    .about = "  an example",
    .shared = ~0U,
    .to_formats = 1U << BS_FORMAT_TSV | 1U << BS_FORMAT_JSONL,
    .to_default = BS_FORMAT_TSV,
    .own = own_options,
    .parse_own = parse_own,
};

/* `line` is cut at its blanks and must outlive the options. */
static struct bs_options parse(int *own, char *line) {
    char *argv[80];
    int argc = 0;
    struct bs_options options;
    for (char *word = strtok(line, " "); word && argc < 79; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    bs_options_parse(&command, argc, argv, &options, own);
    return options;
}

static void check_defaults(void) {
    char line[] = "bs-test";
    int own = 0;
    struct bs_options o = parse(&own, line);
    check(o.from == BS_FORMAT_AUTO && o.to == BS_FORMAT_TSV && !o.output && !o.model,
          "formats and files by default");
    check(o.max_length == -1 && o.max_record == 0 && o.batch_tokens == 0 &&
              o.threads >= 1 && o.seed == 42,
          "numbers by default");
    check(o.n_paths == 0 && o.n_labels == 0 && !o.split && own == 0, "nothing else");
    bs_options_free(&o);
}

static void check_given(void) {
    char line[] = "bs-test -f csv -tjsonl -o out --model=M a --text t --text2 u "
                  "--label l --header no --members *x* --rejects r --strict --overwrite "
                  "--drop text --max-record 2M --labels x,y --labels y,z --seed 7 "
                  "--threads 3 --split a=1 --part a --own v --precision auto -q "
                  "--invalid-utf8=reject --max-length 0 --device ref "
                  "--truncation head-tail b --batch-tokens 99 --literal-special-tokens";
    int own = 0;
    struct bs_options o = parse(&own, line);
    check(o.from == BS_FORMAT_CSV && o.to == BS_FORMAT_JSONL &&
              !strcmp(o.output, "out") && !strcmp(o.model, "M"),
          "formats and files");
    check(!strcmp(o.text, "t") && !strcmp(o.text2, "u") && !strcmp(o.label, "l") &&
              o.header == BS_HEADER_NO && !strcmp(o.members, "*x*"),
          "columns");
    check(o.strict && o.overwrite && o.drop_text && o.reject_invalid_utf8 &&
              o.literal_special_tokens && o.quiet && !o.verbose && o.precision_auto,
          "switches");
    check(o.max_record == 2 << 20 && o.max_length == 0 && o.seed == 7 && o.threads == 3 &&
              o.batch_tokens == 99 && o.truncation == BS_TRUNCATE_HEAD_TAIL,
          "numbers");
    check(o.n_labels == 2 && !strcmp(o.labels[0], "y"), "the last labels count");
    check(o.n_paths == 2 && !strcmp(o.paths[0], "a") && !strcmp(o.paths[1], "b"),
          "files among options");
    check(own == 1 && seen_key == BS_OPTION_OWN && !strcmp(seen_value, "v"),
          "an option of the tool's own");
    struct bs_reader_options reader = bs_options_reader(&o, "text");
    check(reader.format == BS_FORMAT_CSV && !strcmp(reader.text, "t") &&
              reader.max_record == 2 << 20 && reader.reject_invalid_utf8 &&
              !strcmp(reader.required, "text") && !strcmp(reader.members, "*x*"),
          "what the reader is told");
    bs_options_free(&o);
}

static void check_names(void) {
    char **names = NULL;
    size_t count = 0;
    struct bs_error error = {0};
    check(!bs_names_parse("a,b c", "--labels", &names, &count, &error) && count == 2 &&
              !strcmp(names[1], "b c"),
          "names between commas");
    check(bs_names_parse("d,a", "--labels", &names, &count, &error) == BS_USAGE,
          "no name twice");
    check(bs_names_parse("", "--labels", &names, &count, &error) == BS_USAGE &&
              bs_names_parse("e,", "--labels", &names, &count, &error) == BS_USAGE &&
              bs_names_parse("\xff", "--labels", &names, &count, &error) == BS_USAGE,
          "no empty name, and none that is no UTF-8");
    bs_names_free(names, count);
}

static struct bs_field number(const char *name, int64_t integer) {
    return (struct bs_field){.name = bs_span_of(name),
                             .value = {.kind = BS_VALUE_INTEGER, .integer = integer}};
}

static void check_put_first(void) {
    struct bs_record record = {0};
    struct bs_error error = {0};
    const char *const names[] = {"a", "ids", "b", "c"};
    bool added = true;
    for (int i = 0; i < 4; i++)
        added =
            added && bs_record_add(&record, bs_span_of(names[i]), number("", i).value);
    struct bs_field fields[] = {number("ids", 10), number("n_tokens", 11)};
    check(added && !bs_record_put_first(&record, fields, 2, &error), "put first");
    const char *const wanted[] = {"ids", "n_tokens", "a", "b", "c"};
    const int64_t values[] = {10, 11, 0, 2, 3};
    bool same = record.n_fields == 5;
    for (size_t i = 0; same && i < 5; i++)
        same = bs_span_is(record.fields[i].name, wanted[i]) &&
               record.fields[i].value.integer == values[i];
    check(same, "ours in front, replaced, the others in order");
    bs_record_free(&record);
    check(bs_source_length(-1, 0) == 512 && bs_source_length(-1, 64) == 64 &&
              bs_source_length(-1, 1024) == 512 && bs_source_length(0, 64) == 0 &&
              bs_source_length(9, 4) == 9,
          "length by default");
}

/* auto means bf16 only where that is native; who asks for bf16 gets it. */
static void check_precision(const char *name) {
    struct bs_options automatic = {.precision_auto = true};
    struct bs_options asked = {.precision = BS_PRECISION_BF16};
    struct bs_device *device = NULL;
    enum bs_precision precision, wanted;
    struct bs_error error = {0};
    if (bs_device_open(&device, name, &error)) {
        skip("%s: %s", name, error.text);
        return;
    }
    bool native = bs_device_info(device)->support[BS_PRECISION_BF16] == BS_NATIVE;
    wanted = native ? BS_PRECISION_BF16 : BS_PRECISION_FP32;
    check(!bs_options_precision(&automatic, device, false, &precision, &error) &&
              precision == wanted,
          "%s: auto is %s", name, bs_precision_name(wanted));
    check(!bs_options_precision(&asked, device, false, &precision, &error) &&
              precision == BS_PRECISION_BF16,
          "%s: bf16 is there", name);
    bs_device_close(device);
}

int main(void) {
    check_defaults();
    check_given();
    check_precision("ref");
    check_precision("cpu");
    check_names();
    check_put_first();
    return tap_end();
}
