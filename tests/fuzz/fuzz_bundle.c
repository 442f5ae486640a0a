/*
 * Bundles, opened as models. The first byte says whether the input is a whole file, or
 * has its sizes and checksums made right first, without which every mutation would end
 * at the first of them.
 */
#include "fuzz/fuzz.h"

#include "common/hash.h"
#include "store/bundle.h"
#include "store/model_files.h"

#include <stdlib.h>

/* Places in a bundle, see store/bundle.h. */
enum {
    SECTIONS = 12,
    FILE_SIZE = 16,
    TABLE_CRC = 24,
    HEADER_CRC = 28,
    TABLE = 32,
    ENTRY = 128,
    ENTRY_OFFSET = 96,
    ENTRY_SIZE = 104,
    ENTRY_CRC = 112,
};

static void put_crc(char *place, const char *data, size_t size) {
    uint32_t crc = bs_crc32(0, data, size);
    memcpy(place, &crc, sizeof crc);
}

static void repair_section(char *entry, const char *file, size_t size) {
    uint64_t offset, length;
    memcpy(&offset, entry + ENTRY_OFFSET, sizeof offset);
    memcpy(&length, entry + ENTRY_SIZE, sizeof length);
    if (offset <= size && length <= size - offset)
        put_crc(entry + ENTRY_CRC, file + offset, length);
}

static void repair(char *file, uint64_t size) {
    uint32_t sections;
    if (size < TABLE)
        return;
    memcpy(&sections, file + SECTIONS, sizeof sections);
    memcpy(file + FILE_SIZE, &size, sizeof size);
    if (sections <= (size - TABLE) / ENTRY) {
        for (uint32_t i = 0; i < sections; i++)
            repair_section(file + TABLE + (size_t)i * ENTRY, file, size);
        put_crc(file + TABLE_CRC, file + TABLE, (size_t)sections * ENTRY);
    }
    put_crc(file + HEADER_CRC, file, HEADER_CRC);
}

static void open_model(const char *path) {
    struct bs_error error;
    struct bs_model_files *files;
    struct bs_tokenizer *tokenizer;
    const char *digest;
    int64_t positions;
    if (!bs_tokenizer_load(path, &tokenizer, &positions, &error))
        bs_tokenizer_free(tokenizer);
    if (bs_model_files_open(&files, path, &error))
        return;
    (void)bs_model_files_are_int8(files);
    (void)!bs_model_files_verify(files, &error);
    (void)!bs_model_files_digest(files, &digest, &error);
    if (!bs_model_files_tokenizer(files, &tokenizer, &error))
        bs_tokenizer_free(tokenizer);
    bs_model_files_close(files);
}

static void open_bundle(const char *path) {
    struct bs_error error;
    struct bs_bundle *bundle;
    if (bs_bundle_open(&bundle, path, &error))
        return;
    (void)!bs_bundle_verify(bundle, &error);
    bs_bundle_close(bundle);
    open_model(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bs_span input = fuzz_begin(data, size);
    bool whole = fuzz_choose(&input, 2);
    char *copy = bs_span_string(input);
    fuzz_done(copy != NULL);
    if (!whole)
        repair(copy, input.size);
    open_bundle(fuzz_file(bs_span(copy, input.size)));
    free(copy);
    return 0;
}
