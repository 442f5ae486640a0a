/* Where bytes come from: compressed files, folders, archives, and live pipes. */
#include "format_help.h"

#include "common/hash.h"
#include "common/log.h"
#include "format/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Runs a shell command; what is not installed is skipped by the caller. */
static bool run(const char *command) {
    return system(command) == 0;
}

static void check_file(const char *path, const struct bs_reader_options *options,
                       const char *expected, const char *what) {
    char *got = read_file(path, options);
    if (!check(strcmp(got, expected) == 0, "%s", what))
        printf("# got:\n%s\n# expected:\n%s\n", got, expected);
    free(got);
}

static void test_compressed(void) {
    static const char *const programs[][2] = {
        {"gzip", "gz"}, {"zstd -q", "zst"}, {"xz", "xz"}};
    static const char expected[] = "{\"text\":\"a\",\"label\":\"1\"}\n";
    make_text("c.tsv", SPAN("text\tlabel\na\t1\n"));
    make_text("empty", SPAN(""));
    for (size_t i = 0; i < 3; i++) {
        char command[256], path[64];
        snprintf(command, sizeof command,
                 "%s -c c.tsv > c.tsv.%s 2>&1 && %s -c empty > empty.%s && cat c.tsv.%s "
                 "c.tsv.%s > two.%s && head -c 20 c.tsv.%s > cut.%s",
                 programs[i][0], programs[i][1], programs[i][0], programs[i][1],
                 programs[i][1], programs[i][1], programs[i][1], programs[i][1],
                 programs[i][1]);
        if (!run(command)) {
            skip("%s is not installed", programs[i][0]);
            continue;
        }
        snprintf(path, sizeof path, "c.tsv.%s", programs[i][1]);
        check_file(path, NULL, expected, path);
        snprintf(path, sizeof path, "two.%s", programs[i][1]);
        check_file(path, NULL,
                   "{\"text\":\"text\\tlabel\"}\n{\"text\":\"a\\t1\"}\n"
                   "{\"text\":\"text\\tlabel\"}\n{\"text\":\"a\\t1\"}\n",
                   "two behind each other");
        snprintf(path, sizeof path, "empty.%s", programs[i][1]);
        check_file(path, NULL, "", "nothing, compressed");
        snprintf(path, sizeof path, "cut.%s", programs[i][1]);
        char *got = read_file(path, NULL);
        check(strstr(got, "= 4: cut.") && strstr(got, ": truncated "), "cut off: %s",
              got);
        free(got);
    }
}

