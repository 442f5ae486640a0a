/* The msgpack scanner against msgpack-c on random and damaged values, and on claims that
 * are not kept. */
#include "format/msgpack_scan.h"

#include "common/random.h"
#include "format/msgpack_pack.h"
#include "tap.h"

#include <msgpack.h>
#include <stdlib.h>

static struct bs_random dice = {.seed = 7};

static void pack_random(msgpack_packer *packer, int depth);

static void pack_bytes(msgpack_packer *packer, uint64_t kind) {
    static char data[70000];
    static const size_t sizes[] = {0, 1, 2, 4, 8, 16, 5, 31, 32, 255, 256, 65535, 65536};
    size_t size = sizes[bs_random_below(&dice, bs_random_below(&dice, 8) ? 10 : 13)];
    if (kind == 0) {
        msgpack_pack_str(packer, size);
        msgpack_pack_str_body(packer, data, size);
    } else if (kind == 1) {
        msgpack_pack_bin(packer, size);
        msgpack_pack_bin_body(packer, data, size);
    } else {
        msgpack_pack_ext(packer, size, (int8_t)bs_random_u32(&dice));
        msgpack_pack_ext_body(packer, data, size);
    }
}

static void pack_list(msgpack_packer *packer, int depth, bool is_map) {
    size_t size = bs_random_below(&dice, bs_random_below(&dice, 10) ? 6 : 300);
    if (depth == 0)
        size = 0;
    if (is_map)
        msgpack_pack_map(packer, size);
    else
        msgpack_pack_array(packer, size);
    for (size_t i = 0; i < (is_map ? 2 * size : size); i++)
        pack_random(packer, size > 6 ? 0 : depth - 1);
}

static void pack_random(msgpack_packer *packer, int depth) {
    uint64_t word = ((uint64_t)bs_random_u32(&dice) << 32 | bs_random_u32(&dice)) >>
                    bs_random_below(&dice, 64);
    uint64_t kind = bs_random_below(&dice, 11);
    if (kind < 3)
        pack_bytes(packer, kind);
    else if (kind < 5)
        pack_list(packer, depth, kind == 4);
    else if (kind == 5)
        msgpack_pack_nil(packer);
    else if (kind == 6)
        msgpack_pack_true(packer);
    else if (kind == 7)
        msgpack_pack_double(packer, (double)word);
    else if (kind == 8)
        msgpack_pack_float(packer, (float)word);
    else if (kind == 9)
        msgpack_pack_uint64(packer, word);
    else
        msgpack_pack_int64(packer, -(int64_t)(word >> 1));
}

/* Scans in pieces of `piece` bytes, as if they came one after the other. */
static enum bs_msgpack_found scan(const char *data, size_t size, size_t piece,
                                  size_t *at) {
    struct bs_msgpack_scan scan;
    bs_msgpack_scan_begin(&scan);
    enum bs_msgpack_found found = BS_MSGPACK_MORE;
    for (size_t end = 0; end < size && found == BS_MSGPACK_MORE;) {
        end = size - end < piece ? size : end + piece;
        /* A copy of that very size, so that a sanitizer sees what is read beyond. */
        char *copy = malloc(end);
        memcpy(copy, data, end);
        found = bs_msgpack_scan(&scan, bs_span(copy, end));
        free(copy);
    }
    *at = scan.at;
    return found;
}

static bool agrees(const char *data, size_t size, size_t piece) {
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t used = 0, at;
    msgpack_unpack_return wanted = msgpack_unpack_next(&unpacked, data, size, &used);
    msgpack_unpacked_destroy(&unpacked);
    enum bs_msgpack_found found = scan(data, size, piece, &at);
    if (wanted == MSGPACK_UNPACK_SUCCESS)
        return found == BS_MSGPACK_DONE && at == used;
    if (wanted == MSGPACK_UNPACK_CONTINUE)
        return found == BS_MSGPACK_MORE;
    return found == BS_MSGPACK_DAMAGED;
}

/* msgpack-c makes room for whatever an array32 or map32 claims; we do not let it. */
static bool claims_much(const char *data, size_t size) {
    return memchr(data, '\xdd', size) || memchr(data, '\xdf', size);
}

