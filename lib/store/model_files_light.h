/* A model opened for its tokenizer alone; only for the room itself. */
#ifndef BS_STORE_MODEL_FILES_LIGHT_H
#define BS_STORE_MODEL_FILES_LIGHT_H

#include "store/model_files.h"

/* Opens without looking at weights or checking the configuration: of the result only
 * the path and the tokenizer files may be asked for. `positions` gets
 * max_position_embeddings, or 0. */
int bs_model_files_open_tokenizer(struct bs_model_files **files, const char *path,
                                  int64_t *positions,
                                  struct bs_error *error) BS_MUST_CHECK;

#endif
