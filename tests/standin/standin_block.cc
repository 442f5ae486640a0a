/* Threads of a block: scheduling, barriers, warps. */
#include "standin_block.h"
#include "standin_fiber.h"
#include "standin_memory.h"
#include "standin_state.h"
#include "standin_watch.h"

#include <cstdarg>
#include <cstdio>

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace standin {

constexpr int most_threads = 1024, most_warps = 32;
constexpr unsigned all_lanes = 0xFFFFFFFFU;

enum Barrier { Sync, Count, And, Or };

struct Warp {
    unsigned ready, waiting, ended; /* lanes; those that do not exist have ended */
    unsigned place;                 /* its bit in block.ready */
};

static Thread threads[most_threads];
static Warp warps[most_warps];
static const Launch *launch;
Thread *running;
static std::vector<Fiber *> &idle = *new std::vector<Fiber *>;

static struct {
    int threads, warps;
    unsigned ready;        /* places of warps with a ready lane */
    unsigned char at[32];  /* the warps, by place */
    int ended, arrived;    /* threads; at the barrier */
    Barrier kind;          /* that they arrived at */
    int yes, result;       /* of its vote */
    bool in_order, upward; /* how the next thread is chosen */
    bool faulted;
} block;

/* ---- who is next -------------------------------------------------------------- */

static void make_ready(int warp, unsigned lanes) {
    warps[warp].ready |= lanes;
    if (lanes)
        block.ready |= 1U << warps[warp].place;
}

static void unready(Warp &warp, unsigned lanes) {
    warp.ready &= ~lanes;
    if (!warp.ready)
        block.ready &= ~(1U << warp.place);
}

/* A set bit by chance. */
static int any_bit(unsigned bits) {
    unsigned turn = static_cast<unsigned>(random_below(32));
    unsigned turned = bits >> turn | bits << (32 - turn) % 32;
    return static_cast<int>((static_cast<unsigned>(__builtin_ctz(turned)) + turn) % 32);
}

/* Takes a ready thread; null if there is none. In order: the first warp goes on as long
 * as it can, then the second; else any thread may be next. */
static Thread *choose() {
    if (!block.ready)
        return nullptr;
    int place = block.in_order ? __builtin_ctz(block.ready) : any_bit(block.ready);
    int number = block.at[place];
    Warp &warp = warps[number];
    int lane = !block.in_order ? any_bit(warp.ready)
               : block.upward  ? __builtin_ctz(warp.ready)
                               : 31 - __builtin_clz(warp.ready);
    unready(warp, 1U << lane);
    return &threads[number * 32 + lane];
}

static void become(Thread *thread) {
    running = thread;
    threadIdx = thread->index;
}

static void end_thread();

/* What a fiber does: one thread after another, as long as there are some to begin. */
static void fiber_loop() {
    for (;;) {
        launch->run(launch->closure.get());
        Fiber *mine = running->fiber;
        end_thread();
        Thread *next = choose();
        if (next && !next->fiber) {
            next->fiber = mine;
            become(next);
            continue;
        }
        idle.push_back(mine);
        if (next)
            become(next);
        count(BS_STANDIN_SWITCHES);
        fiber_switch(mine, next ? next->fiber : fiber_main());
    }
}

static Fiber *idle_fiber() {
    if (idle.empty())
        return fiber_new(fiber_loop);
    Fiber *fiber = idle.back();
    idle.pop_back();
    return fiber;
}

/* The running thread waits; returns when it has been made ready and chosen. */
static void suspend() {
    Thread *me = running, *next = choose();
    if (next == me)
        return;
    if (next && !next->fiber)
        next->fiber = idle_fiber();
    if (next)
        become(next);
    count(BS_STANDIN_SWITCHES);
    fiber_switch(me->fiber, next ? next->fiber : fiber_main());
}

/* ---- faults ------------------------------------------------------------------- */

static void describe(cudaError_t error, const Thread *thread, const char *text) {
    char where[64] = "";
    if (thread)
        snprintf(where, sizeof where, ", thread (%u, %u, %u)", thread->index.x,
                 thread->index.y, thread->index.z);
    fault(error, "kernel %s, block (%u, %u, %u)%s: %s", launch->name, blockIdx.x,
          blockIdx.y, blockIdx.z, where, text);
    block.faulted = true;
}

void kernel_fault(cudaError_t error, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    describe(error, running, text);
    fiber_switch(running->fiber, fiber_main());
    __builtin_unreachable();
}

static void describe_deadlock() {
    int in_warp = 0;
    const Thread *first = nullptr;
    for (int i = 0; i < block.threads; i++)
        if (warps[i / 32].waiting >> i % 32 & 1) {
            first = first ? first : &threads[i];
            in_warp++;
        }
    char text[256];
    snprintf(text, sizeof text,
             "deadlock: %d threads wait at a barrier of the block, %d in warp functions "
             "whose other lanes do not come, %d have ended",
             block.arrived, in_warp, block.ended);
    describe(cudaErrorLaunchTimeout, first, text);
}

/* Fibers in the middle of something are begun anew. */
static void give_up_threads() {
    for (int i = 0; i < block.threads; i++) {
        if (threads[i].fiber) {
            fiber_restart(threads[i].fiber);
            idle.push_back(threads[i].fiber);
            threads[i].fiber = nullptr;
        }
        threads[i].copies.clear();
    }
}

/* ---- barriers of the block ---------------------------------------------------- */

static void check_barrier_whole() {
    if (block.arrived > 0 && block.ended > 0 &&
        block.arrived + block.ended == block.threads)
        kernel_fault(cudaErrorLaunchTimeout,
                     "%d threads ended without coming to the barrier at which %d wait",
                     block.ended, block.arrived);
}

static int barrier(Barrier kind, int yes) {
    if (block.arrived == 0) {
        block.kind = kind;
        block.yes = 0;
    } else if (block.kind != kind) {
        kernel_fault(cudaErrorLaunchFailure,
                     "__syncthreads and one of its votes meet at one barrier");
    }
    block.arrived++;
    block.yes += yes != 0;
    check_barrier_whole();
    if (block.arrived == block.threads) {
        block.arrived = 0;
        watch_barrier();
        block.result = kind == And  ? block.yes == block.threads
                       : kind == Or ? block.yes > 0
                                    : block.yes;
        for (int warp = 0; warp < block.warps; warp++)
            make_ready(warp, ~warps[warp].ended);
    }
    suspend();
    return block.result;
}

/* ---- warps -------------------------------------------------------------------- */

/* Whether those lanes wait for the same; then it is done and they are ready. */
static bool try_complete(int number, unsigned mask, Complete complete) {
    Warp &warp = warps[number];
    unsigned alive = mask & ~warp.ended;
    if ((warp.waiting & alive) != alive)
        return false;
    Thread *lanes = &threads[number * 32];
    for (unsigned left = alive; left; left &= left - 1) {
        const Thread &lane = lanes[__builtin_ctz(left)];
        if (lane.mask != mask || lane.complete != complete)
            return false;
    }
    complete(lanes, alive);
    warp.waiting &= ~alive;
    make_ready(number, alive);
    return true;
}

void warp_wait(unsigned mask, Complete complete) {
    Thread &me = *running;
    Warp &warp = warps[me.warp];
    unsigned bit = 1U << me.lane;
    if (!(mask & bit))
        kernel_fault(cudaErrorLaunchFailure, "the mask %#x leaves out lane %d itself",
                     mask, me.lane);
    me.mask = mask;
    me.complete = complete;
    warp.waiting |= bit;
    if (try_complete(me.warp, mask, complete)) {
        unready(warp, bit);
        return;
    }
    suspend();
}

/* A lane that ends may be the last that others waited for. */
static void end_thread() {
    Thread &me = *running;
    Warp &warp = warps[me.warp];
    check_pending_copies(me);
    warp.ended |= 1U << me.lane;
    block.ended++;
    check_barrier_whole();
    if (warp.waiting) {
        const Thread &lane = threads[me.warp * 32 + __builtin_ctz(warp.waiting)];
        try_complete(me.warp, lane.mask, lane.complete);
    }
    me.fiber = nullptr;
}

/* ---- one block ---------------------------------------------------------------- */

/* The order of warps for blocks that keep one. */
static void shuffle_warps() {
    for (int i = 0; i < block.warps; i++) {
        int other = static_cast<int>(random_below(static_cast<uint64_t>(i) + 1));
        block.at[i] = block.at[other];
        block.at[other] = static_cast<unsigned char>(i);
    }
    for (int i = 0; i < block.warps; i++)
        warps[block.at[i]].place = static_cast<unsigned>(i);
}

static void set_up_warps() {
    block = {};
    const dim3 &shape = launch->block;
    block.threads = static_cast<int>(shape.x * shape.y * shape.z);
    block.warps = (block.threads + 31) / 32;
    block.in_order = random_below(2) != 0;
    block.upward = random_below(2) != 0;
    shuffle_warps();
    for (int i = 0; i < block.warps; i++) {
        int lanes = block.threads - 32 * i;
        unsigned there = lanes >= 32 ? all_lanes : (1U << lanes) - 1;
        warps[i].ready = warps[i].waiting = 0;
        warps[i].ended = ~there;
        make_ready(i, there);
    }
}

static void set_up_threads() {
    const dim3 &shape = launch->block;
    Thread *thread = threads;
    for (unsigned z = 0; z < shape.z; z++)
        for (unsigned y = 0; y < shape.y; y++)
            for (unsigned x = 0; x < shape.x; x++, thread++) {
                thread->index = {x, y, z};
                thread->warp = static_cast<int>(thread - threads) / 32;
                thread->lane = static_cast<int>(thread - threads) % 32;
                thread->fiber = nullptr;
                thread->groups = 0;
            }
}

void run_block(const Launch &now, uint3 index) {
    launch = &now;
    blockIdx = index;
    blockDim = now.block;
    gridDim = now.grid;
    set_up_warps();
    set_up_threads();
    watch_block();
    shared_renew();
    Thread *first = choose();
    first->fiber = idle_fiber();
    become(first);
    fiber_switch(fiber_main(), first->fiber);
    if (!block.faulted && block.ended < block.threads)
        describe_deadlock();
    if (block.faulted)
        give_up_threads();
    const char *overwritten = shared_overwritten();
    if (overwritten)
        describe(cudaErrorIllegalAddress, nullptr, overwritten);
    running = nullptr;
}

} // namespace standin

using namespace standin;

void __syncthreads(void) {
    barrier(Sync, 0);
}

int __syncthreads_count(int yes) {
    return barrier(Count, yes);
}

int __syncthreads_and(int yes) {
    return barrier(And, yes);
}

int __syncthreads_or(int yes) {
    return barrier(Or, yes);
}

/* As if others had been faster. */
void bs_standin_pause(void) {
    watch_atomic();
    if (random_below(4) != 0)
        return;
    make_ready(running->warp, 1U << running->lane);
    suspend();
}

void __threadfence(void) {
    watch_fence();
}

void bs_standin_trap(void) {
    kernel_fault(cudaErrorIllegalInstruction, "__trap()");
}
