/* The folder of a run: locked by one process, given up when nothing was saved, never
 * taken from under another. */
#include "learn/run_folder.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

static char scratch[] = "/tmp/test_learn_folder.XXXXXX";
static char *path; /* of the run */
static const char
    *vanishes; /* a file that whoever holds it removes before the next lock */
static const char *folder_vanishes; /* and then the folder */

/* Stands before the C library's. */
int flock(int fd, int operation) {
    if (vanishes)
        unlink(vanishes);
    if (folder_vanishes)
        rmdir(folder_vanishes);
    vanishes = folder_vanishes = NULL;
    return (int)syscall(SYS_flock, fd, operation);
}

static void test_one(void) {
    struct bs_run_folder folder, other;
    struct bs_error error = {0};
    check(!bs_run_folder_open(&folder, path, &error) && bs_is_directory(path), "made %s",
          error.text);
    check(bs_run_folder_open(&other, path, &error) == BS_USAGE &&
              strstr(error.text, "another run is using this folder"),
          "not twice: %s", error.text);
    check(bs_is_directory(path), "which leaves it alone");
    bs_run_folder_close(&folder);
    check(!bs_file_exists(path), "without a checkpoint it goes away");
}

static void test_kept(void) {
    struct bs_run_folder folder;
    struct bs_error error = {0};
    int code = bs_run_folder_open(&folder, path, &error);
    char *checkpoint = bs_run_folder_checkpoint(&folder, 3);
    char *json = checkpoint ? bs_path_join(checkpoint, "bs.json") : NULL;
    check(!code && json && !bs_make_directories(checkpoint, &error) &&
              !bs_file_write(json, bs_span_of("{}"), &error),
          "a checkpoint");
    bs_run_folder_close(&folder);
    check(json && bs_file_exists(json), "stays");
    free(json);
    free(checkpoint);
    char *notes = bs_path_join(path, "notes");
    check(notes && !bs_file_write(notes, bs_span_of("mine"), &error) &&
              bs_run_folder_open(&folder, path, &error) == BS_USAGE &&
              strstr(error.text, "\"notes\""),
          "other things: %s", error.text);
    check(notes && bs_file_exists(notes), "stay too");
    free(notes);
}

/* Paths in the scratch folder; "out" is a link to "in". */
static bool encloses(const char *folder, const char *inner) {
    char *outer = bs_path_join(scratch, folder), *place = bs_path_join(scratch, inner);
    bool encloses = outer && place && bs_run_folder_encloses(outer, place);
    free(outer);
    free(place);
    return encloses;
}

static void test_places(void) {
    struct bs_error error = {0};
    char *deep = bs_path_join(scratch, "in/deep"), *link = bs_path_join(scratch, "out");
    check(deep && link && !bs_make_directories(deep, &error) && !symlink("in", link),
          "folders and a link");
    check(encloses("in", "in") && encloses("in", "in/deep") && encloses("out", "in/deep"),
          "what is there");
    check(encloses("in", "in/new") && encloses("in", "out/deep/new"), "what is not yet");
    check(!encloses("in/deep", "in") && !encloses("in", "inner") && !encloses("no", "in"),
          "nothing else");
    free(deep);
    free(link);
}

/* A lock that was opened, and removed by its holder before it was free, protects nothing:
 * the next process would make another. */
static void test_vanished(void) {
    struct bs_error error = {0};
    char *name = bs_path_join(scratch, "lock");
    int first, second;
    vanishes = name;
    check(name && !bs_lock(name, &first, &error) && bs_file_exists(name),
          "a lock that vanished is made again %s", error.text);
    check(bs_lock(name, &second, &error) == BS_USAGE, "and holds");
    bs_unlock(first);
    check(!bs_lock(name, &second, &error), "until it is given back");
    bs_unlock(second);
    free(name);
}

/* Two runs begin in a folder that is not there, and the first fails at once. */
static void test_vanished_folder(void) {
    struct bs_run_folder folder;
    struct bs_error error = {0};
    char *place = bs_path_join(scratch, "both"), *lock = bs_path_join(place, "lock");
    vanishes = lock;
    folder_vanishes = place;
    check(!bs_run_folder_open(&folder, place, &error) && bs_file_exists(lock),
          "a folder that vanished is made again %s", error.text);
    bs_run_folder_close(&folder);
    check(!bs_file_exists(place), "and is its own");
    free(lock);
    free(place);
}

/* Moved away, with another run's folder under its name. */
static void test_moved(void) {
    struct bs_run_folder folder, other;
    struct bs_error error = {0};
    char *place = bs_path_join(scratch, "moving"),
         *moved = bs_path_join(scratch, "moved");
    char *log = bs_path_join(place, "log.tsv");
    check(!bs_run_folder_open(&folder, place, &error) &&
              !bs_run_folder_check(&folder, &error) && !rename(place, moved),
          "a folder that is moved %s", error.text);
    check(bs_run_folder_check(&folder, &error) == BS_RESOURCE &&
              strstr(error.text, "was moved or removed"),
          "is missed: %s", error.text);
    check(!bs_run_folder_open(&other, place, &error) &&
              !bs_run_folder_write_log(&other, bs_span_of("mine"), &error),
          "another one %s", error.text);
    check(bs_run_folder_write_log(&folder, bs_span_of("no"), &error) == BS_RESOURCE &&
              bs_run_folder_clear(&folder, &error) == BS_RESOURCE &&
              bs_run_folder_settle(&folder, 1, 0, &error) == BS_RESOURCE,
          "is not written to");
    bs_run_folder_close(&folder);
    check(bs_file_exists(log) && !bs_run_folder_check(&other, &error),
          "nor taken away %s", error.text);
    bs_run_folder_close(&other);
    free(log);
    free(moved);
    free(place);
}

int main(void) {
    struct bs_error error = {0};
    if (!mkdtemp(scratch) || !(path = bs_path_join(scratch, "run"))) {
        check(0, "set-up");
        return tap_end();
    }
    test_one();
    test_kept();
    test_places();
    test_vanished();
    test_vanished_folder();
    test_moved();
    check(!bs_remove_tree(scratch, &error), "cleaned up");
    free(path);
    return tap_end();
}
