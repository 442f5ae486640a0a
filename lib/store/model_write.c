/*
 * Writes a model beside its final name and renames it when all of it is on disk. A
 * directory that stands there is exchanged in one step where the file system can.
 */
#include "store/model_write.h"

#include "common/file.h"
#include "common/own_files.h"
#include "store/bundle.h"
#include "store/config_json.h"
#include "store/tensor_names.h"
#include "store/tensor_types.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".partial-XXXXXX";

struct bs_model_writing {
    char *path;      /* final name */
    char *temporary; /* the name until then */
    bool replaces;
    struct stat replaced; /* as it was at the beginning */
    struct bs_own_file own[2];
};

/* The tensors under the names that are written; `values` holds converted ones. */
struct renamed {
    struct bs_tensor *tensors;
    char (*names)[BS_TENSOR_NAME_SIZE + 8];
    float *values;
};

static void renamed_free(struct renamed *renamed) {
    free(renamed->tensors);
    free(renamed->names);
    free(renamed->values);
}

static int rename_all(struct renamed *renamed, const struct bs_model_parts *parts,
                      struct bs_error *error) {
    size_t count = parts->n_tensors;
    renamed->tensors = bs_alloc(count + 1, sizeof *renamed->tensors);
    renamed->names = bs_alloc(count + 1, sizeof *renamed->names);
    if (!renamed->tensors || !renamed->names)
        return bs_fail_memory(error, count * sizeof *renamed->names, "tensor names");
    for (size_t i = 0; i < count; i++) {
        bs_tensor_written_name(parts->tensors[i].name, renamed->names[i]);
        renamed->tensors[i] = parts->tensors[i];
        renamed->tensors[i].name = renamed->names[i];
    }
    return BS_OK;
}

/* Numbers that mean nothing without their scales are among them. */
static bool have_scales(const struct bs_tensor *tensors, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (tensors[i].scales)
            return true;
    return false;
}

/* Tensors of other types become F32. */
static int convert_all(struct renamed *renamed, size_t count, struct bs_error *error) {
    int64_t total = 0;
    for (size_t i = 0; i < count; i++)
        if (renamed->tensors[i].type != BS_TENSOR_F32)
            total += bs_tensor_elements(&renamed->tensors[i]);
    float *next = renamed->values = bs_alloc((size_t)total + 1, sizeof *next);
    if (!next)
        return bs_fail_memory(error, (size_t)total * sizeof *next, "tensors as fp32");
    for (size_t i = 0; i < count; i++) {
        struct bs_tensor *tensor = &renamed->tensors[i];
        int64_t elements = bs_tensor_elements(tensor);
        if (tensor->type == BS_TENSOR_F32)
            continue;
        if (!bs_tensor_to_float(tensor, 0, elements, next))
            return bs_fail(error, BS_DATA, "tensor \"%s\" has %s", tensor->name,
                           bs_tensor_type_name(tensor->type));
        tensor->type = BS_TENSOR_F32;
        tensor->scales = NULL;
        tensor->bytes = bs_span((const char *)next, (size_t)elements * sizeof *next);
        next += elements;
    }
    return BS_OK;
}

static const char *float_type_name(const struct bs_tensor *tensors, size_t count) {
    if (count > 0 && tensors[0].type == BS_TENSOR_F16)
        return "float16";
    return count > 0 && tensors[0].type == BS_TENSOR_BF16 ? "bfloat16" : "float32";
}

static int write_config(struct bs_buffer *json, const struct bs_model_parts *parts,
                        const struct renamed *renamed, struct bs_error *error) {
    return bs_config_write(parts->config, bs_model_files_config_json(parts->base),
                           float_type_name(renamed->tensors, parts->n_tensors), json,
                           error);
}

int bs_model_write_file(struct bs_model_writing *writing, const char *name,
                        struct bs_span bytes, struct bs_error *error) {
    char *path = bs_path_join(writing->temporary, name);
    if (!path)
        return bs_fail_memory(error, strlen(writing->temporary), name);
    int code = bs_file_write(path, bytes, error);
    free(path);
    return code;
}

static int write_small_files(struct bs_model_writing *writing,
                             const struct bs_model_parts *parts, struct bs_span config,
                             struct bs_error *error) {
    if (bs_model_write_file(writing, "config.json", config, error))
        return error->code;
    for (int i = 0; i < BS_TOKENIZER_FILES; i++) {
        struct bs_span bytes =
            bs_model_files_tokenizer_file(parts->base, (enum bs_tokenizer_file)i);
        if (bytes.data &&
            bs_model_write_file(writing, bs_tokenizer_file_names[i], bytes, error))
            return error->code;
    }
    if (parts->bs_json.data)
        return bs_model_write_file(writing, "bs.json", parts->bs_json, error);
    return BS_OK;
}

