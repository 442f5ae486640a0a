/*
 * Rejected records: the first ten are described on stderr, all of them are kept in
 * --rejects FILE (JSON lines: file, record, reason, raw), --strict stops at the first.
 * Safe for use by several threads.
 */
#ifndef BS_FORMAT_REJECTS_H
#define BS_FORMAT_REJECTS_H

#include "record/record.h"

struct bs_rejects;

/* `path` NULL: no file. */
int bs_rejects_open(struct bs_rejects **rejects, const char *path, bool strict,
                    struct bs_error *error) BS_MUST_CHECK;

/* Takes note of a record and the reason in `error`. BS_OK: go on. Otherwise --strict
 * (BS_DATA, the message names the record) or a failed write. */
int bs_rejects_add(struct bs_rejects *rejects, const struct bs_record *record,
                   struct bs_error *error) BS_MUST_CHECK;

int64_t bs_rejects_count(const struct bs_rejects *rejects);

/* Says how many there were if more than ten, completes the file and frees. Returns
 * BS_OK, BS_REJECTED if there were any, or the failure. */
int bs_rejects_close(struct bs_rejects *rejects, struct bs_error *error) BS_MUST_CHECK;

/* Frees without completing the file: for ends with status 4, 5, 6 or a signal. */
void bs_rejects_abandon(struct bs_rejects *rejects);

#endif
