/* The loop of a run: updates, reports, saves, until the end or a signal. */
#include "learn/trainer.h"

#include "common/log.h"
#include "learn/memory.h"
#include "learn/run.h"
#include "learn/table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where report rows go besides log.tsv. Training goes on when one of these fails; the
 * failure is told at the end. */
struct report {
    struct bs_output *table;
    FILE *log;
    const char *log_path;
    char *created; /* where the log is that was not there before; NULL: it was */
    bool failed;
    struct bs_error error;
};

static void keep_failure(struct report *report, const struct bs_error *error) {
    if (!report->failed)
        report->error = *error;
    report->failed = true;
}

static void write_table(struct report *report, struct bs_span text) {
    struct bs_error error;
    if (bs_output_write(report->table, text, &error) ||
        bs_output_flush(report->table, &error))
        keep_failure(report, &error);
}

static void write_log_copy(struct report *report, struct bs_span text) {
    struct bs_error error;
    if (!report->log || text.size == 0)
        return;
    errno = 0;
    if (fwrite(text.data, 1, text.size, report->log) == text.size && !fflush(report->log))
        return;
    bs_fail_errno(&error, BS_RESOURCE, "%s: cannot write", report->log_path);
    keep_failure(report, &error);
    fclose(report->log);
    report->log = NULL;
}

/* Not before the run has begun: one that is refused leaves the old copy alone. */
static void empty_log_copy(struct report *report) {
    struct bs_error error;
    if (!report->log || ftruncate(fileno(report->log), 0) == 0 || errno == EINVAL)
        return; /* EINVAL: a pipe or a device */
    bs_fail_errno(&error, BS_RESOURCE, "%s: cannot empty", report->log_path);
    keep_failure(report, &error);
}

static int show_rows(struct report *report, bool heading, struct bs_span rows,
                     struct bs_error *error) {
    struct bs_buffer text = {0};
    bool good = (!heading || bs_table_heading(&text)) && bs_table_align(&text, rows);
    if (good)
        write_table(report, bs_buffer_span(&text));
    bs_buffer_free(&text);
    if (!good)
        return bs_fail_memory(error, rows.size, "the report");
    if (heading) {
        empty_log_copy(report);
        write_log_copy(report, bs_span_of(bs_table_header));
    }
    write_log_copy(report, rows);
    return BS_OK;
}

/* Of a link that leads nowhere yet, what it leads to. */
static int create_log(struct report *report) {
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
    if (bs_file_exists(report->log_path))
        return open(report->log_path, flags, 0666);
    report->created = bs_path_follow(report->log_path);
    return report->created ? open(report->created, flags | O_EXCL, 0666) : -1;
}

static int open_report(struct report *report, const struct bs_training *training,
                       struct bs_output *table, struct bs_error *error) {
    *report = (struct report){.table = table, .log_path = training->log};
    if (!training->log)
        return BS_OK;
    int fd = create_log(report);
    report->log = fd < 0 ? NULL : fdopen(fd, "a");
    if (report->log)
        return BS_OK;
    bs_fail_errno(error, BS_RESOURCE, "%s: cannot create", training->log);
    if (fd >= 0)
        close(fd);
    return error->code;
}

/* The first failure of the report counts only if nothing worse happened. A run that was
 * refused leaves no empty log. */
static int close_report(struct report *report, int code, struct bs_error *error) {
    if (report->log && report->created && ftello(report->log) == 0)
        unlink(report->created);
    free(report->created);
    if (report->log && fclose(report->log) && !report->failed)
        bs_fail_errno(&report->error, BS_RESOURCE, "%s: cannot write", report->log_path),
            report->failed = true;
    if (code || !report->failed)
        return code;
    *error = report->error;
    return error->code;
}

/* The chosen metric, turned so that larger is better. */
static double value_of(enum bs_best_metric metric, const struct bs_scores *scores) {
    switch (metric) {
    case BS_BEST_ACCURACY:
        return scores->accuracy;
    case BS_BEST_LOSS:
        return -scores->loss;
    default:
        return scores->f1;
    }
}

static void note_best(struct run *run, const struct bs_scores *scores) {
    struct bs_train_state *state = &run->state;
    double value = value_of(run->settings->metric, scores);
    run->improved = state->best_step == 0 || value > state->best_value;
    if (run->improved) {
        state->best_step = state->step;
        state->best_value = value;
        state->worse = 0;
    } else {
        state->worse++;
    }
}

/* What a device failed at between two updates: behind which it was. */
static int after_step(const struct run *run, int code, struct bs_error *error) {
    if (code == BS_DEVICE)
        bs_error_prefix(error, "after step %" PRId64 ": ", run->state.step);
    return code;
}

/* Evaluates, and adds a row. BS_END if a signal came first: nothing is noted, and the
 * run that goes on does it again. */
static int make_row(struct run *run, struct report *report, struct bs_error *error) {
    struct bs_train_state *state = &run->state;
    struct bs_scores scores;
    bool evaluated = run->training->eval != NULL;
    if (run_read_loss(run, error))
        return error->code;
    if (evaluated) {
        int code = run_evaluate(run, -1, &scores, error);
        if (code)
            return after_step(run, code, error);
        note_best(run, &scores);
    }
    size_t before = state->rows.size;
    double loss = state->loss_count ? state->loss_sum / (double)state->loss_count : 0;
    if (!bs_table_row(&state->rows, state->step, loss, evaluated ? &scores : NULL))
        return bs_fail_memory(error, state->rows.size, "the report");
    state->reported = state->step;
    run_restart_loss(run, 0, 0);
    run->changed = true;
    if (run_write_log(run, error))
        return error->code;
    return show_rows(report, false,
                     bs_span(state->rows.data + before, state->rows.size - before),
                     error);
}