/* 100,000 lines of "a", compressed, and that with a fault in it. */
static void test_faults(void) {
    make_text("turn.pl", SPAN("my ($at) = @ARGV; local $/; $_ = <STDIN>;\n"
                              "substr($_, $at, 1) ^= \"\\x01\"; print"));
    if (!run(
            "yes a | head -n 100000 > lines && gzip -c lines > lines.gz && "
            "head -c -1 lines.gz > short.gz && perl turn.pl -6 < lines.gz > sum.gz && "
            "perl turn.pl 40 < lines.gz > bits.gz && cat lines.gz lines > more.gz && "
            "head -c 512 /dev/zero | cat lines.gz - lines.gz - > filled.gz && "
            "xz -c lines > lines.xz && head -c -1 lines.xz > short.xz && "
            "perl turn.pl 60 < lines.xz > bits.xz && cat lines.xz lines > more.xz && "
            "xz -c --lzma2=preset=0,mf=hc3,dict=192MiB lines > wide.xz && "
            "head -c 512 /dev/zero | cat lines.xz - lines.xz - > filled.xz && "
            "echo garb | cat lines.xz - > garb.xz && cat lines.xz lines.xz > two.xz && "
            "zstd -qc lines > lines.zst && head -c -1 lines.zst > short.zst && "
            "perl turn.pl -1 < lines.zst > sum.zst && cat lines.zst lines > more.zst && "
            "zstd -qc --long=28 < lines > wide.zst && "
            "printf '\\120\\052\\115\\030\\004\\0\\0\\0skip' | cat lines.zst - lines.zst "
            "> filled.zst && printf '\\137\\052\\115\\030\\004\\0\\0\\0skip' | cat - "
            "lines.zst "
            "> skip.zst"))
        abort();
    static const struct {
        const char *path, *end;
        int records; /* -1: as many as it happens to be */
    } faults[] = {
        {"lines.gz", "{\"text\":\"a\"}\n", 100000},
        {"filled.gz", "{\"text\":\"a\"}\n", 200000},
        {"short.gz", "= 4: short.gz: truncated gzip input", 100000},
        {"sum.gz", "= 4: sum.gz: damaged gzip input: incorrect data check", 100000},
        {"more.gz", "= 4: more.gz: damaged gzip input: incorrect header check", 100000},
        {"lines.xz", "{\"text\":\"a\"}\n", 100000},
        {"filled.xz", "{\"text\":\"a\"}\n", 200000},
        {"short.xz", "= 4: short.xz: truncated xz input", 100000},
        {"bits.xz", "= 4: bits.xz: damaged xz input: incorrect data", -1},
        {"more.xz", "= 4: more.xz: damaged xz input: something else follows it", 100000},
        {"garb.xz", "= 4: garb.xz: damaged xz input: something else follows it", 100000},
        {"two.xz", "{\"text\":\"a\"}\n", 200000},
        {"wide.xz", "= 4: wide.xz: unpack it first: its xz window is more than 128 MiB",
         0},
        {"lines.zst", "{\"text\":\"a\"}\n", 100000},
        {"filled.zst", "{\"text\":\"a\"}\n", 200000},
        {"skip.zst", "{\"text\":\"a\"}\n", 100000},
        {"short.zst", "= 4: short.zst: truncated zstd input", 100000},
        {"sum.zst",
         "= 4: sum.zst: damaged zstd input: Restored data doesn't match checksum",
         100000},
        {"more.zst", "= 4: more.zst: damaged zstd input: Unknown frame descriptor",
         100000},
        {"wide.zst",
         "= 4: wide.zst: unpack it first: its zstd window is more than 128 MiB", 0},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char *path = (char *)faults[i].path;
        struct outcome out = read_paths(&path, 1, NULL);
        size_t size = strlen(faults[i].end);
        bool counted = faults[i].records < 0 || out.records == faults[i].records;
        check(counted && out.text.size > size &&
                  memcmp(out.text.data + out.text.size - 1 - size, faults[i].end, size) ==
                      0,
              "%s: %d records", path, out.records);
        bs_buffer_free(&out.text);
    }
    char *path = (char *)"bits.gz";
    struct outcome out = read_paths(&path, 1, NULL);
    check(out.code == BS_DATA, "a turned bit within");
    bs_buffer_free(&out.text);
}

static void test_unread(void) {
    make_text("a.bz2", SPAN("BZh91AY&SYand so on"));
    check_file("a.bz2", NULL,
               "= 4: a.bz2: packed by bzip2, which is not read; unpack it first, with "
               "bzip2 -dc",
               "bzip2");
    make_text("a.lz4", SPAN("\x04\x22\x4d\x18, and so on"));
    check_file(
        "a.lz4", NULL,
        "= 4: a.lz4: packed by lz4, which is not read; unpack it first, with lz4 -dc",
        "lz4");
    make_text("a.txt", SPAN("BZh9 is how bzip2 begins\nBZh91AY&SX\n"));
    check_file("a.txt", NULL,
               "{\"text\":\"BZh9 is how bzip2 begins\"}\n{\"text\":\"BZh91AY&SX\"}\n",
               "and lines that are none");
    struct bs_error error;
    if (bs_make_directories("packed/pos", &error) ||
        !run(
            "cp a.bz2 packed/pos/1; gzip -c a.txt > packed/pos/2; cp a.lz4 packed/pos/3"))
        abort();
    make_text("packed/pos/4", SPAN("BZh91AY"));
    check_file("packed", NULL,
               "! record 1: packed by bzip2; unpack it first\n"
               "! record 1: packed by gzip; unpack it first\n"
               "! record 1: packed by lz4; unpack it first\n"
               "{\"label\":\"pos\",\"text\":\"BZh91AY\",\"path\":\"pos/4\"}\n",
               "packed files of a folder");
}

static const char tree_expected[] =
    "{\"label\":\"neg\",\"text\":\"bad\\n\",\"path\":\"set/neg/1.txt\"}\n"
    "{\"label\":\"pos\",\"text\":\"good\",\"path\":\"set/pos/1.txt\"}\n"
    "{\"label\":\"pos\",\"text\":\"\",\"path\":\"set/pos/2.txt\"}\n"
    "{\"text\":\"top\",\"path\":\"top.txt\"}\n";

