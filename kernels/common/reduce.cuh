// Teams of threads that share a row, and sums over a team. The order of additions depends on the shape of the launch alone, so the
// same input gives the same bits.
#pragma once
#include "ptx/barrier.cuh"

namespace warpsmith {

constexpr uint32_t WARP = 32;
constexpr int MAX_WARPS = 32;

/// One step of a sum over lanes: adds the values of the lane at `distance`. Both lanes get the same bits, as addition commutes.
template <int N>
__device__ __forceinline__ void add_lane(float (&values)[N], uint32_t distance) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
        values[i] += __shfl_xor_sync(0xffffffffu, values[i], distance);
    }
}

/// Sums N values over groups of `lanes` neighbouring lanes, a power of two up to 32. Every lane of the warp takes part, and every
/// lane of a group gets the same bits.
template <int N>
__device__ __forceinline__ void group_sum(float (&values)[N], uint32_t lanes = WARP) {
    if (lanes == WARP) {
#pragma unroll
        for (uint32_t distance = WARP / 2; distance > 0; distance /= 2) {
            add_lane(values, distance);
        }
    } else {
#pragma unroll 1
        for (uint32_t distance = lanes / 2; distance > 0; distance /= 2) {
            add_lane(values, distance);
        }
    }
}

/// A thread's place in its block. A block is cut into teams of `threads` threads, each with a row of its own: a power of two up to
/// 32, or a multiple of 32.
struct Team {
    uint32_t threads;
    uint32_t member;  // of the team, from 0
    uint32_t teams;   // in the block
    uint32_t index;   // of the team, from 0

    __device__ __forceinline__ explicit Team(uint32_t threads)
        : threads(threads), member(threadIdx.x % threads), teams(blockDim.x / threads), index(threadIdx.x / threads) {}
};

/// Where the warps of a block leave their sums of N values.
template <int N>
struct WarpSums {
    float of[MAX_WARPS][N];
};

/// Sums N values over the team and gives every thread of it the result. Threads without data bring zeros. Within a warp there is no
/// barrier; teams of several warps pass one, so two sums that follow one another need a `sums` each, and may take turns with them.
template <int N>
__device__ __forceinline__ void team_sum(const Team& team, float (&values)[N], WarpSums<N>& sums) {
    group_sum(values, min(team.threads, WARP));
    if (team.threads <= WARP) {
        return;
    }
    const uint32_t warps = team.threads / WARP;
    const uint32_t lane = threadIdx.x % WARP;
    float(&mine)[N] = sums.of[threadIdx.x / WARP];
    if (lane == 0) {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            mine[i] = values[i];
        }
    }
    ptx::barrier_sync(1 + team.index, team.threads);

    const uint32_t lanes = 1u << (32 - __clz(warps - 1));  // the power of two that the warps fit in
    const uint32_t warp = lane % lanes;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        values[i] = warp < warps ? sums.of[team.index * warps + warp][i] : 0.0f;
    }
    group_sum(values, lanes);
}

/// Adds N values of each thread over the teams of a block, into the threads of team 0: member by member, half of the teams at a
/// time. `shared` has room for N * blockDim.x / 2 floats. The teams are a power of two; every thread of the block takes part.
template <int N>
__device__ __forceinline__ void combine_teams(const Team& team, float (&values)[N], float* shared) {
    for (uint32_t half = team.teams / 2; half > 0; half /= 2) {
        const uint32_t pairs = half * team.threads;
        if (team.index >= half && team.index < 2 * half) {
#pragma unroll
            for (int i = 0; i < N; ++i) {
                shared[i * pairs + threadIdx.x - pairs] = values[i];
            }
        }
        __syncthreads();
        if (team.index < half) {
#pragma unroll
            for (int i = 0; i < N; ++i) {
                values[i] += shared[i * pairs + threadIdx.x];
            }
        }
        __syncthreads();
    }
}

}  // namespace warpsmith
