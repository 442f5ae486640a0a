/*
 * Back ends in libraries of their own, opened when they are first asked for, so that one
 * set of programs serves machines with and without the hardware.
 */
#ifndef BS_COMPUTE_LIBRARY_H
#define BS_COMPUTE_LIBRARY_H

#include "compute/backend.h"

/*
 * The back end `name` of libbs-NAME.so, beside the program, in ../lib/ from there, or
 * where the system looks; it exports `bs_backend_NAME`. Stays open for good. NULL, with
 * the reason, if there is none; BS_DEVICE. Safe from any thread.
 */
const struct bs_backend *bs_library_backend(const char *name, struct bs_error *error);

/* Whether NVIDIA's driver is on this system: without it no GPU is to be found, and the
 * library of its back end, with the half gigabyte that it needs, is not worth opening. */
bool bs_library_has_nvidia_driver(void);

#endif
