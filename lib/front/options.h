/*
 * The command line: options that tools share, each declared once.
 *
 * A tool describes itself in a `struct bs_command`: which shared options it takes (a
 * mask), its own options, what --help begins with. bs_options_parse fills a
 * `struct bs_options`, with defaults for what was not given:
 *
 *     static const struct argp_option own_options[] = {
 *         {"confusion", OPTION_CONFUSION, NULL, 0, "Add the confusion matrix", 0}, {0}};
 *     static int parse_own(void *own, int key, const char *value,
 *                          struct bs_error *error);
 *     static const struct bs_command command = {
 *         .tool = "bs-eval", .arguments = "[FILE...]", .shared = BS_OPT_INPUT,
 *         .own = own_options, .parse_own = parse_own,
 *         .about = "  bs-predict -m models/demo -t msgpack test.tsv |\n"
 *                  "      bs-eval -f msgpack\n\n"
 *                  "Scores predictions against gold labels.\v..."};
 *
 *     bs_tool_start();
 *     bs_options_parse(&command, argc, argv, &options, &settings);
 *
 * This is the one place under lib/ that may end the process, and only as argp does:
 * --help and --version print to standard output and exit 0, a wrong command line is
 * explained on stderr and exits 2 (BS_USAGE).
 */
#ifndef BS_FRONT_OPTIONS_H
#define BS_FRONT_OPTIONS_H

#include "compute/compute.h"
#include "format/reader.h"
#include "text/tokenizer.h"

#include <argp.h>

/* One bit for each shared option; the list below says what each means. */
enum bs_shared_option {
    BS_OPT_FROM = 1 << 0,
    BS_OPT_TO = 1 << 1,
    BS_OPT_OUTPUT = 1 << 2,
    BS_OPT_MODEL = 1 << 3,
    BS_OPT_COLUMNS = 1 << 4, /* --text --text2 --label */
    BS_OPT_HEADER = 1 << 5,
    BS_OPT_MEMBERS = 1 << 6,
    BS_OPT_REJECTS = 1 << 7, /* --rejects --strict */
    BS_OPT_OVERWRITE = 1 << 8,
    BS_OPT_DROP = 1 << 9,
    BS_OPT_MAX_RECORD = 1 << 10,
    BS_OPT_INVALID_UTF8 = 1 << 11,
    BS_OPT_LITERAL = 1 << 12, /* --literal-special-tokens */
    BS_OPT_PRECISION = 1 << 13,
    BS_OPT_LENGTH = 1 << 14, /* --max-length --truncation */
    BS_OPT_BATCH_TOKENS = 1 << 15,
    BS_OPT_DEVICE = 1 << 16,
    BS_OPT_THREADS = 1 << 17,
    BS_OPT_SEED = 1 << 18,
    BS_OPT_LABELS = 1 << 19,
    BS_OPT_SPLIT = 1 << 20, /* --split --part; goes with BS_OPT_SEED */
    /* --quiet and --verbose are always there. */

    /* What a tool that reads records takes. */
    BS_OPT_INPUT = BS_OPT_FROM | BS_OPT_COLUMNS | BS_OPT_HEADER | BS_OPT_MEMBERS |
                   BS_OPT_REJECTS | BS_OPT_MAX_RECORD | BS_OPT_INVALID_UTF8,
    /* What a tool that tokenizes text takes besides. */
    BS_OPT_TOKENS = BS_OPT_LITERAL | BS_OPT_LENGTH,
};

/* What was said on the command line. Strings point into argv; bs_options_free frees
 * what was allocated. */
