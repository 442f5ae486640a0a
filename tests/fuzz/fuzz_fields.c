/* One JSON value as the value of every field that bs knows, and of one that it does not.
 */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {BS_FIELD_TEXT,          BS_FIELD_LABEL,
                                        BS_FIELD_IDS,           BS_FIELD_TYPE_IDS,
                                        BS_FIELD_N_TOKENS,      BS_FIELD_TRUNCATED,
                                        BS_FIELD_PREDICTED,     BS_FIELD_PROBABILITY,
                                        BS_FIELD_PROBABILITIES, "else"};
    struct bs_span value = fuzz_begin(data, size);
    struct bs_buffer line = {0};
    if (value.size > 4096)
        value.size = 4096;
    fuzz_done(bs_buffer_append(&line, "01000000{", FUZZ_OPTIONS + 1));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        fuzz_done(bs_buffer_printf(&line, "%s\"%s\":", i ? "," : "", names[i]) &&
                  bs_buffer_append_span(&line, value));
    fuzz_done(bs_buffer_append_byte(&line, '}'));
    fuzz_records(BS_FORMAT_JSONL, bs_buffer_span(&line));
    bs_buffer_free(&line);
    return 0;
}
