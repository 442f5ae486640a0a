/* Bundles: reading with every offset checked, and writing in one pass. */
#include "store/bundle.h"

#include "common/file.h"
#include "common/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char magic[8] = {'b', 's', 'b', 'u', 'n', 'd', 'l', 'e'};

enum { VERSION = 1, ALIGNMENT = 64 };

struct header {
    char magic[8];
    uint32_t version, n_sections;
    uint64_t file_size;
    uint32_t table_crc, header_crc;
};

struct entry {
    char name[BS_BUNDLE_NAME_SIZE];
    uint64_t offset, size;
    uint32_t crc, zero;
    uint64_t reserved;
};

_Static_assert(sizeof(struct header) == 32, "the header has no padding");
_Static_assert(sizeof(struct entry) == 128, "a table entry has no padding");

struct bs_bundle {
    char *path;
    struct bs_span mapping;
    struct entry *table; /* copied: the mapping need not be aligned for it */
    size_t count;
};

static uint32_t header_crc(const struct header *header) {
    return bs_crc32(0, header, offsetof(struct header, header_crc));
}

bool bs_bundle_is(const char *path) {
    char begin[sizeof magic];
    struct bs_error ignored;
    int fd;
    if (bs_open_regular(path, &fd, &ignored))
        return false;
    ssize_t n = read(fd, begin, sizeof begin);
    close(fd);
    return n == (ssize_t)sizeof begin && memcmp(begin, magic, sizeof magic) == 0;
}

static int read_header(struct bs_bundle *bundle, struct header *header,
                       struct bs_error *error) {
    struct bs_span file = bundle->mapping;
    if (file.size < sizeof *header || memcmp(file.data, magic, sizeof magic) != 0)
        return bs_fail(error, BS_DATA, "%s: not a bundle", bundle->path);
    memcpy(header, file.data, sizeof *header);
    if (header->header_crc != header_crc(header))
        return bs_fail(error, BS_DATA, "%s: the bundle's header is damaged",
                       bundle->path);
    if (header->version != VERSION)
        return bs_fail(error, BS_DATA,
                       "%s: bundle of version %u, this program reads version %d; export "
                       "the model again",
                       bundle->path, header->version, VERSION);
    if (header->file_size != file.size)
        return bs_fail(error, BS_DATA, "%s: has %zu bytes instead of %llu (truncated?)",
                       bundle->path, file.size, (unsigned long long)header->file_size);
    return BS_OK;
}

static int read_table(struct bs_bundle *bundle, const struct header *header,
                      struct bs_error *error) {
    size_t size = (size_t)header->n_sections * sizeof *bundle->table;
    if (header->n_sections > BS_BUNDLE_MAX_SECTIONS ||
        size > bundle->mapping.size - sizeof *header)
        return bs_fail(error, BS_DATA, "%s: the bundle's table of sections is too long",
                       bundle->path);
    bundle->table = bs_alloc(header->n_sections + 1, sizeof *bundle->table);
    if (!bundle->table)
        return bs_fail_memory(error, size, bundle->path);
    memcpy(bundle->table, bundle->mapping.data + sizeof *header, size);
    bundle->count = header->n_sections;
    if (bs_crc32(0, bundle->table, size) != header->table_crc)
        return bs_fail(error, BS_DATA, "%s: the bundle's table of sections is damaged",
                       bundle->path);
    return BS_OK;
}

static struct bs_span section(const struct bs_bundle *bundle, size_t index) {
    const struct entry *entry = &bundle->table[index];
    return bs_span(bundle->mapping.data + entry->offset, (size_t)entry->size);
}

static bool is_weights(const char *name) {
    return strcmp(name, "model.safetensors") == 0 || strncmp(name, "packed/", 7) == 0;
}

static int check_crc(const struct bs_bundle *bundle, size_t index,
                     struct bs_error *error) {
    struct bs_span bytes = section(bundle, index);
    if (bs_crc32(0, bytes.data, bytes.size) == bundle->table[index].crc)
        return BS_OK;
    return bs_fail(error, BS_DATA, "%s: section %s is damaged (checksum differs)",
                   bundle->path, bundle->table[index].name);
}

/* A CRC can be forged: offsets are still checked one by one. */
static int check_section(const struct bs_bundle *bundle, size_t index, uint64_t *next,
                         struct bs_error *error) {
    const struct entry *entry = &bundle->table[index];
    if (entry->name[0] == '\0' || !memchr(entry->name, '\0', sizeof entry->name))
        return bs_fail(error, BS_DATA, "%s: section %zu has no name", bundle->path,
                       index);
    for (size_t i = 0; i < index; i++)
        if (strcmp(bundle->table[i].name, entry->name) == 0)
            return bs_fail(error, BS_DATA, "%s: section %s occurs twice", bundle->path,
                           entry->name);
    if (entry->offset < *next || entry->offset % ALIGNMENT != 0 ||
        entry->offset > bundle->mapping.size ||
        entry->size > bundle->mapping.size - entry->offset)
        return bs_fail(error, BS_DATA, "%s: section %s overlaps or lies beyond the end",
                       bundle->path, entry->name);
    *next = entry->offset + entry->size;
    return is_weights(entry->name) ? BS_OK : check_crc(bundle, index, error);
}

