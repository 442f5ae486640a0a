/* What is recognised by its first bytes: gzip, zstd, xz, archives, record streams. */
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_records(BS_FORMAT_AUTO, fuzz_begin(data, size));
    return 0;
}
