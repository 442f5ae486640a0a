/* For AFL++, which loads it (AFL_CUSTOM_MUTATOR_LIBRARY): each input is given to the tool
 * with the CRC-32 that ends an optimizer.bin made good, behind which nothing else would
 * be read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct seal {
    uint8_t *bytes;
    size_t capacity;
};

void *afl_custom_init(void *afl, unsigned seed);
size_t afl_custom_post_process(struct seal *seal, uint8_t *input, size_t size,
                               uint8_t **sealed);
void afl_custom_deinit(struct seal *seal);

void *afl_custom_init(void *afl, unsigned seed) {
    (void)afl, (void)seed;
    return calloc(1, sizeof(struct seal));
}

size_t afl_custom_post_process(struct seal *seal, uint8_t *input, size_t size,
                               uint8_t **sealed) {
    *sealed = input;
    if (size < 4)
        return size;
    if (size > seal->capacity) {
        uint8_t *more = realloc(seal->bytes, size);
        if (!more)
            return size;
        seal->bytes = more;
        seal->capacity = size;
    }
    memcpy(seal->bytes, input, size - 4);
    uint32_t crc = (uint32_t)crc32_z(0, input, size - 4);
    for (int i = 0; i < 4; i++)
        seal->bytes[size - 4 + i] = (uint8_t)(crc >> 8 * i);
    *sealed = seal->bytes;
    return size;
}

void afl_custom_deinit(struct seal *seal) {
    free(seal->bytes);
    free(seal);
}
