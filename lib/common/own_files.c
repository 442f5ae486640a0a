/* A list of device and inode numbers. */
#include "common/own_files.h"

#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct bs_own_file *first;

void bs_own_file_mark(struct bs_own_file *own, const struct stat *file) {
    if (own->marked)
        return;
    pthread_mutex_lock(&lock);
    *own = (struct bs_own_file){file->st_dev, file->st_ino, first, true};
    first = own;
    pthread_mutex_unlock(&lock);
}

void bs_own_file_unmark(struct bs_own_file *own) {
    if (!own->marked)
        return;
    pthread_mutex_lock(&lock);
    struct bs_own_file **place = &first;
    while (*place != own)
        place = &(*place)->next;
    *place = own->next;
    pthread_mutex_unlock(&lock);
    own->marked = false;
}

static bool is_open_as(int fd, const struct stat *file) {
    struct stat open;
    return !fstat(fd, &open) && open.st_dev == file->st_dev &&
           open.st_ino == file->st_ino;
}

bool bs_own_file_is(const struct stat *file) {
    if (is_open_as(STDOUT_FILENO, file) || is_open_as(STDERR_FILENO, file))
        return true;
    pthread_mutex_lock(&lock);
    const struct bs_own_file *own = first;
    while (own && (own->device != file->st_dev || own->inode != file->st_ino))
        own = own->next;
    pthread_mutex_unlock(&lock);
    return own != NULL;
}
