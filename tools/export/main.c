/*
 * bs-export: a model as a Hugging Face directory or as one file. What was written is
 * read back and compared with the model (compare.c) before it gets its name.
 */
#include "common/file.h"
#include "common/log.h"
#include "common/number.h"
#include "compare.h"
#include "front/tool.h"
#include "place.h"
#include "store/model_write.h"
#include "store/quantize.h"
#include "store/tensor_names.h"

#include <stdio.h>
#include <stdlib.h>

enum { OPTION_VERIFY = BS_OPTION_OWN, OPTION_REQUIRE };

struct settings {
    const char *output;
    enum layout layout;
    bool verify;
    double require; /* share of labels that int8 must leave as they are */
    bool require_given;
};

static const struct argp_option own_options[] = {
    {.doc = "Output:", .group = 4},
    {"output", 'o', "PATH", 0,
     "The directory or file to write, which appears when it is complete and compared", 4},
    {"to", 't', "LAYOUT", 0,
     "hf: a directory as Hugging Face has it; bundle: one file, with checksums; int8: a "
     "bundle of 30 to 40 % of the size, whose matrices are int8",
     4},
    {"require", OPTION_REQUIRE, "SHARE", 0,
     "With --to int8: write nothing, and exit 1, if less than SHARE of the labels are "
     "those "
     "of the model in fp32 (default 0.99)",
     4},
    {"verify", OPTION_VERIFY, NULL, 0,
     "Write nothing: read all of MODEL, and compare the checksums of a bundle", 4},
    {0}};

static int parse_own(void *own, int key, const char *value, struct bs_error *error) {
    struct settings *settings = own;
    if (key == OPTION_VERIFY)
        settings->verify = true;
    else if (key == OPTION_REQUIRE) {
        settings->require_given = true;
        return bs_parse_real(value, "--require", 0, 1, &settings->require, error);
    } else if (key == 'o')
        settings->output = value;
    else if (strcmp(value, "hf") == 0)
        settings->layout = HUGGING_FACE;
    else if (strcmp(value, "bundle") == 0)
        settings->layout = BUNDLE;
    else if (strcmp(value, "int8") == 0)
        settings->layout = INT8;
    else
        return bs_fail(error, BS_USAGE,
                       "--to must be one of hf, bundle, int8, not \"%s\"", value);
    return BS_OK;
}

static const struct bs_command command = {
    .tool = "bs-export",
    .arguments = "[FILE...]",
    .about =
        "  bs-export -m models/demo -o demo.bundle --to bundle &&\n"
        "      bs-predict -m demo.bundle reviews.txt\n\n"
        "Writes a model as a Hugging Face directory or as a single file, which every "
        "tool takes in place of a directory. The result is read back, and its logits on "
        "the texts of FILE... (default: a dozen sentences) must be equal to the "
        "model's before it gets the name PATH; of int8, which is for labelling, enough "
        "labels must be.\v"
        "Weights keep their values: in a directory their type too, in a bundle they are "
        "fp32, but for int8. A directory PATH that holds nothing but a model is "
        "replaced, "
        "as is a file that is a bundle; any other is left alone.\n\n"
        "Exit status: 0 done; 1 fewer labels are equal than --require says; 2 wrong "
        "command "
        "line; 3 done, but records of FILE were "
        "rejected; 4 bad model, or a copy that differs; 5 no space or memory; 6 device "
        "failure; 128+N ended by signal N.",
    .shared = BS_OPT_FROM | BS_OPT_COLUMNS | BS_OPT_HEADER | BS_OPT_MEMBERS |
              BS_OPT_LENGTH | BS_OPT_MODEL | BS_OPT_DEVICE | BS_OPT_THREADS,
    .required = BS_OPT_MODEL,
    .own = own_options,
    .parse_own = parse_own,
    .shows_backends = true,
};

/* All tensors of the model under canonical names. */
struct tensors {
    struct bs_tensor *list;
    struct bs_tensor_spec *specs;
    size_t count;
};

static void free_tensors(struct tensors *tensors) {
    free(tensors->list);
    free(tensors->specs);
}

