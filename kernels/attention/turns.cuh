// Sums over thread blocks in a fixed order. Each part of a sum is a few fragments of one warp in memory and a counter of those who have added to it;
// whoever comes next waits until the counter has reached its turn, adds, and passes the turn on.
//
// A block may wait only for blocks that have started before it, so turns follow the order in which blocks start, never that of their indices.
#pragma once
#include <stdint.h>

#include "attention/attention_params.h"
#include "common/reduce.cuh"
#include "ptx/order.cuh"

namespace warpsmith {

/// The parts of one thread: FRAGMENTS accumulators of mma each.
template <int FRAGMENTS, int WARPS>
struct Turns {
    static constexpr int PART_BYTES = FRAGMENTS * WARP * 16;
    uint64_t counters;  // of this warp's part of block 0
    uint64_t sums;

    __device__ __forceinline__ explicit Turns(const AttentionBwdParams& params)
        : counters(params.turns + 4 + threadIdx.x / WARP * 4),
          sums(params.grad_q_sums + threadIdx.x / WARP * PART_BYTES + threadIdx.x % WARP * 16) {}

    /// Waits until `turn` others have added to a block. Every lane asks: one request, and no lane runs ahead of another.
    __device__ __forceinline__ void wait(uint32_t block, uint32_t turn) const {
        const uint64_t counter = counters + static_cast<uint64_t>(block) * (WARPS * 4);
        while (ptx::load_acquire(counter) != turn) {
        }
    }

    /// The sums so far.
    __device__ __forceinline__ void load(uint32_t block, float (&c)[FRAGMENTS][4]) const {
        const uint64_t from = sums + static_cast<uint64_t>(block) * (WARPS * PART_BYTES);
#pragma unroll
        for (int i = 0; i < FRAGMENTS; ++i) {
            const float4 sum = ptx::load_shared_result(from + i * WARP * 16);
            c[i][0] = sum.x;
            c[i][1] = sum.y;
            c[i][2] = sum.z;
            c[i][3] = sum.w;
        }
    }

    /// Stores the sums for the next, and lets it have its turn.
    __device__ __forceinline__ void pass(uint32_t block, const float (&c)[FRAGMENTS][4], uint32_t turn) const {
        const uint64_t to = sums + static_cast<uint64_t>(block) * (WARPS * PART_BYTES);
#pragma unroll
        for (int i = 0; i < FRAGMENTS; ++i) {
            ptx::store_shared_result(to + i * WARP * 16, {c[i][0], c[i][1], c[i][2], c[i][3]});
        }
        __syncwarp();
        if (threadIdx.x % WARP == 0) {
            ptx::store_release(counters + static_cast<uint64_t>(block) * (WARPS * 4), turn);
        }
    }
};

}  // namespace warpsmith
