/* tokenizer.json, and a text for the tokenizer that comes of it; then, behind zero
 * bytes, a tokenizer_config.json that may contradict it. */
#include "fuzz/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    struct bs_span files[BS_TOKENIZER_FILES] = {0};
    files[BS_TOKENIZER_JSON] = fuzz_part(&input);
    struct bs_span text = fuzz_part(&input);
    if (input.size > 0)
        files[BS_TOKENIZER_CONFIG] = input;
    fuzz_tokenizer(files, text);
    return 0;
}
