/* Options of bs-train: one row each, with the range of its value and where it goes. */
#include "train_options.h"

#include "common/file.h"
#include "common/number.h"

#include <stddef.h>

enum key {
    KEY_EVAL_DATA = BS_OPTION_OWN,
    KEY_EVAL_FRACTION,
    KEY_EPOCHS,
    KEY_MAX_STEPS,
    KEY_BATCH_SIZE,
    KEY_ACCUMULATION,
    KEY_LEARNING_RATE,
    KEY_SCHEDULE,
    KEY_WARMUP_STEPS,
    KEY_WEIGHT_DECAY,
    KEY_MAX_GRAD_NORM,
    KEY_CLASS_WEIGHTS,
    KEY_LABEL_SMOOTHING,
    KEY_FREEZE,
    KEY_EVAL_STEPS,
    KEY_METRIC,
    KEY_PATIENCE,
    KEY_SAVE_STEPS,
    KEY_LOG,
    KEY_RESTART,
    KEY_CHECK,
    KEY_OUTPUT = 'o',
};

enum { GROUP_DATA = 6, GROUP_TRAINING, GROUP_RUN };

static const struct argp_option list[] = {
    {.doc = "Evaluation:", .group = GROUP_DATA},
    {"eval-data", KEY_EVAL_DATA, "FILE", 0,
     "Evaluate with FILE, read as the training data is", GROUP_DATA},
    {"eval-fraction", KEY_EVAL_FRACTION, "F", 0,
     "Hold back this part of the training data, between 0 and 1, chosen by a hash of "
     "each text",
     GROUP_DATA},
    {"eval-steps", KEY_EVAL_STEPS, "N", 0,
     "Report, and evaluate, every N steps and at the end (default 500)", GROUP_DATA},
    {"metric", KEY_METRIC, "NAME", 0,
     "The best checkpoint is the one with the best macro_f1 (default), accuracy or loss",
     GROUP_DATA},
    {"patience", KEY_PATIENCE, "N", 0,
     "Stop after N evaluations without a better one (default: never)", GROUP_DATA},

    {.doc = "Training:", .group = GROUP_TRAINING},
    {"epochs", KEY_EPOCHS, "N", 0, "Passes over the data (default 3)", GROUP_TRAINING},
    {"max-steps", KEY_MAX_STEPS, "N", 0, "Stop after N steps, whatever --epochs says",
     GROUP_TRAINING},
    {"batch-size", KEY_BATCH_SIZE, "N", 0, "Examples in a batch (default 8)",
     GROUP_TRAINING},
    {"accumulation", KEY_ACCUMULATION, "N", 0, "Batches in a step (default 1)",
     GROUP_TRAINING},
    {"learning-rate", KEY_LEARNING_RATE, "R", 0, "The highest rate (default 2e-5)",
     GROUP_TRAINING},
    {"schedule", KEY_SCHEDULE, "NAME", 0,
     "How the rate falls after the warm-up: linear (default), cosine or constant",
     GROUP_TRAINING},
    {"warmup-steps", KEY_WARMUP_STEPS, "N", 0,
     "Steps while the rate rises from 0 (default 500)", GROUP_TRAINING},
    {"weight-decay", KEY_WEIGHT_DECAY, "R", 0,
     "Of AdamW, not on biases and layer norms (default 0.01)", GROUP_TRAINING},
    {"max-grad-norm", KEY_MAX_GRAD_NORM, "R", 0,
     "Gradients are clipped to this norm; 0: not at all (default 1)", GROUP_TRAINING},
    {"class-weights", KEY_CLASS_WEIGHTS, "WHAT", 0,
     "Weights of the classes in the loss: balanced, or NAME=W,...", GROUP_TRAINING},
    {"label-smoothing", KEY_LABEL_SMOOTHING, "R", 0,
     "This part of each label is spread over all classes (default 0)", GROUP_TRAINING},
    {"freeze", KEY_FREEZE, "WHAT", 0,
     "Leave as they are: embeddings, or N for the embeddings and the first N layers",
     GROUP_TRAINING},

    {.doc = "Run:", .group = GROUP_RUN},
    {"output", KEY_OUTPUT, "FOLDER", 0,
     "The folder of the run: checkpoints, links best and last, log.tsv", GROUP_RUN},
    {"save-steps", KEY_SAVE_STEPS, "N", 0,
     "Save a checkpoint every N steps (default: at every report)", GROUP_RUN},
    {"log", KEY_LOG, "FILE", 0, "Write the report to FILE too, as TSV", GROUP_RUN},
    {"restart", KEY_RESTART, NULL, 0, "Remove what an earlier run left, and begin anew",
     GROUP_RUN},
    {"check", KEY_CHECK, NULL, 0,
     "Read all data and settings, tell time and memory, train nothing", GROUP_RUN},
    {0},
};

