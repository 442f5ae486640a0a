/* Files are told apart by device and inode. The folder is watched with inotify, and
 * looked at now and then where that tells nothing (network file systems). */
#include "format/follow.h"

#include "common/file.h"
#include "common/hash.h"
#include "common/log.h"
#include "format/file_times.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Seconds that writers have to leave a rotated file, and between looks. */
static const double grace = 1, look_again = 0.25;
static const int64_t nanoseconds = 1000000000; /* of a second */
enum {
    LATE = 60,            /* seconds by which a copy may be older than its file */
    RENAMING_TRIES = 100, /* looks at a PATH that is just being renamed */
    TAIL = 4096,          /* bytes by which a file is known again: a whole line */
};

/* What was given of one file. */
struct segment {
    int64_t position; /* of its first byte */
    int64_t offset;   /* of that byte in the file */
    uint64_t inode;
    int64_t birth;   /* an inode may be another file's later */
    int64_t begun;   /* no file that comes later, or copy of it, was written to before */
    int64_t since;   /* birth of the last file that was read as PATH */
    uint64_t before; /* of the file before it: inode and birth */
    int64_t before_birth;
    bool renewed; /* the file was truncated since, so that it is as good as unread */
    int64_t cut_position; /* up to which it was read when it was truncated and had no
                             copy; 0: it was not */
    int64_t cut_ns;       /* when that was seen */
};

struct bs_follow {
    const char *path;
    char folder[PATH_MAX], base[NAME_MAX + 1];
    bool is_link; /* path: what it names may have any name */
    int watch;    /* inotify; -1: there is none */
    struct bs_log_place first;

    char tail[TAIL]; /* what was given last of the file that is being read, */
    size_t tail_size;
    int64_t tail_end; /* up to this byte of it */

    struct stat done; /* the last file, when nothing more was to come from it */
    int64_t opened;   /* position where the descriptor that is read begins */
    int64_t given;    /* bytes, up to its end */
    bool was_cut;     /* it was truncated */
    struct stat cut;  /* what it was before: st_mtim, and up to st_size it was read */
    struct timespec no_copy; /* st_mtim of the last file when it had no unread copy, */
    int64_t seen_empty;      /* and when it was last seen as PATH with nothing in it */
    double replaced_since; /* bs_seconds, when another one at PATH was noticed; 0: none */

    pthread_mutex_t lock; /* of the segments, the last of which is being read */
    /* All that were read: one that was is not read again, and positions are asked for
     * later than they were given. */
    struct segment *segments;
    size_t n_segments, capacity;
};

static int compare_times(const struct stat *a, const struct stat *b) {
    return bs_compare_times(a->st_mtim, b->st_mtim);
}

/* ---- siblings -------------------------------------------------------------------- */

/* What is asked of a name in the folder. */
typedef bool name_test(const struct bs_follow *follow, const char *name);

/* "app.log.1", "app.log-20261129", but no "app.log.1.gz". */
static bool is_rotated(const struct bs_follow *follow, const char *name) {
    size_t size = strlen(follow->base);
    if (strncmp(name, follow->base, size) != 0 || !strchr(".-", name[size]) ||
        !name[size])
        return false;
    const char *rest = name + size + 1;
    return *rest && rest[strspn(rest, "0123456789.-_T:")] == '\0';
}

/* What a file that was read may be called now. A link is moved from one file to the next
 * where their names tell their dates. */
static bool may_be_called(const struct bs_follow *follow, const char *name) {
    return follow->is_link || is_rotated(follow, name);
}

/* Whether a file comes before another one that was found: it was written to before or, as
 * far as clocks tell, renamed or made. */
static bool comes_before(const char *path, const struct stat *status, const char *found,
                         const struct stat *found_status) {
    int order = compare_times(status, found_status);
    if (order == 0)
        order = bs_compare_times(status->st_ctim, found_status->st_ctim);
    return order ? order < 0 : bs_birth_of(AT_FDCWD, path) < bs_birth_of(AT_FDCWD, found);
}

