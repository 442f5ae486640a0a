/*
 * Races and strays, found whatever the order of threads: built with -fsanitize=thread,
 * whose calls go to the stand-in. Every seed must find each, not one seed of many.
 */
#include "compute/cuda/matrix_unit.h"
#include "compute/cuda/warp.h"
#include "standin_test.h"

enum Kind {
    Barrier,     /* sound */
    WarpSync,    /* sound */
    ManyReaders, /* sound */
    Neighbours,  /* sound: halves of a word */
    Bytes,       /* sound: single bytes */
    Published,   /* sound: fence and atomic between blocks */
    Constants,   /* sound */
    WriteRead,
    WriteWrite,
    ReadWrite,
    ReadersWrite,
    ReaderWrites,
    OneReader,
    WarpSyncAcross,
    ShuffleOnly,
    Unpublished,
    BlocksWrite,
    BlocksReadWrite,
    LoadMatrix,
    AsyncCopy,
    AsyncReuse,
    AsyncIssue,
    StrayHost,
    StrayBehind,
    StrayAcross
};

static const int constants[4] = {1, 2, 3, 4};

/* Two warps, two blocks. `global`: 256 ints, of which the last is a counter. */
BS_KERNEL(64, 1) void access(int *global, int *host, Kind kind) {
    BS_SHARED(int, shared);
    int me = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
    int *mine = global + 64 * block + me;
    uint16_t *halves = reinterpret_cast<uint16_t *>(shared);
    uint32_t r[4];
    switch (kind) {
    case Barrier:
        shared[me] = me;
        __syncthreads();
        *mine = shared[63 - me];
        __syncthreads();
        shared[me] = 2;
        break;
    case WarpSync:
        shared[me] = me;
        __syncwarp();
        *mine = shared[me ^ 5];
        __syncwarp();
        shared[me ^ 3] = 2;
        break;
    case ManyReaders:
        if (me == 0)
            shared[0] = 5;
        __syncthreads();
        *mine = shared[0];
        __syncthreads();
        if (me == 40)
            shared[0] = 6;
        break;
    case Neighbours:
        halves[me] = 1;
        *mine = halves[me];
        break;
    case Bytes:
        reinterpret_cast<char *>(shared)[me] = 1;
        break;
    case Published:
        *mine = me;
        __threadfence();
        __syncthreads();
        if (me == 0)
            shared[0] = atomicAdd(global + 255, 1) == 1;
        __syncthreads();
        if (shared[0])
            global[128 + me] = global[me] + global[64 + me];
        break;
    case Constants:
        *mine = constants[me % 4] + static_cast<int>(gridDim.x);
        break;
    case WriteRead:
        shared[me] = me;
        *mine = shared[63 - me];
        break;
    case WriteWrite:
        shared[me / 2] = 1;
        break;
    case ReadWrite:
        *mine = shared[63 - me];
        shared[me] = me;
        break;
    case ReadersWrite:
        *mine = shared[0];
        if (me == 40)
            shared[0] = 6;
        break;
    case ReaderWrites:
        if (me == 3 || me == 40)
            *mine = shared[0];
        if (me == 40)
            shared[0] = 6;
        break;
    case OneReader:
        if (me == 3)
            *mine = shared[0];
        if (me == 40)
            shared[0] = 6;
        break;
    case WarpSyncAcross:
        shared[me] = me;
        __syncwarp();
        *mine = shared[63 - me];
        break;
    case ShuffleOnly:
        shared[me] = me;
        *mine = bs_shuffle(me, 0);
        *mine = shared[me ^ 1];
        break;
    case Unpublished:
        *mine = me;
        __syncthreads();
        if (me == 0)
            shared[0] = atomicAdd(global + 255, 1) == 1;
        __syncthreads();
        if (shared[0])
            global[128 + me] = global[me] + global[64 + me];
        break;
    case BlocksWrite:
        if (me == 0)
            global[7] = 1;
        break;
    case BlocksReadWrite:
        if (block == 0)
            *mine = global[64 + me];
        else
            *mine = 1;
        break;
    case LoadMatrix:
        if (me < 32) {
            for (int i = 0; i < 4; i++)
                shared[4 * me + i] = me;
            bs_ldmatrix_x4(r, shared + 4 * (31 - me));
            *mine = static_cast<int>(r[0]);
        }
        break;
    case AsyncCopy:
        bs_copy_async(shared + 4 * me, global + 192);
        bs_copy_commit();
        bs_copy_wait<0>();
        *mine = shared[4 * (63 - me)];
        break;
    case AsyncReuse:
        host = shared + 4 * (63 - me);
        r[0] = static_cast<uint32_t>(*host);
        bs_copy_async(shared + 4 * me, global + 192);
        bs_copy_commit();
        bs_copy_wait<0>();
        break;
    case AsyncIssue:
        r[0] = static_cast<uint32_t>(shared[4 * (63 - me)]);
        bs_copy_async(shared + 4 * me, global + 192);
        bs_copy_commit();
        __syncthreads();
        bs_copy_wait<0>();
        *mine = static_cast<int>(r[0]);
        break;
    case StrayHost:
        *host = me;
        break;
    case StrayBehind:
        shared[256 + me] = 1;
        break;
    case StrayAcross:
        *mine = static_cast<int>(*reinterpret_cast<int64_t *>(shared + 255));
        break;
    }
}

