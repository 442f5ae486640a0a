/* bs-train: fine-tunes BERT to classify texts. */
#include "common/log.h"
#include "common/own_files.h"
#include "front/tool.h"
#include "learn/trainer.h"
#include "train_input.h"
#include "train_options.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

struct job {
    struct bs_options options;
    struct train_options own;
    struct bs_device *device;
    struct bs_model_files *base;
    struct bs_tokenizer *tokenizer;
    struct bs_rejects *rejects;
    struct bs_labels labels;
    struct bs_examples train, eval;
    struct bs_run_folder folder;
    struct bs_own_file log, checked; /* --log, and with --check the folder */
};

/* int8 is for labelling, in models and in arithmetic. */
static int check_base(const struct job *job, struct bs_error *error) {
    if (job->own.settings.precision == BS_PRECISION_INT8)
        return bs_fail(error, BS_USAGE,
                       "--precision int8 is for labelling; train in fp32 or bf16, then "
                       "bs-export --to int8");
    if (bs_model_files_are_int8(job->base))
        return bs_fail(error, BS_DATA,
                       "%s: holds int8 weights, which are for labelling; train the model "
                       "that it was made of",
                       bs_model_files_path(job->base));
    return BS_OK;
}

/* The folder of a run holds nothing else, and may be emptied. */
static int check_places(const struct job *job, struct bs_error *error) {
    const char *folder = job->own.output;
    const char *model = bs_model_files_path(job->base);
    const struct {
        const char *option, *path;
    } outputs[] = {{"--log", job->own.log}, {"--rejects", job->options.rejects}};
    for (size_t i = 0; folder && i < sizeof outputs / sizeof *outputs; i++) {
        const char *path = outputs[i].path;
        if (path && strcmp(path, "-") != 0 && bs_run_folder_encloses(folder, path))
            return bs_fail(
                error, BS_USAGE,
                "%s %s: lies in %s, which is for the run alone; write it elsewhere",
                outputs[i].option, path, folder);
    }
    if (folder && bs_run_folder_encloses(folder, model))
        return bs_fail(
            error, BS_USAGE,
            "%s: the base model lies in %s, which is for the run alone; choose another "
            "-o, or copy the model first",
            model, folder);
    return BS_OK;
}

/* Of an earlier call: what is read as data is to be without them. */
static void mark_own(struct bs_own_file *own, const char *path, mode_t type) {
    struct stat status;
    if (path && !stat(path, &status) && (status.st_mode & S_IFMT) == type)
        bs_own_file_mark(own, &status);
}

static int open_job(struct job *job, struct bs_error *error) {
    const struct bs_options *options = &job->options;
    if (train_options_check(options, &job->own, error) ||
        bs_device_open(&job->device, options->device, error) ||
        bs_options_precision(options, job->device, false, &job->own.settings.precision,
                             error) ||
        bs_model_files_open(&job->base, options->model, error) ||
        check_base(job, error) ||
        bs_model_files_tokenizer(job->base, &job->tokenizer, error))
        return error->code;
    const struct bs_model_config *config = bs_model_files_config(job->base);
    bs_examples_init(&job->train, config);
    bs_examples_init(&job->eval, config);
    if (bs_labels_fix(&job->labels, options->labels, options->n_labels, error))
        return error->code;
    if ((!job->own.check && bs_run_folder_open(&job->folder, job->own.output, error)) ||
        check_places(job, error))
        return error->code;
    mark_own(&job->log, job->own.log, S_IFREG);
    if (job->own.check)
        mark_own(&job->checked, job->own.output, S_IFDIR);
    return bs_rejects_open(&job->rejects, options->rejects, options->strict, error);
}

/* Labels get the order of an existing head with the same names, else of their bytes. */
static int order_labels(struct job *job, struct bs_error *error) {
    const struct bs_model_config *config = bs_model_files_config(job->base);
    int32_t *moved;
    if (bs_labels_order(&job->labels, config->labels, config->num_labels, &moved, error))
        return error->code;
    bs_examples_relabel(&job->train, moved);
    free(moved);
    return BS_OK;
}

/* For messages. */
static const char *input_name(char *const *paths, size_t n_paths) {
    if (n_paths > 1)
        return "the training data";
    return n_paths == 0 || strcmp(paths[0], "-") == 0 ? "standard input" : paths[0];
}

