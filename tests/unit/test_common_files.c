/* Reads and mappings, folders, outputs that appear whole or not at all, locks. */
#include "common/file.h"
#include "tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static char scratch[] = "/tmp/test_common_files.XXXXXX";
static struct bs_error error;

/* ---- helpers: all names are within the scratch folder, the current one ------------- */

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file))
        abort();
}

static bool holds(const char *path, struct bs_span wanted) {
    struct bs_buffer bytes = {0};
    bool same = !bs_file_read(path, 1 << 24, &bytes, &error) &&
                bs_span_equal(bs_buffer_span(&bytes), wanted);
    bs_buffer_free(&bytes);
    return same;
}

static int entries(const char *path) {
    int count = -2; /* . and .. */
    DIR *directory = opendir(path);
    while (directory && readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static bool fails(int code, enum bs_code wanted, const char *part) {
    return code == (int)wanted && error.code == wanted && strstr(error.text, part);
}

/* ---- reading ---------------------------------------------------------------------- */

static void test_read(void) {
    struct bs_buffer bytes = {0};
    put("seven", "1234567");
    check(!bs_file_read("seven", 7, &bytes, &error) && bytes.size == 7 &&
              memcmp(bytes.data, "1234567", 8) == 0,
          "a file of just the limit, a zero byte behind it");
    bytes.size = 0;
    check(
        fails(bs_file_read("seven", 6, &bytes, &error), BS_DATA, "seven: larger than 6"),
        "one byte more than the limit");
    check(fails(bs_file_read("none", 6, &bytes, &error), BS_DATA, "none: cannot open"),
          "no file");
    check(fails(bs_file_read(".", 6, &bytes, &error), BS_DATA, ".: not a regular file"),
          "a folder");
    bs_buffer_free(&bytes);
}

static void test_map(void) {
    struct bs_span bytes;
    put("empty", "");
    check(!bs_file_map("seven", &bytes, &error) && bs_span_is(bytes, "1234567"),
          "a mapping");
    bs_file_unmap(bytes);
    check(!bs_file_map("empty", &bytes, &error) && !bytes.data && !bytes.size,
          "of nothing");
    bs_file_unmap(bytes);
    check(fails(bs_file_map(".", &bytes, &error), BS_DATA, "not a regular file") &&
              fails(bs_file_map("/dev/null", &bytes, &error), BS_DATA,
                    "not a regular file") &&
              fails(bs_file_map("none", &bytes, &error), BS_DATA, "cannot open"),
          "of what is no file");
    int before = dup(STDIN_FILENO);
    for (int i = 0; i < 20; i++)
        if (bs_file_map("seven", &bytes, &error) == BS_OK)
            bs_file_unmap(bytes);
    int after = dup(STDIN_FILENO);
    check(before + 1 == after, "descriptors are given back");
    close(before);
    close(after);
}

/* ---- folders ---------------------------------------------------------------------- */

static void test_folders(void) {
    check(!bs_make_directories("a/b/c", &error) && bs_is_directory("a/b/c") &&
              !bs_make_directories("a/b/c/", &error),
          "folders are made, and may be there");
    put("a/file", "x");
    check(fails(bs_make_directories("a/file", &error), BS_RESOURCE, "a/file") &&
              fails(bs_make_directories("a/file/b", &error), BS_RESOURCE, "a/file") &&
              fails(bs_make_directories("", &error), BS_RESOURCE, "usable"),
          "a file in the way is told");
    check(bs_file_exists("a/file") && !bs_file_exists("a/none") &&
              !bs_is_directory("a/file"),
          "what is there");
    char *path = bs_path_join("a", "file");
    check(path && strcmp(path, "a/file") == 0, "a path");
    free(path);
}

static void test_remove(void) {
    if (bs_make_directories("kept", &error) || symlink("../kept", "a/link"))
        abort();
    put("kept/file", "x");
    check(!bs_remove_tree("a", &error) && !bs_file_exists("a"), "a tree is removed");
    check(bs_file_exists("kept/file"), "what a link in it names is not");
    check(!bs_remove_tree("a", &error) && !bs_remove_tree("kept", &error),
          "what is not there is fine");
}

static void test_rename(void) {
    if (bs_make_directories("from", &error))
        abort();
    put("from/x", "x");
    check(!bs_rename_durable("from/x", "y", &error) && holds("y", bs_span_of("x")),
          "renamed into the current folder");
    check(!bs_rename_durable("y", "from/y", &error) && bs_file_exists("from/y"),
          "and out of it");
    check(fails(bs_rename_durable("none", "from/z", &error), BS_RESOURCE, "rename"),
          "nothing cannot be");
}

static void test_same(void) {
    char absolute[sizeof scratch + 8];
    snprintf(absolute, sizeof absolute, "%s/none", scratch);
    if (bs_make_directories("same", &error) || symlink("same", "alias") ||
        link("seven", "same/seven"))
        abort();
    check(bs_is_same_file("seven", "./seven") && bs_is_same_file("seven", "same/seven") &&
              !bs_is_same_file("seven", "empty"),
          "one file by two names");
    check(bs_is_same_file("none", "./none") && bs_is_same_file(absolute, "none") &&
              bs_is_same_file("same/none", "alias/none"),
          "one that is yet to be made");
    check(!bs_is_same_file("none", "other") && !bs_is_same_file("none", "same/none") &&
              !bs_is_same_file("seven", "none") && !bs_is_same_file("no/x", "nor/x"),
          "others");
    check(bs_is_same_file("-", "-") && !bs_is_same_file("-", "./-") &&
              !bs_is_same_file("/dev/null", "/dev/null"),
          "standard input, and what several may use");
}

/* ---- outputs ---------------------------------------------------------------------- */

static struct bs_output *open_output(const char *path) {
    struct bs_output *output;
    if (bs_output_open(&output, path, &error))
        abort();
    return output;
}

static void test_whole(void) {
    if (bs_make_directories("out", &error))
        abort();
    put("out/file", "old");
    struct bs_output *output = open_output("out/file");
    check(!bs_output_write(output, bs_span_of("new"), &error) &&
              !bs_output_flush(output, &error) && holds("out/file", bs_span_of("old")),
          "what was there stays until the end");
    check(!bs_output_commit(output, &error) && holds("out/file", bs_span_of("new")) &&
              entries("out") == 1,
          "then the new one is there, and nothing else");
    output = open_output("out/file");
    check(!bs_output_write(output, bs_span_of("never"), &error), "another one");
    bs_output_abandon(output);
    bs_output_abandon(NULL);
    check(holds("out/file", bs_span_of("new")) && entries("out") == 1,
          "abandoned, it leaves no trace");
}

/* Short and long writes in turn: none overtakes another. */
static void test_order(void) {
    static const size_t sizes[] = {3, 65536, 1, 65535, 2, 200000, 5, 65537, 7};
    struct bs_buffer all = {0};
    struct bs_output *output = open_output("out/file");
    bool good = true;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t before = all.size;
        for (size_t j = 0; j < sizes[i]; j++)
            good = bs_buffer_append_byte(&all, (char)('a' + (i * 7 + j) % 26)) && good;
        struct bs_span part = bs_span(all.data + before, sizes[i]);
        good = !bs_output_write(output, part, &error) && good;
    }
    check(good && !bs_output_commit(output, &error) &&
              holds("out/file", bs_buffer_span(&all)),
          "%zu bytes in short and long writes", all.size);
    bs_buffer_free(&all);
}

static int mode_under(mode_t mask) {
    struct stat status;
    mode_t old = umask(mask);
    unlink("out/moded");
    bool good = !bs_file_write("out/moded", bs_span_of("x"), &error) &&
                !stat("out/moded", &status);
    umask(old);
    unlink("out/moded");
    return good ? (int)(status.st_mode & 0777) : -1;
}

static void test_names(void) {
    struct stat status;
    check(!bs_file_write("bare", bs_span_of("x"), &error) &&
              holds("bare", bs_span_of("x")),
          "a name without a folder");
    check(mode_under(022) == 0644 && mode_under(077) == 0600, "the mode is umask's");
    put("kept", "x");
    check(!chmod("kept", 0604) && !bs_file_write("kept", bs_span_of("y"), &error) &&
              !stat("kept", &status) && (status.st_mode & 07777) == 0604,
          "of a file that is replaced it is kept");
    if (symlink("file", "out/link"))
        abort();
    check(!bs_file_write("out/link", bs_span_of("through"), &error) &&
              holds("out/file", bs_span_of("through")) && !lstat("out/link", &status) &&
              S_ISLNK(status.st_mode),
          "a link is followed and stays");
    if (symlink("next", "out/first") || symlink("../out/new", "out/next") ||
        symlink("turns", "out/round") || symlink("round", "out/turns"))
        abort();
    check(!bs_file_write("out/first", bs_span_of("new"), &error) &&
              holds("out/new", bs_span_of("new")) && !lstat("out/next", &status) &&
              S_ISLNK(status.st_mode),
          "so are links to what is not there");
    int fd = open("out/gone", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    check(fd >= 0 && !unlink("out/gone") &&
              fails(bs_file_write(name, bs_span_of("x"), &error), BS_RESOURCE,
                    "cannot resolve"),
          "what was removed has no name");
    close(fd);
    check(fails(bs_file_write("out/round", bs_span_of("x"), &error), BS_RESOURCE,
                "out/round: cannot resolve"),
          "but no links that go round");
    struct bs_output *output;
    check(fails(bs_output_open(&output, "out", &error), BS_RESOURCE, "is a folder") &&
              fails(bs_output_open(&output, "none/file", &error), BS_RESOURCE,
                    "none/file: cannot create"),
          "a folder is no output, nor can one be made in none");
}

/* What is said between two outputs stands behind the first. */
static void test_streams(void) {
    int kept = dup(STDERR_FILENO);
    fflush(stderr);
    int fd = open("errors", O_WRONLY | O_CREAT, 0666);
    if (kept < 0 || fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        abort();
    bool good = !bs_file_write("errors", bs_span_of("one "), &error) &&
                write(STDERR_FILENO, "two ", 4) == 4 &&
                !bs_file_write("./errors", bs_span_of("three"), &error);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fd);
    check(good && holds("errors", bs_span_of("one two three")),
          "what standard error is is written in place");
}

static void test_failures(void) {
    struct bs_error later = {0};
    static char many[100000];
    struct bs_output *output = open_output("/dev/full");
    check(fails(bs_output_write(output, bs_span(many, sizeof many), &error), BS_RESOURCE,
                "/dev/full: cannot write"),
          "a full device");
    check(bs_output_write(output, bs_span_of("x"), &later) == BS_RESOURCE &&
              strcmp(later.text, error.text) == 0,
          "the failure sticks");
    later = (struct bs_error){0};
    check(bs_output_commit(output, &later) == BS_RESOURCE &&
              strcmp(later.text, error.text) == 0,
          "to the end");
    if (bs_make_directories("late", &error))
        abort();
    output = open_output("late/file");
    if (bs_make_directories("late/file", &error)) /* nothing can take its place now */
        abort();
    check(bs_output_commit(output, &error) == BS_RESOURCE && entries("late") == 1,
          "an output that cannot get its name leaves no other");
}

/* ---- a pipe whose reader is slow, and a timer that interrupts -----------------------
 */

enum { PIPED = 1 << 20 };

static char piped(size_t i) {
    return (char)(i * 31 + i / 4096);
}

static void tick(int number) {
    (void)number;
}

/* In a process of its own: 0 if all came, once and in order. */
static int read_slowly(const char *path) {
    FILE *file = fopen(path, "r");
    usleep(100000);
    for (size_t i = 0; i < PIPED; i++)
        if (!file || fgetc(file) != (unsigned char)piped(i))
            return 1;
    return fgetc(file) != EOF;
}

static void test_pipe(void) {
    static char bytes[PIPED];
    for (size_t i = 0; i < PIPED; i++)
        bytes[i] = piped(i);
    if (mkfifo("fifo", 0600))
        abort();
    fflush(stdout);
    pid_t reader = fork();
    if (reader == 0)
        _exit(read_slowly("fifo"));
    struct sigaction action = {.sa_handler = tick}; /* without SA_RESTART */
    struct itimerval often = {{0, 3000}, {0, 3000}}, never = {{0, 0}, {0, 0}};
    struct bs_output *output = open_output("fifo");
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    int code = bs_output_write(output, bs_span(bytes, PIPED), &error);
    setitimer(ITIMER_REAL, &never, NULL);
    int end = bs_output_commit(output, &error), status = -1;
    waitpid(reader, &status, 0);
    check(!code && !end && status == 0,
          "writes that are interrupted go on where they were");
}

/* ---- locks ------------------------------------------------------------------------ */

static void test_lock(void) {
    int lock = -1, other = -1;
    check(!bs_lock("lock", &lock, &error) && lock >= 0, "a lock is taken");
    check(fails(bs_lock("lock", &other, &error), BS_USAGE, "in use") && other == -1,
          "nobody else gets it");
    bs_unlock(lock);
    bs_unlock(-1);
    check(!bs_lock("lock", &other, &error), "until it is given back");
    bs_unlock(other);
    check(fails(bs_lock("none/lock", &lock, &error), BS_RESOURCE, "cannot create"),
          "a lock that cannot be made");
}

/* One that was killed may not be gone yet. */
static void test_lock_in_a_moment(void) {
    int ready[2], lock = -1;
    char byte;
    if (pipe(ready))
        abort();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        bool good = !bs_lock("lock", &lock, &error) && write(ready[1], "x", 1) == 1;
        usleep(100000);
        _exit(!good);
    }
    check(read(ready[0], &byte, 1) == 1 && !bs_lock("lock", &lock, &error),
          "a lock that is given back in a moment");
    bs_unlock(lock);
    waitpid(child, NULL, 0);
}

/* A process that may not write here. */
static int lock_of_another(const char *path) {
    int lock, status = -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(geteuid() == 0 && setuid(65534) ? 99 : bs_lock(path, &lock, &error));
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_lock_of_another(void) {
    if (mkdir("given", 0755))
        abort();
    put("given/lock", "");
    if (chmod("given/lock", 0444) || chmod("given", 0555) || chmod(scratch, 0755))
        abort();
    check(lock_of_another("given/lock") == BS_OK, "a lock that is there can be taken");
    check(lock_of_another("given/other") == BS_RESOURCE, "another cannot be made");
    if (chmod("given", 0755))
        abort();
}

int main(void) {
    if (!mkdtemp(scratch) || chdir(scratch)) {
        check(0, "a scratch folder");
        return tap_end();
    }
    test_read();
    test_map();
    test_folders();
    test_remove();
    test_rename();
    test_same();
    test_whole();
    test_order();
    test_names();
    test_streams();
    test_failures();
    test_pipe();
    test_lock();
    test_lock_in_a_moment();
    test_lock_of_another();
    check(!bs_remove_tree(scratch, &error) && !bs_file_exists(scratch), "cleaned up");
    return tap_end();
}