static int list_tensors(struct tensors *tensors, const struct bs_model_files *files,
                        struct bs_error *error) {
    const struct bs_model_config *config = bs_model_files_config(files);
    int64_t count = bs_tensor_spec_count(config);
    tensors->list = bs_alloc((size_t)count, sizeof *tensors->list);
    tensors->specs = bs_alloc((size_t)count, sizeof *tensors->specs);
    if (!tensors->list || !tensors->specs)
        return bs_fail_memory(error, (size_t)count * sizeof *tensors->specs, "tensors");
    for (int64_t i = 0; i < count; i++) {
        struct bs_tensor_spec *spec = &tensors->specs[i];
        bs_tensor_spec_get(config, i, spec);
        const struct bs_tensor *tensor =
            bs_tensor_find_canonical(bs_model_files_tensors(files), spec->name);
        if (!tensor) /* a pooler that is not there */
            continue;
        tensors->list[tensors->count] = *tensor;
        tensors->list[tensors->count++].name = spec->name;
    }
    return BS_OK;
}

static int check_settings(const struct bs_options *options,
                          const struct settings *settings, struct bs_error *error) {
    if (settings->verify && (settings->layout != NO_LAYOUT || settings->output ||
                             settings->require_given || options->n_paths > 0))
        return bs_fail(error, BS_USAGE,
                       "--verify writes nothing; leave --to, -o, --require and FILE out");
    if (settings->verify)
        return BS_OK;
    if (settings->layout == NO_LAYOUT)
        return bs_fail(error, BS_USAGE, "--to hf, --to bundle or --to int8 is needed");
    if (settings->require_given && settings->layout != INT8)
        return bs_fail(error, BS_USAGE, "--require is for --to int8");
    if (settings->layout == INT8 && strncmp(options->device, "cuda", 4) == 0)
        return bs_fail(error, BS_USAGE,
                       "--to int8 compares labels on the CPU, where int8 is for; leave "
                       "--device %s out",
                       options->device);
    if (!options->output || !*options->output || strcmp(options->output, "-") == 0)
        return bs_fail(error, BS_USAGE, "-o PATH is needed, the folder or file to write");
    return BS_OK;
}

/* How many labels of `copy` are those of the model, said, and judged. The share is cut
 * off: one that is not enough looks so. */
static int judge_labels(const struct bs_options *options, const struct settings *settings,
                        struct bs_model_files *files, struct bs_model_files *copy,
                        struct bs_error *error) {
    struct agreement agreement;
    int code = compare_labels(options, files, copy, &agreement, error);
    if (!bs_tool_keeps_output(code))
        return code;
    int64_t millionths = agreement.equal * 1000000 / agreement.texts;
    double shown = (double)millionths / 1e6;
    char required[32];
    bs_format_real(settings->require, required);
    if ((double)agreement.equal / (double)agreement.texts < settings->require)
        return bs_fail(error, BS_NEGATIVE,
                       "%s: not written: %lld of %lld labels are those of the model in "
                       "fp32, a share of %.6g, but %s is required",
                       options->output, (long long)agreement.equal,
                       (long long)agreement.texts, shown, required);
    bs_note("%s: %lld of %lld labels are those of %s in fp32, a share of %.6g; "
            "probabilities differ by %.4f in the mean",
            options->output, (long long)agreement.equal, (long long)agreement.texts,
            options->model, shown, agreement.difference);
    return code;
}

static int compare_written(const struct bs_options *options,
                           const struct settings *settings, struct bs_model_files *files,
                           const struct bs_model_writing *writing, int64_t *texts,
                           struct bs_error *error) {
    struct bs_model_files *copy;
    if (bs_model_files_open(&copy, bs_model_write_folder(writing), error))
        return error->code;
    int code = bs_model_files_verify(copy, error);
    if (!code && settings->layout == INT8)
        code = judge_labels(options, settings, files, copy, error);
    else if (!code)
        code = compare_models(options, files, copy, texts, error);
    bs_model_files_close(copy);
    return code;
}