/* What is asked of a file, and who looks for one. */
typedef bool sibling_test(const struct bs_follow *follow, const char *path,
                          const struct stat *status);

typedef int finder(const struct bs_follow *follow, sibling_test *wanted,
                   char found[PATH_MAX], struct stat *found_status,
                   struct bs_error *error);

/* Of regular files in the folder with such a name, the first in time for which `wanted`
 * holds; its path is left in `found`. BS_END if there is none, as far as can be seen. */
static int find_named(const struct bs_follow *follow, name_test *has_name,
                      sibling_test *wanted, char found[PATH_MAX],
                      struct stat *found_status, struct bs_error *error) {
    bool any = false;
    DIR *folder = opendir(follow->folder);
    if (!folder && (errno == EACCES || errno == ENOENT))
        return BS_END;
    if (!folder)
        return bs_fail_errno(error, BS_DATA, "%s: cannot read folder", follow->folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[PATH_MAX];
        struct stat status;
        int size = snprintf(path, sizeof path, "%s/%s", follow->folder, entry->d_name);
        if (!has_name(follow, entry->d_name) || size >= (int)sizeof path ||
            stat(path, &status) || !S_ISREG(status.st_mode) ||
            (any && !comes_before(path, &status, found, found_status)) ||
            !wanted(follow, path, &status))
            continue;
        any = true;
        *found_status = status;
        memcpy(found, path, (size_t)size + 1);
    }
    closedir(folder);
    return any ? BS_OK : BS_END;
}

static int find_sibling(const struct bs_follow *follow, sibling_test *wanted,
                        char found[PATH_MAX], struct stat *found_status,
                        struct bs_error *error) {
    return find_named(follow, is_rotated, wanted, found, found_status, error);
}

/* ---- where to begin -------------------------------------------------------------- */

/* Whether the line before the place is there. */
static bool holds_line(int fd, const struct bs_log_place *place) {
    struct stat status;
    if (fstat(fd, &status) || status.st_size < place->offset)
        return false;
    if (place->line_bytes <= 0 || place->line_bytes > place->offset)
        return true;
    char piece[4096], digest[65];
    struct bs_sha256 sha;
    bs_sha256_begin(&sha);
    for (int64_t at = place->offset - place->line_bytes; at < place->offset;) {
        int64_t left = place->offset - at;
        size_t wanted = left < (int64_t)sizeof piece ? (size_t)left : sizeof piece;
        ssize_t got = pread(fd, piece, wanted, at);
        if (got <= 0)
            return false;
        at += got;
        bool ends = at == place->offset && piece[got - 1] == '\n';
        bs_sha256_add(&sha, piece, (size_t)got - ends);
    }
    bs_sha256_end_hex(&sha, digest);
    return strcmp(digest, place->digest) == 0;
}

static bool is_first(const struct bs_follow *follow, const char *path,
                     const struct stat *status) {
    return bs_is_file((uint64_t)status->st_ino, bs_birth_of(AT_FDCWD, path),
                      follow->first.inode, follow->first.birth_ns);
}

static bool is_done(const struct bs_follow *follow, const char *path,
                    const struct stat *status) {
    (void)path;
    return bs_same_file(status, &follow->done);
}

/* What a file is called now; BS_END: it is gone. */
static int find_file(const struct bs_follow *follow, sibling_test *wanted,
                     char found[PATH_MAX], struct stat *found_status,
                     struct bs_error *error) {
    if (stat(follow->path, found_status) || !wanted(follow, follow->path, found_status))
        return find_named(follow, may_be_called, wanted, found, found_status, error);
    snprintf(found, PATH_MAX, "%s", follow->path);
    return BS_OK;
}

/* For one more. */
static bool has_room(struct bs_follow *follow) {
    if (follow->n_segments < follow->capacity)
        return true;
    size_t capacity = 2 * follow->capacity + 16;
    void *more = bs_realloc(follow->segments, capacity, sizeof *follow->segments);
    if (!more)
        return false;
    follow->segments = more;
    follow->capacity = capacity;
    return true;
}

