/*
 * Fibers: stacks that the processor is switched between. On x86-64 a switch saves six
 * registers; elsewhere it is ucontext's. The address sanitizer is told.
 */
#ifndef BS_STANDIN_FIBER_H
#define BS_STANDIN_FIBER_H

#include <cstddef>

namespace standin {

struct Fiber {
    void *pointer = nullptr; /* saved stack pointer, or context */
    char *stack = nullptr;
    size_t stack_bytes = 0;
    void *fake_stack = nullptr; /* the sanitizer's */
    void (*entry)() = nullptr;
};

/* A fiber that runs `entry` when first switched to; entry never returns. */
Fiber *fiber_new(void (*entry)());

/* Makes it as new; what it was doing is given up. */
void fiber_restart(Fiber *fiber);

/* The fiber of the running host thread itself; a switch from it comes first. */
Fiber *fiber_main();

void fiber_switch(Fiber *from, Fiber *to);

} // namespace standin

#endif