#define AT(field) offsetof(struct train_options, settings.field)

static const struct integer_option {
    enum key key;
    const char *name;
    int64_t min, max;
    size_t at;
} integers[] = {
    {KEY_EPOCHS, "--epochs", 1, 1000000, AT(epochs)},
    {KEY_MAX_STEPS, "--max-steps", 1, UINT32_MAX, AT(max_steps)},
    {KEY_BATCH_SIZE, "--batch-size", 1, 65536, AT(batch_size)},
    {KEY_ACCUMULATION, "--accumulation", 1, 65536, AT(accumulation)},
    {KEY_WARMUP_STEPS, "--warmup-steps", 0, UINT32_MAX, AT(warmup_steps)},
    {KEY_EVAL_STEPS, "--eval-steps", 1, UINT32_MAX, AT(eval_steps)},
    {KEY_PATIENCE, "--patience", 1, 1000000, AT(patience)},
    {KEY_SAVE_STEPS, "--save-steps", 1, UINT32_MAX, AT(save_steps)},
};

static const struct real_option {
    enum key key;
    const char *name;
    double min, max;
    size_t at;
} reals[] = {
    {KEY_EVAL_FRACTION, "--eval-fraction", 1e-6, 0.999999, AT(eval_fraction)},
    {KEY_LEARNING_RATE, "--learning-rate", 0, 1e38, AT(learning_rate)},
    {KEY_WEIGHT_DECAY, "--weight-decay", 0, 1e3, AT(weight_decay)},
    {KEY_MAX_GRAD_NORM, "--max-grad-norm", 0, 1e9, AT(max_grad_norm)},
    {KEY_LABEL_SMOOTHING, "--label-smoothing", 0, 0.999999, AT(label_smoothing)},
};

static int parse_number(struct train_options *own, int key, const char *value,
                        struct bs_error *error) {
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        if ((int)integers[i].key == key)
            return bs_parse_integer(value, integers[i].name, integers[i].min,
                                    integers[i].max,
                                    (int64_t *)((char *)own + integers[i].at), error);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if ((int)reals[i].key == key)
            return bs_parse_real(value, reals[i].name, reals[i].min, reals[i].max,
                                 (double *)((char *)own + reals[i].at), error);
    return BS_OK;
}

static int parse_own(void *context, int key, const char *value, struct bs_error *error) {
    struct train_options *own = context;
    switch (key) {
    case KEY_OUTPUT:
        own->output = value;
        return BS_OK;
    case KEY_EVAL_DATA:
        own->eval_data = value;
        return BS_OK;
    case KEY_CLASS_WEIGHTS:
        own->settings.class_weights = value;
        return BS_OK;
    case KEY_LOG:
        own->log = value;
        return BS_OK;
    case KEY_RESTART:
        own->restart = true;
        return BS_OK;
    case KEY_CHECK:
        own->check = true;
        return BS_OK;
    case KEY_SCHEDULE:
        return bs_schedule_parse(value, &own->settings.schedule, error);
    case KEY_METRIC:
        return bs_best_metric_parse(value, &own->settings.metric, error);
    case KEY_FREEZE:
        return bs_freeze_parse(value, &own->settings.freeze, error);
    default:
        return parse_number(own, key, value, error);
    }
}

