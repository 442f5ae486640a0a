/*
 * Times tokenizing from file to ids in memory, without a process around it:
 *
 *     tokenize MODEL TEXTS [THREADS]
 *
 * Prints `first` and `warm` with MB/s, TAB between, the median of PASSES: a first pass
 * begins with empty caches, a warm one with those that the passes before it left. TEXTS
 * has a text a line.
 */
#include "common/log.h"
#include "common/team.h"
#include "store/model_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSES = 5, MAX_THREADS = 64, PARTS = 64 };

static struct bs_error error;

static void must(int code) {
    if (code) {
        fprintf(stderr, "tokenize: %s\n", error.text);
        exit(code);
    }
}

struct bench {
    struct bs_tokenizer *tokenizer;
    struct bs_team *team;
    struct bs_tokenizer_worker *workers[MAX_THREADS];
    struct bs_encoding encodings[MAX_THREADS];
    struct bs_span file;
    struct bs_ids ids[PARTS];
};

/* Where the part begins: behind the line that its first byte lies in. */
static size_t part_begin(struct bs_span file, int64_t part) {
    size_t begin = (size_t)part * file.size / PARTS;
    const char *newline = memchr(file.data + begin, '\n', file.size - begin);
    if (part == 0)
        return 0;
    return newline ? (size_t)(newline + 1 - file.data) : file.size;
}

static void run_part(void *context, int64_t part, int worker) {
    struct bench *bench = context;
    struct bs_encoding *encoding = &bench->encodings[worker];
    struct bs_ids *ids = &bench->ids[part];
    const char *line = bench->file.data + part_begin(bench->file, part);
    const char *end = bench->file.data + part_begin(bench->file, part + 1);
    for (const char *stop; line < end; line = stop + 1) {
        stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop)
            stop = end;
        must(bs_encode(bench->workers[worker], bs_span(line, (size_t)(stop - line)), NULL,
                       0, BS_TRUNCATE_HEAD, encoding, &error));
        if (!bs_ids_reserve(ids, encoding->ids.count))
            exit(BS_RESOURCE);
        memcpy(ids->values + ids->count, encoding->ids.values,
               encoding->ids.count * sizeof *ids->values);
        ids->count += encoding->ids.count;
    }
}

static double pass(struct bench *bench, const char *path) {
    double began = bs_seconds();
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *data = MAP_FAILED;
    if (file >= 0 && !fstat(file, &about))
        data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
        perror(path);
        exit(BS_DATA);
    }
    bench->file = bs_span(data, (size_t)about.st_size);
    bs_team_run(bench->team, PARTS, run_part, bench);
    munmap(data, bench->file.size);
    close(file);
    double took = bs_seconds() - began;
    for (int i = 0; i < PARTS; i++) {
        bs_ids_free(&bench->ids[i]);
        bench->ids[i] = (struct bs_ids){0};
    }
    return 1e-6 * (double)bench->file.size / took;
}

static void empty_caches(struct bench *bench) {
    for (int i = 0; i < bs_team_size(bench->team); i++) {
        bs_tokenizer_worker_free(bench->workers[i]);
        must(
            bs_tokenizer_worker_new(&bench->workers[i], bench->tokenizer, false, &error));
    }
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void rate(struct bench *bench, const char *path, bool first) {
    double rates[PASSES];
    for (int i = 0; i < PASSES; i++) {
        if (first)
            empty_caches(bench);
        rates[i] = pass(bench, path);
    }
    qsort(rates, PASSES, sizeof *rates, compare);
    printf("%s\t%.1f\n", first ? "first" : "warm", rates[PASSES / 2]);
}

int main(int argc, char **argv) {
    static struct bench bench;
    int64_t positions;
    int threads = argc > 3 ? atoi(argv[3]) : 1;
    if (argc < 3 || threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "Usage: tokenize MODEL TEXTS [THREADS]\n");
        return BS_USAGE;
    }
    must(bs_tokenizer_load(argv[1], &bench.tokenizer, &positions, &error));
    must(bs_team_new(&bench.team, threads, &error));
    rate(&bench, argv[2], true);
    rate(&bench, argv[2], false);
    for (int i = 0; i < threads; i++) {
        bs_tokenizer_worker_free(bench.workers[i]);
        bs_encoding_free(&bench.encodings[i]);
    }
    bs_team_free(bench.team);
    bs_tokenizer_free(bench.tokenizer);
    return BS_OK;
}
