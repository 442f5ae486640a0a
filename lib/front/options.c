/*
 * One table of shared options, argp around it. A setter for each option puts its value
 * into struct bs_options; numbers and names are checked there, so that a wrong one is
 * a usage error before anything is opened.
 */
#include "front/options.h"

#include "common/file.h"
#include "common/log.h"
#include "common/number.h"
#include "common/team.h"
#include "common/utf8.h"
#include "common/version.h"
#include "format/stream_header.h"
#include "metric/metric.h"
#include "store/model_files.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int set_option(struct bs_options *options, const char *value,
                       struct bs_error *error);

static int set_from(struct bs_options *o, const char *value, struct bs_error *error) {
    if (bs_format_parse(value, &o->from, error))
        return error->code;
    if (o->from == BS_FORMAT_IDS)
        return bs_fail(error, BS_USAGE, "ids can be written, not read");
    return BS_OK;
}

static int set_to(struct bs_options *o, const char *value, struct bs_error *error) {
    return bs_format_parse(value, &o->to, error);
}

static int set_output(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->output = value;
    return BS_OK;
}

static int set_model(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->model = value;
    return BS_OK;
}

static int set_text(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->text = value;
    return BS_OK;
}

static int set_text2(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->text2 = value;
    return BS_OK;
}

static int set_label(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->label = value;
    return BS_OK;
}

/* The place of `value` in a list of names that ends with NULL. */
static int choose(const char *option, const char *value, const char *const *names,
                  int *choice, struct bs_error *error) {
    struct bs_buffer list = {0};
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            *choice = i;
            bs_buffer_free(&list);
            return BS_OK;
        }
        if (!bs_buffer_printf(&list, "%s%s", i ? ", " : "", names[i]))
            return bs_fail_memory(error, 64, option);
    }
    bs_fail(error, BS_USAGE, "%s must be one of %.*s, not \"%s\"", option, (int)list.size,
            list.data, value);
    bs_buffer_free(&list);
    return error->code;
}

static int set_header(struct bs_options *o, const char *value, struct bs_error *error) {
    static const char *const names[] = {"auto", "yes", "no", NULL};
    int choice = 0;
    if (choose("--header", value, names, &choice, error))
        return error->code;
    o->header = (enum bs_header)choice;
    return BS_OK;
}

static int set_members(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->members = value;
    return BS_OK;
}

static int set_rejects(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->rejects = value;
    return BS_OK;
}

static int set_strict(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)value, (void)error;
    o->strict = true;
    return BS_OK;
}

static int set_overwrite(struct bs_options *o, const char *value,
                         struct bs_error *error) {
    (void)value, (void)error;
    o->overwrite = true;
    return BS_OK;
}

static int set_drop(struct bs_options *o, const char *value, struct bs_error *error) {
    static const char *const names[] = {"text", NULL};
    int choice = 0;
    o->drop_text = true;
    return choose("--drop", value, names, &choice, error);
}

static int set_max_record(struct bs_options *o, const char *value,
                          struct bs_error *error) {
    /* A record stream has 32 bits for a length. */
    return bs_parse_size(value, "--max-record", 1, INT32_MAX, &o->max_record, error);
}

static int set_invalid_utf8(struct bs_options *o, const char *value,
                            struct bs_error *error) {
    static const char *const names[] = {"keep", "reject", NULL};
    int choice = 0;
    if (choose("--invalid-utf8", value, names, &choice, error))
        return error->code;
    o->reject_invalid_utf8 = choice == 1;
    return BS_OK;
}

static int set_literal(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)value, (void)error;
    o->literal_special_tokens = true;
    return BS_OK;
}

static int set_precision(struct bs_options *o, const char *value,
                         struct bs_error *error) {
    o->precision_auto = strcmp(value, "auto") == 0;
    o->precision_given = !o->precision_auto;
    return o->precision_auto ? BS_OK : bs_precision_parse(value, &o->precision, error);
}

