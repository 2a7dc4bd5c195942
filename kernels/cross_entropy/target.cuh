// The class that a row should have.
#pragma once
#include "ptx/global.cuh"

namespace warpsmith {

/// Target `row` of an array of i32 or i64.
__device__ __forceinline__ int64_t load_target(uint64_t targets, int64_t row, uint32_t bytes) {
    const uint64_t address = targets + static_cast<uint64_t>(row) * bytes;
    return bytes == 8 ? static_cast<int64_t>(ptx::load_8(address)) : static_cast<int32_t>(ptx::load_4(address));
}

/// Whether there is such a class.
__device__ __forceinline__ bool is_class(int64_t target, uint32_t width) {
    return static_cast<uint64_t>(target) < width;
}

}  // namespace warpsmith
