/*
 * What this process itself writes, so that a folder that is read can be read without it:
 * standard output and error, outputs until they are complete, and what they replace.
 *
 * A mark belongs to whoever writes, who keeps it in place from bs_own_file_mark to
 * bs_own_file_unmark. Any thread may call.
 */
#ifndef BS_COMMON_OWN_FILES_H
#define BS_COMMON_OWN_FILES_H

#include <stdbool.h>
#include <sys/stat.h>

struct bs_own_file {
    dev_t device;
    ino_t inode;
    struct bs_own_file *next;
    bool marked;
};

/* A file or a folder. What is marked already stays what it is. */
void bs_own_file_mark(struct bs_own_file *own, const struct stat *file);
/* What is not marked is fine. */
void bs_own_file_unmark(struct bs_own_file *own);

bool bs_own_file_is(const struct stat *file);

#endif