static int set_max_length(struct bs_options *o, const char *value,
                          struct bs_error *error) {
    if (bs_parse_integer(value, "--max-length", 0, INT32_MAX, &o->max_length, error))
        return error->code;
    if (o->max_length == 1)
        return bs_fail(error, BS_USAGE,
                       "--max-length must be 0 or at least 2: [CLS] "
                       "and [SEP] count");
    return BS_OK;
}

static int set_truncation(struct bs_options *o, const char *value,
                          struct bs_error *error) {
    static const char *const names[] = {"head", "tail", "head-tail", NULL};
    int choice = 0;
    if (choose("--truncation", value, names, &choice, error))
        return error->code;
    o->truncation = (enum bs_truncation)choice;
    return BS_OK;
}

static int set_batch_tokens(struct bs_options *o, const char *value,
                            struct bs_error *error) {
    return bs_parse_integer(value, "--batch-tokens", 1, 1 << 24, &o->batch_tokens, error);
}

static int set_device(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->device = value;
    return BS_OK;
}

static int set_threads(struct bs_options *o, const char *value, struct bs_error *error) {
    int64_t threads = 0;
    if (bs_parse_integer(value, "--threads", 1, 1024, &threads, error))
        return error->code;
    o->threads = (int)threads;
    return BS_OK;
}

static int set_seed(struct bs_options *o, const char *value, struct bs_error *error) {
    int64_t seed = 0;
    if (bs_parse_integer(value, "--seed", 0, INT64_MAX, &seed, error))
        return error->code;
    o->seed = (uint64_t)seed;
    return BS_OK;
}

static int set_labels(struct bs_options *o, const char *value, struct bs_error *error) {
    bs_names_free(o->labels, o->n_labels);
    o->labels = NULL;
    o->n_labels = 0;
    if (bs_names_parse(value, "--labels", &o->labels, &o->n_labels, error))
        return error->code;
    for (size_t i = 0; i < o->n_labels; i++)
        if (strcmp(o->labels[i], BS_ABSTAIN_NAME) == 0)
            return bs_fail(error, BS_USAGE,
                           "--labels: \"%s\" is what bs-predict says when it predicts "
                           "nothing; give that label another name",
                           BS_ABSTAIN_NAME);
    return BS_OK;
}

static int set_split(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->split = value;
    return BS_OK;
}

static int set_part(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)error;
    o->part = value;
    return BS_OK;
}

static int set_quiet(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)value, (void)error;
    o->quiet = true;
    return BS_OK;
}

static int set_verbose(struct bs_options *o, const char *value, struct bs_error *error) {
    (void)value, (void)error;
    o->verbose = true;
    return BS_OK;
}

enum { GROUP_INPUT = 1, GROUP_TOKENS, GROUP_MODEL, GROUP_OUTPUT, GROUP_TALK };
enum { ALWAYS = 0, SHARED_KEY = 0x800 };

