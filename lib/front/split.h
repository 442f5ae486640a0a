/*
 * Splits of data by content: which part a record belongs to depends on its text and a
 * seed alone, so not on order, format or what else is there, and equal texts stay
 * together.
 *
 * A text is normalised: runs of white space become one space, none at either end, and
 * letters become lower case, each on its own, in any script; what is not UTF-8 stays as
 * it is; for pairs a zero byte and the second text follow. Let
 * h be the first 8 bytes, little-endian, of SHA-256(seed as 8 bytes little-endian, then
 * the normalised text). The record belongs to the first part, in the order given, with
 * h < floor(2^64 * (sum of weights up to that part) / (sum of all weights)).
 */
#ifndef BS_FRONT_SPLIT_H
#define BS_FRONT_SPLIT_H

#include "common/buffer.h"

struct bs_split;

/* `parts`: "train=80,val=20"; names are not empty and differ, weights are positive
 * numbers up to 10^9 with at most six decimals; at most 64 parts. `part` must be one
 * of the names. BS_USAGE otherwise. */
int bs_split_new(struct bs_split **split, const char *parts, const char *part,
                 uint64_t seed, struct bs_error *error) BS_MUST_CHECK;
void bs_split_free(struct bs_split *split);

/* Whether a text (`text2` NULL) or a pair belongs to the part. Thread-safe. */
bool bs_split_has(const struct bs_split *split, struct bs_span text,
                  const struct bs_span *text2);

/* The place of its part in the list, from 0. */
size_t bs_split_part(const struct bs_split *split, struct bs_span text,
                     const struct bs_span *text2);

#endif
