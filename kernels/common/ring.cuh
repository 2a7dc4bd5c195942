// Rows of two tensors on their way into shared memory, some rows ahead of the one that is worked on. A thread copies only what it will
// read itself, so that no barrier is needed.
#pragma once
#include "common/row.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/opaque.cuh"

namespace warpsmith {

/// How far a team has come on its way down the rows of one tensor.
struct Walk {
    uint64_t address;
    uint64_t stride;  // bytes to the next row

    template <typename T>
    static __device__ __forceinline__ Walk over(uint64_t base, int64_t first_row, int64_t row_stride, uint32_t offset) {
        return {row_address<T>(base, first_row, row_stride) + offset, static_cast<uint64_t>(row_stride) * sizeof(T)};
    }
    __device__ __forceinline__ void next() { address = ptx::opaque(address + stride); }
};

/// The ring of STAGES rows of a block's shared memory, [stage][tensor][vector][thread] of 16 bytes: a warp's accesses are contiguous, and
/// no thread touches another's place. `pitch` is the size of one [thread].
template <int VECTORS, int STAGES>
struct Ring {
    Walk first;
    Walk second;
    uint32_t left;   // rows not yet asked for
    uint32_t pitch;
    uint32_t here;   // the shared address of this thread's first vector in the stage that the next row goes to
    uint32_t end;    // the same behind the last stage

    /// `stages` is the shared address of the ring.
    __device__ __forceinline__ Ring(const Walk& first, const Walk& second, uint32_t rows, uint32_t stages, uint32_t pitch)
        : first(first), second(second), left(rows), pitch(pitch), here(stages + threadIdx.x * 16),
          end(here + STAGES * stage_bytes(pitch)) {}

    static __device__ __forceinline__ constexpr uint32_t stage_bytes(uint32_t pitch) { return 2 * VECTORS * pitch; }

    /// Starts the copies of the next row, as one group; an empty one after the last row.
    template <bool WHOLE>
    __device__ __forceinline__ void ask(const Slice<VECTORS>& slice) {
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            if (left > 0 && slice.template has<WHOLE>(j)) {
                const uint32_t place = here + j * pitch;
                ptx::cp_async_16(place, first.address + j * slice.step);
                ptx::cp_async_16(place + VECTORS * pitch, second.address + j * slice.step);
            }
        }
        ptx::cp_async_commit();
        left -= left > 0;
        first.next();
        second.next();
        here += stage_bytes(pitch);
        here = ptx::opaque(here == end ? here - STAGES * stage_bytes(pitch) : here);
    }
};

}  // namespace warpsmith