static const struct shared_option {
    unsigned bit;
    int letter;
    const char *name;
    const char *value;
    set_option *set;
    const char *about;
    int group;
} shared_options[] = {
    {BS_OPT_FROM, 'f', "from", "FORMAT", set_from,
     "Input is lines, tsv, csv, jsonl, msgpack or tree (default: by content and file "
     "name, else lines)",
     GROUP_INPUT},
    {BS_OPT_COLUMNS, 0, "text", "COLUMN", set_text,
     "The text: a column or field by name, or by number from 1", GROUP_INPUT},
    {BS_OPT_COLUMNS, 0, "text2", "COLUMN", set_text2, "The second text of a pair",
     GROUP_INPUT},
    {BS_OPT_COLUMNS, 0, "label", "COLUMN", set_label, "The label", GROUP_INPUT},
    {BS_OPT_HEADER, 0, "header", "WHEN", set_header,
     "TSV and CSV have a row of names: yes, no or auto (default)", GROUP_INPUT},
    {BS_OPT_MEMBERS, 0, "members", "PATTERN", set_members,
     "Read only the files of a folder or archive that match, such as '*/train/*/*'",
     GROUP_INPUT},
    {BS_OPT_MAX_RECORD, 0, "max-record", "BYTES", set_max_record,
     "Reject longer records (default 128M, less than 2G)", GROUP_INPUT},
    {BS_OPT_INVALID_UTF8, 0, "invalid-utf8", "WHAT", set_invalid_utf8,
     "keep (default) or reject records that are not valid UTF-8", GROUP_INPUT},
    {BS_OPT_REJECTS, 0, "rejects", "FILE", set_rejects,
     "Keep rejected records in FILE, as JSON lines with the reason", GROUP_INPUT},
    {BS_OPT_REJECTS, 0, "strict", NULL, set_strict,
     "Stop at the first record that cannot be used", GROUP_INPUT},
    {BS_OPT_LENGTH, 0, "max-length", "N", set_max_length,
     "Cut to N tokens, [CLS] and [SEP] counted; 0: no limit (default: the smaller of 512 "
     "and the model's positions)",
     GROUP_TOKENS},
    {BS_OPT_LENGTH, 0, "truncation", "WHAT", set_truncation,
     "Keep the head (default), the tail, or head-tail: a quarter from the head, the rest "
     "from the tail",
     GROUP_TOKENS},
    {BS_OPT_LITERAL, 0, "literal-special-tokens", NULL, set_literal,
     "[SEP] and the like in a text are plain text", GROUP_TOKENS},
    {BS_OPT_SPLIT, 0, "split", "NAME=WEIGHT,...", set_split,
     "Divide records by a hash of their text, such as train=80,val=20", GROUP_TOKENS},
    {BS_OPT_SPLIT, 0, "part", "NAME", set_part, "The part of --split to take",
     GROUP_TOKENS},
    {BS_OPT_LABELS, 0, "labels", "NAME,...", set_labels,
     "The names of all labels, in order; records with others are rejected", GROUP_TOKENS},
    {BS_OPT_MODEL, 'm', "model", "MODEL", set_model,
     "A model directory, training folder or bundle", GROUP_MODEL},
    {BS_OPT_PRECISION, 0, "precision", "NAME", set_precision,
     "fp32, bf16, fp16, tf32, int8 (to label), or auto: the fastest that is safe on the "
     "device (default: fp32, on a GPU auto, of an int8 model int8)",
     GROUP_MODEL},
    {BS_OPT_BATCH_TOKENS, 0, "batch-tokens", "N", set_batch_tokens,
     "Tokens that are labelled at once, which bounds memory", GROUP_MODEL},
    {BS_OPT_DEVICE, 0, "device", "NAME", set_device,
     "cpu, cuda or cuda:N (a GPU), ref, or auto: a GPU if there is one (default)",
     GROUP_MODEL},
    {BS_OPT_THREADS, 0, "threads", "N", set_threads,
     "Threads (default: the processors this process may use)", GROUP_MODEL},
    {BS_OPT_SEED, 0, "seed", "N", set_seed, "Seed of all that is random (default 42)",
     GROUP_MODEL},
    {BS_OPT_TO, 't', "to", "FORMAT", set_to, "Write FORMAT", GROUP_OUTPUT},
    {BS_OPT_OUTPUT, 'o', "output", "PATH", set_output,
     "Write to PATH, which appears when it is complete (default: standard output)",
     GROUP_OUTPUT},
    {BS_OPT_OVERWRITE, 0, "overwrite", NULL, set_overwrite,
     "Replace fields of the input that are named like those written", GROUP_OUTPUT},
    {BS_OPT_DROP, 0, "drop", "text", set_drop, "Leave the text out of the output",
     GROUP_OUTPUT},
    {ALWAYS, 'q', "quiet", NULL, set_quiet, "Say errors only", GROUP_TALK},
    {ALWAYS, 'v', "verbose", NULL, set_verbose, "Say more", GROUP_TALK},
};
enum { N_SHARED = sizeof shared_options / sizeof *shared_options };

static const char *const group_names[] = {
    [GROUP_INPUT] = "Input:",   [GROUP_TOKENS] = "Tokens:", [GROUP_MODEL] = "Model:",
    [GROUP_OUTPUT] = "Output:", [GROUP_TALK] = "Messages:",
};

struct parse_state {
    const struct bs_command *command;
    struct bs_options *options;
    void *own;
};

