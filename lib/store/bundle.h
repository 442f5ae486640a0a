/*
 * A bundle: the files of a model in one file.
 *
 *     header   "bsbundle", u32 version (1), u32 sections, u64 file size,
 *              u32 CRC-32 of the section table, u32 CRC-32 of the 28 bytes before it
 *     table    128 bytes a section: name (96, zero-padded), u64 offset, u64 size,
 *              u32 CRC-32 of its bytes, 4 zero bytes, 8 zero bytes
 *     sections at multiples of 64, in the order of the table, zeros between
 *
 * Numbers are little-endian. Sections are called as in a model directory: config.json,
 * bs.json, the tokenizer files, and model.safetensors with canonical fp32 tensors. Names
 * "packed/LIBRARY/PRECISION/KERNEL" are kept for weights in a back end's own layout; a
 * reader skips sections that it does not know. Header, table and all sections but the
 * weights are checked when a bundle is opened, the weights by bs_bundle_verify.
 */
#ifndef BS_STORE_BUNDLE_H
#define BS_STORE_BUNDLE_H

#include "common/buffer.h"

enum { BS_BUNDLE_NAME_SIZE = 96, BS_BUNDLE_MAX_SECTIONS = 4096 };

struct bs_bundle;

/* True if the file begins as a bundle does. */
bool bs_bundle_is(const char *path);

/* Maps the file. BS_DATA says what is wrong with it. `path` is copied. */
int bs_bundle_open(struct bs_bundle **bundle, const char *path,
                   struct bs_error *error) BS_MUST_CHECK;
void bs_bundle_close(struct bs_bundle *bundle);

/* The bytes of a section, as long as the bundle is open; data NULL: not there. */
struct bs_span bs_bundle_get(const struct bs_bundle *bundle, const char *name);

/* Compares the checksum of every section; BS_DATA names the first that is damaged. */
int bs_bundle_verify(const struct bs_bundle *bundle,
                     struct bs_error *error) BS_MUST_CHECK;

/* A section to be written: its bytes in pieces, borrowed. */
struct bs_bundle_part {
    const char *name;
    const struct bs_span *spans;
    size_t n_spans;
};

/* Writes a bundle, whole or not at all (see bs_output). */
int bs_bundle_write(const char *path, const struct bs_bundle_part *parts, size_t count,
                    struct bs_error *error) BS_MUST_CHECK;

#endif
