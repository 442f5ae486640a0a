/* A fork-join team, a task and an ordered pipeline over POSIX threads. */
#include "common/team.h"

#include "common/buffer.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* The numbers at the beginning of a file of the kernel's; how many there were. */
static int read_numbers(const char *path, long long numbers[2]) {
    char text[64];
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    char *at = fgets(text, sizeof text, file);
    fclose(file);
    int count = 0;
    for (char *end; at && count < 2; at = end) {
        numbers[count] = strtoll(at, &end, 10);
        if (end == at)
            break;
        count++;
    }
    return count;
}

/* Quota of the cgroup in processors, rounded up; 0 if there is none. Version 2 has
 * "QUOTA PERIOD" or "max PERIOD" in one file, version 1 a file for each. */
static int cgroup_quota(void) {
    long long numbers[2] = {0}, period[2] = {0};
    int count = read_numbers("/sys/fs/cgroup/cpu.max", numbers);
    if (count == 0) {
        count = read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", numbers) +
                read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period);
        numbers[1] = period[0];
    }
    if (count != 2 || numbers[0] <= 0 || numbers[1] <= 0)
        return 0;
    return (int)((numbers[0] + numbers[1] - 1) / numbers[1]);
}

int bs_processor_count(void) {
    cpu_set_t set;
    int count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    int quota = cgroup_quota();
    if (quota > 0 && quota < count)
        count = quota;
    return count > 0 ? count : 1;
}

/* Signals that ask the process to end are for whoever waits for input or output, never
 * for a worker. False if there can be no more threads. */
static bool start_thread(pthread_t *thread, void *(*body)(void *), void *argument) {
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, &before);
    int failed = pthread_create(thread, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

struct bs_team {
    int size;
    pthread_t *threads; /* size - 1 */
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    uint64_t round; /* counts calls of bs_team_run */
    int busy;       /* workers that have not finished this round */
    int stop;
    int started;
    bs_team_work *work;
    void *context;
    int64_t items;
    atomic_int_fast64_t next;
    atomic_int worker_ids;
};

static void take_items(struct bs_team *team, int worker) {
    for (;;) {
        int64_t item = atomic_fetch_add(&team->next, 1);
        if (item >= team->items)
            return;
        team->work(team->context, item, worker);
    }
}

static void *team_thread(void *argument) {
    struct bs_team *team = argument;
    int worker = atomic_fetch_add(&team->worker_ids, 1);
    uint64_t seen = 0;
    pthread_mutex_lock(&team->mutex);
    for (;;) {
        while (team->round == seen && !team->stop)
            pthread_cond_wait(&team->wake, &team->mutex);
        if (team->stop)
            break;
        seen = team->round;
        pthread_mutex_unlock(&team->mutex);
        take_items(team, worker);
        pthread_mutex_lock(&team->mutex);
        if (--team->busy == 0)
            pthread_cond_signal(&team->done);
    }
    pthread_mutex_unlock(&team->mutex);
    return NULL;
}

int bs_team_new(struct bs_team **result, int threads, struct bs_error *error) {
    struct bs_team *team = bs_alloc(1, sizeof *team);
    if (!team)
        return bs_fail_memory(error, sizeof *team, "threads");
    team->size = threads > 0 ? threads : 1;
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->wake, NULL);
    pthread_cond_init(&team->done, NULL);
    atomic_init(&team->worker_ids, 1);
    atomic_init(&team->next, 0);
    team->threads = bs_alloc((size_t)team->size, sizeof *team->threads);
    if (!team->threads) {
        bs_team_free(team);
        return bs_fail_memory(error, sizeof(pthread_t), "threads");
    }
    for (; team->started < team->size - 1; team->started++)
        if (!start_thread(&team->threads[team->started], team_thread, team)) {
            bs_team_free(team);
            return bs_fail(error, BS_RESOURCE, "cannot start %d threads", threads);
        }
    *result = team;
    return BS_OK;
}

void bs_team_free(struct bs_team *team) {
    if (!team)
        return;
    pthread_mutex_lock(&team->mutex);
    team->stop = 1;
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->mutex);
    for (int i = 0; i < team->started; i++)
        pthread_join(team->threads[i], NULL);
    pthread_cond_destroy(&team->wake);
    pthread_cond_destroy(&team->done);
    pthread_mutex_destroy(&team->mutex);
    free(team->threads);
    free(team);
}

int bs_team_size(const struct bs_team *team) {
    return team->size;
}

void bs_team_run(struct bs_team *team, int64_t items, bs_team_work *work, void *context) {
    if (team->size == 1 || items <= 1) {
        for (int64_t item = 0; item < items; item++)
            work(context, item, 0);
        return;
    }
    pthread_mutex_lock(&team->mutex);
    team->work = work;
    team->context = context;
    team->items = items;
    atomic_store(&team->next, 0);
    team->busy = team->size - 1;
    team->round++;
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->mutex);
    take_items(team, 0);
    pthread_mutex_lock(&team->mutex);
    while (team->busy > 0)
        pthread_cond_wait(&team->done, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
}

static void *task_thread(void *argument) {
    struct bs_task *task = argument;
    task->work(task->context);
    return NULL;
}

void bs_task_start(struct bs_task *task, void (*work)(void *context), void *context) {
    *task = (struct bs_task){.work = work, .context = context};
    task->threaded = start_thread(&task->thread, task_thread, task);
    if (!task->threaded)
        work(context);
}

void bs_task_wait(struct bs_task *task) {
    if (task->threaded)
        pthread_join(task->thread, NULL);
    task->threaded = false;
}

