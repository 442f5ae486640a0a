/* Copies and memset: checked when they are queued, and again when they run. */
#include "standin_memory.h"
#include "standin_state.h"
#include "standin_streams.h"

#include <string>

namespace standin {

struct Copy {
    char *to;
    size_t to_pitch;
    const char *from;
    size_t from_pitch, width, height;
    cudaMemcpyKind kind;
};

static size_t extent(size_t pitch, size_t width, size_t height) {
    return pitch * (height - 1) + width;
}

static bool to_device(const Copy &copy) {
    return copy.kind == cudaMemcpyHostToDevice || copy.kind == cudaMemcpyDeviceToDevice;
}

static bool from_device(const Copy &copy) {
    return copy.kind == cudaMemcpyDeviceToHost || copy.kind == cudaMemcpyDeviceToDevice;
}

static cudaError_t inspect(Copy &copy) {
    size_t to = extent(copy.to_pitch, copy.width, copy.height);
    size_t from = extent(copy.from_pitch, copy.width, copy.height);
    bool to_is = is_device(copy.to, 1), from_is = is_device(copy.from, 1);
    if (copy.kind == cudaMemcpyDefault)
        copy.kind = to_is ? (from_is ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice)
                          : (from_is ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost);
    if (to_device(copy) != to_is || from_device(copy) != from_is)
        return cudaErrorInvalidValue;
    if ((to_is && !is_device(copy.to, to)) || (from_is && !is_device(copy.from, from)))
        return cudaErrorInvalidValue;
    return cudaSuccess;
}

static void run(const Copy &copy) {
    Copy again = copy;
    if (inspect(again) != cudaSuccess)
        return fault(cudaErrorIllegalAddress,
                     "copy of %zu x %zu bytes: the device memory "
                     "was freed before the copy ran",
                     copy.height, copy.width);
    for (size_t row = 0; row < copy.height; row++) {
        char *to = copy.to + row * copy.to_pitch;
        const char *from = copy.from + row * copy.from_pitch;
        if (!from_device(copy) && !host_memory_good(from, copy.width, "copy from host"))
            return;
        if (!to_device(copy) && !host_memory_good(to, copy.width, "copy to host"))
            return;
        copy_bytes(to, from, copy.width);
    }
}

static cudaError_t copy_async(Copy copy, cudaStream_t stream) {
    if (copy.width == 0 || copy.height == 0)
        return cudaSuccess;
    if (copy.height > 1 && (copy.width > copy.to_pitch || copy.width > copy.from_pitch))
        return cudaErrorInvalidValue;
    cudaError_t status = inspect(copy);
    if (status != cudaSuccess)
        return status;
    if ((!to_device(copy) && !is_pinned(copy.to, copy.width)) ||
        (!from_device(copy) && !is_pinned(copy.from, copy.width)))
        count(BS_STANDIN_PAGEABLE);
    return enqueue(stream, {"copy", Work::Plain, [copy] { run(copy); }});
}

static cudaError_t set_async(void *to, int value, size_t bytes, cudaStream_t stream) {
    if (bytes == 0)
        return cudaSuccess;
    if (!is_device(to, bytes))
        return cudaErrorInvalidValue;
    auto set = [to, value, bytes] {
        if (is_device(to, bytes))
            fill_bytes(to, value, bytes);
        else
            fault(cudaErrorIllegalAddress,
                  "memset of %zu bytes: the memory was freed before it ran", bytes);
    };
    return enqueue(stream, {"memset", Work::Plain, set});
}

/* The host's bytes are taken before it returns, but may arrive later: only work that is
 * ordered behind stream 0 may count on them. */
static cudaError_t copy_staged(Copy copy) {
    cudaError_t status = inspect(copy);
    if (status != cudaSuccess || !host_memory_good(copy.from, copy.width, "cudaMemcpy"))
        return status;
    std::string staged(copy.width, '\0');
    copy_bytes(&staged[0], copy.from, copy.width);
    return enqueue(nullptr, {"copy", Work::Plain, [copy, staged] {
                                 if (is_device(copy.to, copy.width))
                                     copy_bytes(copy.to, staged.data(), copy.width);
                             }});
}

} // namespace standin

using namespace standin;

static Copy flat(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    return {static_cast<char *>(to),
            bytes,
            static_cast<const char *>(from),
            bytes,
            bytes,
            1,
            kind};
}

extern "C" {

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    return call.returns(copy_async(flat(to, from, bytes, kind), stream));
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from,
                              size_t from_pitch, size_t width, size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    return call.returns(
        copy_async({static_cast<char *>(to), to_pitch, static_cast<const char *>(from),
                    from_pitch, width, height, kind},
                   stream));
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    Call call;
    if (call.status == cudaSuccess)
        call.status = forbidden_in_capture();
    if (call.status != cudaSuccess || bytes == 0)
        return call.status;
    count(BS_STANDIN_WAITS);
    Copy copy = flat(to, from, bytes, kind);
    cudaError_t status = inspect(copy);
    if (status != cudaSuccess)
        return call.returns(status);
    if (copy.kind == cudaMemcpyHostToDevice && !is_pinned(from, bytes))
        return call.returns(copy_staged(copy));
    status = enqueue(nullptr, {"copy", Work::Plain, [copy] { run(copy); }});
    return call.returns(status != cudaSuccess ? status : drain(nullptr));
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
    Call call;
    if (call.status != cudaSuccess)
        return call.status;
    return call.returns(set_async(to, value, bytes, stream));
}

/* Like the real one it does not wait. */
cudaError_t cudaMemset(void *to, int value, size_t bytes) {
    Call call;
    if (call.status == cudaSuccess)
        call.status = forbidden_in_capture();
    if (call.status != cudaSuccess)
        return call.status;
    return call.returns(set_async(to, value, bytes, nullptr));
}
}
