// What the kernels share: targets, and sums of counts over a block.
#pragma once
#include "bce_with_logits/bce_with_logits_params.h"
#include "common/reduce.cuh"
#include "common/vec.cuh"
#include "ptx/redux.cuh"

namespace warpsmith::bce_with_logits {

constexpr int THREADS = BCE_WITH_LOGITS_THREADS;

/// Whether element `i` counts by its byte.
__device__ __forceinline__ bool is_kept(const BceWithLogitsTargets& t, uint64_t i) {
    return t.mask == 0 || ptx::load_1(t.mask + i) != 0;
}

/// Target `i` of an array of i32 or i64.
__device__ __forceinline__ int64_t load_target(const BceWithLogitsTargets& t, uint64_t i) {
    return t.kind == BCE_WITH_LOGITS_I64 ? static_cast<int64_t>(ptx::load_8(t.targets + i * 8))
                                         : static_cast<int32_t>(ptx::load_4(t.targets + i * 4));
}

/// Loads one element of memory that this thread may write later.
template <typename T>
__device__ __forceinline__ float load_mutable(uint64_t address) {
    if constexpr (sizeof(T) == 4) {
        return __uint_as_float(ptx::load_4_own(address));
    } else {
        return to_float(T{ptx::load_2_own(address)});
    }
}

/// The sum of each thread's number over the block, in every thread.
__device__ __forceinline__ uint32_t block_sum(uint32_t value, uint32_t (&warps)[THREADS / WARP]) {
    const uint32_t sum = ptx::warp_add(value);
    if (threadIdx.x % WARP == 0) {
        warps[threadIdx.x / WARP] = sum;
    }
    __syncthreads();
    uint32_t total = 0;
#pragma unroll
    for (int warp = 0; warp < THREADS / WARP; ++warp) {
        total += warps[warp];
    }
    return total;
}

/// The sum of what each block has counted.
__device__ __forceinline__ uint32_t total_of(uint64_t counts, uint32_t blocks, uint32_t (&warps)[THREADS / WARP]) {
    uint32_t mine = 0;
    for (uint32_t block = threadIdx.x; block < blocks; block += THREADS) {
        mine += ptx::load_4(counts + block * uint64_t{sizeof(uint32_t)});
    }
    return block_sum(mine, warps);
}

}  // namespace warpsmith::bce_with_logits