static void report(const struct bs_options *options, enum layout layout, int64_t texts) {
    if (layout == INT8)
        return; /* what is to be said has been */
    if (texts > 0)
        bs_note("%s: written and read back; logits of %lld text%s are those of %s",
                options->output, (long long)texts, bs_plural(texts), options->model);
    else
        bs_note("%s: written and read back; no classifier, all weights are those of %s",
                options->output, options->model);
}

static int write_model(const struct bs_options *options, const struct settings *settings,
                       struct bs_model_files *files, const struct bs_tensor *tensors,
                       size_t n_tensors, struct bs_error *error) {
    struct bs_model_writing *writing;
    struct bs_model_parts parts = {.config = bs_model_files_config(files),
                                   .base = files,
                                   .tensors = tensors,
                                   .n_tensors = n_tensors,
                                   .bs_json = bs_model_files_bs_json(files),
                                   .keep_types = settings->layout == INT8};
    int64_t texts = 0;
    int code =
        settings->layout == HUGGING_FACE
            ? bs_model_write_begin(&writing, options->output, &parts, error)
            : bs_model_write_begin_bundle(&writing, options->output, &parts, error);
    if (code)
        return code;
    code = compare_written(options, settings, files, writing, &texts, error);
    if (code == BS_NEGATIVE || !bs_tool_keeps_output(code)) {
        bs_model_write_abandon(writing);
        return code;
    }
    struct bs_error failure;
    if (place_check(options->output, settings->layout, bs_model_files_path(files),
                    &failure))
        bs_model_write_abandon(writing);
    else if (bs_model_write_commit(writing, &failure) == BS_OK) {
        report(options, settings->layout, texts);
        return code;
    }
    *error = failure;
    return error->code;
}

static int write_int8(const struct bs_options *options, const struct settings *settings,
                      struct bs_model_files *files, const struct tensors *tensors,
                      struct bs_error *error) {
    struct bs_quantized *quantized;
    size_t count;
    if (bs_quantized_new(&quantized, tensors->list, tensors->count, error))
        return error->code;
    const struct bs_tensor *list = bs_quantized_list(quantized, &count);
    int code = write_model(options, settings, files, list, count, error);
    bs_quantized_free(quantized);
    return code;
}

/* All but the tokenizer has been read. */
static int end_verify(const struct bs_model_files *files, struct bs_error *error) {
    const char *path = bs_model_files_path(files);
    struct bs_tokenizer *tokenizer;
    if (bs_model_files_tokenizer(files, &tokenizer, error))
        return error->code;
    bs_tokenizer_free(tokenizer);
    if (bs_is_directory(path))
        bs_note("%s: can be read, all of it; a directory has no checksums to compare",
                path);
    else
        bs_note("%s: nothing is damaged", path);
    return BS_OK;
}

static int export_model(const struct bs_options *options, const struct settings *settings,
                        struct bs_model_files *files, struct bs_error *error) {
    struct tensors tensors = {0};
    if (bs_model_files_verify(files, error))
        return error->code;
    if (settings->verify)
        return end_verify(files, error);
    int code = list_tensors(&tensors, files, error);
    if (!code)
        code = settings->layout == INT8
                   ? write_int8(options, settings, files, &tensors, error)
                   : write_model(options, settings, files, tensors.list, tensors.count,
                                 error);
    free_tensors(&tensors);
    return code;
}

static int run(const struct bs_options *options, const struct settings *settings,
               struct bs_error *error) {
    struct bs_model_files *files;
    if (check_settings(options, settings, error) ||
        bs_model_files_open(&files, options->model, error))
        return error->code;
    int code = BS_OK;
    if (!settings->verify)
        code = place_check(options->output, settings->layout, bs_model_files_path(files),
                           error);
    if (!code)
        code = export_model(options, settings, files, error);
    bs_model_files_close(files);
    return code;
}

int main(int argc, char **argv) {
    struct bs_options options;
    struct settings settings = {.require = 0.99};
    struct bs_error error = {0};
    bs_tool_start();
    bs_options_parse(&command, argc, argv, &options, &settings);
    options.output = settings.output;
    bs_tool_catch_signals();
    int code = run(&options, &settings, &error);
    if (code == BS_NEGATIVE)
        bs_log_error(&error);
    bs_options_free(&options);
    return bs_tool_end(code, &error);
}