static int check_all(struct bs_bundle *bundle, struct bs_error *error) {
    struct header header = {0};
    if (read_header(bundle, &header, error) || read_table(bundle, &header, error))
        return error->code;
    uint64_t next = sizeof header + bundle->count * sizeof *bundle->table;
    for (size_t i = 0; i < bundle->count; i++)
        if (check_section(bundle, i, &next, error))
            return error->code;
    return BS_OK;
}

int bs_bundle_open(struct bs_bundle **result, const char *path, struct bs_error *error) {
    struct bs_bundle *bundle = bs_alloc(1, sizeof *bundle);
    if (!bundle || !(bundle->path = strdup(path))) {
        free(bundle);
        return bs_fail_memory(error, sizeof *bundle, path);
    }
    if (bs_file_map(path, &bundle->mapping, error) || check_all(bundle, error)) {
        bs_bundle_close(bundle);
        return error->code;
    }
    *result = bundle;
    return BS_OK;
}

void bs_bundle_close(struct bs_bundle *bundle) {
    if (!bundle)
        return;
    bs_file_unmap(bundle->mapping);
    free(bundle->table);
    free(bundle->path);
    free(bundle);
}

struct bs_span bs_bundle_get(const struct bs_bundle *bundle, const char *name) {
    for (size_t i = 0; i < bundle->count; i++)
        if (strcmp(bundle->table[i].name, name) == 0)
            return section(bundle, i);
    return bs_span(NULL, 0);
}

int bs_bundle_verify(const struct bs_bundle *bundle, struct bs_error *error) {
    for (size_t i = 0; i < bundle->count; i++)
        if (check_crc(bundle, i, error))
            return error->code;
    return BS_OK;
}

static void describe(struct entry *entry, const struct bs_bundle_part *part,
                     uint64_t offset) {
    *entry = (struct entry){.offset = offset};
    snprintf(entry->name, sizeof entry->name, "%s", part->name);
    for (size_t i = 0; i < part->n_spans; i++) {
        entry->crc = bs_crc32(entry->crc, part->spans[i].data, part->spans[i].size);
        entry->size += part->spans[i].size;
    }
}

static uint64_t aligned(uint64_t offset) {
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static struct header describe_all(struct entry *table, const struct bs_bundle_part *parts,
                                  size_t count) {
    struct header header = {.version = VERSION, .n_sections = (uint32_t)count};
    memcpy(header.magic, magic, sizeof magic);
    header.file_size = sizeof header + count * sizeof *table;
    for (size_t i = 0; i < count; i++) {
        describe(&table[i], &parts[i], aligned(header.file_size));
        header.file_size = table[i].offset + table[i].size;
    }
    header.table_crc = bs_crc32(0, table, count * sizeof *table);
    header.header_crc = header_crc(&header);
    return header;
}

static int write_zeros(struct bs_output *output, uint64_t *at, uint64_t until,
                       struct bs_error *error) {
    static const char zeros[ALIGNMENT];
    struct bs_span gap = bs_span(zeros, (size_t)(until - *at));
    *at = until;
    return bs_output_write(output, gap, error);
}

static int write_all(struct bs_output *output, const struct header *header,
                     const struct entry *table, const struct bs_bundle_part *parts,
                     struct bs_error *error) {
    size_t table_size = header->n_sections * sizeof *table;
    uint64_t at = sizeof *header + table_size;
    if (bs_output_write(output, bs_span((const char *)header, sizeof *header), error) ||
        bs_output_write(output, bs_span((const char *)table, table_size), error))
        return error->code;
    for (size_t i = 0; i < header->n_sections; i++) {
        if (write_zeros(output, &at, table[i].offset, error))
            return error->code;
        for (size_t k = 0; k < parts[i].n_spans; k++)
            if (bs_output_write(output, parts[i].spans[k], error))
                return error->code;
        at += table[i].size;
    }
    return BS_OK;
}

int bs_bundle_write(const char *path, const struct bs_bundle_part *parts, size_t count,
                    struct bs_error *error) {
    struct entry *table = bs_alloc(count + 1, sizeof *table);
    struct bs_output *output;
    if (!table)
        return bs_fail_memory(error, count * sizeof *table, path);
    struct header header = describe_all(table, parts, count);
    int code = bs_output_open(&output, path, error);
    if (!code) {
        code = write_all(output, &header, table, parts, error);
        if (code)
            bs_output_abandon(output);
        else
            code = bs_output_commit(output, error);
    }
    free(table);
    return code;
}