static int fill_folder(struct bs_model_writing *writing,
                       const struct bs_model_parts *parts, struct renamed *renamed,
                       struct bs_error *error) {
    struct bs_buffer config = {0};
    int code = BS_OK;
    if (have_scales(renamed->tensors, parts->n_tensors))
        code = convert_all(renamed, parts->n_tensors, error);
    if (!code)
        code = write_config(&config, parts, renamed, error);
    if (!code)
        code = write_small_files(writing, parts, bs_buffer_span(&config), error);
    bs_buffer_free(&config);
    char *path = bs_path_join(writing->temporary, "model.safetensors");
    if (!code && !path)
        code = bs_fail_memory(error, strlen(writing->temporary), writing->temporary);
    if (!code)
        code = bs_tensors_write(path, renamed->tensors, parts->n_tensors, error);
    free(path);
    return code;
}

static int write_sections(const char *path, const struct bs_model_parts *parts,
                          struct bs_span config, const struct bs_tensors_image *image,
                          struct bs_error *error) {
    struct bs_span small[BS_TOKENIZER_FILES + 2] = {config, parts->bs_json};
    struct bs_bundle_part sections[BS_TOKENIZER_FILES + 3] = {
        {"config.json", &small[0], 1}};
    size_t count = 1;
    if (parts->bs_json.data)
        sections[count++] = (struct bs_bundle_part){"bs.json", &small[1], 1};
    for (int i = 0; i < BS_TOKENIZER_FILES; i++) {
        small[i + 2] =
            bs_model_files_tokenizer_file(parts->base, (enum bs_tokenizer_file)i);
        if (small[i + 2].data)
            sections[count++] =
                (struct bs_bundle_part){bs_tokenizer_file_names[i], &small[i + 2], 1};
    }
    sections[count++] =
        (struct bs_bundle_part){"model.safetensors", image->spans, image->n_spans};
    return bs_bundle_write(path, sections, count, error);
}

static int fill_bundle(struct bs_model_writing *writing,
                       const struct bs_model_parts *parts, struct renamed *renamed,
                       struct bs_error *error) {
    struct bs_tensors_image image;
    struct bs_buffer config = {0};
    if ((!parts->keep_types && convert_all(renamed, parts->n_tensors, error)) ||
        bs_tensors_image_make(&image, renamed->tensors, parts->n_tensors, error))
        return error->code;
    int code = write_config(&config, parts, renamed, error);
    if (!code)
        code = write_sections(writing->temporary, parts, bs_buffer_span(&config), &image,
                              error);
    bs_buffer_free(&config);
    bs_tensors_image_free(&image);
    return code;
}

/* "run/" is the same directory as "run", whose siblings are meant. */
static char *without_slashes(const char *path) {
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    return bs_span_string(bs_span(path, size));
}

static struct bs_model_writing *writing_new(const char *path) {
    struct bs_model_writing *writing = bs_alloc(1, sizeof *writing);
    struct bs_buffer name = {0};
    if (!writing)
        return NULL;
    writing->path = without_slashes(path);
    if (writing->path && bs_buffer_printf(&name, "%s%s", writing->path, suffix)) {
        writing->temporary = name.data;
        writing->replaces = stat(writing->path, &writing->replaced) == 0;
        return writing;
    }
    free(writing->path);
    free(writing);
    return NULL;
}

/* When it is filled: a bundle comes to its temporary name by being renamed, too. */
static void mark_own(struct bs_model_writing *writing) {
    struct stat written;
    if (!stat(writing->temporary, &written))
        bs_own_file_mark(&writing->own[0], &written);
    if (writing->replaces)
        bs_own_file_mark(&writing->own[1], &writing->replaced);
}

static void writing_free(struct bs_model_writing *writing) {
    for (int i = 0; i < 2; i++)
        bs_own_file_unmark(&writing->own[i]);
    free(writing->temporary);
    free(writing->path);
    free(writing);
}

static int make_folder(struct bs_model_writing *writing, struct bs_error *error) {
    if (!mkdtemp(writing->temporary))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot create", writing->path);
    return BS_OK;
}

static int make_file(struct bs_model_writing *writing, struct bs_error *error) {
    int fd = mkostemp(writing->temporary, O_CLOEXEC);
    if (fd < 0)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot create", writing->path);
    close(fd);
    return BS_OK;
}

static int fill(struct bs_model_writing *writing, bool bundle,
                const struct bs_model_parts *parts, struct bs_error *error) {
    struct renamed renamed = {0};
    int code = rename_all(&renamed, parts, error);
    if (!code)
        code = bundle ? fill_bundle(writing, parts, &renamed, error)
                      : fill_folder(writing, parts, &renamed, error);
    renamed_free(&renamed);
    if (code)
        return code;
    return writing->replaces ? bs_take_access(writing->temporary, &writing->replaced,
                                              writing->path, error)
                             : bs_default_access(writing->temporary, bundle ? 0666 : 0777,
                                                 writing->path, error);
}

