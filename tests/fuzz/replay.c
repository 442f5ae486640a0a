/* In libFuzzer's place: calls a target once for each file of its corpus, and prints TAP.
 * A file that takes longer than a minute (half an hour under a checker) ends the program,
 * as one that crashes it does; the line before says which it was. */
#include "fuzz/fuzz.h"

#include "common/file.h"
#include "tap.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SECONDS = 60, CHECKED_SECONDS = 1800, LARGEST_MB = 256 };

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void replay(const char *folder, const char *name) {
    struct bs_error error;
    struct bs_buffer bytes = {0};
    char *path = bs_path_join(folder, name);
    fuzz_done(path != NULL);
    if (bs_file_read(path, SIZE_MAX, &bytes, &error)) {
        check(false, "%s", error.text);
    } else {
        printf("# %s\n", path);
        fflush(stdout);
        /* No byte more than it has, so that reading beyond its end is noticed. */
        uint8_t *data = malloc(bytes.size);
        fuzz_done(data != NULL || bytes.size == 0);
        memcpy(data, bytes.data, bytes.size);
        alarm(getenv("TEST_UNDER") ? CHECKED_SECONDS : SECONDS);
        check(LLVMFuzzerTestOneInput(data, bytes.size) == 0, "%s", name);
        free(data);
    }
    bs_buffer_free(&bytes);
    free(path);
}

/* Not of a program whose sanitizer or checker holds memory of its own. */
static void check_memory(void) {
    struct rusage usage;
    if (getenv("TEST_UNDER") || BS_SANITIZED)
        return;
    getrusage(RUSAGE_SELF, &usage);
    check(usage.ru_maxrss < LARGEST_MB * 1024L, "%ld MiB held at most, of %d",
          usage.ru_maxrss / 1024, LARGEST_MB);
}

int main(int argc, char **argv) {
    const char *name = strstr(argv[0], "fuzz_");
    struct bs_buffer folder = {0};
    struct dirent **entries;
    (void)argc;
    fuzz_done(name && bs_buffer_printf(&folder, "tests/fuzz/corpus/%s",
                                       strrchr(argv[0], '/') + strlen("/fuzz_")));
    int n = scandir(folder.data, &entries, is_visible, alphasort);
    check(n > 0, "%s has files", folder.data);
    for (int i = 0; i < n; i++) {
        replay(folder.data, entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    check_memory();
    bs_buffer_free(&folder);
    return tap_end();
}