static bool takes(const struct bs_command *command, const struct shared_option *option) {
    return option->bit == ALWAYS || (command->shared & option->bit);
}

static int key_of(size_t index) {
    int letter = shared_options[index].letter;
    return letter ? letter : SHARED_KEY + (int)index;
}

static const struct shared_option *find_shared(const struct bs_command *command,
                                               int key) {
    for (size_t i = 0; i < N_SHARED; i++)
        if (key == key_of(i) && takes(command, &shared_options[i]))
            return &shared_options[i];
    return NULL;
}

static bool is_own(const struct bs_command *command, int key) {
    for (const struct argp_option *o = command->own; o && (o->name || o->doc); o++)
        if (o->key == key && o->name)
            return true;
    return false;
}

static void check_format(const struct parse_state *parse, struct argp_state *state) {
    const struct bs_command *command = parse->command;
    if (!(command->shared & BS_OPT_TO) || command->to_formats >> parse->options->to & 1)
        return;
    struct bs_buffer list = {0};
    bool ok = true;
    for (int format = 0; format <= BS_FORMAT_IDS; format++)
        if (command->to_formats >> format & 1)
            ok = ok && bs_buffer_printf(&list, "%s%s", list.size ? ", " : "",
                                        bs_format_name((enum bs_format)format));
    argp_error(state, "-t must be one of %.*s, not %s", ok ? (int)list.size : 0,
               list.data, bs_format_name(parse->options->to));
}

static bool is_stdout(const char *path) {
    return !path || strcmp(path, "-") == 0 || bs_is_stdout(path);
}

const char *bs_options_input(const struct bs_options *options, const char *path) {
    for (size_t i = 0; i < options->n_paths || i == 0; i++) {
        const char *input = options->n_paths ? options->paths[i] : "-";
        bool is_stdin = strcmp(input, "-") == 0;
        if (bs_is_same_file(path, is_stdin ? "/dev/stdin" : input))
            return is_stdin ? path : input;
    }
    return NULL;
}

/* Rejected records go where nothing else is written or read. */
static void check_rejects(const struct bs_options *options, struct argp_state *state) {
    const char *output = options->output, *rejects = options->rejects;
    if (!rejects)
        return;
    if (is_stdout(rejects) && is_stdout(output))
        argp_error(state, "--rejects and the output are both standard output");
    if (output && bs_is_same_file(rejects, output))
        argp_error(state, "--rejects and the output are both %s", output);
    const char *input = bs_options_input(options, rejects);
    if (input)
        argp_error(state, "--rejects would replace the input %s", input);
}

/* A training folder stands for its best checkpoint or its last. */
static bool is_of_model(const char *path, const char *model) {
    static const char *const folders[] = {"", "best/", "last/"};
    const char *name;
    char file[PATH_MAX];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        for (int k = 0; (name = bs_model_file_name(k)); k++) {
            snprintf(file, sizeof file, "%s/%s%s", model, folders[i], name);
            if (bs_is_same_file(path, file))
                return true;
        }
    return bs_is_same_file(path, model);
}

int bs_options_check_output(const struct bs_options *options, const char *option,
                            const char *path, struct bs_error *error) {
    if (path && !*path)
        return bs_fail(error, BS_USAGE,
                       "%s is given an empty path; name a file, or leave it out", option);
    if (!path || !options->model || !is_of_model(path, options->model))
        return BS_OK;
    return bs_fail(error, BS_USAGE, "%s %s is a file of the model %s; choose another",
                   option, path, options->model);
}

static void check_model(const struct bs_options *options, struct argp_state *state) {
    struct bs_error error;
    if (bs_options_check_output(options, "-o", options->output, &error) ||
        bs_options_check_output(options, "--rejects", options->rejects, &error))
        argp_error(state, "%s", error.text);
}

