/* vocab.txt, a text for the tokenizer that comes of it, and tokenizer_config.json, with
 * zero bytes between them. */
#include "fuzz/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    struct bs_span files[BS_TOKENIZER_FILES] = {0};
    files[BS_TOKENIZER_VOCABULARY] = fuzz_part(&input);
    struct bs_span text = fuzz_part(&input);
    if (input.size > 0)
        files[BS_TOKENIZER_CONFIG] = input;
    fuzz_tokenizer(files, text);
    return 0;
}