static int check_training_data(const struct job *job, struct bs_error *error) {
    if (job->train.count > 0)
        return BS_OK;
    return bs_fail(error, BS_DATA,
                   "%s: holds no record to train on (%" PRId64 " rejected); labelled "
                   "texts or token records are needed",
                   input_name(job->options.paths, job->options.n_paths),
                   bs_rejects_count(job->rejects));
}

static int check_evaluation_data(const struct job *job, struct bs_error *error) {
    double fraction = job->own.settings.eval_fraction;
    if (job->own.eval_data && job->eval.count == 0)
        return bs_fail(error, BS_DATA, "%s: holds no record to evaluate with",
                       input_name((char **)&job->own.eval_data, 1));
    if (fraction > 0 && (job->eval.count == 0 || job->train.count == 0))
        return bs_fail(error, BS_DATA,
                       "--eval-fraction %g of %" PRId64 " example%s leaves nothing to %s",
                       fraction, job->eval.count + job->train.count,
                       bs_plural(job->eval.count + job->train.count),
                       job->eval.count == 0 ? "evaluate with" : "train on");
    return BS_OK;
}

static int read_examples(struct job *job, struct bs_error *error) {
    struct train_input input = {.options = &job->options,
                                .config = job->train.config,
                                .tokenizer = job->tokenizer,
                                .rejects = job->rejects,
                                .labels = &job->labels};
    char *eval_path = (char *)job->own.eval_data;
    double fraction = job->own.settings.eval_fraction;
    int code = train_input_read(&input, job->options.paths, job->options.n_paths,
                                &job->train, error);
    if (!code && !bs_tool_signal())
        code = check_training_data(job, error);
    if (!code)
        code = order_labels(job, error);
    if (!code && eval_path && !bs_tool_signal())
        code = train_input_read(&input, &eval_path, 1, &job->eval, error);
    if (!code && fraction > 0)
        code = bs_examples_split(&job->train, fraction, job->own.settings.seed,
                                 &job->eval, error);
    if (code || bs_tool_signal())
        return code;
    if (check_evaluation_data(job, error))
        return error->code;
    bs_note("%" PRId64 " example%s to train on, %" PRId64 " to evaluate, %" PRId64
            " label%s",
            job->train.count, bs_plural(job->train.count), job->eval.count,
            job->labels.count, bs_plural(job->labels.count));
    return BS_OK;
}

static int train(struct job *job, struct bs_error *error) {
    struct bs_training training = {.settings = &job->own.settings,
                                   .device = job->device,
                                   .base = job->base,
                                   .tokenizer = bs_tokenizer_digest(job->tokenizer),
                                   .labels = &job->labels,
                                   .train = &job->train,
                                   .eval = job->eval.count ? &job->eval : NULL,
                                   .folder = &job->folder,
                                   .restart = job->own.restart,
                                   .log = job->own.log,
                                   .threads = job->options.threads,
                                   .stop = bs_tool_signal};
    struct bs_output *table;
    if (bs_output_open(&table, NULL, error))
        return error->code;
    int code = job->own.check ? bs_train_check(&training, table, error)
                              : bs_train(&training, table, error);
    if (code) {
        bs_output_abandon(table);
        return code;
    }
    return bs_output_commit(table, error);
}

static int run(struct job *job, struct bs_error *error) {
    int code = open_job(job, error);
    if (!code)
        code = read_examples(job, error);
    if (!code && !bs_tool_signal())
        code = train(job, error);
    if (job->rejects && !code && bs_tool_keeps_output(code))
        return bs_rejects_close(job->rejects, error);
    bs_rejects_abandon(job->rejects);
    return code;
}

static void close_job(struct job *job) {
    if (job->folder.path)
        bs_run_folder_close(&job->folder);
    bs_own_file_unmark(&job->log);
    bs_own_file_unmark(&job->checked);
    bs_examples_free(&job->train);
    bs_examples_free(&job->eval);
    bs_labels_free(&job->labels);
    bs_tokenizer_free(job->tokenizer);
    bs_model_files_close(job->base);
    bs_device_close(job->device);
    bs_options_free(&job->options);
}

int main(int argc, char **argv) {
    struct job job = {.folder = {.lock = -1}};
    struct bs_error error = {0};
    bs_tool_start();
    train_options_parse(argc, argv, &job.options, &job.own);
    /* The work outlives a closed standard output and a hang-up. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    bs_tool_catch_signals();
    int code = run(&job, &error);
    close_job(&job);
    return bs_tool_end(code, &error);
}
