/*
 * Threads in three shapes: a team that shares one loop, a task beside the caller, and an
 * ordered pipeline. SIGINT, SIGTERM and SIGHUP are blocked in all of them; a thread may
 * unblock its own.
 */
#ifndef BS_COMMON_TEAM_H
#define BS_COMMON_TEAM_H

#include "common/error.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Processors that this process may use: the affinity mask and the cgroup's quota
 * (version 1 or 2, rounded up), at least 1. */
int bs_processor_count(void);

/*
 * A team of threads, the caller one of them. bs_team_run calls
 * work(context, item, worker) once for each item below `items`, on any thread, and
 * returns when all are done; `worker` is below bs_team_size. Which thread takes which
 * item is not fixed, so results may depend on the item alone. Not reentrant.
 */
struct bs_team;
typedef void bs_team_work(void *context, int64_t item, int worker);
int bs_team_new(struct bs_team **team, int threads, struct bs_error *error) BS_MUST_CHECK;
void bs_team_free(struct bs_team *team);
int bs_team_size(const struct bs_team *team);
void bs_team_run(struct bs_team *team, int64_t items, bs_team_work *work, void *context);

/*
 * A task: work(context) on a thread of its own, until bs_task_wait. If there can be no
 * more threads, bs_task_start itself does the work.
 */
struct bs_task {
    void (*work)(void *context);
    void *context;
    pthread_t thread;
    bool threaded; /* false: nothing to wait for */
};
void bs_task_start(struct bs_task *task, void (*work)(void *context), void *context);
void bs_task_wait(struct bs_task *task);

/*
 * An ordered pipeline: `read` fills a job (one caller at a time), `work` transforms
 * it (`threads` at once), `write` takes it (one caller at a time, in the order of
 * reading). All run on the pipeline's own threads; the caller waits. Jobs are made
 * by the caller: `jobs[n_jobs]`, reused in turn, so memory is bounded by n_jobs
 * (2 * threads + 1 is a good number).
 *
 * `read` returns BS_OK, BS_END (job not filled) or a failure. After a failure of any
 * of the three, nothing more is read; jobs read before a failed one are still
 * written, later ones are not. bs_pipeline_run returns the failure of the earliest
 * job, or BS_OK.
 */
struct bs_pipeline {
    void *context;
    int (*read)(void *context, void *job, struct bs_error *error);
    int (*work)(void *context, void *job, int worker, struct bs_error *error);
    int (*write)(void *context, void *job, struct bs_error *error);
    void **jobs;
    size_t n_jobs;
    int threads;
};
int bs_pipeline_run(const struct bs_pipeline *pipeline,
                    struct bs_error *error) BS_MUST_CHECK;

#endif
