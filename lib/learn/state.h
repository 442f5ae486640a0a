/*
 * What a run must remember between two updates, beside its weights; and the file it
 * lies in, "optimizer.bin" of the folder that `last` points to:
 *
 *     "bs-state" 1 LF                       magic and version
 *     NAME TAB VALUE LF ...                 scalars, settings, report rows
 *     LF                                    end of the text
 *     moments                               fp32, of each trainable parameter in the
 *                                           order of the table: first, second
 *     CRC-32 of all before, 4 bytes, little-endian
 *
 * A finished run keeps the text alone. Positions are not stored: the number of the
 * update gives the place in the data and in every stream of random numbers.
 */
#ifndef BS_LEARN_STATE_H
#define BS_LEARN_STATE_H

#include "common/buffer.h"
#include "model/model.h"

#define BS_STATE_FILE "optimizer.bin"

struct bs_train_state {
    bool finished;
    int64_t step;     /* updates done */
    int64_t reported; /* the last step that has a row in `rows` */
    double loss_sum;  /* of the updates since then */
    int64_t loss_count;
    struct bs_loss_scale loss_scale; /* of fp16; all zero in other precisions */
    int64_t best_step;               /* 0: none yet */
    double best_value;               /* of the chosen metric; larger is better */
    int64_t worse;                   /* evaluations since the best one */
    int64_t weights_crc;             /* CRC-32 of the weights' file; 0: not known */
    int64_t best_crc;                /* of that of the best step; likewise */
    char hardware[64];               /* where it ran */
    struct bs_buffer identity;       /* lines `NAME TAB VALUE`, see identity.h */
    struct bs_buffer rows;           /* report rows so far, TSV */
};

void bs_train_state_free(struct bs_train_state *state); /* leaves it empty */

/* Writes the file into `folder`, synced; the moments unless finished. */
int bs_train_state_write(const struct bs_train_state *state, const struct bs_model *model,
                         const char *folder, struct bs_error *error) BS_MUST_CHECK;

/* Reads and checks the whole file; moments stay where they are until
 * bs_train_state_restore puts them into the model's weights. BS_DATA if it is damaged
 * or not of this model; the message says what to do. */
struct bs_state_file;
int bs_state_file_open(struct bs_state_file **file, const char *folder,
                       struct bs_train_state *state,
                       struct bs_error *error) BS_MUST_CHECK;
int bs_state_file_restore(const struct bs_state_file *file, const struct bs_model *model,
                          struct bs_error *error) BS_MUST_CHECK;
void bs_state_file_close(struct bs_state_file *file);

#endif