enum job_state { JOB_FREE, JOB_READ, JOB_WORKING, JOB_DONE };

struct job {
    void *data;
    enum job_state state;
    int failed;
    struct bs_error error;
};

struct pipeline_run {
    const struct bs_pipeline *plan;
    struct job *jobs;
    uint64_t n_read, n_taken, n_written; /* jobs by number; slot = number % n_jobs */
    int reading_ended;
    int failed;
    struct bs_error error;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int next_worker;
};

static struct job *slot(struct pipeline_run *run, uint64_t number) {
    return &run->jobs[number % run->plan->n_jobs];
}

static void read_jobs(struct pipeline_run *run) {
    const struct bs_pipeline *plan = run->plan;
    for (;;) {
        pthread_mutex_lock(&run->mutex);
        while (!run->failed && run->n_read - run->n_written == plan->n_jobs)
            pthread_cond_wait(&run->changed, &run->mutex);
        int stop = run->failed;
        struct job *job = slot(run, run->n_read);
        pthread_mutex_unlock(&run->mutex);
        int code = stop ? BS_END : plan->read(plan->context, job->data, &job->error);
        pthread_mutex_lock(&run->mutex);
        if (code != BS_END) {
            job->failed = code != BS_OK;
            job->state = job->failed ? JOB_DONE : JOB_READ;
            run->n_read++;
        }
        if (code != BS_OK)
            run->reading_ended = 1;
        pthread_cond_broadcast(&run->changed);
        pthread_mutex_unlock(&run->mutex);
        if (code != BS_OK)
            return;
    }
}

static void *reader_thread(void *argument) {
    read_jobs(argument);
    return NULL;
}

static void *worker_thread(void *argument) {
    struct pipeline_run *run = argument;
    const struct bs_pipeline *plan = run->plan;
    pthread_mutex_lock(&run->mutex);
    int worker = run->next_worker++;
    for (;;) {
        while (run->n_taken < run->n_read && slot(run, run->n_taken)->state == JOB_DONE)
            run->n_taken++; /* failed while it was read */
        if (run->n_taken == run->n_read) {
            if (run->reading_ended)
                break;
            pthread_cond_wait(&run->changed, &run->mutex);
            continue;
        }
        struct job *job = slot(run, run->n_taken++);
        job->state = JOB_WORKING;
        pthread_mutex_unlock(&run->mutex);
        int failed = plan->work(plan->context, job->data, worker, &job->error) != BS_OK;
        pthread_mutex_lock(&run->mutex);
        job->failed = failed;
        job->state = JOB_DONE;
        pthread_cond_broadcast(&run->changed);
    }
    pthread_mutex_unlock(&run->mutex);
    return NULL;
}

/* On the calling thread: takes finished jobs in order. */
static void write_jobs(struct pipeline_run *run) {
    const struct bs_pipeline *plan = run->plan;
    pthread_mutex_lock(&run->mutex);
    for (;;) {
        if (run->n_written == run->n_read && run->reading_ended)
            break;
        struct job *job = slot(run, run->n_written);
        if (run->n_written == run->n_read || job->state != JOB_DONE) {
            pthread_cond_wait(&run->changed, &run->mutex);
            continue;
        }
        pthread_mutex_unlock(&run->mutex);
        int failed = job->failed;
        if (!run->failed && !failed)
            failed = plan->write(plan->context, job->data, &job->error) != BS_OK;
        pthread_mutex_lock(&run->mutex);
        if (failed && !run->failed) {
            run->failed = 1;
            run->error = job->error;
        }
        job->failed = 0;
        job->state = JOB_FREE;
        run->n_written++;
        pthread_cond_broadcast(&run->changed);
    }
    pthread_mutex_unlock(&run->mutex);
}

static int start_and_write(struct pipeline_run *run, pthread_t *threads,
                           struct bs_error *error) {
    int wanted = run->plan->threads > 0 ? run->plan->threads : 1;
    int started = 0;
    for (; started < wanted; started++)
        if (!start_thread(&threads[started], worker_thread, run))
            break;
    pthread_t reader;
    int failed = started < wanted || !start_thread(&reader, reader_thread, run);
    if (failed) {
        pthread_mutex_lock(&run->mutex);
        run->failed = run->reading_ended = 1;
        bs_fail(&run->error, BS_RESOURCE, "cannot start %d threads", wanted);
        pthread_cond_broadcast(&run->changed);
        pthread_mutex_unlock(&run->mutex);
    } else {
        write_jobs(run);
        pthread_join(reader, NULL);
    }
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (!run->failed)
        return BS_OK;
    *error = run->error;
    return error->code;
}

int bs_pipeline_run(const struct bs_pipeline *plan, struct bs_error *error) {
    struct pipeline_run run = {.plan = plan};
    size_t n_threads = plan->threads > 0 ? (size_t)plan->threads : 1;
    pthread_t *threads = bs_alloc(n_threads, sizeof *threads);
    run.jobs = bs_alloc(plan->n_jobs, sizeof *run.jobs);
    int code;
    if (!threads || !run.jobs) {
        code = bs_fail_memory(error, plan->n_jobs * sizeof *run.jobs, "the pipeline");
    } else {
        for (size_t i = 0; i < plan->n_jobs; i++)
            run.jobs[i].data = plan->jobs[i];
        pthread_mutex_init(&run.mutex, NULL);
        pthread_cond_init(&run.changed, NULL);
        code = start_and_write(&run, threads, error);
        pthread_cond_destroy(&run.changed);
        pthread_mutex_destroy(&run.mutex);
    }
    free(run.jobs);
    free(threads);
    return code;
}
