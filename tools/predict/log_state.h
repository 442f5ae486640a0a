/*
 * How far a log has been labelled, in a file that is replaced as a whole: what makes each
 * line come out once, however often the process is killed.
 *
 * The order is: answers go to the output and to the disk; then the state says where the
 * last of them ends, in the log and in the output. Who begins cuts the output to what the
 * state says and goes on in the log behind it.
 */
#ifndef BS_PREDICT_LOG_STATE_H
#define BS_PREDICT_LOG_STATE_H

#include "format/follow.h"

enum { LOG_ROWS = 128 };

struct log_state {
    char *path;                /* where the file is or will be; NULL: nowhere */
    bool is_there;             /* the file was */
    struct bs_log_place place; /* behind the last line that was answered */
    int64_t output;            /* bytes of the output up to there; -1: it is no file */
    uint64_t output_inode;     /* which file that is */
    char rows[LOG_ROWS];       /* what its rows are like, in options; "": unknown */
    int lock;                  /* on PATH.lock, for one process at a time; -1: none */
};

/* Locks and reads. BS_USAGE if another process has it, BS_DATA if it is damaged. */
int log_state_open(struct log_state *state, const char *path,
                   struct bs_error *error) BS_MUST_CHECK;
int log_state_write(const struct log_state *state, struct bs_error *error) BS_MUST_CHECK;
void log_state_close(struct log_state *state);

#endif
