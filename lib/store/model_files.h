/*
 * Model directories and bundles, read: Hugging Face's layout, tolerantly.
 *
 * `bs_model_files_open` takes a model directory, a training folder (its `best`, else
 * its `last`), a checkpoint, or a bundle file, checks all of it that can be checked
 * without reading the weights, and maps the tensors. All files are of one folder, also if
 * another takes its name meanwhile. Spans and names are owned by the object and live
 * until bs_model_files_close.
 */
#ifndef BS_STORE_MODEL_FILES_H
#define BS_STORE_MODEL_FILES_H

#include "store/model_config.h"
#include "store/tensors.h"
#include "text/tokenizer.h"

struct bs_model_files;

int bs_model_files_open(struct bs_model_files **files, const char *path,
                        struct bs_error *error) BS_MUST_CHECK;
void bs_model_files_close(struct bs_model_files *files);

/* The path that was opened in the end (RUN/best resolved). */
const char *bs_model_files_path(const struct bs_model_files *files);
const struct bs_model_config *bs_model_files_config(const struct bs_model_files *files);
const struct bs_tensors *bs_model_files_tensors(const struct bs_model_files *files);

/* Whether any of the model's matrices is scaled int8, as bs-export --to int8 makes them.
 */
bool bs_model_files_are_int8(const struct bs_model_files *files);

/* SHA-256 over the configuration and the tensors it implies (as fp32), as hexadecimal
 * digits: names a base model in bs.json. A directory and its bundle have the same
 * digest. Reads all weights on the first call. */
int bs_model_files_digest(struct bs_model_files *files, const char **digest,
                          struct bs_error *error) BS_MUST_CHECK;

/* The files that say how to tokenize, byte for byte, to be carried along. `data` is
 * NULL for those that are not there. */
enum bs_tokenizer_file {
    BS_TOKENIZER_JSON,       /* tokenizer.json */
    BS_TOKENIZER_CONFIG,     /* tokenizer_config.json */
    BS_TOKENIZER_VOCABULARY, /* vocab.txt */
    BS_TOKENIZER_SPECIAL,    /* special_tokens_map.json */
    BS_TOKENIZER_ADDED,      /* added_tokens.json */
    BS_TOKENIZER_FILES
};
extern const char *const bs_tokenizer_file_names[BS_TOKENIZER_FILES];

/* Of the files of a model directory the i-th name; NULL behind the last. */
const char *bs_model_file_name(int i);
struct bs_span bs_model_files_tokenizer_file(const struct bs_model_files *files,
                                             enum bs_tokenizer_file which);
struct bs_span bs_model_files_config_json(const struct bs_model_files *files);
/* bs.json; data NULL if there is none. */
struct bs_span bs_model_files_bs_json(const struct bs_model_files *files);

/* Reads all of a model but the tokenizer, which bs_model_files_tokenizer reads: a
 * bundle's checksums must fit, bs.json be JSON, every weight a finite number. BS_DATA
 * names the section, the file or the tensor that is damaged. A directory has no
 * checksums: a changed number passes. */
int bs_model_files_verify(const struct bs_model_files *files,
                          struct bs_error *error) BS_MUST_CHECK;

/* A tokenizer from tokenizer.json if present, else from vocab.txt and the files that go
 * with it. The caller frees it. For a directory without weights see
 * bs_tokenizer_load. */
int bs_model_files_tokenizer(const struct bs_model_files *files,
                             struct bs_tokenizer **tokenizer,
                             struct bs_error *error) BS_MUST_CHECK;

/* Only the tokenizer of a model directory, training folder or bundle, without looking
 * at its weights; `max_positions` gets max_position_embeddings, or 0 if config.json
 * does not say. */
int bs_tokenizer_load(const char *path, struct bs_tokenizer **tokenizer,
                      int64_t *max_positions, struct bs_error *error) BS_MUST_CHECK;

#endif
