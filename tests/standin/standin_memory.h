/*
 * Device and pinned memory: ordinary memory between guards, remembered in a table.
 *
 * Under the address sanitizer guards are poisoned always and device memory is whenever
 * no kernel runs, so that host code that reads through a device pointer is caught.
 */
#ifndef BS_STANDIN_MEMORY_H
#define BS_STANDIN_MEMORY_H

#include <cuda_runtime.h>

#include <functional>

namespace standin {

/* Whether all of it lies inside one live allocation of device (pinned host) memory. */
bool is_device(const void *pointer, size_t bytes);
bool is_pinned(const void *pointer, size_t bytes);

/* The allocation of device memory that all of it lies in; see standin_block.h. */
struct Area device_area(const void *pointer, size_t bytes);

/* Around the kernels of a burst of work. Hiding looks at the guards. */
void memory_expose();
void memory_hide();

/* Faults if a guard was overwritten. */
void memory_check();

/* Frees everything. */
void memory_forget();

/* Faults if host memory is freed or outside its object, as the sanitizer knows it. */
bool host_memory_good(const void *pointer, size_t bytes, const char *use);

/* memcpy and memset that the sanitizer does not look at. */
void copy_bytes(void *to, const void *from, size_t bytes);
void fill_bytes(void *to, int value, size_t bytes);

/* Poisons, or opens again; nothing without the sanitizer. */
void poison(const void *pointer, size_t bytes);
void unpoison(const void *pointer, size_t bytes);

/* The device that this host thread has chosen. */
int current_device();

} // namespace standin

#endif