static bool is_end(const struct run *run) {
    return run->state.step >= run->total ||
           (run->settings->patience > 0 && run->state.worse >= run->settings->patience);
}

static bool is_multiple(int64_t step, int64_t of) {
    return step > 0 && step % of == 0;
}

/* What is due between two updates: a row, a save. */
static int attend(struct run *run, struct report *report, struct bs_error *error) {
    struct bs_train_state *state = &run->state;
    const struct bs_train_settings *s = run->settings;
    run->improved = false;
    if (state->reported != state->step &&
        (is_multiple(state->step, s->eval_steps) || state->step >= run->total)) {
        int code = make_row(run, report, error);
        if (code && code != BS_END)
            return code;
    }
    state->finished = state->reported == state->step && is_end(run);
    bool due = state->finished || run->improved || run_stopped(run) ||
               is_multiple(state->step, s->save_steps ? s->save_steps : s->eval_steps);
    if (!run->changed || !due)
        return BS_OK;
    return run_read_loss(run, error) ? error->code
                                     : after_step(run, run_save(run, error), error);
}

static void show_progress(const struct run *run, struct bs_progress *progress,
                          int64_t began_at) {
    char extra[64];
    snprintf(extra, sizeof extra, "epoch %.2f",
             (double)run->state.step / (double)run->per_epoch);
    bs_progress_show(progress, run->state.step - began_at, extra);
}

static int loop(struct run *run, struct report *report, struct bs_error *error) {
    struct bs_progress progress;
    int64_t began_at = run->state.step;
    bs_progress_begin(&progress, "steps", run->total - began_at, 60);
    int code = BS_OK;
    for (;;) {
        bool due = is_multiple(run->state.step, run->settings->eval_steps);
        if (due || run->state.step >= run->total)
            bs_progress_end(&progress);
        code = attend(run, report, error);
        if (code || run->state.finished || run_stopped(run))
            break;
        code = run_update(run, error);
        if (code)
            break;
        show_progress(run, &progress, began_at);
    }
    bs_progress_end(&progress);
    return code;
}

static int begin_anew(struct run *run, struct bs_error *error) {
    struct bs_train_state *state = &run->state;
    const struct bs_training *t = run->training;
    if (run_load(run, t->base, true, error) || bs_run_folder_clear(t->folder, error))
        return error->code;
    snprintf(state->hardware, sizeof state->hardware, "%s",
             bs_device_info(t->device)->hardware);
    if (!bs_buffer_append_span(&state->identity, bs_buffer_span(&run->identity)))
        return bs_fail_memory(error, run->identity.size, "the run's settings");
    return run_write_log(run, error);
}

static int begin(struct run *run, struct bs_error *error) {
    const struct bs_training *t = run->training;
    int code = t->restart ? BS_END : run_resume(run, error);
    if (code == BS_END)
        return begin_anew(run, error);
    if (code)
        return code;
    if (run->state.finished)
        bs_note("%s: this run is finished, at step %" PRId64 "; --restart begins it anew",
                t->folder->path, run->state.step);
    else
        bs_note("%s: goes on after step %" PRId64 " of %" PRId64, t->folder->path,
                run->state.step, run->total);
    return BS_OK;
}

static void tell_end(const struct run *run, double seconds, int64_t steps) {
    struct run_memory memory;
    struct bs_error ignored;
    if (run_stopped(run))
        bs_note("stopped after step %" PRId64 " of %" PRId64
                "; the same command goes on from there",
                run->state.step, run->total);
    else if (run->state.step < run->total)
        bs_note(
            "no better one in %" PRId64 " evaluation%s: stopped early, at step %" PRId64,
            run->settings->patience, bs_plural(run->settings->patience), run->state.step);
    bs_note("%" PRId64 " step%s in %.1f s, %.2f a second", steps, bs_plural(steps),
            seconds, seconds > 0 ? (double)steps / seconds : 0);
    if (!run_memory(run, &memory, &ignored))
        bs_detail("memory: %.1f MB at most; its parts: %.1f MB", run_peak_memory() / 1e6,
                  (double)run_memory_sum(&memory) / 1e6);
}

static int train(struct run *run, struct report *report, struct bs_error *error) {
    if (begin(run, error) ||
        show_rows(report, true, bs_buffer_span(&run->state.rows), error))
        return error->code;
    if (run->state.finished)
        return BS_OK;
    double began = bs_seconds();
    int64_t began_at = run->state.step;
    if (loop(run, report, error))
        return error->code;
    tell_end(run, bs_seconds() - began, run->state.step - began_at);
    return BS_OK;
}

int bs_train(const struct bs_training *training, struct bs_output *table,
             struct bs_error *error) {
    struct run run;
    struct report report;
    if (run_open(&run, training, error))
        return error->code;
    int code = open_report(&report, training, table, error);
    if (!code)
        code = train(&run, &report, error);
    code = close_report(&report, code, error);
    run_close(&run);
    return code;
}
