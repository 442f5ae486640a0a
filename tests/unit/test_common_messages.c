/* What errors say and which code they get; what reaches stderr, and in what form. */
#include "common/file.h"
#include "common/log.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int code_with(int number, enum bs_code code, struct bs_error *error) {
    errno = number;
    return bs_fail_errno(error, code, "%s: cannot read", "a file");
}

static void test_codes(void) {
    static const int resources[] = {ENOMEM, ENOSPC, EDQUOT, EFBIG, EROFS, EMFILE, ENFILE};
    struct bs_error error = {0};
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        check(code_with(resources[i], BS_DATA, &error) == BS_RESOURCE &&
                  error.code == BS_RESOURCE,
              "%s is a resource", strerror(resources[i]));
    check(code_with(ENOENT, BS_DATA, &error) == BS_DATA && error.code == BS_DATA,
          "other failures keep their code");
    check(strcmp(error.text, "a file: cannot read: No such file or directory") == 0, "%s",
          error.text);
    check(bs_fail_memory(&error, 12, "ids") == BS_RESOURCE &&
              strcmp(error.text, "out of memory (wanted 12 bytes for ids)") == 0,
          "%s", error.text);
}

static void test_texts(void) {
    struct bs_error error = {0};
    char many[2 * sizeof error.text];
    memset(many, 'x', sizeof many);
    many[sizeof many - 1] = '\0';
    check(bs_fail(&error, BS_DATA, "it is %d", 7) == BS_DATA &&
              bs_error_prefix(&error, "%s: ", "a") == BS_DATA &&
              strcmp(error.text, "a: it is 7") == 0,
          "context goes in front: %s", error.text);
    bs_fail(&error, BS_DATA, "%s", many);
    check(strlen(error.text) == sizeof error.text - 1, "a long text is cut to what fits");
    bs_error_prefix(&error, "front: ");
    check(strncmp(error.text, "front: xxx", 10) == 0 &&
              strlen(error.text) == sizeof error.text - 1,
          "in front of it too");
    bs_error_prefix(&error, "%s", many);
    check(strncmp(error.text, "front: xxx", 10) == 0, "unless nothing else would fit");
    errno = ENOENT;
    bs_fail_errno(&error, BS_DATA, "%s", many);
    check(strlen(error.text) == sizeof error.text - 1, "a reason that does not fit");
}

/* ---- stderr ----------------------------------------------------------------------- */

static char scratch[] = "/tmp/test_common_messages.XXXXXX";
static int kept; /* the stderr that was */

static void begin(bool quiet, bool verbose) {
    bs_log_setup("tool", quiet, verbose);
    kept = dup(STDERR_FILENO);
    FILE *file = freopen(scratch, "w", stderr);
    if (!file)
        abort();
}

/* What was said since, to be freed. */
static char *end(void) {
    struct bs_buffer text = {0};
    struct bs_error error;
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    if (bs_file_read(scratch, 1 << 20, &text, &error))
        abort();
    return text.data;
}

static void say_all(void) {
    struct bs_error error;
    bs_fail(&error, BS_DATA, "error");
    bs_warn("warning");
    bs_note("note %d", 1);
    bs_detail("detail");
    bs_log_error(&error);
}

static void said(bool quiet, bool verbose, const char *wanted, const char *what) {
    begin(quiet, verbose);
    say_all();
    char *text = end();
    check(strcmp(text, wanted) == 0, "%s", what);
    free(text);
}

static void test_levels(void) {
    said(false, false, "tool: warning\ntool: note 1\ntool: error\n",
         "warnings, notes and errors are said");
    said(true, false, "tool: error\n", "under --quiet, errors alone");
    said(false, true, "tool: warning\ntool: note 1\ntool: detail\ntool: error\n",
         "with --verbose, details too");
    check(strcmp(bs_log_tool(), "tool") == 0, "the tool's name is known");
}

static void test_lines(void) {
    char many[2 * sizeof((struct bs_error *)0)->text];
    memset(many, 'x', sizeof many);
    many[sizeof many - 1] = '\0';
    begin(false, false);
    bs_note("a\x1b[2J\tb\nc\x7f d\xc2\x9b"
            "2J \xc3\xa9\xc2\xa0");
    char *text = end();
    check(strcmp(text, "tool: a?[2J?b?c? d??2J \xc3\xa9\xc2\xa0\n") == 0,
          "what would steer the terminal is not sent");
    free(text);
    begin(false, false);
    bs_note("%s", many);
    bs_note("next");
    text = end();
    size_t size = strlen(text);
    check(strncmp(text, "tool: xxx", 9) == 0 && size < sizeof many &&
              strcmp(text + size - 12, "\ntool: next\n") == 0,
          "a long message is one line, cut");
    free(text);
}

int main(void) {
    int file = mkstemp(scratch);
    test_codes();
    test_texts();
    if (!check(file >= 0, "a file for stderr"))
        return tap_end();
    close(file);
    test_levels();
    test_lines();
    unlink(scratch);
    return tap_end();
}