static void make_tree(void) {
    struct bs_error error;
    if (bs_make_directories("t/set/pos", &error) ||
        bs_make_directories("t/set/neg", &error) ||
        bs_make_directories("t/.git", &error) || symlink("1.txt", "t/set/pos/link"))
        abort();
    make_text("t/set/pos/1.txt", SPAN("good"));
    make_text("t/set/pos/2.txt", SPAN(""));
    make_text("t/set/neg/1.txt", SPAN("bad\n"));
    make_text("t/set/neg/.hidden", SPAN("no"));
    make_text("t/.git/HEAD", SPAN("no"));
    make_text("t/top.txt", SPAN("top"));
}

static void test_trees(void) {
    struct bs_reader_options members = {.members = "set/p*/*"},
                             small = {.max_record = 3, .members = "set/*/*"};
    make_tree();
    check_file("t", NULL, tree_expected, "a folder, by name");
    check_file("t/", &members,
               "{\"label\":\"pos\",\"text\":\"good\",\"path\":\"set/pos/1.txt\"}\n"
               "{\"label\":\"pos\",\"text\":\"\",\"path\":\"set/pos/2.txt\"}\n",
               "some of its files");
    check_file("t", &small,
               "! record 1: longer than 3 bytes (--max-record)\n"
               "! record 1: longer than 3 bytes (--max-record)\n"
               "{\"label\":\"pos\",\"text\":\"\",\"path\":\"set/pos/2.txt\"}\n",
               "files too long");
    if (!run(
            "cd t && tar cf ../t.tar --sort=name . && tar czf ../t.tar.gz --sort=name *"))
        abort();
    check_file("t.tar", NULL, tree_expected, "an archive");
    check_file("t.tar.gz", NULL, tree_expected, "a compressed archive");
    check_file("t.tar.gz", &small,
               "! record 1: longer than 3 bytes (--max-record)\n"
               "! record 1: longer than 3 bytes (--max-record)\n"
               "{\"label\":\"pos\",\"text\":\"\",\"path\":\"set/pos/2.txt\"}\n",
               "members too long");
    check_file("t.tar.gz", &members,
               "{\"label\":\"pos\",\"text\":\"good\",\"path\":\"set/pos/1.txt\"}\n"
               "{\"label\":\"pos\",\"text\":\"\",\"path\":\"set/pos/2.txt\"}\n",
               "some of its members");
    if (!run("head -c 200 t.tar.gz > cut.tar.gz && head -c 2000 t.tar > cut.tar"))
        abort();
    char *got = read_file("cut.tar.gz", NULL);
    check(strstr(got, "= 4: cut.tar.gz: ") != NULL, "a compressed archive cut off");
    free(got);
    got = read_file("cut.tar", NULL);
    check(strstr(got, "= 4: cut.tar: ") != NULL, "an archive cut off");
    free(got);
    if (!run("head -c -1 t.tar.gz > short.tar.gz"))
        abort();
    got = read_file("short.tar.gz", NULL);
    check(strncmp(got, tree_expected, strlen(tree_expected)) == 0 &&
              strcmp(got + strlen(tree_expected),
                     "= 4: short.tar.gz: truncated gzip input") == 0,
          "a compressed archive cut off behind its members");
    free(got);
    struct bs_reader_options lines = {.format = BS_FORMAT_LINES};
    check_file("t", &lines, "= 4: t: is a folder; read it with --from tree",
               "a folder as lines");
}

/* Under names that do not say that they are archives. */
static void test_tar_with_line(void) {
    static const char expected[] =
        "{\"label\":\"pos\",\"text\":\"good\",\"path\":\"pos/1.txt\"}\n";
    if (!run("mkdir -p u/pos v/pos && printf good >u/pos/1.txt && printf bad "
             ">'v/pos/a\nb' "
             "&& cd u && tar --format=gnu --owner=x:16779777 -cf ../u.tar pos && cd ../v "
             "&& tar --format=ustar -cf ../v.tar pos/* && cd .. && cp u.tar u.data && "
             "cp v.tar v.data && gzip -c u.tar >u.gz"))
        abort();
    check_file("u.data", NULL, expected, "a tar with a large number");
    check_file("u.gz", NULL, expected, "and compressed");
    check_file("v.data", NULL,
               "{\"label\":\"pos\",\"text\":\"bad\",\"path\":\"pos/a\\nb\"}\n",
               "a line feed in a name");
    char line[1024];
    memset(line, 'a', sizeof line);
    line[10] = '\n';
    memcpy(line + 257, "ustar", 5);
    make_text("w.data", bs_span(line, sizeof line));
    char *got = read_file("w.data", NULL);
    check(strncmp(got, "{\"text\":\"aaaaaaaaaa\"}\n", 22) == 0, "lines with the word");
    free(got);
}

