/* Lines. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_records(BS_FORMAT_LINES, fuzz_begin(data, size));
    return 0;
}
