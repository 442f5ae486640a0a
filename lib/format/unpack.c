/* The one file that knows libarchive. Archives are read sequentially through an input,
 * which has decompressed them already. gzip goes past libarchive, which does not look at
 * its checksum and drops what was inflated before a fault. */
#include "format/unpack.h"

#include "common/gzip.h"
#include "format/input.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024 };

struct bs_unpack {
    struct bs_gzip *gzip; /* or NULL, and then */
    struct archive *archive;
    struct bs_buffer begun; /* handed on first */
    bool begun_given, empty;
    int fd;
    int64_t stored;
    const char *name;
    struct bs_error failure; /* of reading, which libarchive would call damage */
    char block[BLOCK];
};

static la_ssize_t read_packed(struct archive *archive, void *data, const void **block) {
    struct bs_unpack *unpack = data;
    if (!unpack->begun_given) {
        unpack->begun_given = true;
        *block = unpack->begun.data;
        return (la_ssize_t)unpack->begun.size;
    }
    ssize_t n = read(unpack->fd, unpack->block, sizeof unpack->block);
    if (n < 0) {
        bs_fail_errno(&unpack->failure, BS_DATA, "%s: cannot read", unpack->name);
        archive_set_error(archive, EIO, "%s", unpack->failure.text);
        return -1;
    }
    unpack->stored += n;
    *block = unpack->block;
    return n;
}

static int fail_archive(struct archive *archive, const char *name,
                        struct bs_error *error) {
    const char *why = archive_error_string(archive);
    enum bs_code code = archive_errno(archive) == ENOMEM ? BS_RESOURCE : BS_DATA;
    return bs_fail(error, code, "%s: %s", name, why ? why : "damaged or not an archive");
}

static int fail_unpack(const struct bs_unpack *unpack, struct bs_error *error) {
    if (!unpack->failure.code)
        return fail_archive(unpack->archive, unpack->name, error);
    *error = unpack->failure;
    return error->code;
}

int bs_unpack_open(struct bs_unpack **result, int fd, struct bs_span begun,
                   const char *name, struct bs_error *error) {
    struct bs_unpack *unpack = bs_alloc(1, sizeof *unpack);
    struct archive_entry *entry;
    *result = unpack;
    if (!unpack || !bs_buffer_append_span(&unpack->begun, begun))
        return bs_fail_memory(error, begun.size, name);
    unpack->fd = fd;
    unpack->name = name;
    unpack->stored = (int64_t)begun.size;
    if (bs_gzip_sniff(begun))
        return bs_gzip_open(&unpack->gzip, fd, begun, name, error);
    unpack->archive = archive_read_new();
    if (!unpack->archive)
        return bs_fail_memory(error, BLOCK, name);
    archive_read_support_filter_xz(unpack->archive);
    archive_read_support_filter_zstd(unpack->archive);
    archive_read_support_format_raw(unpack->archive);
    archive_read_support_format_empty(unpack->archive);
    if (archive_read_open(unpack->archive, unpack, NULL, read_packed, NULL) != ARCHIVE_OK)
        return fail_unpack(unpack, error);
    int status = archive_read_next_header(unpack->archive, &entry);
    unpack->empty = status == ARCHIVE_EOF;
    if (status != ARCHIVE_OK && !unpack->empty)
        return fail_unpack(unpack, error);
    return BS_OK;
}

int bs_unpack_read(struct bs_unpack *unpack, char *to, size_t size, size_t *got,
                   struct bs_error *error) {
    if (unpack->gzip)
        return bs_gzip_read(unpack->gzip, to, size, got, error);
    la_ssize_t n = unpack->empty ? 0 : archive_read_data(unpack->archive, to, size);
    if (n < 0)
        return fail_unpack(unpack, error);
    *got = (size_t)n;
    return n ? BS_OK : BS_END;
}

int64_t bs_unpack_stored(const struct bs_unpack *unpack) {
    return unpack->gzip ? bs_gzip_stored(unpack->gzip) : unpack->stored;
}

bool bs_unpack_pending(const struct bs_unpack *unpack) {
    return unpack->gzip && bs_gzip_pending(unpack->gzip);
}

void bs_unpack_close(struct bs_unpack *unpack) {
    if (!unpack)
        return;
    if (unpack->archive)
        archive_read_free(unpack->archive);
    bs_gzip_close(unpack->gzip);
    bs_buffer_free(&unpack->begun);
    free(unpack);
}

bool bs_archive_sniff(struct bs_span data) {
    bool tar = data.size >= 262 && memcmp(data.data + 257, "ustar", 5) == 0;
    return tar || (data.size >= 4 && memcmp(data.data, "PK\003\004", 4) == 0);
}

struct bs_archive {
    struct archive *archive;
    struct bs_input *input;
    size_t handed;           /* bytes of the input's window that libarchive holds now */
    struct bs_error failure; /* of the input */
};

static la_ssize_t read_input(struct archive *archive, void *data, const void **block) {
    struct bs_archive *own = data;
    bs_input_consume(own->input, own->handed);
    own->handed = 0;
    int code = BS_OK;
    if (bs_input_data(own->input).size == 0)
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

int bs_archive_open(struct bs_archive **result, struct bs_input *input,
                    struct bs_error *error) {
    struct bs_archive *own = bs_alloc(1, sizeof *own);
    *result = own;
    if (!own || !(own->archive = archive_read_new()))
        return bs_fail_memory(error, sizeof *own, input->name);
    own->input = input;
    archive_read_support_format_tar(own->archive);
    archive_read_support_format_zip_streamable(own->archive);
    archive_read_support_format_empty(own->archive);
    if (archive_read_open(own->archive, own, NULL, read_input, NULL) != ARCHIVE_OK)
        return fail_archive(own->archive, input->name, error);
    return BS_OK;
}

static int fail_member(struct bs_archive *own, struct bs_error *error) {
    if (own->failure.code) {
        *error = own->failure;
        return error->code;
    }
    return fail_archive(own->archive, own->input->name, error);
}

/* The end of an archive may come before that of the file: damage behind it counts. */
static int read_to_end(struct bs_archive *own, struct bs_error *error) {
    int code = BS_OK;
    own->handed = 0;
    while (!code) {
        bs_input_consume(own->input, bs_input_data(own->input).size);
        code = bs_input_fill(own->input, error);
    }
    return code;
}

int bs_archive_next(struct bs_archive *own, const char **path, struct bs_error *error) {
    struct archive_entry *entry;
    for (;;) {
        int status = archive_read_next_header(own->archive, &entry);
        if (status == ARCHIVE_EOF)
            return read_to_end(own, error);
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return fail_member(own, error);
        *path = archive_entry_pathname(entry);
        if (*path && archive_entry_filetype(entry) == AE_IFREG &&
            !archive_entry_hardlink(entry))
            break;
    }
    while (strncmp(*path, "./", 2) == 0)
        *path += 2;
    return BS_OK;
}

int bs_archive_read(struct bs_archive *own, size_t max, struct bs_buffer *content,
                    bool *too_long, struct bs_error *error) {
    size_t got = 0;
    *too_long = false;
    while (!*too_long) {
        if (!bs_buffer_reserve(content, BLOCK))
            return bs_fail_memory(error, content->size + BLOCK, own->input->name);
        la_ssize_t n = archive_read_data(own->archive, content->data + content->size,
                                         content->capacity - content->size);
        if (n < 0)
            return fail_member(own, error);
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
    free(own);
}