static int begin(struct bs_model_writing **result, const char *path, bool bundle,
                 const struct bs_model_parts *parts, struct bs_error *error) {
    struct bs_model_writing *writing = writing_new(path);
    if (!writing) {
        bs_fail_memory(error, strlen(path), path);
        return BS_RESOURCE;
    }
    int code = bundle ? make_file(writing, error) : make_folder(writing, error);
    if (code) {
        writing_free(writing);
        return code;
    }
    code = fill(writing, bundle, parts, error);
    if (code) {
        bs_model_write_abandon(writing);
        return code;
    }
    mark_own(writing);
    *result = writing;
    return BS_OK;
}

int bs_model_write_begin(struct bs_model_writing **writing, const char *path,
                         const struct bs_model_parts *parts, struct bs_error *error) {
    return begin(writing, path, false, parts, error);
}

int bs_model_write_begin_bundle(struct bs_model_writing **writing, const char *path,
                                const struct bs_model_parts *parts,
                                struct bs_error *error) {
    return begin(writing, path, true, parts, error);
}

const char *bs_model_write_folder(const struct bs_model_writing *writing) {
    return writing->temporary;
}

/* There is a moment without either. */
static int exchange_in_steps(const char *new, const char *old, const char *aside,
                             struct bs_error *error) {
    if (rename(old, aside))
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot be replaced", old);
    if (rename(new, old) == 0)
        return rename(aside, new)
                   ? bs_fail_errno(error, BS_RESOURCE, "%s: cannot be removed", aside)
                   : BS_OK;
    bs_fail_errno(error, BS_RESOURCE, "%s: cannot be replaced", old);
    if (rename(aside, old))
        bs_fail_errno(error, BS_RESOURCE, "%s: what was there is in %s now", old, aside);
    return error->code;
}

/* Swaps new and old directory; the old one then has the temporary name. */
static int exchange(const struct bs_model_writing *writing, struct bs_error *error) {
    const char *new = writing->temporary, *old = writing->path;
    if (renameat2(AT_FDCWD, new, AT_FDCWD, old, RENAME_EXCHANGE) == 0)
        return BS_OK;
    struct bs_buffer aside = {0};
    if (!bs_buffer_printf(&aside, "%s-old", new))
        return bs_fail_memory(error, strlen(new), new);
    int code = exchange_in_steps(new, old, aside.data, error);
    bs_buffer_free(&aside);
    return code;
}

static int sync_parent(const char *path, struct bs_error *error) {
    char *copy = strdup(path);
    if (!copy)
        return bs_fail_memory(error, strlen(path), path);
    int code = bs_sync_directory(dirname(copy), error);
    free(copy);
    return code;
}

static int put_in_place(const struct bs_model_writing *writing, struct bs_error *error) {
    const char *new = writing->temporary, *old = writing->path;
    bool folder = bs_is_directory(new);
    if (folder && bs_sync_directory(new, error))
        return error->code;
    if (rename(new, old) == 0)
        return sync_parent(old, error);
    bs_fail_errno(error, BS_RESOURCE, "%s: cannot rename to %s", new, old);
    /* A folder stands there, perhaps only since a moment ago. */
    if (!folder || !bs_is_directory(old))
        return error->code;
    if (exchange(writing, error) || sync_parent(old, error))
        return error->code;
    return bs_remove_tree(new, error);
}

int bs_model_write_commit(struct bs_model_writing *writing, struct bs_error *error) {
    int code = put_in_place(writing, error);
    if (code)
        bs_model_write_abandon(writing);
    else
        writing_free(writing);
    return code;
}

void bs_model_write_abandon(struct bs_model_writing *writing) {
    struct bs_error ignored;
    if (!writing)
        return;
    if (bs_remove_tree(writing->temporary, &ignored))
        ignored.code = BS_OK; /* the failure being handled is the news */
    writing_free(writing);
}

int bs_model_write(const char *path, const struct bs_model_parts *parts,
                   struct bs_error *error) {
    struct bs_model_writing *writing = NULL;
    if (bs_model_write_begin(&writing, path, parts, error))
        return error->code;
    return bs_model_write_commit(writing, error);
}

/* The six letters or digits of mkdtemp; "-old" is of exchange_in_steps. */
size_t bs_model_write_leftover(const char *name) {
    static const char mark[] = ".partial-";
    const char *dot = strstr(name, mark);
    if (!dot)
        return 0;
    const char *end = dot + sizeof mark - 1;
    int letters = 0;
    while (isalnum((unsigned char)*end))
        end++, letters++;
    bool whole = letters == 6 && (*end == '\0' || strcmp(end, "-old") == 0);
    return whole ? (size_t)(dot - name) : 0;
}

int bs_model_write_sweep(const char *directory, struct bs_error *error) {
    DIR *folder = opendir(directory);
    if (!folder)
        return bs_fail_errno(error, BS_RESOURCE, "%s: cannot open folder", directory);
    int code = BS_OK;
    for (struct dirent *entry; !code && (entry = readdir(folder));) {
        if (!bs_model_write_leftover(entry->d_name))
            continue;
        char *path = bs_path_join(directory, entry->d_name);
        code = path ? bs_remove_tree(path, error)
                    : bs_fail_memory(error, strlen(directory), directory);
        free(path);
    }
    closedir(folder);
    return code;
}
