/* Inputs of the fuzz targets: choices, standard input, files in memory. */
#include "fuzz/fuzz.h"

#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES = 32, LARGEST_PIECE = 256 };

struct bs_span fuzz_begin(const uint8_t *data, size_t size) {
    bs_log_setup("fuzz", true, false);
    return bs_span((const char *)data, size < FUZZ_LARGEST ? size : FUZZ_LARGEST);
}

unsigned fuzz_choose(struct bs_span *input, unsigned n) {
    if (input->size == 0)
        return 0;
    unsigned choice = (uint8_t)*input->data % n;
    *input = bs_span(input->data + 1, input->size - 1);
    return choice;
}

struct bs_span fuzz_part(struct bs_span *input) {
    const char *zero = input->size ? memchr(input->data, '\0', input->size) : NULL;
    size_t size = zero ? (size_t)(zero - input->data) : input->size;
    struct bs_span part = bs_span(input->data, size);
    size_t used = size + (zero != NULL);
    *input = bs_span(input->data + used, input->size - used);
    return part;
}

char *fuzz_string(struct bs_span *input) {
    char *string = bs_span_string(fuzz_part(input));
    fuzz_done(string != NULL);
    return string;
}

void fuzz_require(bool holds, const char *what) {
    if (holds)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

void fuzz_done(bool done) {
    fuzz_require(done, "out of memory");
}

/* A read gets one message and loses what it has no room for, hence small ones. */
static size_t message_size(size_t piece, int index) {
    return index < PIECES ? piece : LARGEST_PIECE;
}

static void feed_at_once(struct bs_span bytes) {
    int file = memfd_create("input", MFD_CLOEXEC);
    fuzz_require(file >= 0 &&
                     pwrite(file, bytes.data, bytes.size, 0) == (ssize_t)bytes.size &&
                     dup2(file, STDIN_FILENO) == STDIN_FILENO,
                 "no standard input");
    close(file);
}

static void feed_pieces(struct bs_span bytes, size_t piece) {
    int ends[2];
    fuzz_require(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), "no socket");
    for (int i = 0; bytes.size > 0; i++) {
        size_t size = message_size(piece, i);
        size = size < bytes.size ? size : bytes.size;
        fuzz_require(send(ends[1], bytes.data, size, MSG_DONTWAIT) == (ssize_t)size,
                     "cannot send");
        bytes = bs_span(bytes.data + size, bytes.size - size);
    }
    fuzz_require(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO, "no standard input");
    close(ends[0]);
    close(ends[1]);
}

void fuzz_feed(struct bs_span bytes, size_t piece) {
    if (piece)
        feed_pieces(bytes, piece);
    else
        feed_at_once(bytes);
}

const char *fuzz_file(struct bs_span bytes) {
    static int file = -1;
    static char path[64];
    if (file < 0)
        file = memfd_create("input", MFD_CLOEXEC);
    fuzz_require(!ftruncate(file, 0) &&
                     pwrite(file, bytes.data, bytes.size, 0) == (ssize_t)bytes.size,
                 "no file in memory");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return path;
}
