/* Splits by content, against values from Python's hashlib and exact integers. */
#include "front/split.h"
#include "tap.h"

#include <stdlib.h>

#define ECOLE_LOWER                                                                      \
    "\xc3\xa9"                                                                           \
    "cole \xcf\x83\xd0\xb6"
#define ECOLE_UPPER                                                                      \
    "\xc3\x89"                                                                           \
    "COLE\xe3\x80\x80\xce\xa3\xd0\x96"
#define NO_BREAK "\xc2\xa0"

static struct bs_split *make(const char *parts, const char *part, uint64_t seed) {
    struct bs_split *split = NULL;
    struct bs_error error = {0};
    if (bs_split_new(&split, parts, part, seed, &error))
        printf("# %s\n", error.text);
    return split;
}

static void check_parts(const char *parts, uint64_t seed, const char *prefix,
                        const char *prefix2, const char *expected) {
    struct bs_split *split = make(parts, "a", seed);
    char found[128] = "";
    for (int i = 0; expected[i]; i++) {
        char text[64], text2[64];
        snprintf(text, sizeof text, "%s%d", prefix, i);
        snprintf(text2, sizeof text2, "%s%d", prefix2 ? prefix2 : "", i);
        struct bs_span second = bs_span_of(text2);
        size_t part = bs_split_part(split, bs_span_of(text), prefix2 ? &second : NULL);
        found[i] = (char)('0' + part);
    }
    check(strcmp(found, expected) == 0, "%s, seed %llu: %s", parts,
          (unsigned long long)seed, found);
    bs_split_free(split);
}

static void check_normalised(void) {
    struct bs_split *split = make("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1", "a", 42);
    static const char *const same[] = {"A bad film", "a  bad\tfilm",
                                       "\n a BAD\v film \r\n", "A Bad Film\f",
                                       "A\xe2\x80\x89"
                                       "BAD FILM\xc2\x85"};
    size_t part = bs_split_part(split, bs_span_of("a bad film"), NULL);
    bool all = true;
    for (int i = 0; i < 5; i++)
        all = all && bs_split_part(split, bs_span_of(same[i]), NULL) == part;
    check(all, "white space and case do not count");
    char text[5000], spaced[10000];
    size_t n = 0;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i % 7 == 3 ? ' ' : 'a' + (int)(i % 26));
        if (text[i] == ' ')
            spaced[n++] = '\n';
        spaced[n++] = text[i];
    }
    check(bs_split_part(split, bs_span(text, sizeof text), NULL) ==
              bs_split_part(split, bs_span(spaced, n), NULL),
          "nor in a long text");
    check(bs_split_part(split, bs_span("a \xff\xc3", 4), NULL) ==
              bs_split_part(split, bs_span("A\xc2\xa0\xff\xc3", 5), NULL),
          "bytes that are not UTF-8 stay as they are");
    bs_split_free(split);
}

static void check_shares(void) {
    struct bs_split *split = make("train=40,val=8,rest=52", "val", 1);
    int counts[3] = {0};
    for (int i = 0; i < 20000; i++) {
        char text[32];
        snprintf(text, sizeof text, "text %d", i);
        counts[bs_split_part(split, bs_span_of(text), NULL)]++;
        struct bs_span span = bs_span_of(text);
        if (bs_split_has(split, span, NULL) != (bs_split_part(split, span, NULL) == 1))
            counts[0] = -1000000;
    }
    check(abs(counts[0] - 8000) < 300 && abs(counts[1] - 1600) < 200 &&
              abs(counts[2] - 10400) < 300,
          "shares are what the weights say: %d %d %d", counts[0], counts[1], counts[2]);
    bs_split_free(split);
}

static void check_refused(const char *parts, const char *part, const char *message) {
    struct bs_split *split = NULL;
    struct bs_error error = {0};
    int code = bs_split_new(&split, parts, part, 42, &error);
    check(code == BS_USAGE && strstr(error.text, message), "\"%s\" --part %s: %s", parts,
          part, error.text);
}

int main(void) {
    check_parts("a=80,b=20", 42, "", NULL,
                "100000010101010000010101011001010010110000000001000010000010");
    check_parts("a=0.8,b=.2", 42, "", NULL,
                "100000010101010000010101011001010010110000000001000010000010");
    check_parts("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1", 42, "", NULL,
                "840361097839196640692819789138383692991673757719404397423293");
    check_parts("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1", INT64_MAX, "pair ", "second ",
                "628903801582455487841572514966052553172772240898527162220002");
    static const char wanted[] =
        "699023165468579116979547663099050567861939223735411033985833";
    check_parts("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1", 42, ECOLE_LOWER " ", NULL,
                wanted);
    check_parts("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1", 42,
                NO_BREAK ECOLE_UPPER NO_BREAK " ", NULL, wanted);
    check_normalised();
    check_shares();
    check_refused("train", "train", "NAME=WEIGHT");
    check_refused("=5", "", "NAME=WEIGHT");
    check_refused("", "a", "NAME=WEIGHT");
    check_refused("a=1,", "a", "NAME=WEIGHT");
    check_refused("a=0,b=1", "a", "positive number");
    check_refused("a=-1", "a", "positive number");
    check_refused("a=1e3", "a", "positive number");
    check_refused("a=.", "a", "positive number");
    check_refused("a=0.0000001", "a", "positive number");
    check_refused("a=99999999999999999999", "a", "positive number");
    check_refused("a=1,a=2", "a", "twice");
    check_refused("a=1,b=2", "c", "not one of");
    return tap_end();
}
