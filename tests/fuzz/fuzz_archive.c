/* Archives as trees, compressed or not. The sums of tar's headers are made right: no
 * mutation would find them. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 512, SUM = 148, SUM_SIZE = 8, MAGIC = 257 };

static void repair(char *header) {
    unsigned sum = 0;
    memset(header + SUM, ' ', SUM_SIZE);
    for (int i = 0; i < BLOCK; i++)
        sum += (uint8_t)header[i];
    snprintf(header + SUM, SUM_SIZE, "%06o", sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    char *copy = bs_span_string(input);
    fuzz_done(copy != NULL);
    size_t options = input.size % BLOCK; /* before the blocks, if it is a tar */
    for (size_t at = options; at + BLOCK <= input.size; at += BLOCK)
        if (memcmp(copy + at + MAGIC, "ustar", 5) == 0)
            repair(copy + at);
    fuzz_records(BS_FORMAT_TREE, bs_span(copy, input.size));
    free(copy);
    return 0;
}