/* By value, so that the address is no pointer argument. */
struct Hidden {
    int *pointer;
};

BS_KERNEL(64, 1) void access_hidden(int *global, Hidden hidden, Kind kind) {
    if (kind == StrayHost)
        *hidden.pointer = 1;
    else
        global[threadIdx.x] = 1;
}

static cudaError_t run(Kind kind, uint64_t seed) {
    fresh(seed);
    int *global, on_heap[4];
    MUST(cudaMalloc(&global, 1024));
    MUST(cudaMemset(global, 0, 1024));
    cudaError_t status;
    if (kind == StrayHost)
        status = BS_LAUNCH(access_hidden, 1, 64, 0, 0, global, Hidden{on_heap}, kind);
    else
        status = BS_LAUNCH(access, 2, 64, 1024, 0, global, nullptr, kind);
    if (status == cudaSuccess)
        status = cudaDeviceSynchronize();
    MUST(cudaDeviceReset());
    return status;
}

constexpr uint64_t seeds = 32;

static void test_sound(Kind kind, const char *what) {
    int wrong = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        wrong += run(kind, seed) != cudaSuccess;
    check(wrong == 0, "sound: %s %s", what, bs_standin_fault_text());
}

static void test_unsound(Kind kind, const char *says, const char *also) {
    int missed = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++)
        missed +=
            run(kind, seed) == cudaSuccess || !fault_says(says) || !fault_says(also);
    check(missed == 0, "\"%s\" (%d of %d seeds missed it)", bs_standin_fault_text(),
          missed, static_cast<int>(seeds));
}

int main(void) {
    test_sound(Barrier, "a barrier");
    test_sound(WarpSync, "a __syncwarp");
    test_sound(ManyReaders, "many readers");
    test_sound(Neighbours, "halves of a word");
    test_sound(Bytes, "single bytes");
    test_sound(Published, "a fence and an atomic between blocks");
    test_sound(Constants, "constants and shapes");
    test_unsound(WriteRead, "race: ", "of its block");
    test_unsound(WriteWrite, "race: writes byte", "of its block wrote");
    test_unsound(ReadWrite, "race: ", "of its block");
    test_unsound(ReadersWrite, "race: ", "of its block");
    test_unsound(ReaderWrites, "race: ", "of its block");
    test_unsound(OneReader, "race: ", "of its block");
    test_unsound(WarpSyncAcross, "race: ", "shared memory");
    test_unsound(ShuffleOnly, "race: ", "of its block");
    test_unsound(Unpublished, "race: reads byte", "of another block wrote");
    test_unsound(BlocksWrite, "race: writes byte 28 of device memory",
                 "of another block");
    test_unsound(BlocksReadWrite, "race: ", "of another block");
    test_unsound(LoadMatrix, "race: ", "shared memory");
    test_unsound(AsyncCopy, "race: ", "(matrix_unit.h");
    test_unsound(AsyncReuse, "race: ", "shared memory");
    test_unsound(AsyncIssue, "race: ", "(matrix_unit.h");
    test_unsound(StrayHost, "writes 4 bytes that are neither shared nor device", "");
    test_unsound(StrayBehind, "writes 4 bytes that are neither shared nor device", "");
    test_unsound(StrayAcross, "reads 8 bytes that are neither shared nor device", "");
    return tap_end();
}
