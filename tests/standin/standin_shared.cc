/* The shared memory of the block that runs, between guards. */
#include "standin_block.h"
#include "standin_memory.h"
#include "standin_watch.h"

namespace standin {

constexpr size_t shared_most = 228 * 1024, shared_guard = 1024;
constexpr unsigned char guard_byte = 0x5A;
alignas(1024) static unsigned char shared_area[shared_guard + shared_most + shared_guard];
static unsigned char *const shared = shared_area + shared_guard;
static size_t shared_bytes;

bool is_shared(const void *pointer, size_t bytes) {
    const unsigned char *at = static_cast<const unsigned char *>(pointer);
    return at >= shared && at + bytes <= shared + shared_bytes;
}

void shared_open(size_t bytes) {
    shared_bytes = bytes;
    fill_bytes(shared_area, guard_byte, shared_guard);
    fill_bytes(shared + bytes, guard_byte, shared_guard);
    poison(shared_area, sizeof shared_area);
    unpoison(shared, bytes);
}

void shared_close() {
    shared_bytes = 0;
    poison(shared_area, sizeof shared_area);
}

Area area_of(const void *pointer, size_t bytes) {
    static Cell *cells = watching ? cells_new(shared_most) : nullptr;
    if (is_shared(pointer, bytes))
        return {reinterpret_cast<char *>(shared), cells, true};
    return device_area(pointer, bytes);
}

void shared_renew() {
    fill_bytes(shared, 0xFF, shared_bytes);
}

const char *shared_overwritten() {
    for (size_t i = 0; i < shared_guard; i++) {
        if (shared[shared_bytes + i] != guard_byte)
            return "wrote behind the end of its shared memory";
        if (shared_area[i] != guard_byte)
            return "wrote before the beginning of its shared memory";
    }
    return nullptr;
}

} // namespace standin

using namespace standin;

void *bs_standin_shared(void) {
    return shared;
}
