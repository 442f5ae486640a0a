/* Large blocks are mapped: the system clears their pages when they are first touched, and
 * those that never are cost nothing. A header in front says how to free a block. */
#include "compute/cpu/cpu_memory.h"

#include "common/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE    ((size_t)2 << 20)
#define LEAST_MAPPED ((size_t)256 << 10)

/* As large as the alignment. */
struct header {
    _Alignas(64) size_t mapped; /* bytes; 0: allocated */
};

/* The address sanitizer watches what is allocated. */
#if defined(__SANITIZE_ADDRESS__)
static const size_t least_mapped = SIZE_MAX;
#else
static const size_t least_mapped = LEAST_MAPPED;
#endif

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* From the beginning of a huge page on. The header is at the end of a page in front. */
static struct header *map_block(size_t bytes) {
    size_t page = page_size(), kept = (bytes + page - 1) / page * page;
    size_t mapped = page + kept + HUGE_PAGE;
    if (mapped < bytes)
        return NULL;
    char *memory =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t lead = -(size_t)(memory + page) % HUGE_PAGE, tail = HUGE_PAGE - lead;
    if (lead)
        munmap(memory, lead);
    char *block = memory + lead + page;
    munmap(block + kept, tail);
    madvise(block, kept, MADV_HUGEPAGE); /* a wish: failing does no harm */
    struct header *header = (struct header *)block - 1;
    header->mapped = page + kept;
    return header;
}

void *cpu_alloc(size_t bytes) {
    size_t all = bytes + sizeof(struct header);
    struct header *header = NULL;
    if (all < bytes)
        return NULL;
    if (bytes >= least_mapped)
        header = map_block(bytes);
    else if ((header = bs_alloc_aligned(all)))
        header->mapped = 0;
    return header ? header + 1 : NULL;
}

void cpu_free(void *block) {
    if (!block)
        return;
    struct header *header = (struct header *)block - 1;
    if (header->mapped)
        munmap((char *)block - page_size(), header->mapped);
    else
        free(header);
}
