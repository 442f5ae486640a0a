/* Memory on huge pages. */
#include "compute/cpu/cpu_memory.h"

#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *cpu_alloc(size_t bytes) {
    if (bytes < HUGE_PAGE)
        return bs_alloc_aligned(bytes);
    size_t rounded = (bytes + 4095) / 4096 * 4096;
    void *memory = NULL; /* aligned_alloc would want a multiple of the alignment */
    if (rounded < bytes || posix_memalign(&memory, HUGE_PAGE, rounded))
        return NULL;
    madvise(memory, rounded, MADV_HUGEPAGE); /* a wish: failing does no harm */
    memset(memory, 0, rounded);
    return memory;
}
