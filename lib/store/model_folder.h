/* A model's folder, held while its files are opened: all of them come from this one, also
 * if another takes its name meanwhile. */
#ifndef BS_STORE_MODEL_FOLDER_H
#define BS_STORE_MODEL_FOLDER_H

#include "common/buffer.h"

#include <stdbool.h>

/* The caller closes the descriptor, which needs no permission to list the folder. */
int bs_model_folder_open(const char *path, int *folder,
                         struct bs_error *error) BS_MUST_CHECK;

/* Whether the path still leads to it. */
bool bs_model_folder_is_at(int folder, const char *path);

/* A read-only mapping of one of its files, for bs_file_unmap; {NULL, 0} if it is not
 * there, {"", 0}, which needs none, if it is empty. `path`, the folder's, is for
 * messages. */
int bs_model_folder_map(int folder, const char *path, const char *name,
                        struct bs_span *bytes, struct bs_error *error) BS_MUST_CHECK;

#endif