enum { STORED = 0, LZMA = 14, XZ = 95, PPMD = 98 }; /* how a member is packed */
enum { NAME_IS_UTF8 = 8 };                          /* flag, in the second byte */

/* A zip of one member, whose two bytes are said to be packed by a method. */
static void make_zip(const char *path, uint8_t method, uint8_t flags, const char *name) {
    static const char content[] = "ab";
    uint32_t crc = bs_crc32(0, content, 2);
    static const uint8_t end[22] = {'P', 'K', 5, 6};
    uint8_t zip[30] = {'P', 'K', 3, 4, 20, 0, 0, flags, method};
    memcpy(zip + 14, &crc, sizeof crc);
    zip[18] = zip[22] = 2;
    zip[26] = (uint8_t)strlen(name);
    struct bs_buffer bytes = {0};
    if (!bs_buffer_append(&bytes, (char *)zip, sizeof zip) ||
        !bs_buffer_append_span(&bytes, bs_span_of(name)) ||
        !bs_buffer_append(&bytes, content, 2) ||
        !bs_buffer_append(&bytes, (const char *)end, sizeof end))
        abort();
    make_text(path, bs_buffer_span(&bytes));
    bs_buffer_free(&bytes);
}

static void test_zip(void) {
    static const uint8_t refused[] = {LZMA, XZ, PPMD};
    make_zip("stored.zip", STORED, 0, "pos/1.txt");
    check_file("stored.zip", NULL,
               "{\"label\":\"pos\",\"text\":\"ab\",\"path\":\"pos/1.txt\"}\n", "a zip");
    for (size_t i = 0; i < sizeof refused; i++) {
        make_zip("refused.zip", refused[i], 0, "pos/1.txt");
        check_file(
            "refused.zip", NULL,
            "= 4: refused.zip: unpack it first: it is not packed by deflate or bzip2",
            "a zip whose method may claim memory");
    }
}

static void test_zip_names(void) {
    make_zip("marked.zip", STORED, NAME_IS_UTF8, "s\xc3\xbc\xc3\x9f/\xe6\x97\xa5");
    check_file("marked.zip", NULL,
               "{\"label\":\"s\xc3\xbc\xc3\x9f\",\"text\":\"ab\","
               "\"path\":\"s\xc3\xbc\xc3\x9f/\xe6\x97\xa5\"}\n",
               "a name that is marked as UTF-8");
    make_zip("other.zip", STORED, 0, "s\xfc\xdf/1");
    check_file("other.zip", NULL,
               "{\"label\":\"s\xef\xbf\xbd\xef\xbf\xbd\",\"text\":\"ab\","
               "\"path\":\"s\xef\xbf\xbd\xef\xbf\xbd/1\"}\n",
               "a name in another encoding");
    make_zip("false.zip", STORED, NAME_IS_UTF8, "s\xfc\xdf/1");
    check_file("false.zip", NULL,
               "= 4: false.zip: member 1 has a name that cannot be read; unpack it and "
               "read the folder",
               "a name that is falsely marked as UTF-8");
}

/* Of a record out of an archive, messages name the member. */
static void test_member_name(void) {
    struct bs_error error = {0};
    struct bs_reader *reader;
    struct bs_record record = {0};
    char *path = (char *)"t.tar";
    struct bs_reader_options none = {0};
    if (bs_reader_open(&reader, &path, 1, &none, &error))
        abort();
    bool done = !bs_reader_next(reader, &record, &error);
    check(done && strcmp(record.file, "t.tar: set/neg/1.txt") == 0, "the member's name");
    check(bs_reader_format(reader) == BS_FORMAT_TREE, "is known as a tree");
    bs_record_free(&record);
    bs_reader_close(reader);
}

/* A reader of a pipe that we write to. */
struct live {
    struct bs_reader *reader;
    struct bs_record record;
    int to;
};

