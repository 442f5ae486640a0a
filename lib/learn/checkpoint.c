/* Saving a run, and going on from what was saved. */
#include "learn/run.h"

#include "common/hash.h"
#include "common/log.h"
#include "common/version.h"
#include "learn/identity.h"
#include "learn/table.h"
#include "store/model_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The report row of this very step, or nothing. */
static struct bs_span row_of_step(const struct run *run) {
    struct bs_span rows = bs_buffer_span(&run->state.rows);
    if (run->state.reported != run->state.step || rows.size == 0)
        return bs_span(NULL, 0);
    size_t begin = rows.size - 1;
    while (begin > 0 && rows.data[begin - 1] != '\n')
        begin--;
    return bs_span(rows.data + begin, rows.size - begin);
}

enum { CRC_PIECE = 1 << 20 }; /* of the file, in memory at once */

static int weights_crc(const char *folder, int64_t *crc, struct bs_error *error) {
    struct bs_span bytes;
    if (bs_file_map_in(folder, "model.safetensors", &bytes, error))
        return error->code;
    uint32_t sum = 0;
    for (size_t at = 0; at < bytes.size; at += CRC_PIECE) {
        size_t left = bytes.size - at;
        struct bs_span piece =
            bs_span(bytes.data + at, left < CRC_PIECE ? left : CRC_PIECE);
        sum = bs_crc32(sum, piece.data, piece.size);
        bs_file_forget(piece);
    }
    bs_file_unmap(bytes);
    *crc = sum;
    return BS_OK;
}

static int write_parts(struct run *run, const char *path, struct bs_span json,
                       const struct bs_model_tensors *tensors, struct bs_error *error) {
    struct bs_model_writing *writing;
    struct bs_model_parts parts = {
        .config = &run->config, .base = run->training->base, .bs_json = json};
    parts.tensors = bs_model_tensors_list(tensors, &parts.n_tensors);
    if (bs_model_write_begin(&writing, path, &parts, error))
        return error->code;
    const char *folder = bs_model_write_folder(writing);
    struct bs_train_state *state = &run->state;
    int code = weights_crc(folder, &state->weights_crc, error);
    if (state->best_step == state->step)
        state->best_crc = state->weights_crc;
    if (code || bs_train_state_write(state, run->model, folder, error)) {
        bs_model_write_abandon(writing);
        return error->code;
    }
    return bs_model_write_commit(writing, error);
}

/* The loss tells of weights a step later, and never of those that nothing asked for. */
static int check_weights(const struct bs_model_tensors *tensors, struct bs_error *error) {
    const char *name = bs_model_tensors_not_finite(tensors);
    char what[200];
    if (!name)
        return BS_OK;
    snprintf(what, sizeof what, "weights of %s are", name);
    return run_fail_not_finite(what, error);
}

static int write_checkpoint(struct run *run, const char *path, struct bs_error *error) {
    struct bs_buffer json = {0};
    struct bs_model_tensors *tensors = NULL;
    int code = BS_OK;
    if (!bs_identity_json(bs_buffer_span(&run->identity), "bs-train " BS_VERSION,
                          run->state.step, row_of_step(run), &json))
        code = bs_fail_memory(error, json.size, "bs.json");
    if (!code)
        code = bs_model_tensors_new(&tensors, run->model, error);
    if (!code)
        code = check_weights(tensors, error);
    if (!code)
        code = write_parts(run, path, bs_buffer_span(&json), tensors, error);
    bs_model_tensors_free(tensors);
    bs_buffer_free(&json);
    return code;
}

int run_save(struct run *run, struct bs_error *error) {
    const struct bs_run_folder *folder = run->training->folder;
    char *path = bs_run_folder_checkpoint(folder, run->state.step);
    if (!path)
        return bs_fail_memory(error, strlen(folder->path), "a path");
    int code = bs_run_folder_check(folder, error);
    if (!code)
        code = write_checkpoint(run, path, error);
    free(path);
    /* It may have gone away meanwhile, which is the better reason. */
    if (code == BS_RESOURCE && bs_run_folder_check(folder, error))
        return error->code;
    if (!code)
        code = bs_run_folder_settle(folder, run->state.step, run->state.best_step, error);
    if (!code)
        run->changed = false;
    return code;
}

int run_write_log(const struct run *run, struct bs_error *error) {
    struct bs_buffer text = {0};
    int code = BS_OK;
    if (!bs_buffer_append_span(&text, bs_span_of(bs_table_header)) ||
        !bs_buffer_append_span(&text, bs_buffer_span(&run->state.rows)))
        code = bs_fail_memory(error, run->state.rows.size, "the log");
    if (!code)
        code =
            bs_run_folder_write_log(run->training->folder, bs_buffer_span(&text), error);
    bs_buffer_free(&text);
    return code;
}

