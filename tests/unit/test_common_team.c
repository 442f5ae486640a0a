/* Teams: every item once, no worker twice at a time, all done when the call returns.
 * Tasks: beside the caller, done after the wait, or done by the caller.
 * Pipelines: order, jobs used again only when they were written, and which failure
 * counts. */
#include "common/team.h"
#include "tap.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct bs_error error;

/* ---- teams ------------------------------------------------------------------------ */

enum { ITEMS = 400, MOST_WORKERS = 8 };

struct counted {
    atomic_int item[ITEMS + 2], busy[MOST_WORKERS];
    atomic_int wrong, done;
    int workers;
    bool slow;
};

static void count_item(void *context, int64_t item, int worker) {
    struct counted *counted = context;
    if (item < 0 || item >= ITEMS || worker < 0 || worker >= counted->workers ||
        atomic_fetch_add(&counted->busy[worker], 1)) {
        counted->wrong++;
        return;
    }
    counted->item[item]++;
    if (counted->slow && item % 7 == 0)
        usleep(500);
    counted->busy[worker]--;
    counted->done++;
}

/* Runs `items` items; how many did not come out as promised. */
static int miscounted(struct bs_team *team, int64_t items, bool slow) {
    static struct counted counted;
    counted = (struct counted){.workers = bs_team_size(team), .slow = slow};
    bs_team_run(team, items, count_item, &counted);
    int wrong = counted.wrong + (counted.done != items);
    for (int64_t i = 0; i < ITEMS; i++)
        wrong += counted.item[i] != (i < items);
    return wrong;
}

static void test_team(int threads) {
    struct bs_team *team = NULL;
    int wrong = bs_team_new(&team, threads, &error);
    check(!wrong && bs_team_size(team) == (threads > 0 ? threads : 1),
          "a team for %d threads", threads);
    for (int64_t items = 0; items < 12; items++)
        wrong += miscounted(team, items, false);
    check(!wrong, "%d threads: each of a few items once", threads);
    wrong = miscounted(team, ITEMS, true);
    check(!wrong, "%d threads: each of many items once, no worker twice at a time",
          threads);
    for (int round = 0; round < 200; round++)
        wrong += miscounted(team, 1 + round % 5, round % 20 == 0);
    check(!wrong, "%d threads: round after round, done when it returns", threads);
    bs_team_free(team);
}

