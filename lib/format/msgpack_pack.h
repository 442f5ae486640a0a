/*
 * The door to msgpack-c: packing values, and packing and unpacking the arrays of a
 * stream that are no records. What is unpacked must have passed the scanner.
 */
#ifndef BS_FORMAT_MSGPACK_PACK_H
#define BS_FORMAT_MSGPACK_PACK_H

#include "format/stream_header.h"

/* Each appends one value (or the head of one) in its shortest form; false without
 * memory. Sizes and counts must be below 2^32. */
bool bs_pack_nil(struct bs_buffer *bytes) BS_MUST_CHECK;
bool bs_pack_boolean(struct bs_buffer *bytes, bool value) BS_MUST_CHECK;
bool bs_pack_integer(struct bs_buffer *bytes, int64_t value) BS_MUST_CHECK;
bool bs_pack_unsigned(struct bs_buffer *bytes, uint64_t value) BS_MUST_CHECK;
bool bs_pack_real(struct bs_buffer *bytes, double value) BS_MUST_CHECK;
bool bs_pack_string(struct bs_buffer *bytes, struct bs_span text) BS_MUST_CHECK;
bool bs_pack_ext(struct bs_buffer *bytes, int8_t type, struct bs_span data) BS_MUST_CHECK;
bool bs_pack_array(struct bs_buffer *bytes, size_t count) BS_MUST_CHECK;
bool bs_pack_map(struct bs_buffer *bytes, size_t count) BS_MUST_CHECK;
bool bs_pack_ids(struct bs_buffer *bytes, const int32_t *ids, size_t count) BS_MUST_CHECK;

/* ["bs", {...}] */
bool bs_pack_header(struct bs_buffer *bytes,
                    const struct bs_stream_header *header) BS_MUST_CHECK;

/* [word, records, crc] */
bool bs_pack_check(struct bs_buffer *bytes, const char *word, uint64_t records,
                   uint32_t crc) BS_MUST_CHECK;

struct bs_control {
    enum { BS_CONTROL_HEADER, BS_CONTROL_CHECK, BS_CONTROL_END } kind;
    uint64_t records, crc;
};

/* Unpacks such an array; a header goes to `header` (all-zero before; free it after).
 * BS_DATA says what is wrong, without the file's name; or BS_RESOURCE. */
int bs_unpack_control(struct bs_span bytes, struct bs_control *control,
                      struct bs_stream_header *header,
                      struct bs_error *error) BS_MUST_CHECK;

#endif
