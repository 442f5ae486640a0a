/* Start and end of a tool: descriptors, signals, the check of standard output, the
 * exit status. */
#include "front/tool.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
enum { N_CAUGHT = sizeof caught / sizeof *caught };

static volatile sig_atomic_t noted;

/* argp prints --help through stdio and then exits: what is still buffered may fail. */
static void check_stdout(void) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return;
    fprintf(stderr, "%s: standard output: cannot write: %s\n", bs_log_tool(),
            strerror(errno));
    _exit(BS_RESOURCE);
}

/* A link itself can be neither read nor written, nor opened by way of /dev/stdout. That
 * leads through /proc; without it /dev/null does, in the direction nobody uses. */
static int open_stand_in(int fd) {
    int stand_in = open("/proc/self", O_PATH | O_NOFOLLOW);
    return stand_in < 0 ? open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) : stand_in;
}

/* A file opened later must not become descriptor 0, 1 or 2. Reads and writes still fail,
 * as on what is closed. */
static void fill_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open_stand_in(fd) < 0)
            _exit(BS_RESOURCE);
}

void bs_tool_start(void) {
    fill_descriptors();
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a failed write (EFBIG) */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    atexit(check_stdout);
}

static void note_signal(int number) {
    if (noted)
        _exit(128 + number);
    noted = number;
}

void bs_tool_catch_signals(void) {
    for (int i = 0; i < N_CAUGHT; i++) {
        struct sigaction old, action = {.sa_handler = note_signal};
        sigemptyset(&action.sa_mask);
        if (sigaction(caught[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(caught[i], &action, NULL);
    }
}

static void mask_signals(int how) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < N_CAUGHT; i++)
        sigaddset(&set, caught[i]);
    pthread_sigmask(how, &set, NULL);
}

void bs_tool_mute_signals(void) {
    mask_signals(SIG_BLOCK);
}

void bs_tool_hear_signals(void) {
    mask_signals(SIG_UNBLOCK);
}

int bs_tool_signal(void) {
    return noted;
}

static bool is_failure(int code) {
    return code != BS_OK && code != BS_REJECTED && code != BS_NEGATIVE;
}

bool bs_tool_keeps_output(int code) {
    return !noted && !is_failure(code);
}

int bs_tool_end(int code, const struct bs_error *error) {
    if (code == BS_INTERRUPTED)
        code = noted ? BS_OK : BS_RESOURCE;
    if (is_failure(code)) {
        bs_log_error(error);
        return code;
    }
    return noted ? 128 + noted : code;
}
