/*
 * Hashes: SHA-256 (FIPS 180-4) names content, CRC-32 (zlib's) finds damage.
 * hash.c needs nothing but C; crc.c is a door to zlib.
 */
#ifndef BS_COMMON_HASH_H
#define BS_COMMON_HASH_H

#include <stddef.h>
#include <stdint.h>

struct bs_sha256 {
    uint32_t state[8];
    uint64_t size;
    uint8_t block[64];
};
void bs_sha256_begin(struct bs_sha256 *sha);
void bs_sha256_add(struct bs_sha256 *sha, const void *data, size_t size);
void bs_sha256_end(struct bs_sha256 *sha, uint8_t digest[32]);
/* The same as 64 hexadecimal digits and a zero byte. */
void bs_sha256_end_hex(struct bs_sha256 *sha, char hex[65]);

/* Starts at 0; feed the value back in to go on. */
uint32_t bs_crc32(uint32_t crc, const void *data, size_t size);

#endif