static long address_space(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld", &pages) != 1)
        abort();
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* A thread that nobody waits for keeps its stack. */
static void test_ends(void) {
    long before = 0;
    int wrong = 0;
    for (int i = 0; i < 100; i++) {
        struct bs_team *team = NULL;
        wrong += bs_team_new(&team, 5, &error) != BS_OK;
        bs_team_free(team);
        before = i == 4 ? address_space() : before;
    }
    long grown = address_space() - before;
    check(!wrong && grown < 64 << 20, "100 teams end and leave %ld MiB", grown >> 20);
    bs_team_free(NULL);
}

static void test_processors(void) {
    cpu_set_t all, one;
    int count = bs_processor_count();
    check(count >= 1 && count <= sysconf(_SC_NPROCESSORS_ONLN), "%d processors", count);
    if (sched_getaffinity(0, sizeof all, &all))
        return;
    int first = 0;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    sched_setaffinity(0, sizeof one, &one);
    check(bs_processor_count() == 1, "one if the process may use one");
    sched_setaffinity(0, sizeof all, &all);
}

/* ---- pipelines -------------------------------------------------------------------- */

enum { JOBS = 5, NEVER = 1 << 30 };

struct job {
    int number; /* -1: free */
    bool worked;
};

struct flow {
    int length;                        /* jobs to read */
    int bad_read, bad_write, bad_work; /* the first job that fails so */
    int n_read, n_written;
    atomic_int wrong, working, most_working;
    struct job jobs[JOBS];
};

/* The first bad one fails, and every other one behind it. */
static bool is_bad(int number, int first) {
    return number >= first && (number - first) % 2 == 0;
}

static int flow_read(void *context, void *data, struct bs_error *read_error) {
    struct flow *flow = context;
    struct job *job = data;
    flow->wrong += job->number >= 0;
    if (flow->n_read == flow->length)
        return BS_END;
    if (flow->n_read >= flow->bad_read)
        return bs_fail(read_error, BS_DATA, "read %d", flow->n_read);
    job->number = flow->n_read++;
    job->worked = false;
    return BS_OK;
}

static int flow_work(void *context, void *data, int worker, struct bs_error *work_error) {
    struct flow *flow = context;
    struct job *job = data;
    int at_once = ++flow->working;
    if (at_once > flow->most_working)
        flow->most_working = at_once;
    usleep((useconds_t)((job->number + 1) * 37 + worker * 11) % 5 * 200);
    flow->working--;
    if (is_bad(job->number, flow->bad_work))
        return bs_fail(work_error, BS_REJECTED, "work %d", job->number);
    job->worked = true;
    return BS_OK;
}

static int flow_write(void *context, void *data, struct bs_error *write_error) {
    struct flow *flow = context;
    struct job *job = data;
    if (is_bad(job->number, flow->bad_write))
        return bs_fail(write_error, BS_RESOURCE, "write %d", job->number);
    usleep(job->number % 10 == 0 ? 2000 : 0);
    flow->wrong += job->number != flow->n_written++ || !job->worked;
    job->number = -1;
    return BS_OK;
}

static int run_flow(struct flow *flow, int threads) {
    void *jobs[JOBS];
    for (int i = 0; i < JOBS; i++) {
        flow->jobs[i] = (struct job){.number = -1};
        jobs[i] = &flow->jobs[i];
    }
    struct bs_pipeline plan = {.context = flow,
                               .read = flow_read,
                               .work = flow_work,
                               .write = flow_write,
                               .jobs = jobs,
                               .n_jobs = JOBS,
                               .threads = threads};
    error = (struct bs_error){0};
    return bs_pipeline_run(&plan, &error);
}

static void test_order(int threads) {
    struct flow flow = {
        .length = 300, .bad_read = NEVER, .bad_write = NEVER, .bad_work = NEVER};
    int code = run_flow(&flow, threads);
    check(!code && flow.n_written == 300 && !flow.wrong,
          "%d threads: 300 jobs in order, none used before it was written", threads);
    check(flow.most_working <= (threads > 0 ? threads : 1), "%d at most at once",
          flow.most_working);
    flow = (struct flow){
        .length = 0, .bad_read = NEVER, .bad_write = NEVER, .bad_work = NEVER};
    check(!run_flow(&flow, threads) && flow.n_written == 0, "nothing to do");
}

/* Job 40 is the first that fails. */
static void test_failure(int threads, struct flow flow, enum bs_code wanted,
                         const char *text) {
    flow.length = 300;
    int code = run_flow(&flow, threads);
    check(code == (int)wanted && strcmp(error.text, text) == 0,
          "%d threads, \"%s\": the earliest failure is returned: %s", threads, text,
          error.text);
    check(flow.n_written == 40, "all before it is written, nothing behind");
    check(flow.n_read <= 40 + 2 * JOBS, "and soon nothing more is read");
}

static void test_failures(int threads) {
    struct flow none = {.bad_read = NEVER, .bad_write = NEVER, .bad_work = NEVER};
    struct flow read = none, work = none, write = none;
    read.bad_read = work.bad_work = write.bad_write = 40;
    test_failure(threads, read, BS_DATA, "read 40");
    test_failure(threads, work, BS_REJECTED, "work 40");
    test_failure(threads, write, BS_RESOURCE, "write 40");
}

/* ---- tasks ------------------------------------------------------------------------ */

struct meeting {
    atomic_bool caller_came, task_done;
};

/* Ends only if the caller goes on meanwhile. */
static void meet(void *context) {
    struct meeting *meeting = context;
    while (!meeting->caller_came)
        usleep(100);
    usleep(2000);
    meeting->task_done = true;
}

static void test_tasks(void) {
    struct meeting meeting = {false, false};
    struct bs_task task = {0};
    bs_task_wait(&task);
    bs_task_start(&task, meet, &meeting);
    meeting.caller_came = true;
    bs_task_wait(&task);
    check(meeting.task_done, "a task runs beside its caller, and is done after the wait");
    bs_task_wait(&task);
    check(true, "waiting for nothing, or twice, does no harm");
}

/* In a process that may have no more threads. */
static void test_task_without_thread(void) {
    struct rlimit none = {0, 0};
    struct meeting meeting = {true, false};
    struct bs_task task;
    fflush(stdout); /* memcheck writes what the child has of it, too */
    pid_t child = fork();
    if (child == 0) {
        if (setrlimit(RLIMIT_NPROC, &none) || (!getuid() && setuid(65534)))
            _exit(2);
        bs_task_start(&task, meet, &meeting);
        bool done = meeting.task_done;
        bs_task_wait(&task);
        _exit(!(done && !task.threaded));
    }
    int status = -1;
    waitpid(child, &status, 0);
    check(status == 0, "without a thread the caller does the work (%d)", status);
}

int main(void) {
    static const int threads[] = {0, 1, 2, 5};
    alarm(300); /* what waits for ever fails */
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        test_team(threads[i]);
        test_order(threads[i]);
        test_failures(threads[i]);
    }
    test_tasks();
    test_task_without_thread();
    test_ends();
    test_processors();
    return tap_end();
}
