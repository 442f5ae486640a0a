/* Switching between stacks. */
#include "standin_fiber.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

/* BS_STANDIN_UCONTEXT: the portable way on x86-64 as well. */
#if defined(__x86_64__) && !defined(BS_STANDIN_UCONTEXT)
#define OWN_SWITCH 1
#else
#define OWN_SWITCH 0
#include <ucontext.h>
#endif

extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void **, const void *, size_t);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void *, const void **,
                                                           size_t *);
__attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *, size_t);
}

namespace standin {

/* Sanitized code has large frames. Only touched pages cost memory. */
constexpr size_t stack_bytes = 256 * 1024, page = 4096;

/* The host thread that runs now; the fiber that was left last, and for which. */
static Fiber host;
static Fiber *left, *reached;

/* Whether the sanitizer is told: of the way from the host thread's stack and back, not of
 * each switch between fibers, which would take longer than what they do. */
static bool told() {
    return __sanitizer_start_switch_fiber && (left == &host || reached == &host);
}

static void arrived(void *fake_stack) {
    if (!told())
        return;
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
    if (left == &host) {
        host.stack = static_cast<char *>(const_cast<void *>(bottom));
        host.stack_bytes = bytes;
    }
}

static void begin() {
    arrived(nullptr);
    reached->entry();
    abort();
}

#if OWN_SWITCH

extern "C" void bs_standin_swap(void **save, void *load);
__asm__(".text\n"
        ".p2align 4\n"
        ".type bs_standin_swap, @function\n"
        "bs_standin_swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size bs_standin_swap, . - bs_standin_swap\n");

extern "C" void bs_standin_begin(void);
__asm__(".text\n"
        ".type bs_standin_begin, @function\n"
        "bs_standin_begin:\n"
        "    xorl %ebp, %ebp\n"
        "    callq *%rbx\n"
        "    ud2\n"
        ".size bs_standin_begin, . - bs_standin_begin\n");

static void swap(Fiber *from, Fiber *to) {
    bs_standin_swap(&from->pointer, to->pointer);
}

static void prepare(Fiber *fiber) {
    void **top = reinterpret_cast<void **>(fiber->stack + fiber->stack_bytes);
    *--top = nullptr; /* so that the stack is aligned at the call */
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(bs_standin_begin); /* returned to */
    *--top = nullptr;                                    /* rbp */
    *--top = reinterpret_cast<void *>(begin);            /* rbx */
    for (int i = 0; i < 4; i++)
        *--top = nullptr;
    fiber->pointer = top;
}

#else

static void swap(Fiber *from, Fiber *to) {
    if (!from->pointer)
        from->pointer = new ucontext_t;
    swapcontext(static_cast<ucontext_t *>(from->pointer),
                static_cast<ucontext_t *>(to->pointer));
}

static void prepare(Fiber *fiber) {
    if (!fiber->pointer)
        fiber->pointer = new ucontext_t;
    ucontext_t *context = static_cast<ucontext_t *>(fiber->pointer);
    getcontext(context);
    context->uc_stack.ss_sp = fiber->stack;
    context->uc_stack.ss_size = fiber->stack_bytes;
    context->uc_link = nullptr;
    makecontext(context, begin, 0);
}

#endif

void fiber_restart(Fiber *fiber) {
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(fiber->stack, fiber->stack_bytes);
    fiber->fake_stack = nullptr;
    prepare(fiber);
}

Fiber *fiber_new(void (*entry)()) {
    void *memory = mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) {
        perror("stand-in: stacks for the threads of a block");
        abort();
    }
    Fiber *fiber = new Fiber;
    fiber->stack = static_cast<char *>(memory) + page;
    fiber->stack_bytes = stack_bytes;
    fiber->entry = entry;
    fiber_restart(fiber);
    return fiber;
}

Fiber *fiber_main() {
    return &host;
}

void fiber_switch(Fiber *from, Fiber *to) {
    left = from;
    reached = to;
    if (told())
        __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
    swap(from, to);
    arrived(from->fake_stack);
}

} // namespace standin
