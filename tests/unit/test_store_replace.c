/* A model directory put in the place of another, with the system calls in between under
 * the test's control: a folder that appears at the last moment, a file system that cannot
 * exchange two names, renames that fail. */
#include "common/file.h"
#include "store/model_write.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static char scratch[] = "/tmp/test_store_replace.XXXXXX";
static char *out; /* the final name */
static struct bs_model_files *base;

static bool no_exchange; /* renameat2 fails, as it does on some file systems */
static int n_renames;    /* calls of rename so far */
static int fails_at;     /* this one fails, counted from 1; 0: none */
static bool appears;     /* before the first one another process's folder appears */

/* Both stand before the C library's own. */
int renameat2(int from_folder, const char *from, int to_folder, const char *to,
              unsigned flags) {
    if (no_exchange) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

static int write_version(const char *version, struct bs_error *error);

int rename(const char *from, const char *to) {
    struct bs_error error;
    if (appears) {
        appears = false;
        if (write_version("another's", &error))
            check(0, "set-up: %s", error.text);
    }
    if (++n_renames == fails_at) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_rename, from, to);
}

static struct bs_model_parts parts_of(const char *version) {
    return (struct bs_model_parts){.config = bs_model_files_config(base),
                                   .base = base,
                                   .bs_json = bs_span_of(version)};
}

static int write_version(const char *version, struct bs_error *error) {
    struct bs_model_parts parts = parts_of(version);
    return bs_model_write(out, &parts, error);
}

/* Whether `out` holds this version, whole, and nothing lies beside it. */
static bool holds(const char *version) {
    struct bs_error error;
    struct bs_buffer bytes = {0}, command = {0};
    char *path = bs_path_join(out, "bs.json");
    bool same = path && !bs_file_read(path, 100, &bytes, &error) &&
                bs_span_is(bs_buffer_span(&bytes), version);
    same = same &&
           bs_buffer_printf(&command, "test \"$(ls %s)\" = model%c", scratch, 0) &&
           system(command.data) == 0;
    bs_buffer_free(&command);
    bs_buffer_free(&bytes);
    free(path);
    return same;
}

/* Counts renames from here: those of single files have been made. */
static struct bs_model_writing *begin(const char *version) {
    struct bs_error error;
    struct bs_model_writing *writing = NULL;
    struct bs_model_parts parts = parts_of(version);
    if (bs_model_write_begin(&writing, out, &parts, &error))
        check(0, "set-up: %s", error.text);
    n_renames = 0;
    return writing;
}

static void test_replaced(void) {
    struct bs_error error = {0};
    check(!write_version("first", &error) && holds("first"), "written %s", error.text);
    check(!write_version("second", &error) && holds("second"), "replaced");
    struct bs_model_writing *early = begin("early"), *late = begin("late");
    check(!bs_model_write_commit(early, &error), "one of two begun at once");
    check(!bs_model_write_commit(late, &error) && holds("late"), "the later one stays %s",
          error.text);
}

static void test_appears(void) {
    struct bs_error error = {0};
    check(!bs_remove_tree(out, &error), "none is there");
    struct bs_model_writing *writing = begin("ours");
    appears = true;
    check(!bs_model_write_commit(writing, &error) && holds("ours"),
          "a folder that appeared since is replaced");
}

static void test_without_exchange(void) {
    struct bs_error error = {0};
    no_exchange = true;
    check(!write_version("stepped", &error) && holds("stepped"),
          "without an exchange of names");
    /* The first rename finds a folder; then old aside, new to old, aside to new. */
    for (int step = 2; step <= 3; step++) {
        struct bs_model_writing *writing = begin("lost");
        fails_at = step;
        check(bs_model_write_commit(writing, &error) == BS_RESOURCE && holds("stepped"),
              "step %d fails, what was there stays: %s", step, error.text);
        fails_at = 0;
    }
    no_exchange = false;
}

static void test_refused(void) {
    struct bs_error error = {0};
    check(!bs_remove_tree(out, &error), "none is there");
    struct bs_model_writing *writing = begin("lost");
    fails_at = 1;
    check(bs_model_write_commit(writing, &error) == BS_RESOURCE && !bs_file_exists(out) &&
              strstr(error.text, "cannot rename"),
          "a rename that fails: %s", error.text);
    fails_at = 0;
}

int main(void) {
    struct bs_error error = {0};
    if (!mkdtemp(scratch) || !(out = bs_path_join(scratch, "model")) ||
        bs_model_files_open(&base, "tests/parity/golden/tiny", &error)) {
        check(0, "set-up: %s", error.text);
        return tap_end();
    }
    test_replaced();
    test_appears();
    test_without_exchange();
    test_refused();
    bs_model_files_close(base);
    check(!bs_remove_tree(scratch, &error), "cleaned up");
    free(out);
    return tap_end();
}
