/*
 * A log that is written to, rotated, copied, truncated and followed by one who is killed:
 * each line comes out once and in order, unless it was truncated or removed before that
 * was kept. The first bytes choose how the log is rotated, the others are what happens;
 * the clock is virtual.
 */
#include "fuzz/fuzz.h"

#include "common/file.h"
#include "format/follow.h"
#include "fuzz/virtual.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES = 600, FILES = 24, KEPT = 4, STEPS = 80, LINE = 100, NOWHERE = -1 };
static const int64_t millisecond = 1000000;

/* A file and, while somebody may write to it, its descriptor. */
struct file {
    char name[32]; /* "": removed */
    int fd;
    uint64_t inode;
    bool before; /* it was rotated before anybody followed */
    bool is_copy;
};

struct line {
    int file;
    bool kept;     /* it came out, and how far that was is known after a kill */
    bool optional; /* or else it was destroyed */
};

static struct {
    bool dates;      /* LOG-N instead of LOG.1, LOG.2 */
    bool late;       /* LOG is made when it is written to */
    bool keeps_time; /* a copy has the time of its file, */
    bool alike;      /* lines have one length and one end */
    bool link;       /* LOG is a link, from one file to the next */

    struct file files[FILES];
    int n_files, current; /* what is written to, */
    int half;             /* bytes of its last line that are missing */
    int left;             /* NOWHERE, or what the writer has not left yet, and */
    int64_t left_since;   /* when it was renamed */

    struct line lines[LINES];
    int n_lines;
    int came[LINES]; /* in this order */
    int n_came, n_kept;
    bool copy_is_gone; /* one of what was truncated */
    bool may_repeat;   /* the file that is being read is gone, and its copies are as good
                          as new; or a kill came after a copy was gone */

    struct bs_follow *follow; /* NULL: nobody does */
    struct bs_reader *reader;
    struct bs_log_place place; /* kept */
    bool began;                /* there is one */
    struct bs_log_place last;  /* behind what came last */
} world;

static char folder[256]; /* of one input; in memory (TMPDIR) it is twice as fast */

/* ---- who writes ------------------------------------------------------------------ */

enum { NUMBER = 5 }; /* bytes */

/* Lines, each with its number. */
static int write_line(char text[LINE + 1], int number) {
    int size = snprintf(text, LINE, "%04d:", number);
    int wanted = world.alike ? 80 : size + number * 37 % 80;
    while (size < wanted)
        text[size++] = (char)('a' + (world.alike ? 0 : number % 26));
    text[size++] = '\n';
    text[size] = '\0';
    return size;
}

static void append(int file, const char *bytes, int size) {
    fuzz_require(write(world.files[file].fd, bytes, (size_t)size) == size,
                 "cannot write");
    virtual_written(world.files[file].fd);
}

static int make(const char *name) {
    fuzz_require(world.n_files < FILES, "too many files");
    struct file *file = &world.files[world.n_files];
    *file = (struct file){.before = !world.began};
    snprintf(file->name, sizeof file->name, "%s", name);
    file->fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    struct stat status;
    fuzz_require(file->fd >= 0 && !fstat(file->fd, &status), "no file");
    file->inode = (uint64_t)status.st_ino;
    virtual_made(file->fd);
    return world.n_files++;
}

/* LOG, or the file that it leads to from now on. */
static int make_log(void) {
    char name[32];
    if (!world.link)
        return make("log");
    snprintf(name, sizeof name, "day-%d", world.n_files);
    int file = make(name);
    fuzz_require(!symlink(name, "link") && !rename("link", "log"), "no link");
    return file;
}

static int target(void) {
    return world.left == NOWHERE ? world.current : world.left;
}

/* The rest of the last line, if some is missing. */
static void complete(void) {
    char text[LINE + 1];
    if (world.half == 0)
        return;
    int size = write_line(text, world.n_lines - 1);
    append(target(), text + size - world.half, world.half);
    world.half = 0;
}