struct bs_options {
    enum bs_format from;       /* -f FORMAT; BS_FORMAT_AUTO */
    enum bs_format to;         /* -t FORMAT; the command's default */
    const char *output;        /* -o PATH; NULL: standard output */
    const char *model;         /* -m MODEL; NULL */
    const char *text;          /* --text COLUMN; NULL: the reader's default */
    const char *text2, *label; /* likewise */
    enum bs_header header;     /* --header yes|no|auto; BS_HEADER_AUTO */
    const char *members;       /* --members GLOB: of an archive or folder; NULL: all */
    const char *rejects;       /* --rejects FILE; NULL */
    bool strict;               /* --strict */
    bool overwrite;            /* --overwrite */
    bool drop_text;            /* --drop text */
    int64_t max_record;        /* --max-record BYTES; 0: the reader's default */
    bool reject_invalid_utf8;  /* --invalid-utf8 keep|reject; keep */
    bool literal_special_tokens;
    enum bs_precision precision;   /* --precision NAME; ask bs_options_precision */
    bool precision_auto;           /* --precision auto */
    bool precision_given;          /* --precision, anything but auto */
    int64_t max_length;            /* --max-length N; -1 not given, 0 no limit */
    enum bs_truncation truncation; /* --truncation head|tail|head-tail; head */
    int64_t batch_tokens;          /* --batch-tokens N; 0 not given */
    const char *device;            /* --device NAME; "auto" */
    int threads;                   /* --threads N; bs_processor_count() */
    uint64_t seed;                 /* --seed N; 42 */
    char **labels;                 /* --labels A,B,...; NULL */
    size_t n_labels;
    const char *split, *part; /* --split NAME=WEIGHT,... --part NAME; both or none */
    bool quiet, verbose;
    char **paths; /* FILE...; none: standard input */
    size_t n_paths;
};

struct bs_command {
    const char *tool;      /* "bs-eval" */
    const char *arguments; /* "[FILE...]" */
    const char *about;     /* an example first, a command that works, in lines of at most
                              79 (longer ones are wrapped); after \v what stands behind the
                              options */
    unsigned shared;       /* BS_OPT_...: the shared options taken */
    unsigned required;     /* those of them without which nothing can be done:
                              BS_OPT_MODEL, BS_OPT_OUTPUT */
    unsigned to_formats;   /* bits 1 << BS_FORMAT_...: what -t may be */
    enum bs_format to_default;
    const struct argp_option *own; /* ends with {0}; NULL. Keys from BS_OPTION_OWN on, or
                                      letters that no shared option has */
    /* Called for each of the tool's own options. BS_OK, or BS_USAGE with the reason. */
    int (*parse_own)(void *own, int key, const char *value, struct bs_error *error);
    bool shows_backends; /* --version lists the compute back ends compiled in */
};

enum { BS_OPTION_OWN = 0x1000 };

/* Parses the command line into `options` (overwritten), and sets up bs_log. Ends the
 * process with 2 if it is wrong, with 5 without memory. */
void bs_options_parse(const struct bs_command *command, int argc, char **argv,
                      struct bs_options *options, void *own);

void bs_options_free(struct bs_options *options);

/* The input that is the file at `path`, by the name it was given; standard input goes by
 * that path. NULL: none is. */
const char *bs_options_input(const struct bs_options *options, const char *path);

/* BS_USAGE if `path`, which `option` names as an output, is empty, the bundle -m or a
 * file that is read from that directory, there or yet to be made. bs_options_parse has
 * done so with -o and --rejects. NULL is fine. */
int bs_options_check_output(const struct bs_options *options, const char *option,
                            const char *path, struct bs_error *error) BS_MUST_CHECK;

/* What bs_reader_open wants to know. `required` NULL: no field must be there. */
struct bs_reader_options bs_options_reader(const struct bs_options *options,
                                           const char *required);

/* The precision to use on a device: bf16 for auto where that is native, else fp32; of a
 * model that holds `int8` weights int8 where the device has it, unless one was asked for
 * by name. BS_DEVICE if the device refuses it. */
int bs_options_precision(const struct bs_options *options, const struct bs_device *device,
                         bool int8, enum bs_precision *precision,
                         struct bs_error *error) BS_MUST_CHECK;

/* "a,b,c" into new strings at the end of a list; empty names and duplicates are
 * BS_USAGE. bs_names_free frees strings and list. */
int bs_names_parse(const char *text, const char *what, char ***names, size_t *count,
                   struct bs_error *error) BS_MUST_CHECK;

#endif
