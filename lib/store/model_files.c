/* Finds the files of a model in a directory, a training folder or a bundle, and maps
 * and checks them. */
#include "store/model_files.h"

#include "common/file.h"
#include "store/bundle.h"
#include "store/config_json.h"
#include "store/json.h"
#include "store/model_digest.h"
#include "store/model_files_light.h"
#include "store/model_finite.h"
#include "store/model_folder.h"
#include "store/tensor_names.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const bs_tokenizer_file_names[BS_TOKENIZER_FILES] = {
    [BS_TOKENIZER_JSON] = "tokenizer.json",
    [BS_TOKENIZER_CONFIG] = "tokenizer_config.json",
    [BS_TOKENIZER_VOCABULARY] = "vocab.txt",
    [BS_TOKENIZER_SPECIAL] = "special_tokens_map.json",
    [BS_TOKENIZER_ADDED] = "added_tokens.json",
};

/* Those above, then these. A tokenizer alone needs those before the weights. */
enum { CONFIG = BS_TOKENIZER_FILES, BS_JSON, WEIGHTS, MEMBERS };

static const char weights_name[] = "model.safetensors";

/* A folder that is replaced while its files are opened is opened again, after a moment
 * (in microseconds) in which there may be none. */
enum { TRIES = 20, MOMENT = 10000 };

struct bs_model_files {
    char *path;
    struct bs_bundle *bundle; /* NULL: a directory */
    int folder;               /* held while it is opened, else -1 */
    struct bs_span members[MEMBERS];
    struct bs_tensors *tensors;
    struct bs_model_config config;
    char digest[65]; /* empty until it is asked for */
};

static const char *member_name(int member) {
    if (member == CONFIG)
        return "config.json";
    if (member == WEIGHTS)
        return weights_name;
    return member == BS_JSON ? "bs.json" : bs_tokenizer_file_names[member];
}

const char *bs_model_file_name(int i) {
    return i < MEMBERS ? member_name(i) : NULL;
}

static bool has_file(const char *directory, const char *name) {
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/%s", directory, name);
    return size < (int)sizeof path && bs_file_exists(path);
}

static bool is_model_directory(const char *path) {
    return has_file(path, "config.json") || has_file(path, weights_name) ||
           has_file(path, "tokenizer.json") || has_file(path, "vocab.txt");
}

/* RUN/best, with the link read once: training may replace it while files are opened. */
static char *follow_link(const char *run, const char *name) {
    char target[PATH_MAX];
    char *path = bs_path_join(run, name);
    ssize_t size = path ? readlink(path, target, sizeof target - 1) : -1;
    if (size <= 0)
        return path;
    target[size] = '\0';
    if (strchr(target, '/'))
        return path;
    free(path);
    return bs_path_join(run, target);
}

static bool has_link(const char *run, const char *name) {
    char path[PATH_MAX];
    struct stat status;
    int size = snprintf(path, sizeof path, "%s/%s", run, name);
    return size < (int)sizeof path && lstat(path, &status) == 0;
}

/* A training folder stands for its best checkpoint, else its last. A best one that is
 * lost is not replaced by another model. */
static int resolve(const char *path, char **resolved, struct bs_error *error) {
    const char *link = NULL;
    if (bs_is_directory(path) && !is_model_directory(path))
        link = has_link(path, "best") ? "best" : has_link(path, "last") ? "last" : NULL;
    *resolved = link ? follow_link(path, link) : strdup(path);
    if (!*resolved)
        return bs_fail_memory(error, strlen(path), path);
    if (link && !bs_file_exists(*resolved))
        return bs_fail(error, BS_DATA,
                       "%s: is gone, to which %s/%s points; put it back, or name "
                       "another checkpoint with -m",
                       *resolved, path, link);
    return BS_OK;
}

/* Files that cannot be seen would be said to be missing, or no bundle. */
static int check_access(const char *path, struct bs_error *error) {
    if (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR))
        return bs_fail(error, BS_DATA, "%s: no such model: neither a folder nor a bundle",
                       path);
    if (access(path, bs_is_directory(path) ? X_OK : R_OK))
        return bs_fail_errno(error, BS_DATA, "%s: cannot open", path);
    return BS_OK;
}

static int open_folder(struct bs_model_files *files, int count, struct bs_error *error) {
    if (bs_model_folder_open(files->path, &files->folder, error))
        return error->code;
    for (int i = 0; i < count; i++)
        if (bs_model_folder_map(files->folder, files->path, member_name(i),
                                &files->members[i], error))
            return error->code;
    return BS_OK;
}