/* Remembers what a file holds before byte `end`, where reading begins. */
static void note_tail(struct bs_follow *follow, int fd, int64_t end) {
    size_t size = end < TAIL ? (size_t)end : TAIL;
    ssize_t got = pread(fd, follow->tail, size, end - (int64_t)size);
    follow->tail_size = got == (ssize_t)size ? size : 0;
    follow->tail_end = end;
}

/* Whether it holds that still: if not, it was truncated and has grown since. */
static bool holds_tail(const struct bs_follow *follow, int fd) {
    char now[TAIL];
    size_t size = follow->tail_size;
    ssize_t got = pread(fd, now, size, follow->tail_end - (int64_t)size);
    return got == (ssize_t)size && memcmp(now, follow->tail, size) == 0;
}

/* The file before the one to begin with: of what was truncated, and of its copy, the one
 * before that. */
static void note_before(const struct bs_follow *follow, struct segment *segment) {
    if (follow->n_segments == 0) {
        segment->before = follow->first.before;
        segment->before_birth = follow->first.before_birth_ns;
        return;
    }
    const struct segment *last = &follow->segments[follow->n_segments - 1];
    bool is_again = follow->was_cut || last->renewed;
    segment->before = is_again ? last->before : last->inode;
    segment->before_birth = is_again ? last->before_birth : last->birth;
}

/* Of the file that was read last. */
static int64_t last_birth(const struct bs_follow *follow) {
    return follow->n_segments ? follow->segments[follow->n_segments - 1].birth
                              : follow->first.birth_ns;
}

static int64_t since(const struct bs_follow *follow) {
    return follow->n_segments ? follow->segments[follow->n_segments - 1].since
                              : follow->first.since_ns;
}

/* What was rotated before it is read has been written to last; what is being written to
 * is begun now, unless an earlier run began it. */
static int64_t begun(const struct bs_follow *follow, const struct stat *status,
                     int64_t birth, int64_t offset, bool is_path) {
    bool is_first = bs_is_file((uint64_t)status->st_ino, birth, follow->first.inode,
                               follow->first.birth_ns);
    if (follow->n_segments == 0 && (offset > 0 || is_first))
        return follow->first.begun_ns;
    return is_path ? bs_now_ns() : bs_to_ns(status->st_mtim);
}

static int begin_segment(struct bs_follow *follow, int fd, int64_t offset, bool is_path,
                         struct bs_error *error) {
    struct stat status;
    if (fstat(fd, &status) || lseek(fd, offset, SEEK_SET) < 0)
        return bs_fail_errno(error, BS_DATA, "%s: cannot read", follow->path);
    follow->replaced_since = 0;
    follow->seen_empty = 0;
    follow->no_copy = follow->n_segments ? status.st_mtim : (struct timespec){0};
    note_tail(follow, fd, offset);
    pthread_mutex_lock(&follow->lock);
    bool room = has_room(follow);
    if (room) {
        int64_t birth = bs_birth_of(fd, NULL);
        struct segment segment = {.position = follow->given,
                                  .offset = offset,
                                  .inode = (uint64_t)status.st_ino,
                                  .birth = birth,
                                  .begun = begun(follow, &status, birth, offset, is_path),
                                  .since = is_path ? birth : since(follow)};
        note_before(follow, &segment);
        follow->segments[follow->n_segments++] = segment;
    }
    pthread_mutex_unlock(&follow->lock);
    return room ? BS_OK
                : bs_fail_memory(error, follow->capacity * sizeof *follow->segments,
                                 follow->path);
}

/* Opens what was found, unless it was renamed or removed meanwhile: then what is found
 * next. */
static int open_found(const struct bs_follow *follow, finder *find, sibling_test *wanted,
                      int *fd, struct bs_error *error) {
    char path[PATH_MAX];
    int code = BS_OK;
    for (int i = 0; i < RENAMING_TRIES; i++) {
        struct stat found, opened;
        code = find(follow, wanted, path, &found, error);
        if (code)
            return code;
        code = bs_open_regular(path, fd, error);
        if (!code && !fstat(*fd, &opened) && bs_same_file(&opened, &found))
            return BS_OK;
        if (!code)
            close(*fd);
    }
    return code ? code : bs_fail(error, BS_DATA, "%s: is renamed all the time", path);
}

