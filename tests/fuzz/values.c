/*
 * To be preloaded into a tool that AFL++ fuzzes: values on its command line come from a
 * file.
 *
 * An argument that begins with @ becomes the next line of the file that FUZZ_VALUES names
 * or, if there is none, what stands behind the @. AFL++ begins a run where constructors
 * have ended, and the C library calls main from there: here.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int main_function(int, char **, char **);
int __libc_start_main(main_function *tool, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*loader_fini)(void), void *stack_end);

static main_function *tool_main;

static void replace_values(char **argv, FILE *values) {
    for (char **arg = argv + 1; *arg; arg++) {
        char *line = NULL;
        size_t capacity = 0;
        if (**arg != '@')
            continue;
        ++*arg;
        if (getline(&line, &capacity, values) > 0) {
            line[strcspn(line, "\n")] = '\0';
            *arg = line;
        }
    }
}

static int main_with_values(int argc, char **argv, char **environment) {
    const char *path = getenv("FUZZ_VALUES");
    FILE *values = path ? fopen(path, "r") : NULL;
    if (!values)
        abort();
    replace_values(argv, values);
    fclose(values);
    return tool_main(argc, argv, environment);
}

int __libc_start_main(main_function *tool, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*loader_fini)(void), void *stack_end) {
    __typeof__(&__libc_start_main) start;
    *(void **)&start = dlsym(RTLD_NEXT, "__libc_start_main");
    tool_main = tool;
    return start(main_with_values, argc, argv, init, fini, loader_fini, stack_end);
}