static int open_bundle(struct bs_model_files *files, struct bs_error *error) {
    if (!bs_bundle_is(files->path))
        return bs_fail(error, BS_DATA,
                       "%s: neither a model directory nor a bundle of bs-export",
                       files->path);
    if (bs_bundle_open(&files->bundle, files->path, error))
        return error->code;
    for (int i = 0; i < MEMBERS; i++)
        files->members[i] = bs_bundle_get(files->bundle, member_name(i));
    return BS_OK;
}

/* The first `count` of them. */
static int open_members(struct bs_model_files *files, const char *path, int count,
                        struct bs_error *error) {
    if (resolve(path, &files->path, error) || check_access(files->path, error))
        return error->code;
    return bs_is_directory(files->path) ? open_folder(files, count, error)
                                        : open_bundle(files, error);
}

/* Then the old one may have been removed, file by file, while its files were opened. */
static bool was_replaced(const struct bs_model_files *files, const char *path) {
    struct bs_error ignored;
    char *now = NULL;
    if (files->folder < 0)
        return false;
    bool same =
        !resolve(path, &now, &ignored) && bs_model_folder_is_at(files->folder, now);
    free(now);
    return !same;
}

static int open_once(struct bs_model_files **result, const char *path, int count,
                     bool *again, struct bs_error *error) {
    struct bs_model_files *files = bs_alloc(1, sizeof *files);
    if (!files)
        return bs_fail_memory(error, sizeof *files, path);
    files->folder = -1;
    int code = open_members(files, path, count, error);
    *again = was_replaced(files, path);
    if (files->folder >= 0)
        close(files->folder);
    files->folder = -1;
    if (code || *again)
        bs_model_files_close(files);
    else
        *result = files;
    return code;
}

static int open_files(struct bs_model_files **result, const char *path, int count,
                      struct bs_error *error) {
    for (int i = 0; i < TRIES; i++) {
        bool again = false;
        int code = open_once(result, path, count, &again, error);
        if (!again)
            return code;
        usleep(MOMENT);
    }
    return bs_fail(error, BS_DATA,
                   "%s: is replaced again and again while it is opened; try again when "
                   "it stays",
                   path);
}

/* Of a file, for messages; to be freed. */
static char *path_of(const struct bs_model_files *files, const char *name) {
    return files->bundle ? strdup(files->path) : bs_path_join(files->path, name);
}

static int refuse_missing_weights(const char *path, struct bs_error *error) {
    if (has_file(path, "pytorch_model.bin"))
        return bs_fail(error, BS_DATA,
                       "%s: has only pytorch_model.bin, which cannot be read safely; "
                       "convert it once, in Python: "
                       "AutoModel.from_pretrained(DIR).save_pretrained(DIR)",
                       path);
    if (has_file(path, "model.safetensors.index.json"))
        return bs_fail(error, BS_DATA,
                       "%s: its weights are split over several files; save them again as "
                       "one model.safetensors",
                       path);
    return bs_fail(error, BS_DATA, "%s: model.safetensors is missing", path);
}

static int open_weights(struct bs_model_files *files, struct bs_error *error) {
    if (!files->bundle && !files->members[WEIGHTS].data)
        return refuse_missing_weights(files->path, error);
    char *path = path_of(files, weights_name);
    if (!path)
        return bs_fail_memory(error, strlen(files->path), files->path);
    int code =
        bs_tensors_parse_mapped(&files->tensors, files->members[WEIGHTS], path, error);
    free(path);
    return code;
}

static int read_config(struct bs_model_files *files, struct bs_error *error) {
    bool head = bs_tensor_find_canonical(files->tensors, "classifier.weight") ||
                bs_tensor_find_canonical(files->tensors, "classifier.bias");
    char *path = bs_path_join(files->path, "config.json");
    if (!path)
        return bs_fail_memory(error, strlen(files->path), files->path);
    int code = bs_config_parse(&files->config, files->members[CONFIG], head, path, error);
    free(path);
    return code;
}

static int open_all(struct bs_model_files *files, struct bs_error *error) {
    if (!files->members[CONFIG].data)
        return bs_fail(error, BS_DATA,
                       "%s: config.json is missing: a model directory has config.json, "
                       "model.safetensors and tokenizer.json or vocab.txt",
                       files->path);
    if (open_weights(files, error) || read_config(files, error))
        return error->code;
    return bs_tensor_names_check(files->tensors, &files->config, files->path, error);
}

