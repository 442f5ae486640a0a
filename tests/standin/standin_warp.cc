/* Votes and shuffles of a warp. */
#include "standin_block.h"
#include "standin_watch.h"

using namespace standin;

int bs_standin_lane(void) {
    return here().lane;
}

static void meet(Thread *lanes, unsigned) {
    watch_warp(lanes->warp);
}

static void vote(Thread *lanes, unsigned alive) {
    unsigned yes = 0;
    for (unsigned left = alive; left; left &= left - 1) {
        int lane = __builtin_ctz(left);
        yes |= static_cast<unsigned>(lanes[lane].in != 0) << lane;
    }
    for (unsigned left = alive; left; left &= left - 1)
        lanes[__builtin_ctz(left)].out = yes;
}

static void exchange(Thread *lanes, unsigned alive) {
    for (unsigned left = alive; left; left &= left - 1) {
        Thread &to = lanes[__builtin_ctz(left)];
        to.out = alive >> to.from & 1 ? lanes[to.from].in : ~uint64_t(0);
    }
}

void __syncwarp(unsigned mask) {
    warp_wait(mask, meet);
}

unsigned __ballot_sync(unsigned mask, int yes) {
    here().in = yes != 0;
    warp_wait(mask, vote);
    return static_cast<unsigned>(here().out);
}

int __any_sync(unsigned mask, int yes) {
    return __ballot_sync(mask, yes) != 0;
}

/* Lanes that have ended have no vote. */
int __all_sync(unsigned mask, int yes) {
    return __ballot_sync(mask, !yes) == 0;
}

uint64_t bs_standin_shuffle(unsigned mask, uint64_t bits, int from) {
    here().in = bits;
    here().from = from & 31;
    warp_wait(mask, exchange);
    return here().out;
}
