/*
 * Msgpack, looked at where it stands: types, bounds, depth and spans, whatever lengths
 * it claims. Nothing is allocated and nothing recurses.
 */
#ifndef BS_FORMAT_MSGPACK_SCAN_H
#define BS_FORMAT_MSGPACK_SCAN_H

#include "common/buffer.h"

enum { BS_MSGPACK_DEPTH = 64, BS_MSGPACK_EXT_JSON = 'J' };

enum bs_msgpack_type {
    BS_MSGPACK_NIL,
    BS_MSGPACK_BOOLEAN,
    BS_MSGPACK_UNSIGNED, /* not negative */
    BS_MSGPACK_NEGATIVE,
    BS_MSGPACK_REAL,
    BS_MSGPACK_STRING,
    BS_MSGPACK_BINARY,
    BS_MSGPACK_EXT,
    BS_MSGPACK_ARRAY,
    BS_MSGPACK_MAP,
    BS_MSGPACK_INVALID, /* the byte 0xC1 */
};

/* The beginning of a value. */
struct bs_msgpack_head {
    enum bs_msgpack_type type;
    unsigned size;  /* of the head: the whole value, except for what `count` counts */
    int8_t ext;     /* type of an EXT */
    uint64_t count; /* bytes of a STRING, BINARY or EXT, elements of an ARRAY, pairs of
                       a MAP; 0 otherwise */
    union {
        uint64_t number; /* UNSIGNED, BOOLEAN */
        int64_t negative;
        double real;
    };
};

/* Reads a head; false if `size` bytes are too few. */
bool bs_msgpack_head(const char *data, size_t size,
                     struct bs_msgpack_head *head) BS_MUST_CHECK;

enum bs_msgpack_found {
    BS_MSGPACK_DONE,     /* one value ends at `at` */
    BS_MSGPACK_MORE,     /* more bytes are needed */
    BS_MSGPACK_DAMAGED,  /* the byte 0xC1 */
    BS_MSGPACK_TOO_DEEP, /* arrays and maps nest deeper than BS_MSGPACK_DEPTH */
};

/* A walk over one value that can pause where the bytes end and go on when there are
 * more. All-zero begins one (`open` need not be zero). */
struct bs_msgpack_scan {
    size_t at;     /* bytes walked over; the caller may subtract what it lets go of */
    uint64_t skip; /* bytes of a string still to come */
    bool begun;
    unsigned depth;
    uint64_t open[BS_MSGPACK_DEPTH]; /* values still to come at each level */
};

static inline void bs_msgpack_scan_begin(struct bs_msgpack_scan *scan) {
    scan->at = 0;
    scan->skip = 0;
    scan->begun = false;
    scan->depth = 0;
}

/* `data` begins where the scan began (less what was subtracted from `at`). */
enum bs_msgpack_found bs_msgpack_scan(struct bs_msgpack_scan *scan,
                                      struct bs_span data) BS_MUST_CHECK;

/* Takes one value off the front of `data`; false if there is none whole. */
bool bs_msgpack_take(struct bs_span *data, struct bs_span *value) BS_MUST_CHECK;

/* Takes a head off the front of `data`, and the bytes of a string, binary or ext into
 * `bytes`. */
bool bs_msgpack_enter(struct bs_span *data, struct bs_msgpack_head *head,
                      struct bs_span *bytes) BS_MUST_CHECK;

#endif
