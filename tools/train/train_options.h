/* Command line of bs-train. */
#ifndef BS_TRAIN_OPTIONS_H
#define BS_TRAIN_OPTIONS_H

#include "front/options.h"
#include "learn/settings.h"

struct train_options {
    struct bs_train_settings settings;
    const char *output;    /* NULL: none */
    const char *eval_data; /* likewise */
    const char *log;
    bool restart;
    bool check;
};

/* Ends the process if the command line is wrong, or was --help or --version. */
void train_options_parse(int argc, char **argv, struct bs_options *options,
                         struct train_options *own);

/* What can only be seen when all of it has been read. */
int train_options_check(const struct bs_options *options, const struct train_options *own,
                        struct bs_error *error) BS_MUST_CHECK;

#endif
