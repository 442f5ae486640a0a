/* The one file that knows libarchive. Archives are read sequentially through an input,
 * which has decompressed them already. */
#include "format/archive.h"

#include "format/input.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>

enum { BLOCK = 64 * 1024 };

static int fail_archive(struct archive *archive, const char *name,
                        struct bs_error *error) {
    const char *why = archive_error_string(archive);
    enum bs_code code = archive_errno(archive) == ENOMEM ? BS_RESOURCE : BS_DATA;
    return bs_fail(error, code, "%s: %s", name, why ? why : "damaged or not an archive");
}

/* In the first header of a tar. The sum, in octal digits, is of all its bytes. */
enum { TAR_SUM = 148, TAR_SUM_END = 156, TAR_MAGIC = 257, TAR_MAGIC_END = 262 };
enum { TAR_HEADER = 512 };

static bool is_zip(struct bs_span data) {
    return data.size >= 4 && memcmp(data.data, "PK\003\004", 4) == 0;
}

/* What stands before the magic of a tar seldom holds a line feed: in a name, or where a
 * large number is binary. */
static bool has_line(struct bs_span data) {
    size_t before = data.size < TAR_MAGIC ? data.size : TAR_MAGIC;
    return memchr(data.data, '\n', before) != NULL;
}

/* The sum counts its own digits as spaces. */
static bool sum_is_right(struct bs_span data) {
    unsigned long sum = 0;
    char digits[TAR_SUM_END - TAR_SUM + 1] = "";
    if (data.size < TAR_HEADER)
        return false;
    for (int i = 0; i < TAR_HEADER; i++)
        sum += i >= TAR_SUM && i < TAR_SUM_END ? ' ' : (unsigned char)data.data[i];
    memcpy(digits, data.data + TAR_SUM, TAR_SUM_END - TAR_SUM);
    return strtoul(digits, NULL, 8) == sum;
}

bool bs_archive_sniff(struct bs_span data) {
    bool is_tar =
        data.size >= TAR_MAGIC_END && memcmp(data.data + TAR_MAGIC, "ustar", 5) == 0;
    return is_zip(data) || (is_tar && (!has_line(data) || sum_is_right(data)));
}

bool bs_archive_may_be(struct bs_span data) {
    return data.size < TAR_MAGIC_END && !is_zip(data) && !has_line(data);
}

struct bs_archive {
    struct archive *archive;
    struct bs_input *input;
    size_t handed;           /* bytes of the input's window that libarchive holds now */
    locale_t names;          /* what names are read in; 0: in our own */
    int64_t members;         /* so far, of any kind */
    bool ended;              /* it has; the input may go on */
    struct bs_buffer path;   /* of the current one */
    struct bs_error failure; /* of the input */
};

/* Guessing the format, libarchive asks again after a failure, which must not wait again.
 */
static la_ssize_t read_input(struct archive *archive, void *data, const void **block) {
    struct bs_archive *own = data;
    if (own->failure.code)
        return -1;
    bs_input_consume(own->input, own->handed);
    own->handed = 0;
    int code = BS_OK;
    while (!code && bs_input_data(own->input).size == 0)
        code = bs_input_fill(own->input, &own->failure);
    if (code && code != BS_END) {
        archive_set_error(archive, EIO, "%s", own->failure.text);
        return -1;
    }
    struct bs_span window = bs_input_data(own->input);
    *block = window.data;
    own->handed = window.size;
    return (la_ssize_t)window.size;
}

static int fail_reading(struct bs_archive *own, struct bs_error *error) {
    if (own->failure.code) {
        *error = own->failure;
        return error->code;
    }
    return fail_archive(own->archive, own->input->name, error);
}

int bs_archive_open(struct bs_archive **result, struct bs_input *input,
                    struct bs_error *error) {
    struct bs_archive *own = bs_alloc(1, sizeof *own);
    *result = own;
    if (!own || !(own->archive = archive_read_new()))
        return bs_fail_memory(error, sizeof *own, input->name);
    own->input = input;
    if (is_zip(bs_input_data(input)))
        own->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    archive_read_support_format_tar(own->archive);
    archive_read_support_format_zip_streamable(own->archive);
    archive_read_support_format_empty(own->archive);
    int status = archive_read_open(own->archive, own, NULL, read_input, NULL);
    /* What cannot be read passes for an empty archive. */
    return status == ARCHIVE_OK && !own->failure.code ? BS_OK : fail_reading(own, error);
}