static void live_open(struct live *live, enum bs_format format) {
    struct bs_error error;
    static char path[32];
    char *paths[] = {path};
    int ends[2];
    if (pipe(ends))
        abort();
    *live = (struct live){.to = ends[1]};
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    struct bs_reader_options options = {.format = format};
    if (dup2(ends[0], STDIN_FILENO) < 0 ||
        bs_reader_open(&live->reader, paths, 0, &options, &error))
        abort();
    close(ends[0]);
}

static void live_write(struct live *live, struct bs_span bytes) {
    if (write(live->to, bytes.data, bytes.size) != (ssize_t)bytes.size)
        abort();
}

static bool live_next(struct live *live, const char *text) {
    struct bs_error error;
    struct bs_field *field;
    if (bs_reader_next(live->reader, &live->record, &error))
        return false;
    field = bs_record_find(&live->record, "text");
    return field && bs_span_is(field->value.bytes, text);
}

static void live_close(struct live *live) {
    bs_record_free(&live->record);
    bs_reader_close(live->reader);
}

static void test_live(void) {
    struct live live;
    struct bs_error error;
    live_open(&live, BS_FORMAT_AUTO);
    check(!bs_reader_ready(live.reader), "nothing is there yet");
    double before = bs_seconds();
    check(!bs_reader_wait(live.reader, 0.1), "nor after a while");
    check(bs_seconds() - before > 0.09, "which was waited for");
    live_write(&live, SPAN("one\ntwo"));
    check(bs_reader_ready(live.reader) && live_next(&live, "one"), "a line is there");
    check(!bs_reader_ready(live.reader), "half a line is not ready");
    live_write(&live, SPAN("!\nthree\n"));
    check(bs_reader_wait(live.reader, -1) && live_next(&live, "two!"), "now it is");
    check(bs_reader_ready(live.reader) && live_next(&live, "three"), "so is the next");
    close(live.to);
    check(bs_reader_ready(live.reader), "an end is ready");
    check(bs_reader_next(live.reader, &live.record, &error) == BS_END, "the end");
    live_close(&live);
}

/* The first byte of a magic alone decides nothing, and blocks nothing. */
static void test_live_sniffing(void) {
    struct live live;
    live_open(&live, BS_FORMAT_AUTO);
    live_write(&live, SPAN("("));
    check(!bs_reader_ready(live.reader), "one byte, which zstd begins with");
    live_write(&live, SPAN("\n"));
    check(bs_reader_ready(live.reader) && live_next(&live, "("), "was a line");
    close(live.to);
    live_close(&live);
    live_open(&live, BS_FORMAT_CSV);
    live_write(&live, SPAN("text\n\"a\n"));
    check(!bs_reader_ready(live.reader), "a header row, and half a row");
    live_write(&live, SPAN("b\"\n"));
    check(bs_reader_ready(live.reader) && live_next(&live, "a\nb"), "now a row");
    close(live.to);
    live_close(&live);
}

/* An archive whose first bytes come alone is none the less one. */
static void test_live_archive(const char *path, size_t first, const char *text) {
    struct live live;
    struct bs_error error;
    struct bs_buffer data = {0};
    if (bs_file_read(path, 65536, &data, &error))
        abort();
    live_open(&live, BS_FORMAT_AUTO);
    live_write(&live, bs_span(data.data, first));
    check(!bs_reader_ready(live.reader), "%s: %zu bytes say nothing", path, first);
    live_write(&live, bs_span(data.data + first, data.size - first));
    close(live.to);
    check(live_next(&live, text), "%s: all of them do", path);
    live_close(&live);
    bs_buffer_free(&data);
}

static void test_live_archives(void) {
    test_live_archive("t.tar", 1, "bad\n");
    test_live_archive("t.tar", 200, "bad\n");
    test_live_archive("t.tar.gz", 60, "bad\n");
    make_zip("stored.zip", STORED, 0, "pos/1.txt");
    test_live_archive("stored.zip", 3, "ab");
    if (!run("head -c 200 t.tar | gzip -c > two.gz && tail -c +201 t.tar | gzip -c >> "
             "two.gz"))
        abort();
    check_file("two.gz", NULL, tree_expected, "an archive compressed in two pieces");
}

static void test_line_at_once(struct bs_span line) {
    struct live live;
    live_open(&live, BS_FORMAT_AUTO);
    live_write(&live, line);
    check(bs_reader_ready(live.reader), "a line of %zu bytes is one at once", line.size);
    close(live.to);
    live_close(&live);
}

