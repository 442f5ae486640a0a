/* vocab.txt, a text for the tokenizer that comes of it, and the files that may stand
 * beside it, with zero bytes between them. */
#include "fuzz/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    struct bs_span files[BS_TOKENIZER_FILES] = {0};
    files[BS_TOKENIZER_VOCABULARY] = fuzz_part(&input);
    struct bs_span text = fuzz_part(&input);
    static const enum bs_tokenizer_file others[] = {
        BS_TOKENIZER_CONFIG, BS_TOKENIZER_SPECIAL, BS_TOKENIZER_ADDED};
    for (size_t i = 0; i < sizeof others / sizeof *others && input.size > 0; i++)
        files[others[i]] = fuzz_part(&input);
    fuzz_tokenizer(files, text);
    return 0;
}