/* In a zip, LZMA, PPMd and others take as much memory as a member says. */
static bool takes_little(struct archive *archive) {
    static const char *const methods[] = {"(uncompressed)", "(deflation)", "(bzip)"};
    const char *format = archive_format_name(archive);
    if (strncmp(format, "ZIP", 3) != 0)
        return true;
    for (int i = 0; i < 3; i++)
        if (strstr(format, methods[i]))
            return true;
    return false;
}

/* In a zip a name may be marked as UTF-8; it is had only where the locale can hold it.
 * That of a tar is bytes in each. */
static int read_header(struct bs_archive *own, struct archive_entry **entry) {
    locale_t ours = own->names ? uselocale(own->names) : (locale_t)0;
    int status = archive_read_next_header(own->archive, entry);
    if (ours)
        uselocale(ours);
    own->members++;
    return status;
}

/* The end of an archive may come before that of the file: damage behind it counts. */
static int read_over(struct bs_archive *own) {
    own->handed = 0;
    bs_input_consume(own->input, bs_input_data(own->input).size);
    return own->input->ended ? BS_END : BS_MORE;
}

static bool is_dots(const char *part, size_t size, size_t dots) {
    return size == dots && memcmp(part, "..", dots) == 0;
}

/* Takes doubled slashes and "." out of a path; whether it leads upwards. */
static bool clean(char *path) {
    bool upwards = false;
    char *to = path + (path[0] == '/');
    for (const char *from = to; *from;) {
        size_t size = strcspn(from, "/"), slash = from[size] == '/';
        upwards |= is_dots(from, size, 2);
        if (size > 0 && !is_dots(from, size, 1)) {
            memmove(to, from, size + slash);
            to += size + slash;
        }
        from += size + slash;
    }
    *to = '\0';
    return upwards;
}

static int take_name(struct bs_archive *own, struct archive_entry *entry,
                     enum bs_member *member, struct bs_error *error) {
    const char *name = archive_entry_pathname(entry);
    if (!name)
        return bs_fail(error, BS_DATA,
                       "%s: member %" PRId64 " has a name that cannot be read; unpack it "
                       "and read the folder",
                       own->input->name, own->members);
    own->path.size = 0;
    if (!bs_buffer_append(&own->path, name, strlen(name) + 1))
        return bs_fail_memory(error, strlen(name), own->input->name);
    *member = clean(own->path.data)           ? BS_MEMBER_UPWARDS
              : archive_entry_hardlink(entry) ? BS_MEMBER_LINK
                                              : BS_MEMBER_TEXT;
    return BS_OK;
}

int bs_archive_next(struct bs_archive *own, const char **path, enum bs_member *member,
                    struct bs_error *error) {
    struct archive_entry *entry;
    if (own->ended)
        return read_over(own);
    do {
        int status = read_header(own, &entry);
        own->ended = status == ARCHIVE_EOF;
        if (own->ended)
            return read_over(own);
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return fail_reading(own, error);
        if (!takes_little(own->archive))
            return bs_fail(error, BS_DATA,
                           "%s: unpack it first: it is not packed by deflate or bzip2",
                           own->input->name);
    } while (archive_entry_filetype(entry) != AE_IFREG && !archive_entry_hardlink(entry));
    if (take_name(own, entry, member, error))
        return error->code;
    *path = own->path.data;
    return BS_OK;
}

int bs_archive_read(struct bs_archive *own, size_t max, struct bs_buffer *content,
                    bool *too_long, struct bs_error *error) {
    size_t got = 0;
    *too_long = false;
    while (!*too_long) {
        if (!bs_buffer_reserve(content, BLOCK))
            return bs_fail_memory(error, content->size + BLOCK, own->input->name);
        la_ssize_t n =
            archive_read_data(own->archive, content->data + content->size, BLOCK);
        if (n < 0)
            return fail_reading(own, error);
        if (n == 0)
            break;
        content->size += (size_t)n;
        got += (size_t)n;
        *too_long = got > max;
    }
    return BS_OK;
}

void bs_archive_close(struct bs_archive *own) {
    if (!own)
        return;
    if (own->archive)
        archive_read_free(own->archive);
    if (own->names)
        freelocale(own->names);
    bs_buffer_free(&own->path);
    free(own);
}
