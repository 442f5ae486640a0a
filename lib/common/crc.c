/* The door to zlib: CRC-32. */
#include "common/hash.h"

#include <zlib.h>

uint32_t bs_crc32(uint32_t crc, const void *data, size_t size) {
    return size ? (uint32_t)crc32_z(crc, data, size) : crc;
}
