/*
 * The tokenizer with a vocabulary of 43 tokens; all ids are what Hugging Face
 * tokenizers 0.23.3 gives with the same one. tests/parity compares far more.
 */
#include "tap.h"
#include "vocabulary.h"

static const char tokens[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nun\n##aff\n##able\n##ing\nrun\n##n\n##s\n"
    "cafe\ncaf\xC3\xA9\ndon\n'\nt\n.\n,\n!\n\xE4\xB8\xAD\n\xE6\x96\x87\na\nb\nc\n##a\n"
    "##b\n##c\nA\n#\n[\n]\nsep\ni\nstra\xC3\x9F"
    "e\nss\n@\n\xE1\x84\x92\n##\xE1\x85\xA1\n##\xE1\x86\xAB\nx\n"
    "a\xE3\x80\xAE\xF0\x9D\x85\xAD\n";
enum { LEFT = 43, RIGHT, ALONE, NORMAL, LINES, GAP, TAB }; /* ids of added tokens */

struct sample {
    const char *text;
    size_t size;
    size_t n_ids;
    int32_t ids[16];
};

#define COUNT(...) (sizeof((int32_t[]){0, __VA_ARGS__}) / sizeof(int32_t) - 1)
#define SAMPLE(text, ...)                                                                \
    {                                                                                    \
        text, sizeof(text) - 1, COUNT(__VA_ARGS__), {                                    \
            __VA_ARGS__                                                                  \
        }                                                                                \
    }
#define NO_IDS(text)                                                                     \
    {                                                                                    \
        text, sizeof(text) - 1, 0, {                                                     \
            0                                                                            \
        }                                                                                \
    }

static const struct sample uncased[] = {
    SAMPLE("The unaffable running.", 5, 6, 7, 8, 10, 11, 9, 18),
    SAMPLE("don't", 15, 16, 17),
    SAMPLE("CAF\xC3\x89, cafe\xCC\x81 caf\xC3\xA9!", 13, 19, 13, 13, 20),
    /* NUL, VT and U+200B vanish; TAB and U+00A0 are spaces */
    SAMPLE("a\0b a\x0B"
           "b a\tb a\xC2\xA0"
           "b a\xE2\x80\x8B"
           "b",
           23, 27, 23, 27, 23, 24, 23, 24, 23, 27),
    SAMPLE("\xE4\xB8\xAD\xE6\x96\x87"
           "a",
           21, 22, 23),
    /* invalid UTF-8 vanishes */
    SAMPLE("a\xFF\xFE"
           "b \xE4\xB8 \xED\xA0\x80"
           "c",
           23, 27, 25),
    SAMPLE("a[SEP]b [sep] [MASK].", 23, 3, 24, 31, 33, 32, 4, 18),
    NO_IDS(""),
    NO_IDS(" \n\t "),
    NO_IDS("\xEF\xBF\xBD\xC2\x85"),
    SAMPLE("zebra run", 1, 10),
    SAMPLE("runs!unaffable  ,the", 10, 12, 20, 6, 7, 8, 19, 5),
    SAMPLE("\xC4\xB0 \xE1\xBA\x9E STRA\xC3\x9F"
           "E",
           34, 1, 35),
    SAMPLE("\xED\x95\x9C", 38, 39, 40),                  /* Hangul, decomposed */
    SAMPLE("a\xF0\x9D\x85\xAD\xE3\x80\xAE\xCC\x81", 42), /* marks put in order */
    SAMPLE("the the the the the the the unaffable", 5, 5, 5, 5, 5, 5, 5, 6, 7, 8),
};

static const struct sample cased[] = {
    SAMPLE("The caf\xC3\xA9 CAF\xC3\x89 A\xE4\xB8\xAD", 1, 14, 1, 29, 21),
};

static const struct sample untouched[] = {
    SAMPLE("a\xE4\xB8\xAD"
           "b \xE4\xB8\xAD a\0 a\x0B"
           "c caf\xC3\xA9",
           1, 21, 1, 23, 25, 14),
};

static const struct sample with_added[] = {
    SAMPLE("a @l b", 23, LEFT, 24),
    SAMPLE("a @r  b", 23, RIGHT, 24),
    SAMPLE("a@w @w b", 23, 37, 1, ALONE, 24),
    SAMPLE("c@l@r", 25, LEFT, RIGHT),
    SAMPLE("x CAFE b a cafe c", 41, NORMAL, 23, 13, 25),
    SAMPLE("a [SEP]@l", 23, 3, LEFT),
};

static const struct sample literal[] = {
    SAMPLE("a [SEP]@l", 23, 31, 33, 32, LEFT),
    SAMPLE("x CAFE b a cafe c", 41, NORMAL, 23, 13, 25),
};

/* Added tokens of white space alone: what one has taken along is no other. */
static const struct sample white_added[] = {
    SAMPLE("a\n\nb", 23, LINES, 24),
    SAMPLE("\n\n", LINES),
    SAMPLE("a \n \n\n b\n", 23, LINES, 24, LINES),
    SAMPLE("a\n\t\nb", 23, LINES, TAB, LINES, 24),
    SAMPLE("a\t\n\tb", 23, TAB, LINES, TAB, 24),
    SAMPLE("a\xE3\x80\x80 \xE3\x80\x80"
           "b",
           23, GAP, 24),
    SAMPLE("a\n\xE3\x80\x80\n\xE3\x80\x80"
           "b",
           23, LINES, 24),
};

struct lab {
    struct vocabulary vocabulary;
    struct bs_tokenizer *tokenizer;
    struct bs_tokenizer_worker *worker;
};

static void open_lab(struct lab *lab) {
    *lab = (struct lab){0};
    if (!bs_buffer_append(&lab->vocabulary.bytes, tokens, sizeof tokens - 1) ||
        !vocabulary_fill(&lab->vocabulary))
        abort();
}

static void start(struct lab *lab, bool literal_special_tokens) {
    struct bs_error error;
    bs_tokenizer_worker_free(lab->worker);
    bs_tokenizer_free(lab->tokenizer);
    if (bs_tokenizer_new(&lab->tokenizer, &lab->vocabulary.settings, &error) ||
        bs_tokenizer_worker_new(&lab->worker, lab->tokenizer, literal_special_tokens,
                                &error))
        abort();
}

static void close_lab(struct lab *lab) {
    bs_tokenizer_worker_free(lab->worker);
    bs_tokenizer_free(lab->tokenizer);
    vocabulary_free(&lab->vocabulary);
}

static void check_ids(const struct bs_ids *ids, const int32_t *wanted, size_t n_wanted,
                      const char *what, size_t number) {
    bool same =
        ids->count == n_wanted &&
        (n_wanted == 0 || !memcmp(ids->values, wanted, n_wanted * sizeof *wanted));
    check(same, "%s: sample %zu", what, number);
    for (size_t i = 0; !same && i < ids->count; i++)
        printf("%s %d", i ? "" : "# got", (int)ids->values[i]);
    if (!same)
        printf("\n");
}

#define CHECK_SAMPLES(lab, samples)                                                      \
    check_samples(lab, samples, sizeof(samples) / sizeof *(samples), #samples)

/* Twice: the second time words come from the cache. */
static void check_samples(struct lab *lab, const struct sample *samples, size_t count,
                          const char *what) {
    struct bs_ids ids = {0};
    struct bs_error error;
    for (size_t i = 0; i < 2 * count; i++) {
        const struct sample *sample = &samples[i % count];
        ids.count = 0;
        /* in memory of its very size, so that a sanitizer sees a read behind it */
        char *text = malloc(sample->size + !sample->size);
        memcpy(text, sample->text, sample->size);
        int code = bs_tokenize(lab->worker, bs_span(text, sample->size), &ids, &error);
        check(code == BS_OK, "%s: sample %zu is tokenized", what, i);
        check_ids(&ids, sample->ids, sample->n_ids, what, i);
        free(text);
    }
    bs_ids_free(&ids);
}

static void test_settings(struct lab *lab) {
    struct bs_tokenizer_settings *settings = &lab->vocabulary.settings;
    struct bs_tokenizer_settings standard = *settings;
    char digest[65];
    start(lab, false);
    strcpy(digest, bs_tokenizer_digest(lab->tokenizer));
    check(!strcmp(digest,
                  "d4be6cd11f886d09f8439fa0803030837bc515532210e1ad06f2522beb87a30c"),
          "the digest that stored streams name");
    CHECK_SAMPLES(lab, uncased);
    settings->lowercase = settings->strip_accents = false;
    start(lab, false);
    CHECK_SAMPLES(lab, cased);
    check(strcmp(digest, bs_tokenizer_digest(lab->tokenizer)) != 0,
          "another setting is another digest");
    settings->clean_text = settings->handle_chinese_chars = false;
    start(lab, false);
    CHECK_SAMPLES(lab, untouched);
    *settings = standard;
    start(lab, false);
    check(!strcmp(digest, bs_tokenizer_digest(lab->tokenizer)) && strlen(digest) == 64,
          "the same settings are the same digest");
    check(bs_tokenizer_vocabulary_size(lab->tokenizer) == 43, "43 tokens");
}

static void test_added(struct lab *lab) {
    static const struct bs_added_token added[] = {
        {.content = {"@l", 2}, .id = LEFT, .lstrip = true},
        {.content = {"@r", 2}, .id = RIGHT, .rstrip = true},
        {.content = {"@w", 2}, .id = ALONE, .single_word = true},
        {.content = {"Caf\xC3\xA9 b", 7}, .id = NORMAL, .normalized = true},
    };
    struct bs_tokenizer_settings *settings = &lab->vocabulary.settings;
    size_t before = settings->n_added;
    memcpy(settings->added + before, added, sizeof added);
    settings->n_added += sizeof added / sizeof *added;
    start(lab, false);
    CHECK_SAMPLES(lab, with_added);
    start(lab, true);
    CHECK_SAMPLES(lab, literal);
    settings->n_added = before;
}

static void test_white_added(struct lab *lab) {
    static const struct bs_added_token added[] = {
        {.content = {"\n", 1}, .id = LINES, .lstrip = true, .rstrip = true},
        {.content = {"\xE3\x80\x80", 3},
         .id = GAP,
         .lstrip = true,
         .rstrip = true,
         .normalized = true},
        {.content = {"\t", 1}, .id = TAB},
    };
    struct bs_tokenizer_settings *settings = &lab->vocabulary.settings;
    size_t before = settings->n_added;
    memcpy(settings->added + before, added, sizeof added);
    settings->n_added += sizeof added / sizeof *added;
    start(lab, false);
    CHECK_SAMPLES(lab, white_added);
    settings->n_added = before;
}

/* Words of `count` times "a", or of U+00E1, which is "a" without its accent. */
static size_t count_ids(struct lab *lab, const char *letter, size_t count,
                        int32_t *last) {
    struct bs_buffer text = {0};
    struct bs_ids ids = {0};
    struct bs_error error;
    for (size_t i = 0; i < count; i++)
        if (!bs_buffer_append(&text, letter, strlen(letter)))
            abort();
    if (bs_tokenize(lab->worker, bs_buffer_span(&text), &ids, &error))
        abort();
    size_t n_ids = ids.count;
    *last = n_ids ? ids.values[n_ids - 1] : -1;
    bs_buffer_free(&text);
    bs_ids_free(&ids);
    return n_ids;
}

static void test_long_words(struct lab *lab) {
    int32_t last;
    start(lab, false);
    check(count_ids(lab, "a", 100, &last) == 100 && last == 26, "100 letters");
    check(count_ids(lab, "a", 101, &last) == 1 && last == 1, "101 letters are [UNK]");
    check(count_ids(lab, "\xC3\xA1", 100, &last) == 100, "100 letters of two bytes");
    check(count_ids(lab, "\xC3\xA1", 101, &last) == 1 && last == 1,
          "101 letters of two bytes are [UNK]");
    check(count_ids(lab, "\xCC\x81", 100000, &last) == 0, "100,000 marks are nothing");
    check(count_ids(lab, "a ", 100000, &last) == 100000, "100,000 words");
}

/* What is kept of seven pieces (a b c the . , !) for each max_length. */
/* A piece behind any number of spaces, or of single letters, is what it is alone:
 * wherever it meets the borders at which the fast path takes text apart. */
static void test_borders(struct lab *lab) {
    static const struct sample pieces[] = {
        SAMPLE("Unaffable,the", 6, 7, 8, 19, 5),
        SAMPLE("don't!", 15, 16, 17, 20),
        SAMPLE("(caf\xC3\x89)un", 1, 13, 1, 6),
        SAMPLE("runs\x0B!\xE4\xB8\xAD", 10, 12, 20, 21),
        SAMPLE("abcabcabcabcabc", 23, 27, 28, 26, 27, 28, 26, 27, 28, 26, 27, 28, 26, 27,
               28),
        SAMPLE("unaffableaffable", 6, 7, 8, 7, 8),
        SAMPLE("unaffableaffables", 6, 7, 8, 7, 8, 12),
        SAMPLE(
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
            1),
    };
    enum { MOST = 1200 };
    char text[MOST + 100];
    struct bs_ids ids = {0};
    struct bs_error error;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        const struct sample *piece = &pieces[i];
        size_t wrong = 0;
        for (size_t before = 0; before < MOST; before++)
            for (size_t letters = 0; letters < 2; letters++) {
                size_t n_before = letters ? before / 2 : 0, size = before + piece->size;
                memset(text, ' ', sizeof text);
                for (size_t j = 0; j < n_before; j++)
                    text[2 * j] = 'x';
                memcpy(text + before, piece->text, piece->size);
                memcpy(text + size, " a", 2);
                ids.count = 0;
                wrong +=
                    bs_tokenize(lab->worker, bs_span(text, size + 2), &ids, &error) ||
                    ids.count != n_before + piece->n_ids + 1 ||
                    memcmp(ids.values + n_before, piece->ids,
                           piece->n_ids * sizeof *ids.values) != 0 ||
                    ids.values[ids.count - 1] != 23;
            }
        check(wrong == 0, "borders: piece %zu (%zu times another)", i, wrong);
    }
    bs_ids_free(&ids);
}

static void test_truncation(struct lab *lab) {
    static const struct {
        enum bs_truncation truncation;
        int64_t max_length;
        size_t n_ids;
        int32_t ids[10];
    } cases[] = {
        {BS_TRUNCATE_HEAD, 0, 9, {2, 23, 24, 25, 5, 18, 19, 20, 3}},
        {BS_TRUNCATE_HEAD, 9, 9, {2, 23, 24, 25, 5, 18, 19, 20, 3}},
        {BS_TRUNCATE_HEAD, 5, 5, {2, 23, 24, 25, 3}},
        {BS_TRUNCATE_HEAD, 2, 2, {2, 3}},
        {BS_TRUNCATE_TAIL, 5, 5, {2, 18, 19, 20, 3}},
        {BS_TRUNCATE_TAIL, 2, 2, {2, 3}},
        {BS_TRUNCATE_HEAD_TAIL, 6, 6, {2, 23, 18, 19, 20, 3}},
        {BS_TRUNCATE_HEAD_TAIL, 4, 4, {2, 19, 20, 3}},
    };
    struct bs_encoding encoding = {0};
    struct bs_error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = bs_encode(lab->worker, bs_span_of("a b c the . , !"), NULL,
                             cases[i].max_length, cases[i].truncation, &encoding, &error);
        check(code == BS_OK && encoding.n_tokens == 9 &&
                  encoding.truncated == (cases[i].n_ids < 9) &&
                  encoding.type_ids.count == 0,
              "truncation %zu is described", i);
        check_ids(&encoding.ids, cases[i].ids, cases[i].n_ids, "truncation", i);
    }
    bs_encoding_free(&encoding);
}