/* The writer writes to LOG, which is made if need be. */
static void leave(void) {
    complete();
    world.left = NOWHERE;
    if (world.current == NOWHERE)
        world.current = make_log();
}

/* What is in a log after it was truncated is not how it began before: half a line has its
 * number. */
static void add_lines(int count, bool half) {
    char text[LINE + 1];
    complete();
    for (int i = 0; i < count && world.n_lines < LINES; i++) {
        int file = target();
        int size = write_line(text, world.n_lines);
        world.lines[world.n_lines++] =
            (struct line){.file = file, .optional = world.files[file].before};
        int kept = size / 2 > NUMBER ? size / 2 : NUMBER;
        world.half = half && i == count - 1 ? size - kept : 0;
        append(file, text, size - world.half);
    }
}

/* What is in a file is moved to another one or, but for what was kept, lost. */
static void move_lines(int from, int to) {
    for (int i = 0; i < world.n_lines; i++) {
        struct line *line = &world.lines[i];
        if (line->file != from)
            continue;
        line->file = to;
        if (to == NOWHERE && !line->kept)
            line->optional = true;
    }
}

static int find_file(const char *name) {
    for (int i = 0; i < world.n_files; i++)
        if (strcmp(world.files[i].name, name) == 0)
            return i;
    return NOWHERE;
}

/* Lines are gone without a copy, which who follows sees before there is a copy of what
 * comes then. */
static void see_what_is_gone(void);

static void remove_file(int file) {
    if (file == NOWHERE)
        return;
    fuzz_require(!unlink(world.files[file].name), "cannot remove");
    world.files[file].name[0] = '\0';
    world.may_repeat |= world.files[file].inode == world.place.inode ||
                        world.files[file].inode == world.last.inode;
    move_lines(file, NOWHERE);
    if (!world.files[file].is_copy)
        return;
    /* Where a copy is missing, nothing leads to those behind it; who begins in one that
     * was found late knows nothing of what came before it. */
    world.copy_is_gone = true;
    for (int i = 0; i < world.n_lines; i++)
        world.lines[i].optional |=
            world.lines[i].file != world.current && !world.lines[i].kept;
    see_what_is_gone();
}

static void rename_file(int file, const char *name) {
    fuzz_require(!rename(world.files[file].name, name), "cannot rename");
    snprintf(world.files[file].name, sizeof world.files[file].name, "%s", name);
    virtual_renamed(world.files[file].fd);
}

static void old_name(char name[32], int number) {
    snprintf(name, 32, world.dates ? "log-%d" : "log.%d", number);
}

/* The name that is free for what is rotated. */
static void make_way(char name[32]) {
    char old[32];
    if (world.dates) {
        old_name(name, 20260000 + world.n_files);
        return;
    }
    old_name(name, KEPT);
    remove_file(find_file(name));
    for (int i = KEPT - 1; i > 0; i--) {
        old_name(old, i);
        if (find_file(old) != NOWHERE)
            rename_file(find_file(old), name);
        snprintf(name, 32, "%s", old);
    }
}

/* A link leads to files of any name: what is neither there nor where the follower is will
 * not be found. */
static void lose_between(void) {
    uint64_t at = world.follow ? world.last.inode : world.place.inode;
    for (int i = 0; i < world.n_files && world.link; i++)
        world.files[i].before |= i != world.current && world.files[i].inode != at;
    for (int i = 0; i < world.n_lines; i++) {
        struct line *line = &world.lines[i];
        line->optional |= line->file != NOWHERE && world.files[line->file].before;
    }
}

static void rotate(void) {
    char name[32];
    leave();
    world.left = world.current;
    world.left_since = virtual_now();
    if (world.link) {
        world.current = make_log();
        lose_between();
        return;
    }
    make_way(name);
    rename_file(world.current, name);
    world.current = world.late ? NOWHERE : make_log();
}

static void truncate_log(void) {
    leave();
    fuzz_require(!ftruncate(world.files[world.current].fd, 0), "cannot truncate");
    virtual_written(world.files[world.current].fd);
    move_lines(world.current, NOWHERE);
}

