/* Large blocks are mapped: the system clears their pages when they are first touched, and
 * those that never are cost nothing. A header in front says how to free a block. */
#include "compute/cpu/cpu_memory.h"

#include "common/buffer.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* As large as the alignment. */
struct header {
    _Alignas(64) size_t mapped; /* bytes; 0: allocated */
};

/* The address sanitizer watches what is allocated. */
#if defined(__SANITIZE_ADDRESS__)
static const size_t least_mapped = SIZE_MAX;
#else
static const size_t least_mapped = HUGE_PAGE;
#endif

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* From the beginning of a huge page on. */
static struct header *map_block(size_t bytes) {
    size_t page = page_size(), kept = (bytes + page - 1) / page * page;
    size_t mapped = kept + HUGE_PAGE;
    if (mapped < bytes)
        return NULL;
    char *memory =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    size_t lead = -(size_t)memory % HUGE_PAGE, tail = HUGE_PAGE - lead;
    if (lead)
        munmap(memory, lead);
    munmap(memory + lead + kept, tail);
    struct header *header = (void *)(memory + lead);
    madvise(header, kept, MADV_HUGEPAGE); /* a wish: failing does no harm */
    header->mapped = kept;
    return header;
}

void *cpu_alloc(size_t bytes) {
    size_t all = bytes + sizeof(struct header);
    struct header *header = NULL;
    if (all < bytes)
        return NULL;
    if (bytes >= least_mapped)
        header = map_block(all);
    else if ((header = bs_alloc_aligned(all)))
        header->mapped = 0;
    return header ? header + 1 : NULL;
}

void cpu_free(void *block) {
    if (!block)
        return;
    struct header *header = (struct header *)block - 1;
    if (header->mapped)
        munmap(header, header->mapped);
    else
        free(header);
}

void cpu_give_back(void *memory, size_t bytes) {
    size_t page = page_size(), lead = -(size_t)memory % page;
    if (bytes <= lead)
        return;
    memory = (char *)memory + lead;
    bytes = (bytes - lead) / page * page;
    madvise(memory, bytes, MADV_NOHUGEPAGE); /* else the system may fill it up again */
    madvise(memory, bytes, MADV_DONTNEED);
}