static void test_pairs(struct lab *lab) {
    static const struct {
        int64_t max_length;
        size_t first, n_ids; /* `first` of type 0 */
        int32_t ids[12];
    } cases[] = {
        {0, 5, 12, {2, 23, 24, 25, 3, 5, 18, 19, 20, 23, 24, 3}},
        {11, 5, 11, {2, 23, 24, 25, 3, 5, 18, 19, 20, 23, 3}},
        {9, 5, 9, {2, 23, 24, 25, 3, 5, 18, 19, 3}},
        {8, 4, 8, {2, 23, 24, 3, 5, 18, 19, 3}},
        {6, 3, 6, {2, 23, 3, 5, 18, 3}},
        {4, 2, 4, {2, 3, 5, 3}},
        {3, 2, 3, {2, 3, 3}},
    };
    struct bs_encoding encoding = {0};
    struct bs_error error;
    struct bs_span second = bs_span_of("the . , ! a b");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t types[12];
        for (size_t j = 0; j < 12; j++)
            types[j] = j >= cases[i].first;
        int code = bs_encode(lab->worker, bs_span_of("a b c"), &second,
                             cases[i].max_length, BS_TRUNCATE_HEAD, &encoding, &error);
        check(code == BS_OK && encoding.n_tokens == 12, "pair %zu has 12 tokens", i);
        check_ids(&encoding.ids, cases[i].ids, cases[i].n_ids, "pair", i);
        check_ids(&encoding.type_ids, types, cases[i].n_ids, "types of pair", i);
    }
    bs_encoding_free(&encoding);
}

static void test_refusals(struct lab *lab) {
    struct bs_tokenizer *tokenizer = NULL;
    struct bs_error error;
    lab->vocabulary.settings.unk_id = -1;
    int code = bs_tokenizer_new(&tokenizer, &lab->vocabulary.settings, &error);
    check(code == BS_DATA && !strcmp(error.text, "the vocabulary has no [UNK] token"),
          "no [UNK] is refused");
    bs_tokenizer_free(code ? NULL : tokenizer);
}

int main(void) {
    struct lab lab;
    open_lab(&lab);
    test_settings(&lab);
    test_added(&lab);
    test_white_added(&lab);
    test_long_words(&lab);
    test_borders(&lab);
    test_truncation(&lab);
    test_pairs(&lab);
    test_refusals(&lab);
    close_lab(&lab);
    return tap_end();
}