/* Whether a line of it is known after a kill. */
static bool is_known(int file) {
    for (int i = 0; i < world.n_lines; i++)
        if (world.lines[i].file == file && world.lines[i].kept)
            return true;
    return false;
}

/* By a copy and truncation, between which a line may be written and lost. */
static void copy_log(bool loses) {
    char name[32], bytes[LINES * LINE];
    leave();
    make_way(name);
    int copy = make(name), from = world.files[world.current].fd;
    ssize_t size = pread(from, bytes, sizeof bytes, 0);
    virtual_pass(millisecond);
    append(copy, bytes, (int)size);
    world.files[copy].is_copy = true;
    world.files[copy].before = world.files[world.current].before;
    if (world.keeps_time)
        virtual_keep_time(world.files[copy].fd, from);
    if (world.keeps_time && !is_known(world.current))
        move_lines(world.current, NOWHERE); /* for all that can be seen */
    move_lines(world.current, copy);
    virtual_pass(millisecond);
    if (loses)
        add_lines(1, false);
    truncate_log();
}

static void remove_oldest(void) {
    for (int i = 0; i < world.n_files; i++)
        if (i != world.current && i != world.left && world.files[i].name[0]) {
            remove_file(i);
            return;
        }
}

static void pass(int64_t time) {
    if (world.left != NOWHERE &&
        virtual_now() + time - world.left_since > 900 * millisecond)
        leave();
    virtual_pass(time);
}

/* While the follower waits, the writer gets on. */
static void waited(void) {
    if (world.current == NOWHERE)
        leave();
}

/* ---- who follows ----------------------------------------------------------------- */

/* What was in no LOG yet that anybody followed need not come. */
static void begin_at_log(void) {
    world.began = true;
    for (int i = 0; i < world.n_files; i++)
        world.files[i].before = i != world.current;
    for (int i = 0; i < world.n_lines; i++)
        world.lines[i].optional = world.lines[i].file != world.current;
}

static void start(void) {
    static char path[] = "log";
    static char *const paths[] = {path};
    struct bs_error error;
    if (world.follow || world.current == NOWHERE)
        return;
    fuzz_require(
        !bs_follow_new(&world.follow, path, world.began ? &world.place : NULL, &error),
        "cannot follow");
    struct bs_reader_options options = {.format = BS_FORMAT_LINES,
                                        .follow = world.follow};
    fuzz_done(!bs_reader_open(&world.reader, paths, 1, &options, &error));
    if (!world.began)
        begin_at_log();
    world.place = world.last = *bs_follow_first(world.follow);
}

/* The line that these bytes are; NOWHERE: the beginning of one that was truncated. */
static int find_line(struct bs_span bytes) {
    char text[LINE + 1];
    for (int i = world.n_lines - 1; i >= 0; i--) {
        size_t size = (size_t)write_line(text, i) - 1;
        if (bytes.size > size || memcmp(bytes.data, text, bytes.size) != 0)
            continue;
        if (bytes.size == size)
            return i;
        if (world.lines[i].optional)
            return NOWHERE;
    }
    fuzz_require(false, "a line that was never written");
    return NOWHERE;
}

/* Once and, unless it might have been lost, behind those that were written before it. */
static bool is_new(int number) {
    for (int i = 0; i < world.n_came; i++) {
        int other = world.came[i];
        if (other == number && world.may_repeat)
            return false;
        fuzz_require(other != number, "a line comes twice");
        fuzz_require(other < number || world.lines[other].optional ||
                         world.lines[number].optional || world.may_repeat,
                     "a line comes after a later one");
    }
    return true;
}

static void take(const struct bs_record *record) {
    int number = find_line(record->raw);
    if (number != NOWHERE && is_new(number))
        world.came[world.n_came++] = number;
    bs_follow_locate(world.follow, record->end, record->number, record->line_bytes,
                     record->raw, &world.last);
}

