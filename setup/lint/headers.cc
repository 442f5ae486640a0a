// The headers that a CUDA back end includes must be C++17 too; `make lint` looks.
#include "common/error.h"
#include "common/random.h"
#include "compute/backend.h"
#include "compute/bf16.h"
#include "compute/step.h"
