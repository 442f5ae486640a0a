/*
 * To be preloaded into a tool: lets an allocation fail, or tells them.
 *
 *     LD_PRELOAD=fail_allocation.so FAIL_AT=17 bs-tokenize ...
 *
 * FAIL_AT=N       the Nth allocation fails, once
 * FAIL_ONWARDS=1  and so do all behind it
 * FAIL_WHOSE=ours count those that the tool itself asks for, not its libraries
 * FAIL_LIST=FILE  append a line for each, or with FAIL_AT for that one: its number, its
 *                 name, its size, and who asked for it, from the innermost caller
 *                 outwards, as OBJECT+OFFSET
 *
 * An allocation is a call of a function below; those before the tool's own first one, of
 * libraries that are being loaded, do not count. Threads count as such: without memory
 * for a stack there is none.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    char *(*strdup)(const char *);
    char *(*realpath)(const char *, char *);
    FILE *(*fopen)(const char *, const char *);
    DIR *(*opendir)(const char *);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
    int (*pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
} next;

static uintptr_t tool_begin, tool_end; /* where the tool's own code is */
static bool ours, onwards;
static atomic_bool begun;
static long fail_at;
static int list = -1;
static atomic_long count;

/* The first object is the tool. */
static int note_tool(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size, (void)context;
    tool_begin = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + part->p_vaddr;
        if (part->p_type != PT_LOAD)
            continue;
        tool_begin = begin < tool_begin ? begin : tool_begin;
        tool_end = begin + part->p_memsz > tool_end ? begin + part->p_memsz : tool_end;
    }
    return 1;
}

static void find_next(void) {
    *(void **)&next.malloc = dlsym(RTLD_NEXT, "malloc");
    *(void **)&next.calloc = dlsym(RTLD_NEXT, "calloc");
    *(void **)&next.realloc = dlsym(RTLD_NEXT, "realloc");
    *(void **)&next.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
    *(void **)&next.posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    *(void **)&next.strdup = dlsym(RTLD_NEXT, "strdup");
    *(void **)&next.realpath = dlsym(RTLD_NEXT, "realpath");
    *(void **)&next.fopen = dlsym(RTLD_NEXT, "fopen");
    *(void **)&next.opendir = dlsym(RTLD_NEXT, "opendir");
    *(void **)&next.mmap = dlsym(RTLD_NEXT, "mmap");
    *(void **)&next.pthread_create = dlsym(RTLD_NEXT, "pthread_create");
}

/* At the tool's first call: the environment may not be there at that of a library. */
static void begin(void) {
    const char *at = getenv("FAIL_AT"), *whose = getenv("FAIL_WHOSE");
    const char *path = getenv("FAIL_LIST");
    fail_at = at ? atol(at) : 0;
    onwards = getenv("FAIL_ONWARDS") != NULL;
    ours = whose && strcmp(whose, "ours") == 0;
    if (path)
        list = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    atomic_store(&begun, true);
}

/* ---- the list -------------------------------------------------------------------- */

enum { DEPTH = 12 };

struct line {
    uintptr_t caller;
    int frames; /* from the caller outwards */
    size_t size;
    char text[4096];
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *argument) {
    struct line *line = argument;
    uintptr_t at = _Unwind_GetIP(context);
    Dl_info info = {0};
    if (line->frames == 0 && at != line->caller)
        return _URC_NO_REASON;
    if (!dladdr((void *)at, &info) || !info.dli_fname)
        return _URC_END_OF_STACK;
    const char *slash = strrchr(info.dli_fname, '/');
    int n = snprintf(line->text + line->size, sizeof line->text - line->size, " %s+%#tx",
                     slash ? slash + 1 : info.dli_fname,
                     (const char *)at - (const char *)info.dli_fbase);
    if (n > 0 && line->size + (size_t)n < sizeof line->text - 1)
        line->size += (size_t)n;
    return ++line->frames < DEPTH ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void tell(long number, const char *name, size_t size, void *caller) {
    struct line line = {.caller = (uintptr_t)caller};
    line.size =
        (size_t)snprintf(line.text, sizeof line.text, "%ld %s %zu", number, name, size);
    _Unwind_Backtrace(add_frame, &line);
    line.text[line.size++] = '\n';
    if (write(list, line.text, line.size) < 0)
        list = -1;
}

/* Whether this one is to fail. */
static bool fails(const char *name, size_t size, void *caller) {
    uintptr_t at = (uintptr_t)caller;
    if (!next.malloc) {
        find_next();
        dl_iterate_phdr(note_tool, NULL);
    }
    bool is_ours = at >= tool_begin && at < tool_end;
    if (is_ours && !atomic_load(&begun))
        begin();
    if (!atomic_load(&begun) || (ours && !is_ours))
        return false;
    long number = atomic_fetch_add(&count, 1) + 1;
    if (list >= 0 && (!fail_at || number == fail_at))
        tell(number, name, size, caller);
    if (!fail_at || (onwards ? number < fail_at : number != fail_at))
        return false;
    errno = ENOMEM;
    return true;
}

#define FAILS(size) fails(__func__, size, __builtin_return_address(0))

/* ---- the functions --------------------------------------------------------------- */

void *malloc(size_t size) {
    return FAILS(size) ? NULL : next.malloc(size);
}

void *calloc(size_t n, size_t size) {
    return FAILS(n * size) ? NULL : next.calloc(n, size);
}

void *realloc(void *old, size_t size) {
    return FAILS(size) ? NULL : next.realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return FAILS(size) ? NULL : next.aligned_alloc(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    return FAILS(size) ? ENOMEM : next.posix_memalign(memory, alignment, size);
}

char *strdup(const char *string) {
    return FAILS(0) ? NULL : next.strdup(string);
}

char *realpath(const char *path, char *resolved) {
    return FAILS(0) ? NULL : next.realpath(path, resolved);
}

FILE *fopen(const char *path, const char *mode) {
    return FAILS(0) ? NULL : next.fopen(path, mode);
}

DIR *opendir(const char *path) {
    return FAILS(0) ? NULL : next.opendir(path);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    return FAILS(size) ? MAP_FAILED : next.mmap(at, size, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*body)(void *), void *argument) {
    return FAILS(0) ? EAGAIN : next.pthread_create(thread, attributes, body, argument);
}