/* Whether it is what a file was before that was truncated: a copy may keep its times, but
 * not its birth. */
static bool is_copy(const struct bs_follow *follow, const char *path,
                    const struct stat *status) {
    int64_t birth = bs_birth_of(AT_FDCWD, path), written = bs_to_ns(status->st_mtim);
    if (status->st_size < follow->cut.st_size || bs_same_file(status, &follow->done) ||
        (birth > written ? birth : written) < bs_to_ns(follow->cut.st_mtim))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool is =
        follow->n_segments > 0 ? holds_tail(follow, fd) : holds_line(fd, &follow->first);
    close(fd);
    return is;
}

/* The file where the last run ended, or its copy; BS_END if it is not there any more. */
static int open_first(struct bs_follow *follow, int *fd, struct bs_error *error) {
    long long offset = follow->first.offset;
    int code = open_found(follow, find_file, is_first, fd, error);
    if (code == BS_END)
        bs_warn("%s: the file that was read last is gone; anything it held behind byte "
                "%lld is lost",
                follow->path, offset);
    if (code || holds_line(*fd, &follow->first))
        return code;
    close(*fd);
    follow->cut.st_size = follow->first.offset;
    follow->cut.st_mtim = bs_from_ns(follow->first.begun_ns);
    code = open_found(follow, find_sibling, is_copy, fd, error);
    if (code == BS_END)
        bs_warn("%s: is not what it was up to byte %lld, so that it begins anew; lines "
                "that it held behind that may be lost",
                follow->path, offset);
    return code;
}

/* ---- going on -------------------------------------------------------------------- */

static bool was_read(const struct bs_follow *follow, uint64_t inode, int64_t birth) {
    for (size_t i = 0; i < follow->n_segments; i++) {
        const struct segment *segment = &follow->segments[i];
        if (!segment->renewed && bs_is_file(inode, birth, segment->inode, segment->birth))
            return true;
    }
    return bs_is_file(inode, birth, follow->first.before, follow->first.before_birth_ns);
}

/* When a file was written to that comes after the last one: since then or, if it was made
 * later, while that still was; but what earlier runs may have read was written to before
 * this one's first file was begun. */
static int64_t least_time(const struct bs_follow *follow, int64_t birth) {
    int64_t done = bs_to_ns(follow->done.st_mtim), done_birth = last_birth(follow);
    int64_t late = done - (int64_t)(grace * (double)nanoseconds);
    if (late < follow->first.begun_ns)
        late = follow->first.begun_ns;
    return done_birth && birth > done_birth && late < done ? late : done;
}

/* Comes after it, and was not read yet. */
static bool is_later(const struct bs_follow *follow, const char *path,
                     const struct stat *status) {
    int64_t birth = bs_birth_of(AT_FDCWD, path);
    return bs_to_ns(status->st_mtim) >= least_time(follow, birth) &&
           !(birth && birth < since(follow)) &&
           !was_read(follow, (uint64_t)status->st_ino, birth);
}

static void renew(struct bs_follow *follow) {
    pthread_mutex_lock(&follow->lock);
    for (size_t i = 0; i < follow->n_segments; i++)
        if (follow->segments[i].inode == (uint64_t)follow->done.st_ino)
            follow->segments[i].renewed = true;
    pthread_mutex_unlock(&follow->lock);
}

/* PATH, or what was there when it was not yet found among the rotated ones. */
static int open_current(struct bs_follow *follow, int *fd, bool *is_path,
                        struct bs_error *error) {
    struct bs_error ignored;
    int earlier;
    if (bs_open_regular(follow->path, fd, error))
        return error->code;
    *is_path = open_found(follow, find_sibling, is_later, &earlier, &ignored);
    if (*is_path)
        return BS_OK;
    close(*fd);
    *fd = earlier;
    return BS_OK;
}