/* What could not be an archive, whatever its length. */
static void test_lines_at_once(void) {
    char line[280];
    memset(line, 'a', sizeof line);
    for (size_t size = 1; size < sizeof line; size += 31) {
        line[size - 1] = '\n';
        test_line_at_once(bs_span(line, size));
        line[size - 1] = 'a';
    }
    memset(line, '7', sizeof line);
    line[sizeof line / 2 - 1] = '\n'; /* a mode of digits, as a tar has */
    test_line_at_once(bs_span(line, sizeof line / 2));
    test_line_at_once(SPAN("PK\n"));
    test_line_at_once(SPAN("a\0\n"));
}

/* Lines of 8 bytes: what one read of compressed bytes turns into. */
static void test_live_lines(const char *program, int lines) {
    struct live live;
    struct bs_error error;
    struct bs_buffer data = {0};
    int n = 0;
    char command[64];
    snprintf(command, sizeof command, "yes aaaaaaa | head -n %d | %s > live", lines,
             program);
    if (!run(command) || bs_file_read("live", 65536, &data, &error))
        abort();
    live_open(&live, BS_FORMAT_AUTO);
    live_write(&live, bs_buffer_span(&data));
    alarm(60); /* ends a test that waits */
    while (bs_reader_ready(live.reader) && live_next(&live, "aaaaaaa"))
        n++;
    alarm(0);
    check(n == lines, "%s: %d lines out of a pipe that stays open", program, n);
    close(live.to);
    check(bs_reader_next(live.reader, &live.record, &error) == BS_END, "and the end");
    live_close(&live);
    bs_buffer_free(&data);
}

/* Into more than the window takes at once, and into just as much. */
static void test_live_compressed(const char *program) {
    test_live_lines(program, 100000);
    test_live_lines(program, 256 * 1024 / 8);
}

/* A stream that arrives byte by byte. */
static void test_live_stream(void) {
    struct live live;
    struct bs_reader_options none = {0};
    make_text("rows.jsonl", SPAN("{\"text\":\"a\"}\n{\"text\":\"b\"}\n"));
    struct bs_span stream = convert("rows.jsonl", &none, BS_FORMAT_MSGPACK);
    int ready_at[2], found = 0;
    bool right = true;
    live_open(&live, BS_FORMAT_AUTO);
    for (size_t i = 0; i < stream.size; i++) {
        live_write(&live, bs_span(stream.data + i, 1));
        if (found < 2 && bs_reader_ready(live.reader)) {
            right = right && live_next(&live, found ? "b" : "a");
            ready_at[found++] = (int)i;
        }
    }
    check(found == 2 && right && ready_at[1] - ready_at[0] == 8,
          "each record is ready with its last byte");
    close(live.to);
    struct bs_error error;
    check(bs_reader_next(live.reader, &live.record, &error) == BS_END, "and the end");
    check(bs_reader_header(live.reader) &&
              strcmp(bs_reader_header(live.reader)->tokenizer, "feed") == 0,
          "the header is known");
    live_close(&live);
    free((char *)stream.data);
}

static void test_position(void) {
    struct bs_error error = {0};
    struct bs_reader *reader;
    struct bs_record record = {0};
    struct bs_reader_options none = {0};
    char *paths[] = {(char *)"c.tsv", (char *)"rows.jsonl"};
    int64_t total, before = 0;
    bool grows = true;
    if (bs_reader_open(&reader, paths, 2, &none, &error))
        abort();
    while (!bs_reader_next(reader, &record, &error)) {
        int64_t position = bs_reader_position(reader, &total);
        grows = grows && position >= before;
        before = position;
    }
    check(grows && bs_reader_position(reader, &total) == total && total == 15 + 26,
          "the position reaches the total");
    bs_record_free(&record);
    bs_reader_close(reader);
}

int main(void) {
    bs_log_setup("test", true, false);
    help_begin();
    test_compressed();
    test_faults();
    test_unread();
    test_trees();
    test_tar_with_line();
    test_zip();
    test_zip_names();
    test_member_name();
    test_live();
    test_live_sniffing();
    test_live_archives();
    test_lines_at_once();
    test_live_compressed("gzip");
    test_live_compressed("xz");
    test_live_compressed("zstd -q");
    test_live_stream();
    test_position();
    return help_end();
}
