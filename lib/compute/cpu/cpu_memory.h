/* Large blocks of memory for rows and weights. */
#ifndef BS_COMPUTE_CPU_CPU_MEMORY_H
#define BS_COMPUTE_CPU_CPU_MEMORY_H

#include <stddef.h>

/* Zeroed, aligned to 64 bytes, on huge pages where the system gives them when asked: rows
 * of a few kB apart would else need a page table entry each. Of large blocks nothing is
 * resident before it is touched. NULL: no memory. */
void *cpu_alloc(size_t bytes);
void cpu_free(void *block);

#endif
