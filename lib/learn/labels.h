/*
 * The classes of a task: label names and their indices.
 *
 * Either the names are given (`bs_labels_fix`), or they are collected one by one and
 * put in the order of their bytes when all have been seen (`bs_labels_sort`).
 */
#ifndef BS_LEARN_LABELS_H
#define BS_LEARN_LABELS_H

#include "common/buffer.h"

struct bs_labels {
    char **names; /* [count], by index */
    int64_t count;
    bool fixed;      /* a name that is not there is refused, not added */
    int64_t *sorted; /* indices in the order of their names' bytes */
    int64_t capacity;
};

/* The index of a name, which is added unless the labels are fixed. BS_REJECTED if it is
 * unknown, empty, or no text (NUL, invalid UTF-8); BS_DATA for a new label with the name
 * of no prediction (BS_ABSTAIN_NAME). */
int bs_labels_index(struct bs_labels *labels, struct bs_span name, int32_t *index,
                    struct bs_error *error) BS_MUST_CHECK;

/* -1 if there is none of that name. */
int32_t bs_labels_find(const struct bs_labels *labels, struct bs_span name);

/* Takes these names, in this order; none: labels stay open. BS_USAGE for a name that
 * stands there twice or cannot be used. */
int bs_labels_fix(struct bs_labels *labels, char *const *names, size_t count,
                  struct bs_error *error) BS_MUST_CHECK;

/* Gives the collected names new indices and fixes them: those of `preferred`, if it
 * holds the same names in any order (a head that exists already), else the order of
 * their bytes. `*moved` gets the new index of every old one, to be freed. */
int bs_labels_order(struct bs_labels *labels, char *const *preferred, int64_t n_preferred,
                    int32_t **moved, struct bs_error *error) BS_MUST_CHECK;

/* Whether both hold the same names, in any order. */
bool bs_labels_same(const struct bs_labels *labels, char *const *names, int64_t count);

void bs_labels_free(struct bs_labels *labels); /* leaves it empty */

#endif