static const struct bs_command command = {
    .tool = "bs-train",
    .arguments = "[TRAIN...]",
    .shared = BS_OPT_INPUT | BS_OPT_TOKENS | BS_OPT_LABELS | BS_OPT_MODEL |
              BS_OPT_PRECISION | BS_OPT_DEVICE | BS_OPT_THREADS | BS_OPT_SEED,
    .required = BS_OPT_MODEL,
    .own = list,
    .parse_own = parse_own,
    .shows_backends = true,
    .about =
        "  bs-train -m models/all-minilm-l6-v2 -o models/mine \\\n"
        "      --eval-fraction 0.1 train.tsv\n\n"
        "Fine-tunes BERT to classify texts. TRAIN is token records or labelled text in "
        "any format (standard input if there is none, or -); -o names the folder of the "
        "run, whose best and last checkpoints are model directories. A run that was "
        "stopped or killed goes on when the same command is given again, and ends in the "
        "same bytes."
        "\v"
        "Exit status: 0 done or already finished; 2 wrong command line, or the folder "
        "holds another run or is in use; 3 done, but records were rejected; 4 bad model "
        "or data; 5 no space or memory, or an output failed; 6 device failure, or a loss "
        "that is not finite; 128+N stopped by signal N, after saving.",
};

void train_options_parse(int argc, char **argv, struct bs_options *options,
                         struct train_options *own) {
    *own = (struct train_options){.settings = bs_train_defaults()};
    bs_options_parse(&command, argc, argv, options, own);
    own->settings.seed = options->seed;
}

static bool is_dash(const char *path) {
    return path && strcmp(path, "-") == 0;
}

/* What is written is nothing that is read, and no two are one. */
static int check_files(const struct bs_options *options, const struct train_options *own,
                       struct bs_error *error) {
    const char *log = own->log, *rejects = options->rejects, *eval = own->eval_data;
    const char *input = log ? bs_options_input(options, log) : NULL;
    if (is_dash(eval))
        eval = "/dev/stdin";
    if (log && rejects && bs_is_same_file(log, rejects))
        return bs_fail(error, BS_USAGE, "--log and --rejects are both %s", log);
    if (eval && rejects && bs_is_same_file(eval, rejects))
        return bs_fail(error, BS_USAGE, "--rejects would replace the input %s", eval);
    if (log && eval && bs_is_same_file(log, eval))
        return bs_fail(error, BS_USAGE, "--log would be written into the input %s", eval);
    if (input)
        return bs_fail(error, BS_USAGE, "--log would be written into the input %s",
                       input);
    if (log && bs_is_same_file(log, "/dev/stderr"))
        return bs_fail(error, BS_USAGE,
                       "--log %s: messages go there; name a file of its own", log);
    return bs_options_check_output(options, "--log", log, error);
}

int train_options_check(const struct bs_options *options, const struct train_options *own,
                        struct bs_error *error) {
    bool evaluates = own->eval_data || own->settings.eval_fraction > 0;
    if ((!own->output || !*own->output) && !own->check)
        return bs_fail(error, BS_USAGE, "-o FOLDER is needed: where checkpoints go");
    if (own->log && (is_dash(own->log) || bs_is_stdout(own->log)))
        return bs_fail(
            error, BS_USAGE,
            "--log %s: the report goes to standard output anyway; name another file",
            own->log);
    if (own->eval_data && own->settings.eval_fraction > 0)
        return bs_fail(error, BS_USAGE, "choose one of --eval-data and --eval-fraction");
    if (own->settings.patience > 0 && !evaluates)
        return bs_fail(error, BS_USAGE,
                       "--patience needs --eval-data or --eval-fraction");
    if (own->check && own->restart)
        return bs_fail(error, BS_USAGE, "choose one of --check and --restart");
    bool reads_stdin = options->n_paths == 0;
    for (size_t i = 0; i < options->n_paths; i++)
        reads_stdin = reads_stdin || is_dash(options->paths[i]);
    if (reads_stdin && is_dash(own->eval_data))
        return bs_fail(error, BS_USAGE,
                       "--eval-data and TRAIN cannot both be standard input");
    return check_files(options, own, error);
}