static int open_next(struct bs_follow *follow, int *fd, bool *is_path,
                     struct bs_error *error) {
    struct stat status;
    if (follow->was_cut)
        bs_warn("%s: was truncated and begins anew; lines may be lost", follow->path);
    int code = follow->was_cut ? open_found(follow, find_file, is_done, fd, error)
                               : open_found(follow, find_sibling, is_later, fd, error);
    if (code != BS_END)
        return code;
    for (int i = 0; i < RENAMING_TRIES && stat(follow->path, &status); i++)
        if (!bs_follow_wait(follow, look_again))
            return bs_fail(error, BS_INTERRUPTED, "%s: interrupted", follow->path);
    return open_current(follow, fd, is_path, error);
}

/* The next file, and where to begin in it. */
static int open_any(struct bs_follow *follow, int *fd, int64_t *offset, bool *is_path,
                    struct bs_error *error) {
    *offset = 0;
    *is_path = false;
    if (follow->n_segments > 0)
        return open_next(follow, fd, is_path, error);
    follow->done.st_mtim = bs_from_ns(follow->first.begun_ns);
    int code = open_first(follow, fd, error);
    if (code != BS_END) {
        *offset = follow->first.offset;
        return code;
    }
    return open_next(follow, fd, is_path, error);
}

int bs_follow_open(struct bs_follow *follow, int *fd, int64_t *lines,
                   struct bs_error *error) {
    int64_t offset;
    bool is_path;
    if (open_any(follow, fd, &offset, &is_path, error))
        return error->code;
    follow->opened = follow->given;
    *lines = offset ? follow->first.lines : 0;
    if (begin_segment(follow, *fd, offset, is_path, error))
        close(*fd);
    else
        return BS_OK;
    return error->code;
}

/* Goes on in the copy of a file that was truncated, through the same descriptor, so that
 * a line of which a part was read stays one. */
static bool go_on_in_copy(struct bs_follow *follow, int fd) {
    struct bs_error ignored;
    int copy;
    if (open_found(follow, find_sibling, is_copy, &copy, &ignored))
        return false;
    bool replaced = dup3(copy, fd, O_CLOEXEC) >= 0;
    close(copy);
    if (!replaced || begin_segment(follow, fd, follow->cut.st_size, false, &ignored))
        return false;
    renew(follow);
    return true;
}

/* Since when a file of which nothing was read may have been copied and truncated. */
static int64_t unseen_since(const struct bs_follow *follow, bool is_path) {
    int64_t begun = follow->segments[follow->n_segments - 1].begun;
    return is_path && follow->seen_empty > begun ? follow->seen_empty : begun;
}

/* Whether it has been: all that tells is an unread sibling that was written to since, but
 * not later. Both may have happened at once, but what replaced PATH is no copy. */
static bool is_in_copy(struct bs_follow *follow, bool is_path, int64_t looked) {
    char path[PATH_MAX];
    struct stat found, done = follow->done;
    struct bs_error ignored;
    if (bs_compare_times(done.st_mtim, follow->no_copy) != 0) {
        follow->done.st_mtim = bs_from_ns(unseen_since(follow, is_path));
        if (!find_sibling(follow, is_later, path, &found, &ignored)) {
            int order = compare_times(&found, &done);
            if (order < 0 || (order == 0 && is_path)) {
                renew(follow);
                return true;
            }
        }
        follow->done = done;
        follow->no_copy = done.st_mtim;
    }
    if (is_path && done.st_size == 0)
        follow->seen_empty = looked;
    return false;
}

static double age(const struct stat *status) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)(now.tv_sec - status->st_ctim.tv_sec) +
           1e-9 * (double)(now.tv_nsec - status->st_ctim.tv_nsec);
}

/* Whether those who wrote to a file that was replaced have had their time: since it was
 * renamed or they last wrote or, where clocks differ or a link was moved, since it was
 * noticed. */
