/* Trees: each file of a folder or an archive is a text, its folder's name the label. */
#include "common/log.h"
#include "common/own_files.h"
#include "format/archive.h"
#include "format/codec.h"
#include "format/decompress.h"
#include "format/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024 };

struct tree {
    struct bs_archive *archive; /* or */
    FTS *folder;
    bool said[3];     /* by kind of member: that it is left out */
    size_t root_size; /* of the folder's path, with the slash behind it */
    const char *path; /* of the file found; of a member its name, else below the folder;
                         NULL: none yet */
    const char *access_path;
    struct bs_buffer content;
};

/* Files by name, as bytes, whatever the locale. */
static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int open_folder(struct bs_reader *reader, struct tree *tree,
                       struct bs_error *error) {
    char *roots[] = {(char *)reader->path, NULL};
    tree->folder = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (!tree->folder)
        return bs_fail_errno(error, BS_DATA, "%s: cannot read folder", reader->path);
    size_t size = strlen(reader->path);
    tree->root_size = size + (size > 0 && reader->path[size - 1] != '/');
    return BS_OK;
}

static int begin(struct bs_reader *reader, struct bs_error *error) {
    struct tree *tree = bs_alloc(1, sizeof *tree);
    reader->state = tree;
    if (!tree)
        return bs_fail_memory(error, sizeof *tree, reader->path);
    if (reader->is_folder)
        return open_folder(reader, tree, error);
    return bs_archive_open(&tree->archive, &reader->input, error);
}

static void end(struct bs_reader *reader) {
    struct tree *tree = reader->state;
    if (!tree)
        return;
    bs_archive_close(tree->archive);
    if (tree->folder)
        fts_close(tree->folder);
    bs_buffer_free(&tree->content);
    free(tree);
    reader->state = NULL;
}

/* Hidden, or written by this process: its output has nothing to say about itself. */
static bool is_left_out(const FTSENT *entry) {
    if (entry->fts_level == 0 || (entry->fts_info != FTS_F && entry->fts_info != FTS_D))
        return false;
    if (entry->fts_name[0] == '.')
        return true;
    bool own = bs_own_file_is(entry->fts_statp);
    if (own)
        bs_detail("%s: is left out: it is output", entry->fts_path);
    return own;
}

static int next_in_folder(struct tree *tree, const char **path, struct bs_error *error) {
    FTSENT *entry;
    errno = 0;
    while ((entry = fts_read(tree->folder))) {
        bool left_out = is_left_out(entry);
        if (left_out && entry->fts_info == FTS_D)
            fts_set(tree->folder, entry, FTS_SKIP);
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
            entry->fts_info == FTS_NS) {
            errno = entry->fts_errno;
            return bs_fail_errno(error, BS_DATA, "%s: cannot read", entry->fts_path);
        }
        if (entry->fts_info == FTS_F && !left_out) {
            tree->access_path = entry->fts_path;
            *path = entry->fts_path + tree->root_size;
            return BS_OK;
        }
        errno = 0;
    }
    if (errno)
        return bs_fail_errno(error, BS_DATA, "cannot read folder");
    return BS_END;
}

/* Whether a file or a folder on the way to it is hidden; ".." is not. */
static bool is_hidden(const char *path) {
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        bool upwards = strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]);
        if (part[0] == '.' && !upwards)
            return true;
    }
    return false;
}

static bool is_wanted(const struct bs_reader *reader, const char *path) {
    const char *members = reader->options.members;
    return !is_hidden(path) && (!members || fnmatch(members, path, FNM_PATHNAME) == 0);
}

/* The first of each kind is told. */
static void leave_out(struct bs_reader *reader, const char *path, enum bs_member member) {
    static const char *const reasons[] = {
        [BS_MEMBER_LINK] = "a link to another member, has no content of its own",
        [BS_MEMBER_UPWARDS] = "leads upwards"};
    struct tree *tree = reader->state;
    if (!tree->said[member])
        bs_warn("%s: %s: %s; such members are left out", reader->path, path,
                reasons[member]);
    tree->said[member] = true;
}

static int find(struct bs_reader *reader, struct bs_error *error) {
    struct tree *tree = reader->state;
    for (;;) {
        enum bs_member member = BS_MEMBER_TEXT;
        const char *path;
        int code = tree->archive ? bs_archive_next(tree->archive, &path, &member, error)
                                 : next_in_folder(tree, &path, error);
        if (code == BS_END && reader->options.members && !tree->path)
            bs_warn("%s: no file in it matches --members \"%s\" (* matches no slash)",
                    reader->path, reader->options.members);
        if (code)
            return code;
        if (!is_wanted(reader, path))
            continue;
        tree->path = path;
        if (member == BS_MEMBER_TEXT)
            return BS_OK;
        leave_out(reader, path, member);
    }
}

