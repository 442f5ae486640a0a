/* Record streams. The first byte says whether the rest is a stream, or the values that
 * stand between header and end: their checksum would be found by no mutation. */
#include "fuzz/fuzz.h"

#include "format/msgpack_scan.h"

/* Maps among the values. */
static uint64_t count_records(struct bs_span values) {
    struct bs_span value;
    uint64_t count = 0;
    while (values.size > 0 && bs_msgpack_take(&values, &value)) {
        struct bs_msgpack_head head;
        if (bs_msgpack_head(value.data, value.size, &head))
            count += head.type == BS_MSGPACK_MAP;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    if (fuzz_choose(&input, 2) || input.size < FUZZ_OPTIONS) {
        fuzz_records(BS_FORMAT_MSGPACK, input);
        return 0;
    }
    struct bs_buffer whole = {0};
    struct bs_span values = bs_span(input.data + FUZZ_OPTIONS, input.size - FUZZ_OPTIONS);
    struct bs_buffer stream = fuzz_stream(values, count_records(values));
    fuzz_done(bs_buffer_append(&whole, input.data, FUZZ_OPTIONS) &&
              bs_buffer_append_span(&whole, bs_buffer_span(&stream)));
    fuzz_records(BS_FORMAT_MSGPACK, bs_buffer_span(&whole));
    bs_buffer_free(&whole);
    bs_buffer_free(&stream);
    return 0;
}