static int check_identity(const struct run *run, struct bs_error *error) {
    char difference[400];
    const char *path = run->training->folder->path;
    if (bs_identity_difference(bs_buffer_span(&run->state.identity),
                               bs_buffer_span(&run->identity), difference,
                               sizeof difference))
        return bs_fail(error, BS_USAGE,
                       "%s: holds a different run: %s; choose another folder, or "
                       "--restart to begin anew",
                       path, difference);
    const char *hardware = bs_device_info(run->training->device)->hardware;
    if (!run->state.finished && strcmp(run->state.hardware, hardware) != 0)
        bs_warn("%s: began on %s and goes on on %s: last digits will differ", path,
                run->state.hardware, hardware);
    return BS_OK;
}

static int load_last(struct run *run, const char *last, const struct bs_state_file *file,
                     struct bs_error *error) {
    struct bs_model_files *files;
    if (bs_model_files_open(&files, last, error))
        return error->code;
    int code = run_load(run, files, false, error);
    bs_model_files_close(files);
    if (code || bs_state_file_restore(file, run->model, error))
        return error->code;
    run_restart_loss(run, run->state.loss_sum, run->state.loss_count);
    if (run->state.loss_scale.scale > 0)
        bs_set_loss_scale(bs_pass_queue(run->pass), run->state.loss_scale);
    return BS_OK;
}

/* A model and, which a model need not have, bs.json. */
static int check_files(const char *path, struct bs_error *error) {
    struct bs_model_files *files;
    if (bs_model_files_open(&files, path, error))
        return error->code;
    bs_model_files_close(files);
    char *json = bs_path_join(path, "bs.json");
    if (!json)
        return bs_fail_memory(error, strlen(path), "a path");
    bool is_there = bs_file_exists(json);
    free(json);
    return is_there ? BS_OK : bs_fail(error, BS_DATA, "%s: bs.json is missing", path);
}

/* A checkpoint may have been lost or damaged since it was written. `crc`: what its
 * weights had; if not known, what they have. */
static int check_checkpoint(const char *path, int64_t *crc, struct bs_error *error) {
    struct bs_error why;
    int64_t found;
    int code = check_files(path, &why);
    if (code == BS_DATA)
        return bs_fail(error, code, "%s; put it back, or --restart begins the run anew",
                       why.text);
    if (code) {
        *error = why;
        return code;
    }
    if (weights_crc(path, &found, error))
        return error->code;
    if (*crc && found != *crc)
        return bs_fail(error, BS_DATA,
                       "%s/model.safetensors: damaged; put it back, or --restart begins "
                       "the run anew",
                       path);
    *crc = found;
    return BS_OK;
}

static int check_best(struct run *run, struct bs_error *error) {
    const struct bs_run_folder *folder = run->training->folder;
    if (run->state.best_step == 0)
        return BS_OK;
    char *path = bs_run_folder_checkpoint(folder, run->state.best_step);
    if (!path)
        return bs_fail_memory(error, strlen(folder->path), "a path");
    int code = check_checkpoint(path, &run->state.best_crc, error);
    free(path);
    return code;
}

/* What is called otherwise than the run left it would be taken for an old one. */
static int check_name(const struct run *run, const char *last, struct bs_error *error) {
    struct stat there, found;
    char *path = bs_run_folder_checkpoint(run->training->folder, run->state.step);
    if (!path)
        return bs_fail_memory(error, strlen(last), "a path");
    bool is_named = !stat(path, &there) && !stat(last, &found) &&
                    there.st_dev == found.st_dev && there.st_ino == found.st_ino;
    int code = is_named
                   ? BS_OK
                   : bs_fail(error, BS_DATA,
                             "%s: was saved as %s, and is not there; put it back, or "
                             "--restart begins the run anew",
                             last, path);
    free(path);
    return code;
}

static int resume_from(struct run *run, const char *last, struct bs_error *error) {
    const struct bs_run_folder *folder = run->training->folder;
    struct bs_state_file *file;
    if (bs_state_file_open(&file, last, &run->state, error))
        return error->code;
    int code = check_identity(run, error);
    if (!code)
        code = check_name(run, last, error);
    if (!code)
        code = check_checkpoint(last, &run->state.weights_crc, error);
    if (!code)
        code = check_best(run, error);
    if (!code)
        code = bs_run_folder_settle(folder, run->state.step, run->state.best_step, error);
    if (!code)
        code = run_write_log(run, error);
    if (!code && !run->state.finished)
        code = load_last(run, last, file, error);
    bs_state_file_close(file);
    return code;
}

int run_resume(struct run *run, struct bs_error *error) {
    char *path;
    int code = bs_run_folder_state(run->training->folder, &path, error);
    if (code)
        return code;
    code = resume_from(run, path, error);
    free(path);
    return code;
}