static int read_file(const char *path, size_t max, struct bs_buffer *content,
                     bool *too_long, struct bs_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return bs_fail_errno(error, BS_DATA, "%s: cannot open", path);
    ssize_t n = 1;
    *too_long = false;
    while (n > 0 && !*too_long) {
        if (!bs_buffer_reserve(content, BLOCK)) {
            close(fd);
            return bs_fail_memory(error, content->size, path);
        }
        do {
            n = read(fd, content->data + content->size, BLOCK);
        } while (n < 0 && errno == EINTR);
        content->size += n > 0 ? (size_t)n : 0;
        *too_long = content->size > max;
    }
    int code = n < 0 ? bs_fail_errno(error, BS_DATA, "%s: cannot read", path) : BS_OK;
    close(fd);
    return code;
}

static int read_content(struct bs_reader *reader, bool *too_long,
                        struct bs_error *error) {
    struct tree *tree = reader->state;
    tree->content.size = 0;
    if (tree->archive)
        return bs_archive_read(tree->archive, reader->max_record, &tree->content,
                               too_long, error);
    return read_file(tree->access_path, reader->max_record, &tree->content, too_long,
                     error);
}

/* For messages: "ARCHIVE: member", or the path of the file. */
static const char *describe(struct bs_reader *reader, struct bs_record *record) {
    const struct tree *tree = reader->state;
    if (!tree->archive) {
        struct bs_span copy;
        struct bs_span path = bs_span(tree->access_path, strlen(tree->access_path) + 1);
        return bs_record_copy(record, path, &copy) ? copy.data : NULL;
    }
    size_t size = strlen(reader->path) + strlen(tree->path) + 3;
    char *name = bs_record_alloc(record, size);
    if (name)
        sprintf(name, "%s: %s", reader->path, tree->path);
    return name;
}

/* The name of the folder that holds a file; empty at the top. */
static struct bs_span folder_of(struct bs_span path) {
    const char *slash = memrchr(path.data, '/', path.size);
    if (!slash)
        return bs_span(path.data, 0);
    size_t size = (size_t)(slash - path.data);
    const char *before = memrchr(path.data, '/', size);
    const char *begin = before ? before + 1 : path.data;
    return bs_span(begin, (size_t)(slash - begin));
}

static bool add_text(struct bs_record *record, const char *name, struct bs_span text) {
    struct bs_value value = {.kind = BS_VALUE_TEXT, .bytes = text};
    return bs_record_add(record, bs_span_of(name), value);
}

/* Bytes that no text begins with. */
static int check_content(const struct bs_reader *reader, struct bs_span content,
                         bool too_long, struct bs_error *error) {
    bool undecided;
    const struct bs_codec *codec = bs_decompress_sniff(content, &undecided);
    if (codec)
        return bs_fail(error, BS_REJECTED, "packed by %s; unpack it first", codec->name);
    if (too_long)
        return bs_fail(error, BS_REJECTED, "longer than %zu bytes (--max-record)",
                       reader->max_record);
    return BS_OK;
}

static int take(struct bs_reader *reader, struct bs_record *record,
                struct bs_error *error) {
    const struct tree *tree = reader->state;
    struct bs_span path, text;
    bool too_long;
    bs_reading_begin_record(reader, record, "record", 1);
    const char *file = describe(reader, record);
    if (!file || !bs_record_copy(record, bs_span_of(tree->path), &path))
        return bs_fail_memory(error, strlen(tree->path), reader->path);
    record->file = file;
    reader->number++;
    if (read_content(reader, &too_long, error))
        return error->code;
    text = bs_buffer_span(&tree->content);
    if (too_long && text.size > BS_RAW_KEPT)
        text.size = BS_RAW_KEPT;
    if (!bs_record_copy(record, text, &record->raw))
        return bs_fail_memory(error, text.size, file);
    int code = check_content(reader, text, too_long, error);
    struct bs_span label = folder_of(path);
    if ((label.size > 0 && !add_text(record, BS_FIELD_LABEL, label)) ||
        (!code && !add_text(record, BS_FIELD_TEXT, record->raw)) ||
        !add_text(record, "path", path))
        return bs_fail_memory(error, sizeof *record->fields, file);
    return code;
}

const struct bs_reading bs_reading_tree = {
    .begin = begin, .find = find, .take = take, .end = end};