static bool is_left(struct bs_follow *follow, bool replaced) {
    if (!replaced)
        follow->replaced_since = 0;
    else if (follow->replaced_since == 0)
        follow->replaced_since = bs_seconds();
    bool is_old = !follow->is_link && age(&follow->done) >= grace;
    return replaced && (is_old || bs_seconds() - follow->replaced_since >= grace);
}

/* A line may have come after the copy was made; it was not made before reading began. */
static void note_cut(struct bs_follow *follow, const struct stat *earlier, int64_t end) {
    int64_t begun = follow->segments[follow->n_segments - 1].begun;
    int64_t late = bs_to_ns(earlier->st_mtim) - LATE * nanoseconds;
    follow->cut.st_mtim = bs_from_ns(late > begun ? late : begun);
    follow->cut.st_size = end;
}

/* What was truncated begins anew, also for who begins behind the last of it: a line that
 * was cut short there may be how another one begins. */
static void end_segment(struct bs_follow *follow, int64_t looked) {
    pthread_mutex_lock(&follow->lock);
    struct segment *last = &follow->segments[follow->n_segments - 1];
    last->cut_position = follow->given;
    last->cut_ns = looked;
    pthread_mutex_unlock(&follow->lock);
}

enum bs_follow_state bs_follow_look(struct bs_follow *follow, int fd, int64_t read) {
    const struct segment *last = &follow->segments[follow->n_segments - 1];
    struct stat there, earlier = follow->done;
    int64_t looked = bs_now_ns();
    /* In this order: what was written before it was replaced is seen then. */
    bool found = !stat(follow->path, &there);
    if (fstat(fd, &follow->done))
        return BS_FOLLOW_WAIT;
    follow->given = follow->opened + read;
    int64_t end = last->offset + follow->given - last->position;
    bool has_more = follow->done.st_size > end;
    follow->was_cut = follow->done.st_size < end || !holds_tail(follow, fd);
    if (follow->was_cut) {
        note_cut(follow, &earlier, end);
        if (go_on_in_copy(follow, fd))
            return bs_follow_look(follow, fd, read);
        if (found)
            end_segment(follow, looked);
        return found ? BS_FOLLOW_DONE : BS_FOLLOW_WAIT;
    }
    bool is_path = found && bs_same_file(&there, &follow->done);
    if (end == 0 && is_in_copy(follow, is_path, looked))
        return BS_FOLLOW_DONE;
    bool left = is_left(follow, found && !has_more && !is_path);
    if (has_more)
        return BS_FOLLOW_BYTES;
    return left ? BS_FOLLOW_DONE : BS_FOLLOW_WAIT;
}

bool bs_follow_wait(struct bs_follow *follow, double seconds) {
    double wait = seconds < 0 || seconds > look_again ? look_again : seconds;
    struct pollfd watch = {.fd = follow->watch, .events = POLLIN}; /* -1: none */
    int ready = poll(&watch, 1, (int)(1000 * wait + 0.999));
    char events[4096];
    while (ready > 0 && read(follow->watch, events, sizeof events) > 0)
        ; /* that something happened is enough */
    return ready >= 0;
}

void bs_follow_given(struct bs_follow *follow, struct bs_span bytes) {
    size_t size = bytes.size < TAIL ? bytes.size : TAIL;
    size_t kept = follow->tail_size < TAIL - size ? follow->tail_size : TAIL - size;
    memmove(follow->tail, follow->tail + follow->tail_size - kept, kept);
    memcpy(follow->tail + kept, bytes.data + bytes.size - size, size);
    follow->tail_size = kept + size;
    follow->tail_end += (int64_t)bytes.size;
}

const struct bs_log_place *bs_follow_first(const struct bs_follow *follow) {
    return &follow->first;
}

static void note_no_line(struct bs_log_place *place) {
    place->lines = place->line_bytes = 0;
    memset(place->digest, '0', sizeof place->digest - 1);
}

