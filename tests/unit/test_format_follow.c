/* A log that grows: what a look finds. Rotation is in tests/cli/follow.bats. */
#include "format_help.h"

#include "common/log.h"
#include "format/follow.h"

static void put(const char *text) {
    struct bs_error error;
    if (bs_file_write("fresh", bs_span_of(text), &error))
        abort();
    /* In place: the same file is cut and written to. */
    if (system("cat fresh >log"))
        abort();
}

/* A read of all that is there, from where the last one ended. */
static int64_t read_on(struct bs_follow *follow, int fd) {
    char bytes[256];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0)
        abort();
    bs_follow_given(follow, bs_span(bytes, (size_t)n));
    return n;
}

static struct bs_follow *follow_log(const char *text, int *fd) {
    struct bs_error error;
    struct bs_follow *follow;
    int64_t lines;
    put(text);
    if (bs_follow_new(&follow, "log", NULL, &error) ||
        bs_follow_open(follow, fd, &lines, &error))
        abort();
    return follow;
}

/* What was read is known by itself, and not by what stands there when one looks. */
static void test_outgrown(void) {
    struct bs_error error;
    int64_t lines;
    int fd;
    struct bs_follow *follow = follow_log("old 1\nold 2\n", &fd);
    check(bs_follow_look(follow, fd, 0) == BS_FOLLOW_BYTES, "there is something to read");
    int64_t n = read_on(follow, fd);
    check(bs_follow_look(follow, fd, n) == BS_FOLLOW_WAIT, "and then nothing");
    put("old 1\nold 2\nold 3\n");
    check(bs_follow_look(follow, fd, n) == BS_FOLLOW_BYTES, "it grows");
    n += read_on(follow, fd);
    put("new 1\nnew 2\nnew 3\nnew 4\n");
    check(bs_follow_look(follow, fd, n) == BS_FOLLOW_DONE,
          "what was cut and has outgrown it before anybody looked is something new");
    close(fd);
    if (bs_follow_open(follow, &fd, &lines, &error))
        abort();
    check(bs_follow_look(follow, fd, 0) == BS_FOLLOW_BYTES && read_on(follow, fd) == 24,
          "and read from its beginning");
    close(fd);
    bs_follow_free(follow);
}

/* However late its lines are answered, a copy of it was written to since it was begun. */
static void test_lag(void) {
    struct bs_log_place place;
    struct stat copy;
    int fd;
    struct bs_follow *follow = follow_log("1\n2\n", &fd);
    if (bs_follow_look(follow, fd, 0) != BS_FOLLOW_BYTES || read_on(follow, fd) != 4 ||
        system("cp log log.1; sleep 0.1") || stat("log.1", &copy))
        abort();
    bs_follow_locate(follow, 2, 1, 2, bs_span_of("1"), &place);
    check(place.offset == 2 &&
              place.begun_ns <= copy.st_mtim.tv_sec * 1000000000LL + copy.st_mtim.tv_nsec,
          "a copy is later than the beginning of what is answered late");
    close(fd);
    bs_follow_free(follow);
}

/* A line that was cut short may be how another one begins. */
static void test_cut_short(void) {
    struct bs_error error;
    struct bs_log_place place;
    int64_t lines;
    int fd;
    struct bs_follow *follow = follow_log("12:00 ", &fd);
    if (bs_follow_look(follow, fd, 0) != BS_FOLLOW_BYTES || read_on(follow, fd) != 6)
        abort();
    put("");
    check(bs_follow_look(follow, fd, 6) == BS_FOLLOW_DONE, "a line is cut short");
    bs_follow_locate(follow, 6, 1, 6, bs_span_of("12:00 "), &place);
    close(fd);
    bs_follow_free(follow);
    put("12:00 begins\n");
    if (bs_follow_new(&follow, "log", &place, &error) ||
        bs_follow_open(follow, &fd, &lines, &error))
        abort();
    check(read_on(follow, fd) == 13 && lines == 0, "and what came then is read whole");
    close(fd);
    bs_follow_free(follow);
}

int main(void) {
    bs_log_setup("test", true, false);
    help_begin();
    test_outgrown();
    test_lag();
    test_cut_short();
    return help_end();
}