/* Reading what one writes would never end, and what was read would be gone. */
static void check_output(const struct bs_options *options, struct argp_state *state) {
    struct stat out, in;
    const char *input =
        options->output ? bs_options_input(options, options->output) : NULL;
    if (input)
        argp_error(state, "-o would replace the input %s", input);
    if (!is_stdout(options->output) || fstat(STDOUT_FILENO, &out) ||
        !S_ISREG(out.st_mode))
        return;
    for (size_t i = 0; i < options->n_paths || i == 0; i++) {
        const char *path = options->n_paths ? options->paths[i] : "-";
        bool is_stdin = strcmp(path, "-") == 0;
        bool is_there = !(is_stdin ? fstat(STDIN_FILENO, &in) : stat(path, &in));
        if (is_there && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            argp_error(state, "%s is input and output",
                       is_stdin ? "standard input" : path);
    }
}

static void check_all(const struct parse_state *parse, struct argp_state *state) {
    const struct bs_options *options = parse->options;
    unsigned required = parse->command->required;
    check_format(parse, state);
    if ((required & BS_OPT_MODEL) && !options->model)
        argp_error(state, "-m MODEL is needed: a model directory, such as "
                          "models/all-minilm-l6-v2");
    if ((required & BS_OPT_OUTPUT) && !options->output)
        argp_error(state, "-o PATH is needed");
    if (options->part && !options->split)
        argp_error(state, "--part goes with --split NAME=WEIGHT,...");
    if (options->split && !options->part)
        argp_error(state, "--split goes with --part NAME, the part to take");
    check_rejects(options, state);
    check_output(options, state);
    check_model(options, state);
}

static void add_path(const struct parse_state *parse, char *path,
                     struct argp_state *state) {
    struct bs_options *options = parse->options;
    char **paths = bs_realloc(options->paths, options->n_paths + 1, sizeof *paths);
    if (!paths) {
        argp_failure(state, BS_RESOURCE, 0, "out of memory");
        return;
    }
    options->paths = paths;
    options->paths[options->n_paths++] = path;
}

static error_t parse_one(int key, char *value, struct argp_state *state) {
    const struct parse_state *parse = state->input;
    const struct shared_option *shared = find_shared(parse->command, key);
    struct bs_error error = {0};
    int code = BS_OK;
    if (shared)
        code = shared->set(parse->options, value, &error);
    else if (is_own(parse->command, key))
        code = parse->command->parse_own(parse->own, key, value, &error);
    else if (key == ARGP_KEY_ARG)
        add_path(parse, value, state);
    else if (key == ARGP_KEY_END)
        check_all(parse, state);
    else
        return ARGP_ERR_UNKNOWN;
    if (code == BS_RESOURCE)
        argp_failure(state, BS_RESOURCE, 0, "%s", error.text);
    else if (code)
        argp_error(state, "%s", error.text);
    return 0;
}

/* The rows that argp wants: a heading for each group in use, the shared options taken,
 * the tool's own. To be freed; NULL without memory. */
static struct argp_option *list_options(const struct bs_command *command) {
    size_t n_own = 0, n = 0, n_groups = sizeof group_names / sizeof *group_names;
    bool used[sizeof group_names / sizeof *group_names] = {false};
    while (command->own && (command->own[n_own].name || command->own[n_own].doc))
        n_own++;
    struct argp_option *list = bs_alloc(N_SHARED + n_own + n_groups + 1, sizeof *list);
    if (!list)
        return NULL;
    for (size_t i = 0; i < N_SHARED; i++) {
        const struct shared_option *from = &shared_options[i];
        if (!takes(command, from))
            continue;
        list[n++] = (struct argp_option){from->name, key_of(i),   from->value,
                                         0,          from->about, from->group};
        used[from->group] = true;
    }
    for (size_t i = 0; i < n_own; i++)
        list[n++] = command->own[i];
    for (size_t group = 1; group < n_groups; group++)
        if (used[group])
            list[n++] =
                (struct argp_option){.doc = group_names[group], .group = (int)group};
    return list;
}

void bs_options_parse(const struct bs_command *command, int argc, char **argv,
                      struct bs_options *options, void *own) {
    static char version[256];
    snprintf(version, sizeof version, "%s %s%s%s", command->tool, BS_VERSION,
             command->shows_backends ? "\nback ends: " : "",
             command->shows_backends ? bs_compute_backends() : "");
    argp_program_version = version;
    argp_err_exit_status = BS_USAGE;
    *options = (struct bs_options){.to = command->to_default,
                                   .max_length = -1,
                                   .device = "auto",
                                   .seed = 42,
                                   .threads = bs_processor_count()};
    bs_log_setup(command->tool, false, false);
    struct argp_option *list = list_options(command);
    struct argp argp = {.options = list,
                        .parser = parse_one,
                        .args_doc = command->arguments,
                        .doc = command->about};
    struct parse_state parse = {command, options, own};
    /* What is wrong with the command line ends the process there. */
    if (!list || argp_parse(&argp, argc, argv, 0, NULL, &parse)) {
        fprintf(stderr, "%s: out of memory (reading the command line)\n", command->tool);
        exit(BS_RESOURCE);
    }
    free(list);
    bs_log_setup(command->tool, options->quiet, options->verbose);
}

void bs_options_free(struct bs_options *options) {
    bs_names_free(options->labels, options->n_labels);
    free(options->paths);
    *options = (struct bs_options){0};
}

struct bs_reader_options bs_options_reader(const struct bs_options *options,
                                           const char *required) {
    return (struct bs_reader_options){.format = options->from,
                                      .text = options->text,
                                      .text2 = options->text2,
                                      .label = options->label,
                                      .header = options->header,
                                      .max_record = options->max_record,
                                      .reject_invalid_utf8 = options->reject_invalid_utf8,
                                      .required = required,
                                      .members = options->members};
}

/* bf16 needs no loss scale; fp16 is for GPUs before it. */
static enum bs_precision fastest_precision(const struct bs_device_info *info) {
    if (info->support[BS_PRECISION_BF16] == BS_NATIVE)
        return BS_PRECISION_BF16;
    return info->support[BS_PRECISION_FP16] == BS_NATIVE ? BS_PRECISION_FP16
                                                         : BS_PRECISION_FP32;
}

int bs_options_precision(const struct bs_options *options, const struct bs_device *device,
                         bool int8, enum bs_precision *precision,
                         struct bs_error *error) {
    const struct bs_device_info *info = bs_device_info(device);
    bool gpu = strcmp(info->backend, "cuda") == 0;
    *precision = options->precision;
    if (int8 && !options->precision_given &&
        info->support[BS_PRECISION_INT8] != BS_REFUSED)
        *precision = BS_PRECISION_INT8;
    else if (options->precision_auto || (gpu && !options->precision_given))
        *precision = fastest_precision(info);
    if (bs_device_check(device, *precision, error))
        return error->code;
    if (gpu && (strcmp(options->device, "auto") == 0 || !options->precision_given))
        bs_note("on the GPU (%s), in %s", info->hardware, bs_precision_name(*precision));
    return BS_OK;
}

static int add_name(struct bs_span name, const char *what, char ***names, size_t *count,
                    struct bs_error *error) {
    if (name.size == 0)
        return bs_fail(error, BS_USAGE, "%s: a name is empty", what);
    if (!bs_utf8_valid(name))
        return bs_fail(error, BS_USAGE, "%s: a name is not valid UTF-8", what);
    for (size_t i = 0; i < *count; i++)
        if (bs_span_is(name, (*names)[i]))
            return bs_fail(error, BS_USAGE, "%s: \"%s\" stands there twice", what,
                           (*names)[i]);
    char **more = bs_realloc(*names, *count + 1, sizeof *more);
    if (more)
        *names = more;
    char *copy = more ? bs_span_string(name) : NULL;
    if (!copy)
        return bs_fail_memory(error, name.size + sizeof *more, what);
    (*names)[(*count)++] = copy;
    return BS_OK;
}

int bs_names_parse(const char *text, const char *what, char ***names, size_t *count,
                   struct bs_error *error) {
    for (;;) {
        size_t size = strcspn(text, ",");
        if (add_name(bs_span(text, size), what, names, count, error))
            return error->code;
        if (text[size] == '\0')
            return BS_OK;
        text += size + 1;
    }
}
