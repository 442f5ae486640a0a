/*
 * What the fuzz targets share. A target is one file with an LLVMFuzzerTestOneInput, which
 * libFuzzer calls (`make fuzz`), or replay.c once for each file of the target's corpus
 * (`make test`).
 *
 * An input begins with bytes that choose options; the rest is what is read. A target
 * fails as what it tests would: a sanitizer stops it, or `fuzz_require` does.
 */
#ifndef BS_TESTS_FUZZ_H
#define BS_TESTS_FUZZ_H

#include "format/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger inputs are cut. */
enum { FUZZ_LARGEST = 32 * 1024 };

/* Silences warnings and cuts what is too large: the first call of a target. */
struct bs_span fuzz_begin(const uint8_t *data, size_t size);

/* Takes a byte, which chooses one of `n`; 0 if there is none. */
unsigned fuzz_choose(struct bs_span *input, unsigned n);

/* Takes what stands before the next zero byte, and that byte; else all. */
struct bs_span fuzz_part(struct bs_span *input);

/* The same as a string, to be freed. */
char *fuzz_string(struct bs_span *input);

/* Stops the process unless `holds`. */
void fuzz_require(bool holds, const char *what);

/* For what can only fail without memory. */
void fuzz_done(bool done);

/* Makes `bytes` the standard input. The first reads get `piece` of them each, those
 * behind them more; 0: as many as they want. */
void fuzz_feed(struct bs_span bytes, size_t piece);

/* The path of a file in memory that holds `bytes`, until the next call. */
const char *fuzz_file(struct bs_span bytes);

/* Bytes that choose a reader's options; "00000000" is what bs does by default, but for
 * records of more than 1 MiB. */
enum { FUZZ_OPTIONS = 8 };

/*
 * Reads records of one format from what is left of the input, behind FUZZ_OPTIONS
 * bytes that choose the reader's options. Each record is asked for all that bs knows and
 * written in every format; what was written as JSON or msgpack must be read again without
 * damage.
 */
void fuzz_records(enum bs_format format, struct bs_span input);

/* A stream of `count` msgpack records, to be freed. */
struct bs_buffer fuzz_stream(struct bs_span records, uint64_t count);

#endif
