/*
 * Labelling with -m MODEL: the model as tools open it, and windows of texts that are
 * labelled together, one while the tool writes the last and collects the next.
 *
 * Order of calls: bs_labeller_open; bs_labeller_add for each text of a window,
 * BS_LABELLER_WINDOW at most; bs_labeller_start; bs_labeller_wait before the next start;
 * bs_labeller_answer for each text of the window last waited for, by its place;
 * bs_labeller_close.
 */
#ifndef BS_FRONT_LABELLER_H
#define BS_FRONT_LABELLER_H

#include "common/team.h"
#include "front/options.h"
#include "front/source.h"
#include "infer/infer.h"
#include "store/model_files.h"

enum { BS_LABELLER_WINDOW = 4096 };

struct bs_labeller_window {
    struct bs_sequence *sequences; /* [BS_LABELLER_WINDOW], `count` of them in use */
    size_t count;
    int64_t tokens; /* of these */
    float *logits;  /* [BS_LABELLER_WINDOW, num_labels], until it is labelled again */
    int code;       /* of its labelling, and why */
    struct bs_error error;
};

struct bs_labeller {
    struct bs_model_files *files;
    const struct bs_model_config *config; /* of files: num_labels, labels */
    struct bs_tokenizer *tokenizer;
    struct bs_device *device;
    struct bs_model *model;
    struct bs_infer *infer;
    struct bs_labeller_window windows[2];
    struct bs_labeller_window *open;   /* for bs_labeller_add */
    struct bs_labeller_window *closed; /* labelled by `task` */
    struct bs_labeller_window *waited; /* for bs_labeller_answer */
    struct bs_task task;
    double speed; /* tokens a second, of the last window that tells it; 0: none has */
    double *probabilities; /* [num_labels], of the last answer */
};

/* As -m, --device, --precision, --threads and --batch-tokens say; BS_INTERRUPTED if a
 * signal came meanwhile. After a failure there
 * is nothing to close, and closing does no harm. */
int bs_labeller_open(struct bs_labeller *labeller, const struct bs_options *options,
                     struct bs_error *error) BS_MUST_CHECK;
void bs_labeller_close(struct bs_labeller *labeller);

/* How a token source reads the command line's input for this model; `rejects`, `context`
 * and `take` are left to the tool. */
struct bs_source_options bs_labeller_source(const struct bs_labeller *labeller,
                                            const struct bs_options *options);

/* Puts a text into the open window. Its ids are borrowed until it has been labelled. */
void bs_labeller_add(struct bs_labeller *labeller, const struct bs_encoding *encoding);

/* Closes the window, which may be empty, and begins to label it; another one is open. */
void bs_labeller_start(struct bs_labeller *labeller);

/* Waits until the closed window is labelled; nothing to wait for is BS_OK. BS_DATA for
 * logits that are not finite. */
int bs_labeller_wait(struct bs_labeller *labeller, struct bs_error *error) BS_MUST_CHECK;

/* How many tokens make a window that is labelled in about `seconds`, going by the last
 * one waited for; before any, and at least, half a batch for each worker, below
 * which speed would suffer. */
int64_t bs_labeller_pace(const struct bs_labeller *labeller, double seconds);

/* The label of text number `place` of the window last waited for, an index of
 * config->labels; leaves `probabilities`. */
size_t bs_labeller_answer(struct bs_labeller *labeller, size_t place);

#endif