/* Whether there was any. */
static bool read_lines(int most) {
    struct bs_record record = {0};
    struct bs_error error;
    int count = 0;
    while (world.follow && count < most && bs_reader_wait(world.reader, 0)) {
        int code = bs_reader_next(world.reader, &record, &error);
        if (code)
            fprintf(stderr, "fuzz: %s\n", error.text);
        fuzz_require(code == BS_OK, "cannot read");
        take(&record);
        count++;
    }
    bs_record_free(&record);
    return count > 0;
}

static void see_what_is_gone(void) {
    read_lines(LINES);
}

static void keep(void) {
    if (!world.follow)
        return;
    for (; world.n_kept < world.n_came; world.n_kept++)
        world.lines[world.came[world.n_kept]].kept = true;
    world.place = world.last;
}

static void kill_follower(void) {
    if (!world.follow)
        return;
    bs_reader_close(world.reader);
    bs_follow_free(world.follow);
    world.follow = NULL;
    world.n_came = world.n_kept;
    world.may_repeat |= world.copy_is_gone;
    lose_between();
}

/* ---- what happens ---------------------------------------------------------------- */

static void step(unsigned what, int more) {
    static const int64_t times[] = {1, 5, 50, 300, 800, 1200, 5000, 90000, 86400000};
    switch (what) {
    case 0:
        add_lines(1 + more % 4, false);
        break;
    case 1:
        add_lines(1 + more % 4, true);
        break;
    case 2:
        complete();
        break;
    case 3:
        rotate();
        break;
    case 4:
        leave();
        break;
    case 5:
        if (!world.link)
            copy_log(more & 1);
        break;
    case 6:
        if (!world.link) {
            truncate_log();
            see_what_is_gone();
        }
        break;
    case 7:
        remove_oldest();
        break;
    case 8:
        read_lines(1 + more);
        break;
    case 9:
        read_lines(LINES);
        break;
    case 10:
        keep();
        break;
    case 11:
        kill_follower();
        break;
    case 12:
        start();
        break;
    default:
        pass(times[more % 9] * millisecond);
        break;
    }
    virtual_pass(5 * millisecond);
}

/* Until nothing comes any more. */
static void finish(void) {
    leave();
    start();
    for (int quiet = 0; quiet < 4; quiet++) {
        pass(600 * millisecond);
        if (read_lines(LINES))
            quiet = 0;
    }
}

static void check(void) {
    bool came[LINES] = {false};
    for (int i = 0; i < world.n_came; i++)
        came[world.came[i]] = true;
    for (int i = 0; i < world.n_lines; i++)
        fuzz_require(came[i] || world.lines[i].optional, "a line is lost");
}

/* Where the fuzzer is at home. */
static int enter_folder(void) {
    static int home = -1;
    if (home < 0) {
        home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fuzz_require(home >= 0, "no folder");
    }
    const char *above = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/bs-fuzz-XXXXXX", above ? above : "/tmp");
    fuzz_require(mkdtemp(folder) && !chdir(folder), "no folder");
    return home;
}

static void begin(struct bs_span *input) {
    memset(&world, 0, sizeof world);
    unsigned how = fuzz_choose(input, 64);
    world.dates = how & 1;
    world.late = how & 2;
    world.alike = how & 16;
    world.link = how & 32;
    world.keeps_time = (how & 12) == 4;
    virtual_begin((how & 12) != 8, waited);
    world.left = NOWHERE;
    world.current = make_log();
}

static void end(int home) {
    kill_follower();
    virtual_end();
    for (int i = 0; i < world.n_files; i++) {
        close(world.files[i].fd);
        if (world.files[i].name[0])
            unlink(world.files[i].name);
    }
    if (world.link)
        unlink("log");
    fuzz_require(!fchdir(home) && !rmdir(folder), "no folder");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    int home = enter_folder();
    begin(&input);
    for (int i = 0; i < STEPS && input.size > 0 && world.n_files < FILES - 2; i++) {
        unsigned what = fuzz_choose(&input, 256);
        step(what % 16, (int)(what / 16));
    }
    finish();
    check();
    end(home);
    return 0;
}
