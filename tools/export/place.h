/* Where an export may be put: what is there already, and what must not be replaced. */
#ifndef BS_TOOLS_EXPORT_PLACE_H
#define BS_TOOLS_EXPORT_PLACE_H

#include "common/error.h"

enum layout { NO_LAYOUT, HUGGING_FACE, BUNDLE, INT8 };

/*
 * Whether `output` can get an export of the model at `model`. BS_USAGE if it is the model
 * itself, a link, lies in a training run or is called as a file of a model's folder is;
 * if it is there and is of the other kind; if a folder holds what bs-export does not
 * write, or a file is no bundle. BS_RESOURCE if a folder cannot be read or is protected.
 */
int place_check(const char *output, enum layout layout, const char *model,
                struct bs_error *error) BS_MUST_CHECK;

#endif
