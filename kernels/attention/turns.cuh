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

/// A warp's part: FRAGMENTS accumulators of mma.
template <int FRAGMENTS>
struct Turn {
    uint64_t counter;
    uint64_t sums;  // of this lane

    __device__ __forceinline__ Turn(const AttentionBwdParams& params, uint32_t part)
        : counter(params.turns + 4 + static_cast<uint64_t>(part) * 4),
          sums(params.grad_q_sums + static_cast<uint64_t>(part) * (FRAGMENTS * WARP * 16) + threadIdx.x % WARP * 16) {}

    /// Waits until `turn` others have added.
    __device__ __forceinline__ void wait(int turn) const {
        if (threadIdx.x % WARP == 0) {
            while (ptx::load_acquire(counter) != static_cast<uint32_t>(turn)) {
            }
        }
        __syncwarp();
    }

    /// The sums so far.
    __device__ __forceinline__ void load(float (&c)[FRAGMENTS][4]) const {
#pragma unroll
        for (int i = 0; i < FRAGMENTS; ++i) {
            const float4 sum = ptx::load_shared_result(sums + i * WARP * 16);
            c[i][0] = sum.x;
            c[i][1] = sum.y;
            c[i][2] = sum.z;
            c[i][3] = sum.w;
        }
    }

    /// Stores the sums for the next.
    __device__ __forceinline__ void store(const float (&c)[FRAGMENTS][4]) const {
#pragma unroll
        for (int i = 0; i < FRAGMENTS; ++i) {
            ptx::store_shared_result(sums + i * WARP * 16, {c[i][0], c[i][1], c[i][2], c[i][3]});
        }
    }

    /// Lets the next one have its turn, after what the warp has stored.
    __device__ __forceinline__ void pass(int turn) const {
        __syncwarp();
        if (threadIdx.x % WARP == 0) {
            ptx::store_release(counter, turn);
        }
    }
};

}  // namespace warpsmith
