/* For the tests of the stand-in itself: seeds, faults, and programs that must die. */
#ifndef BS_STANDIN_TEST_H
#define BS_STANDIN_TEST_H

#include "compute/cuda/launch.h"
#include "cuda/gpu.h"
#include "standin.h"

#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Lets a kernel do what the sanitizer would end the program for. */
#define UNCHECKED __attribute__((no_sanitize_address, noinline))

/* The device anew, with this seed. */
static inline void fresh(uint64_t seed = 1) {
    bs_standin_reset();
    bs_standin_seed(seed);
    bs_standin_quiet(1);
}

static inline bool fault_says(const char *text) {
    return strstr(bs_standin_fault_text(), text) != nullptr;
}

/* How many of the seeds 1 to n make `good` fail. */
static inline int seeds_that_show(int n, const std::function<bool()> &good) {
    int shown = 0;
    for (int seed = 1; seed <= n; seed++) {
        fresh(static_cast<uint64_t>(seed));
        shown += !good();
    }
    fresh();
    return shown;
}

/* Whether `action` ends a child process with an error; its stderr is thrown away. */
static inline bool dies(const std::function<void()> &action) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(0);
        action();
        _exit(0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && status != 0;
}

#endif
