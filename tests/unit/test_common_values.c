/* Numbers out of text and back, hashes against known answers, random numbers against
 * their definition and their distributions, memory at the edges of size_t. */
#include "common/hash.h"
#include "common/ids.h"
#include "common/number.h"
#include "common/random.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>

static struct bs_error error;

/* ---- numbers -------------------------------------------------------------------- */

static bool integer_is(const char *text, int64_t min, int64_t max, int64_t wanted) {
    int64_t value = ~wanted;
    return !bs_parse_integer(text, "N", min, max, &value, &error) && value == wanted;
}

static bool no_integer(const char *text, int64_t min, int64_t max) {
    int64_t value = 77;
    return bs_parse_integer(text, "N", min, max, &value, &error) == BS_USAGE &&
           value == 77;
}

static void test_integers(void) {
    check(integer_is("3", 3, 9, 3) && integer_is("9", 3, 9, 9), "both ends are in range");
    check(no_integer("2", 3, 9) && no_integer("10", 3, 9), "what is beside them is not");
    check(strcmp(error.text, "N must be a whole number from 3 to 9, not \"10\"") == 0,
          "%s", error.text);
    check(integer_is("-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN) &&
              integer_is("+9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX),
          "the ends of 64 bits");
    check(no_integer("9223372036854775808", INT64_MIN, INT64_MAX) &&
              no_integer("-9223372036854775809", INT64_MIN, INT64_MAX),
          "beyond 64 bits");
    static const char *const none[] = {"",    " 1",  "1 ",  "0x10", "1.0", "1e3",
                                       "one", "--1", "+-1", "-",    "nan", "\t1"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        check(no_integer(none[i], INT64_MIN, INT64_MAX), "\"%s\" is no whole number",
              none[i]);
}

static bool real_is(const char *text, double wanted) {
    double value = NAN;
    return !bs_parse_real(text, "X", -10, 10, &value, &error) && value == wanted;
}

static void test_reals(void) {
    check(real_is("-10", -10) && real_is("10", 10) && real_is(".5", 0.5) &&
              real_is("+2.5e-1", 0.25) && real_is("1e-400", 0),
          "reals");
    static const char *const none[] = {"",    "10.1",  "-10.1", "1e400", "inf",
                                       "nan", "0x1p1", "1,5",   "1x",    " 1"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        double value;
        check(bs_parse_real(none[i], "X", -10, 10, &value, &error) == BS_USAGE,
              "\"%s\" is no real from -10 to 10", none[i]);
    }
}

static bool size_is(const char *text, int64_t wanted) {
    int64_t value = ~wanted;
    return !bs_parse_size(text, "S", 0, INT64_MAX, &value, &error) && value == wanted;
}

static void test_sizes(void) {
    check(size_is("7", 7) && size_is("1K", 1024) && size_is("3M", 3 << 20) &&
              size_is("1G", 1 << 30) && size_is("2T", (int64_t)2 << 40),
          "sizes");
    static const char *const none[] = {"",
                                       "K",
                                       "1k",
                                       "1KB",
                                       "1B",
                                       "1.5K",
                                       "-1K",
                                       "0x1",
                                       "9223372036854775808",
                                       "9007199254740992K"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        int64_t value;
        check(bs_parse_size(none[i], "S", 0, INT64_MAX, &value, &error) == BS_USAGE,
              "\"%s\" is no size", none[i]);
    }
    int64_t value;
    check(!bs_parse_size("1K", "S", 1024, 1024, &value, &error) &&
              bs_parse_size("1K", "S", 0, 1023, &value, &error) == BS_USAGE,
          "bounds are of the bytes");
}

static void test_shortest(void) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {2e-5, "2e-05"},
                 {1.0 / 3, "0.3333333333333333"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {5e-324, "5e-324"},
                 {1e22, "1e+22"},
                 {-42, "-42"},
                 {0, "0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[32];
        bs_format_real(cases[i].value, text);
        check(strcmp(text, cases[i].text) == 0, "%s is the shortest, got %s",
              cases[i].text, text);
    }
}

/* ---- hashes --------------------------------------------------------------------- */

/* Bytes 1, 8, 15, ...; the first digits as Python's hashlib gives them. */
static void test_sha256(void) {
    static const struct {
        size_t size;
        const char *digits;
    } known[] = {{0, "e3b0c44298fc1c14"},   {3, "ce562c676ea7aba9"},
                 {55, "16fa57a0a3423a71"},  {56, "c37b44e5f1b18554"},
                 {63, "bbba992d2c85af96"},  {64, "66bd4633ed6f71c4"},
                 {65, "9f7dc47107b750a1"},  {119, "a3ed307b730fa77c"},
                 {120, "8e3b15d9fea74726"}, {1000, "095ecb62e30793ab"}};
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct bs_sha256 sha;
        char whole[65], parts[65];
        bs_sha256_begin(&sha);
        bs_sha256_add(&sha, bytes, known[i].size);
        bs_sha256_end_hex(&sha, whole);
        bs_sha256_begin(&sha);
        for (size_t at = 0, part = 1; at < known[i].size; at += part, part = part * 2 + 1)
            bs_sha256_add(&sha, bytes + at,
                          part < known[i].size - at ? part : known[i].size - at);
        bs_sha256_end_hex(&sha, parts);
        check(strncmp(whole, known[i].digits, 16) == 0 && strcmp(whole, parts) == 0,
              "SHA-256 of %zu bytes, whole and in parts", known[i].size);
    }
}

static void test_crc(void) {
    check(bs_crc32(0, "123456789", 9) == 0xCBF43926U, "CRC-32's check value");
    check(bs_crc32(bs_crc32(0, "1234", 4), "56789", 5) == 0xCBF43926U, "in two parts");
    check(bs_crc32(5, NULL, 0) == 5, "of nothing");
}

/* ---- random numbers ------------------------------------------------------------- */

/* Known answers of Random123 (kat_vectors), and of streams by Philox's definition. */
static void test_philox(void) {
    static const struct {
        uint32_t counter[4];
        uint64_t key;
        uint32_t out[4];
    } known[] = {
        {{0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         UINT64_MAX,
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         0x299f31d0a4093822,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        bs_philox(known[i].counter, known[i].key, out);
        check(memcmp(out, known[i].out, sizeof out) == 0, "Philox, known answer %zu", i);
    }
    static const uint32_t first[] = {0x68ddb259, 0x7597be03, 0xfca316da,
                                     0xef2803b0, 0x09d38d52, 0xeb4093d4};
    struct bs_random random = {.seed = 42, .stream = 7}, far = random;
    bool same = true;
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        same = bs_random_u32(&random) == first[i] && same;
    check(same, "the first words of a stream: seeds mean the same for ever");
    far.used = ((uint64_t)1 << 34) + 1;
    check(bs_random_u32(&far) == 0xd094387d, "a word far out in it");
    struct bs_random other = {.seed = 42, .stream = 8}, seed = {.seed = 43, .stream = 7};
    check(bs_random_u32(&other) != first[0] && bs_random_u32(&seed) != first[0],
          "another stream and another seed have others");
}

static void test_distributions(void) {
    enum { N = 40000 };
    struct bs_random random = {.seed = 1};
    double sum = 0, squares = 0, least = 1, most = 0;
    for (int i = 0; i < N; i++) {
        double u = bs_random_unit(&random);
        sum += u, squares += u * u;
        least = fmin(least, u), most = fmax(most, u);
    }
    check(least >= 0 && most < 1 && most > 0.999 && fabs(sum / N - 1.0 / 2) < 0.01 &&
              fabs(squares / N - 1.0 / 3) < 0.01,
          "unit: %g to %g, mean %.3f", least, most, sum / N);
    double moments[4] = {0};
    for (int i = 0; i < N; i++) {
        double x = bs_random_normal(&random);
        for (int k = 0; k < 4; k++)
            moments[k] += pow(x, k + 1) / N;
    }
    check(fabs(moments[0]) < 0.02 && fabs(moments[1] - 1) < 0.03 &&
              fabs(moments[2]) < 0.08 && fabs(moments[3] - 3) < 0.2,
          "normal: mean %.3f, variance %.3f, fourth moment %.2f", moments[0], moments[1],
          moments[3]);
}

/* Three quarters of 2^64: without rejection the lowest third would come up half the
 * time. */
static void test_below(void) {
    enum { N = 6000 };
    const uint64_t quarter = (uint64_t)1 << 62;
    struct bs_random random = {.seed = 3};
    int low = 0, beyond = 0, seen[5] = {0};
    for (int i = 0; i < N; i++) {
        uint64_t value = bs_random_below(&random, 3 * quarter);
        low += value < quarter;
        beyond += value >= 3 * quarter;
        seen[bs_random_below(&random, 5)]++;
    }
    check(beyond == 0 && abs(low - N / 3) < 200, "below: %d of %d in the lowest third",
          low, N);
    bool even = true;
    for (int i = 0; i < 5; i++)
        even = even && abs(seen[i] - N / 5) < 150;
    check(even, "below 5: %d %d %d %d %d", seen[0], seen[1], seen[2], seen[3], seen[4]);
    check(bs_random_below(&random, 1) == 0, "below 1 there is 0");
}

static void test_shuffle(void) {
    enum { N = 6000 };
    struct bs_random random = {.seed = 4};
    int seen[3][3][3] = {0};
    for (int i = 0; i < N; i++) {
        int64_t values[] = {0, 1, 2};
        bs_random_shuffle(&random, values, 3);
        seen[values[0]][values[1]][values[2]]++;
    }
    int wrong = 0;
    for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++)
            for (int c = 0; c < 3; c++) {
                bool order = a != b && b != c && a != c;
                wrong += abs(seen[a][b][c] - (order ? N / 6 : 0)) > (order ? 150 : 0);
            }
    check(wrong == 0, "each of six orders comes up as often, the first one too");
}

/* ---- memory --------------------------------------------------------------------- */

static void test_memory(void) {
    struct bs_buffer buffer = {0};
    struct bs_ids ids = {0};
    check(!bs_realloc(NULL, SIZE_MAX / 4 + 2, 4) && !bs_alloc_aligned(SIZE_MAX - 8),
          "sizes that overflow are refused");
    check(bs_buffer_append(&buffer, "abcdef", 6) && !bs_buffer_reserve(&buffer, SIZE_MAX),
          "a buffer too");
    bs_buffer_consume(&buffer, 2);
    check(bs_span_is(bs_buffer_span(&buffer), "cdef"),
          "the front of a buffer is dropped");
    bs_buffer_consume(&buffer, 4);
    check(buffer.size == 0, "all of it");
    bool same = true;
    for (int i = 0; i < 300; i++)
        same = same && bs_buffer_printf(&buffer, "%d", i % 10);
    for (size_t i = 0; i < buffer.size; i++)
        same = same && buffer.data[i] == (char)('0' + i % 10);
    check(same && buffer.size == 300, "text is appended, whatever room is left");
    check(bs_ids_append(&ids, 1) && bs_ids_reserve(&ids, 1000) && ids.capacity >= 1001 &&
              ids.values[0] == 1,
          "room for many ids at once");
    void *aligned = bs_alloc_aligned(65);
    check(aligned && (uintptr_t)aligned % 64 == 0, "aligned memory");
    free(aligned);
    bs_ids_free(&ids);
    bs_buffer_free(&buffer);
}

int main(void) {
    test_integers();
    test_reals();
    test_sizes();
    test_shortest();
    test_sha256();
    test_crc();
    test_philox();
    test_distributions();
    test_below();
    test_shuffle();
    test_memory();
    return tap_end();
}