int bs_model_files_open(struct bs_model_files **result, const char *path,
                        struct bs_error *error) {
    struct bs_model_files *files = NULL;
    if (open_files(&files, path, MEMBERS, error))
        return error->code;
    if (open_all(files, error)) {
        bs_model_files_close(files);
        return error->code;
    }
    *result = files;
    return BS_OK;
}

void bs_model_files_close(struct bs_model_files *files) {
    if (!files)
        return;
    bs_tensors_close(files->tensors);
    bs_model_config_free(&files->config);
    for (int i = 0; !files->bundle && i < MEMBERS; i++)
        if (files->members[i].size > 0)
            bs_file_unmap(files->members[i]);
    bs_bundle_close(files->bundle);
    free(files->path);
    free(files);
}

const char *bs_model_files_path(const struct bs_model_files *files) {
    return files->path;
}

const struct bs_model_config *bs_model_files_config(const struct bs_model_files *files) {
    return &files->config;
}

const struct bs_tensors *bs_model_files_tensors(const struct bs_model_files *files) {
    return files->tensors;
}

bool bs_model_files_are_int8(const struct bs_model_files *files) {
    struct bs_tensor_spec spec;
    for (int64_t i = 0; i < bs_tensor_spec_count(&files->config); i++) {
        bs_tensor_spec_get(&files->config, i, &spec);
        const struct bs_tensor *tensor =
            bs_tensor_find_canonical(files->tensors, spec.name);
        if (tensor && tensor->scales)
            return true;
    }
    return false;
}

struct bs_span bs_model_files_tokenizer_file(const struct bs_model_files *files,
                                             enum bs_tokenizer_file which) {
    return files->members[which];
}

struct bs_span bs_model_files_config_json(const struct bs_model_files *files) {
    return files->members[CONFIG];
}

struct bs_span bs_model_files_bs_json(const struct bs_model_files *files) {
    return files->members[BS_JSON];
}

/* No tool looks into it, so nobody else would see. */
static int check_bs_json(const struct bs_model_files *files, struct bs_error *error) {
    json_t *object = NULL;
    if (!files->members[BS_JSON].data)
        return BS_OK;
    char *path = bs_path_join(files->path, member_name(BS_JSON));
    if (!path)
        return bs_fail_memory(error, strlen(files->path), files->path);
    int code = bs_json_object_as_reals(&object, files->members[BS_JSON], path, error);
    json_decref(object);
    free(path);
    return code;
}

static int check_weights(const struct bs_model_files *files, struct bs_error *error) {
    char *path = path_of(files, weights_name);
    if (!path)
        return bs_fail_memory(error, strlen(files->path), files->path);
    int code = bs_model_check_finite(&files->config, files->tensors, path, error);
    free(path);
    return code;
}

int bs_model_files_verify(const struct bs_model_files *files, struct bs_error *error) {
    if ((files->bundle && bs_bundle_verify(files->bundle, error)) ||
        check_bs_json(files, error))
        return error->code;
    return check_weights(files, error);
}

int bs_model_files_digest(struct bs_model_files *files, const char **digest,
                          struct bs_error *error) {
    if (files->digest[0] == '\0' &&
        bs_model_digest(&files->config, files->tensors, files->digest, error))
        return error->code;
    *digest = files->digest;
    return BS_OK;
}

/* max_position_embeddings as far as it can be had, else 0: tokenizing needs no BERT. */
static int max_positions(struct bs_span json, int64_t *positions,
                         struct bs_error *error) {
    json_t *config;
    *positions = 0;
    if (!json.data)
        return BS_OK;
    int code = bs_json_object(&config, json, "config.json", error);
    if (code)
        return code == BS_RESOURCE ? code : BS_OK;
    int64_t value =
        json_integer_value(json_object_get(config, "max_position_embeddings"));
    json_decref(config);
    *positions = value > 0 ? value : 0;
    return BS_OK;
}

int bs_model_files_open_tokenizer(struct bs_model_files **result, const char *path,
                                  int64_t *positions, struct bs_error *error) {
    struct bs_model_files *files;
    if (open_files(&files, path, WEIGHTS, error))
        return error->code;
    if (max_positions(files->members[CONFIG], positions, error)) {
        bs_model_files_close(files);
        return error->code;
    }
    *result = files;
    return BS_OK;
}
