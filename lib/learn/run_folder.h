/*
 * The output folder of a run:
 *
 *     OUT/checkpoint-N/   a model directory, written whole or not at all
 *     OUT/last            link to the newest one, which also holds the run's state
 *     OUT/best            link to the best one so far; absent without evaluation data
 *     OUT/log.tsv         report rows
 *     OUT/lock            held by the process that trains
 *
 * The state in `last` is what counts: links, log and old checkpoints are put in order
 * by it after every save and before a run goes on, so that a process may be killed
 * between any two of these steps; what is in order is not written again. Other
 * checkpoints than those two are removed. What the folder holds beside all this, or under
 * one of these names without being such a file, link or folder, is never touched: a run
 * does not begin there. A checkpoint is one that holds bs.json or a state, or that a link
 * of the run leads to. Nor does a run begin where a checkpoint holds files that a run
 * does not write; one that gets them while a run goes on is left with them alone when it
 * is to go.
 */
#ifndef BS_LEARN_RUN_FOLDER_H
#define BS_LEARN_RUN_FOLDER_H

#include "common/file.h"
#include "common/own_files.h"

#include <stdint.h>

struct bs_run_folder {
    char *path;
    int lock;
    bool created; /* it was not there before */
    struct bs_own_file own;
};

/* Makes the folder if need be, and takes its lock. BS_USAGE if another process has it,
 * or if the folder holds things that are not a run's, which are never touched;
 * BS_RESOURCE if it cannot be made. Whoever reads a folder around it leaves it out. */
int bs_run_folder_open(struct bs_run_folder *folder, const char *path,
                       struct bs_error *error) BS_MUST_CHECK;
/* Gives the lock back. A folder that was created and holds no checkpoint goes away, but
 * not what lies under its name if it was moved. */
void bs_run_folder_close(struct bs_run_folder *folder);
/* BS_RESOURCE if it was moved or removed: under its name there may be another run now,
 * or nothing. All that writes or removes here asks first. */
int bs_run_folder_check(const struct bs_run_folder *folder,
                        struct bs_error *error) BS_MUST_CHECK;

/* The folder with the state to go on from, a new string: `last`, or without that link
 * (a run was killed within its first save) the newest checkpoint. BS_END if there is no
 * checkpoint at all, BS_DATA if there was one and its state is gone. */
int bs_run_folder_state(const struct bs_run_folder *folder, char **path,
                        struct bs_error *error) BS_MUST_CHECK;
/* log.tsv, whole. */
int bs_run_folder_write_log(const struct bs_run_folder *folder, struct bs_span text,
                            struct bs_error *error) BS_MUST_CHECK;
/* "OUT/NAME", "OUT/checkpoint-STEP": new strings, NULL without memory. */
char *bs_run_folder_file(const struct bs_run_folder *folder, const char *name);
char *bs_run_folder_checkpoint(const struct bs_run_folder *folder, int64_t step);

/* Whether `path` is `folder` or lies in it, links followed; it may be a file that is yet
 * to be made. What lies in the folder of a run may be removed, or keeps the run from
 * being gone on with. */
bool bs_run_folder_encloses(const char *folder, const char *path);

/* Removes all that a run left: --restart. */
int bs_run_folder_clear(const struct bs_run_folder *folder,
                        struct bs_error *error) BS_MUST_CHECK;

/*
 * Puts links and checkpoints in order: `last` first, then `best` (0: none), then
 * everything else of a run is removed, the state in an older best checkpoint too.
 */
int bs_run_folder_settle(const struct bs_run_folder *folder, int64_t last, int64_t best,
                         struct bs_error *error) BS_MUST_CHECK;

#endif