static void test_random(void) {
    int whole = 0, cut = 0, damaged = 0, compared = 0;
    for (int round = 0; round < 3000; round++) {
        msgpack_sbuffer buffer;
        msgpack_packer packer;
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        pack_random(&packer, 5);
        size_t size = buffer.size, piece = size / 7 + 1 + bs_random_below(&dice, 9);
        whole += !agrees(buffer.data, size, piece);
        if (size > 1)
            cut += !agrees(buffer.data, 1 + bs_random_below(&dice, size - 1), piece);
        for (int mutant = 0; mutant < 4; mutant++) {
            buffer.data[bs_random_below(&dice, size < 64 ? size : 64)] ^=
                (char)(1 << bs_random_below(&dice, 8));
            if (claims_much(buffer.data, size))
                break;
            damaged += !agrees(buffer.data, size, piece);
            compared++;
        }
        msgpack_sbuffer_destroy(&buffer);
    }
    check(whole == 0, "3000 random values are scanned as msgpack-c unpacks them");
    check(cut == 0, "so are their beginnings");
    check(damaged == 0 && compared > 1000, "so are %d damaged ones", compared);
}

static void test_claims(void) {
    static const char *const claims[] = {"\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff",
                                         "\xc9\xff\xff\xff\xff\x01",
                                         "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff"};
    size_t at;
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        check(scan(claims[i], strlen(claims[i]), 1, &at) == BS_MSGPACK_MORE,
              "a claim of 2^32-1 (0x%02x) just wants more", (unsigned char)claims[i][0]);
    char deep[10001];
    memset(deep, '\x91', 10000);
    deep[10000] = '\xc0';
    check(scan(deep, 10001, 999, &at) == BS_MSGPACK_TOO_DEEP, "nesting 10,000 deep");
    check(scan(deep + 10000 - 64, 65, 65, &at) == BS_MSGPACK_DONE && at == 65,
          "nesting 64 deep");
    check(scan(deep + 10000 - 65, 66, 66, &at) == BS_MSGPACK_TOO_DEEP, "nesting 65 deep");
    check(scan("\xc1", 1, 1, &at) == BS_MSGPACK_DAMAGED, "0xC1");
}

static void test_heads(void) {
    struct bs_msgpack_head head;
    check(bs_msgpack_head("\xd3\xff\xff\xff\xff\xff\xff\xff\xfe", 9, &head) &&
              head.type == BS_MSGPACK_NEGATIVE && head.negative == -2,
          "int64 -2");
    check(bs_msgpack_head("\xd1\x00\x05", 3, &head) && head.type == BS_MSGPACK_UNSIGNED &&
              head.number == 5,
          "int16 5 is not negative");
    check(bs_msgpack_head("\xca\x3f\x00\x00\x00", 5, &head) && head.real == 0.5,
          "float32");
    check(bs_msgpack_head("\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00", 9, &head) &&
              head.real == 0.5,
          "float64");
    check(!bs_msgpack_head("\xcb\x3f\xe0\x00\x00\x00\x00\x00", 8, &head),
          "a head that is cut");
    check(bs_msgpack_head("\xd8\x4a", 2, &head) && head.type == BS_MSGPACK_EXT &&
              head.count == 16 && head.ext == 'J',
          "fixext16");
}

/* Ids have a packer of their own, next to msgpack-c's. */
static void test_ids(void) {
    int32_t ids[] = {0,     1,       127,       128, 255, 256, 30521,    65535,
                     65536, 1 << 30, INT32_MAX, -1,  -32, -33, INT32_MIN};
    size_t count = sizeof ids / sizeof *ids;
    struct bs_buffer own = {0}, theirs = {0};
    bool done = bs_pack_ids(&own, ids, count) && bs_pack_array(&theirs, count);
    for (size_t i = 0; i < count; i++)
        done = done && bs_pack_integer(&theirs, ids[i]);
    check(done && bs_span_equal(bs_buffer_span(&own), bs_buffer_span(&theirs)),
          "ids are packed in their shortest form");
    bs_buffer_free(&own);
    bs_buffer_free(&theirs);
}

int main(void) {
    test_random();
    test_claims();
    test_heads();
    test_ids();
    return tap_end();
}
