/*
 * The tokenizer as a filter, for compare_tokens.py: texts in, ids out, both as
 * a 32-bit count in the machine's byte order and that many bytes or ids.
 *
 *     tokens_dump SETTINGS < texts > ids
 *
 * SETTINGS is a file of lines `NAME VALUE`, or for an added token
 * `added ID FLAGS CONTENT`, FLAGS being letters of "slrwn" (special, lstrip, rstrip,
 * single_word, normalized) or "-", CONTENT its bytes in hexadecimal. With `pairs 1` two
 * texts make an encoding; with `max_length N` (and not without) ids are framed.
 * `repeat N` does all texts N times, prints no ids, and says how fast that was in
 * processor time.
 */
#include "vocabulary.h"

#include <stdio.h>
#include <time.h>

struct driver {
    struct vocabulary vocabulary;
    char path[4096];
    int literal, pairs, truncation, repeat;
    long max_length; /* -1: bare pieces */
};

static const char *fail(const char *message) {
    fprintf(stderr, "tokens_dump: %s\n", message);
    exit(2);
}

static void from_hex(const char *hex, struct bs_span *bytes, char *room) {
    unsigned byte;
    size_t size = 0;
    while (sscanf(hex + 2 * size, "%2x", &byte) == 1)
        room[size++] = (char)byte;
    *bytes = bs_span(room, size);
}

static void add_token(struct bs_tokenizer_settings *settings, const char *value) {
    static char contents[64][512];
    char flags[16], hex[1024];
    int id;
    if (settings->n_added == 64 || sscanf(value, "%d %15s %1023s", &id, flags, hex) != 3)
        fail("bad added token");
    struct bs_added_token *token = &settings->added[settings->n_added];
    *token = (struct bs_added_token){
        .id = id,
        .special = strchr(flags, 's'),
        .lstrip = strchr(flags, 'l'),
        .rstrip = strchr(flags, 'r'),
        .single_word = strchr(flags, 'w'),
        .normalized = strchr(flags, 'n'),
    };
    from_hex(hex, &token->content, contents[settings->n_added++]);
}

static void set(struct driver *driver, const char *name, const char *value) {
    struct bs_tokenizer_settings *settings = &driver->vocabulary.settings;
    int number = atoi(value);
    struct bs_error error;
    if (!strcmp(name, "vocabulary")) {
        if (vocabulary_read(&driver->vocabulary, value, &error))
            fail(error.text);
        settings->n_added = 0;
    } else if (!strcmp(name, "added")) {
        add_token(settings, value);
    } else if (!strcmp(name, "clean_text")) {
        settings->clean_text = number;
    } else if (!strcmp(name, "handle_chinese_chars")) {
        settings->handle_chinese_chars = number;
    } else if (!strcmp(name, "strip_accents")) {
        settings->strip_accents = number;
    } else if (!strcmp(name, "lowercase")) {
        settings->lowercase = number;
    } else if (!strcmp(name, "max_word")) {
        settings->max_input_chars_per_word = number;
    } else if (!strcmp(name, "literal")) {
        driver->literal = number;
    } else if (!strcmp(name, "pairs")) {
        driver->pairs = number;
    } else if (!strcmp(name, "max_length")) {
        driver->max_length = number;
    } else if (!strcmp(name, "truncation")) {
        driver->truncation = number;
    } else if (!strcmp(name, "repeat")) {
        driver->repeat = number;
    } else {
        fail("unknown setting");
    }
}

static void read_settings(struct driver *driver, const char *path) {
    char line[8192];
    FILE *file = fopen(path, "r");
    if (!file)
        fail("cannot read the settings");
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *value = strchr(line, ' ');
        if (!value)
            fail("bad line in the settings");
        *value = '\0';
        set(driver, line, value + 1);
    }
    fclose(file);
}

/* false at the end of the input. */
static bool next_text(struct bs_span *input, struct bs_span *text) {
    uint32_t size;
    if (input->size < sizeof size)
        return false;
    memcpy(&size, input->data, sizeof size);
    if (size > input->size - sizeof size)
        fail("the input is cut");
    *text = bs_span(input->data + sizeof size, size);
    *input = bs_span(text->data + size, input->size - sizeof size - size);
    return true;
}

static void print_ids(const struct bs_ids *ids) {
    uint32_t count = (uint32_t)ids->count;
    if (fwrite(&count, sizeof count, 1, stdout) != 1 ||
        fwrite(ids->values, sizeof *ids->values, count, stdout) != count)
        fail("cannot write");
}

static size_t run(const struct driver *driver, struct bs_tokenizer_worker *worker,
                  struct bs_span input, bool print) {
    struct bs_encoding encoding = {0};
    struct bs_error error;
    struct bs_span text, pair;
    size_t n_ids = 0;
    while (next_text(&input, &text)) {
        int code;
        encoding.ids.count = 0;
        if (driver->pairs && !next_text(&input, &pair))
            fail("a pair is cut");
        if (driver->max_length < 0)
            code = bs_tokenize(worker, text, &encoding.ids, &error);
        else
            code = bs_encode(worker, text, driver->pairs ? &pair : NULL,
                             driver->max_length, driver->truncation, &encoding, &error);
        if (code)
            fail(error.text);
        n_ids += encoding.ids.count;
        if (print)
            print_ids(&encoding.ids);
        if (print && driver->pairs)
            print_ids(&encoding.type_ids);
    }
    bs_encoding_free(&encoding);
    return n_ids;
}

static void read_input(struct bs_buffer *buffer) {
    size_t got;
    do {
        if (!bs_buffer_reserve(buffer, 1 << 20))
            fail("out of memory");
        got = fread(buffer->data + buffer->size, 1, 1 << 20, stdin);
        buffer->size += got;
    } while (got);
}

/* Of this thread's own time, so that a busy machine matters less. */
static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
    static struct driver driver = {.max_length = -1};
    struct bs_tokenizer *tokenizer;
    struct bs_tokenizer_worker *worker;
    struct bs_error error;
    if (argc != 2)
        fail("usage: tokens_dump SETTINGS < texts > ids");
    read_settings(&driver, argv[1]);
    double began = seconds();
    if (bs_tokenizer_new(&tokenizer, &driver.vocabulary.settings, &error) ||
        bs_tokenizer_worker_new(&worker, tokenizer, driver.literal, &error))
        fail(error.text);
    double made = seconds();
    struct bs_buffer bytes = {0};
    read_input(&bytes);
    struct bs_span input = bs_buffer_span(&bytes);
    if (!driver.repeat)
        run(&driver, worker, input, true);
    else
        printf("setup %.2f ms\n", (made - began) * 1e3);
    for (int i = 0; i < driver.repeat; i++) {
        began = seconds();
        size_t n_ids = run(&driver, worker, input, false);
        double taken = seconds() - began;
        printf("pass %d: %.1f MB/s, %zu ids\n", i + 1, (double)input.size / taken / 1e6,
               n_ids);
    }
    bs_tokenizer_worker_free(worker);
    bs_tokenizer_free(tokenizer);
    vocabulary_free(&driver.vocabulary);
    bs_buffer_free(&bytes);
    return 0;
}
