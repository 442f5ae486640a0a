/*
 * Model directories, written: whole or not at all.
 *
 * Everything is written and synced in a fresh folder "PATH.partial-XXXXXX" beside the
 * final name; commit renames it. Further files (an optimizer's state) are put into that
 * folder between begin and commit:
 *
 *     bs_model_write_begin(&writing, "run/checkpoint-500", &model, error);
 *     bs_model_write_file(writing, "trainer.json", bytes, error);
 *     bs_tensors_write(path below bs_model_write_folder(writing), ...);
 *     bs_model_write_commit(writing, error);
 */
#ifndef BS_STORE_MODEL_WRITE_H
#define BS_STORE_MODEL_WRITE_H

#include "store/model_files.h"

/* What is to be written. All of it is borrowed. */
struct bs_model_parts {
    const struct bs_model_config *config; /* its labels go to config.json */
    const struct bs_model_files *base;    /* other keys of config.json, tokenizer files */
    const struct bs_tensor *tensors;      /* under canonical names; see tensor_names.h */
    size_t n_tensors;
    struct bs_span bs_json; /* bs.json; data NULL: none */
    bool keep_types;        /* a bundle's tensors too; else they become fp32 */
};

struct bs_model_writing;

/* Makes the folder and writes config.json, model.safetensors, the base's tokenizer
 * files and bs.json. Parent folders must be there. On failure nothing is left. */
int bs_model_write_begin(struct bs_model_writing **writing, const char *path,
                         const struct bs_model_parts *parts,
                         struct bs_error *error) BS_MUST_CHECK;

/* The temporary folder (or bundle file); files put there must be synced by whoever writes
 * them (bs_file_write, bs_tensors_write and bs_output do). */
const char *bs_model_write_folder(const struct bs_model_writing *writing);

/* One more file in the folder. */
int bs_model_write_file(struct bs_model_writing *writing, const char *name,
                        struct bs_span bytes, struct bs_error *error) BS_MUST_CHECK;

/* Gives the folder its name; a directory of that name is replaced and removed (for
 * files: see bs_output). Frees `writing`, also on failure, when nothing is left. What
 * replaces something takes its access, as it was at bs_model_write_begin; files in a
 * folder do not. */
int bs_model_write_commit(struct bs_model_writing *writing,
                          struct bs_error *error) BS_MUST_CHECK;
void bs_model_write_abandon(struct bs_model_writing *writing);

/* The same with one file, a bundle (bundle.h), instead of a folder: tensors of any type
 * become fp32, or keep it. bs_model_write_file is not for bundles. */
int bs_model_write_begin_bundle(struct bs_model_writing **writing, const char *path,
                                const struct bs_model_parts *parts,
                                struct bs_error *error) BS_MUST_CHECK;

/* begin and commit. */
int bs_model_write(const char *path, const struct bs_model_parts *parts,
                   struct bs_error *error) BS_MUST_CHECK;

/* How many characters of `name` are the final name, if a killed process leaves things
 * under such a name ("FINAL.partial-XXXXXX"); else 0. */
size_t bs_model_write_leftover(const char *name);
/* Removes what killed processes left in `directory` ("*.partial-XXXXXX"). Only for
 * folders that the caller has locked. */
int bs_model_write_sweep(const char *directory, struct bs_error *error) BS_MUST_CHECK;

#endif