void bs_follow_locate(struct bs_follow *follow, int64_t position, int64_t number,
                      int64_t line_bytes, struct bs_span line,
                      struct bs_log_place *place) {
    pthread_mutex_lock(&follow->lock);
    size_t i = follow->n_segments - 1;
    while (i > 0 && follow->segments[i].position >= position)
        i--;
    struct segment segment = follow->segments[i];
    pthread_mutex_unlock(&follow->lock);
    *place = (struct bs_log_place){.inode = segment.inode,
                                   .birth_ns = segment.birth,
                                   .since_ns = segment.since,
                                   .begun_ns = segment.begun,
                                   .before = segment.before,
                                   .before_birth_ns = segment.before_birth,
                                   .offset = segment.offset + position - segment.position,
                                   .lines = number,
                                   .line_bytes = line_bytes};
    if (position == segment.cut_position) {
        place->begun_ns = segment.cut_ns;
        place->offset = 0;
        note_no_line(place);
        return;
    }
    struct bs_sha256 sha;
    bs_sha256_begin(&sha);
    bs_sha256_add(&sha, line.data, line.size);
    bs_sha256_end_hex(&sha, place->digest);
}

/* ---- the object ------------------------------------------------------------------ */

/* Of the file itself, where PATH is a link: it is rotated there. */
static int split_path(struct bs_follow *follow, struct bs_error *error) {
    struct stat status;
    follow->is_link = !lstat(follow->path, &status) && S_ISLNK(status.st_mode);
    char *path = bs_path_follow(follow->path);
    char *slash = path ? strrchr(path, '/') : NULL;
    if (path)
        snprintf(follow->base, sizeof follow->base, "%.*s", NAME_MAX,
                 slash ? slash + 1 : path);
    if (slash)
        slash[slash == path] = '\0'; /* of the root folder the slash stays */
    bool is_there = path && realpath(slash ? path : ".", follow->folder);
    int code =
        is_there ? BS_OK : bs_fail_errno(error, BS_DATA, "%s: cannot open", follow->path);
    free(path);
    return code;
}

static int begin_path(struct bs_follow *follow, struct bs_error *error) {
    struct stat status = {0};
    int fd;
    if (bs_open_regular(follow->path, &fd, error))
        return error->code;
    int code = fstat(fd, &status)
                   ? bs_fail_errno(error, BS_DATA, "%s: cannot read", follow->path)
                   : BS_OK;
    int64_t birth = bs_birth_of(fd, NULL);
    follow->first = (struct bs_log_place){.inode = (uint64_t)status.st_ino,
                                          .birth_ns = birth,
                                          .since_ns = birth,
                                          .begun_ns = bs_now_ns()};
    note_no_line(&follow->first);
    close(fd);
    return code;
}

/* At `place` PATH may be away: it was rotated, and nobody has written since. */
static int begin(struct bs_follow *follow, const struct bs_log_place *place,
                 struct bs_error *error) {
    struct stat status;
    bool is_away = place && stat(follow->path, &status) && errno == ENOENT;
    if ((!is_away && begin_path(follow, error)) || split_path(follow, error))
        return error->code;
    if (place)
        follow->first = *place;
    return BS_OK;
}

int bs_follow_new(struct bs_follow **result, const char *path,
                  const struct bs_log_place *place, struct bs_error *error) {
    struct bs_follow *follow = bs_alloc(1, sizeof *follow);
    if (!follow)
        return bs_fail_memory(error, sizeof *follow, path);
    follow->path = path;
    follow->watch = -1;
    pthread_mutex_init(&follow->lock, NULL);
    if (begin(follow, place, error)) {
        bs_follow_free(follow);
        return error->code;
    }
    follow->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (follow->watch >= 0)
        inotify_add_watch(follow->watch, follow->folder,
                          IN_MODIFY | IN_CREATE | IN_MOVED_TO);
    *result = follow;
    return BS_OK;
}

void bs_follow_free(struct bs_follow *follow) {
    if (!follow)
        return;
    if (follow->watch >= 0)
        close(follow->watch);
    pthread_mutex_destroy(&follow->lock);
    free(follow->segments);
    free(follow);
}
