// Teams of threads that share a row, and sums over a team. The order of additions depends on the shape of the launch alone, so the
// same input gives the same bits.
#pragma once
#include "ptx/barrier.cuh"

namespace warpsmith {

constexpr uint32_t WARP = 32;
constexpr int MAX_WARPS = 32;

/// A thread's place in its block. A block is cut into teams of `threads` threads, each with a row of its own: a power of two up to
/// 32, or a multiple of 32. Teams run apart from one another: each may have its own number of rows.
struct Team {
    uint32_t threads;
    uint32_t member;  // of the team, from 0
    uint32_t teams;   // in the block
    uint32_t index;   // of the team, from 0

    __device__ __forceinline__ explicit Team(uint32_t threads)
        : threads(threads), member(threadIdx.x % threads), teams(blockDim.x / threads), index(threadIdx.x / threads) {}

    /// The lanes of a team that is smaller than a warp.
    __device__ __forceinline__ uint32_t lanes() const {
        return ((1u << threads) - 1) << (index * threads % WARP);
    }
};

/// One step of a sum over lanes: adds the values of the lane at `distance`. Both lanes get the same bits, as addition commutes.
template <int N>
__device__ __forceinline__ void add_lane(uint32_t mask, float (&values)[N], uint32_t distance) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
        values[i] += __shfl_xor_sync(mask, values[i], distance);
    }
}

/// Sums N values over the lanes of a warp; every lane gets the result.
template <int N>
__device__ __forceinline__ void warp_sum(float (&values)[N]) {
#pragma unroll
    for (uint32_t distance = WARP / 2; distance > 0; distance /= 2) {
        add_lane(0xffffffffu, values, distance);
    }
}

/// The same for two values, in six exchanges instead of ten: after the first one even lanes go on with the one value and odd lanes with
/// the other, until the last one gives each what its neighbour has.
__device__ __forceinline__ void warp_sum(float (&values)[2]) {
    const bool odd = threadIdx.x % 2 == 1;
    float mine[1] = {odd ? values[1] : values[0]};
    const float theirs = odd ? values[0] : values[1];
    mine[0] += __shfl_xor_sync(0xffffffffu, theirs, 1);
#pragma unroll
    for (uint32_t distance = 2; distance < WARP; distance *= 2) {
        add_lane(0xffffffffu, mine, distance);
    }
    const float other = __shfl_xor_sync(0xffffffffu, mine[0], 1);
    values[0] = odd ? other : mine[0];
    values[1] = odd ? mine[0] : other;
}

/// Where the warps of a block leave their sums of N values.
template <int N>
struct WarpSums {
    float of[MAX_WARPS][N];
};

/// Sums N values over the team and gives every thread of it the result. Threads without data bring zeros. Within a warp there is no
/// barrier; teams of several warps pass one, so two sums that follow one another need a `sums` each, and may take turns with them.
template <int N>
__device__ __forceinline__ void team_sum(const Team& team, float (&values)[N], WarpSums<N>& sums) {
    if (team.threads < WARP) {
#pragma unroll 1
        for (uint32_t distance = team.threads / 2; distance > 0; distance /= 2) {
            add_lane(team.lanes(), values, distance);
        }
        return;
    }
    warp_sum(values);
    if (team.threads == WARP) {
        return;
    }
    float(&mine)[N] = sums.of[threadIdx.x / WARP];
    if (threadIdx.x % WARP == 0) {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            mine[i] = values[i];
        }
    }
    ptx::barrier_sync(1 + team.index, team.threads);

    const uint32_t warps = team.threads / WARP;
#pragma unroll
    for (int i = 0; i < N; ++i) {
        values[i] = 0.0f;
    }
#pragma unroll 4
    for (uint32_t warp = 0; warp < warps; ++warp) {
#pragma unroll
        for (int i = 0; i < N; ++i) {
            values[i] += sums.of[team.index * warps + warp][i];
        }
    }
}

/// The largest value of the team, for every thread of it; NaN counts as nothing. Threads without data bring minus infinity. Barriers and
/// `shared` are as in `team_sum`.
__device__ __forceinline__ float team_max(const Team& team, float value, WarpSums<1>& shared) {
    if (team.threads < WARP) {
#pragma unroll 1
        for (uint32_t distance = team.threads / 2; distance > 0; distance /= 2) {
            value = fmaxf(value, __shfl_xor_sync(team.lanes(), value, distance));
        }
        return value;
    }
#pragma unroll
    for (uint32_t distance = WARP / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, distance));
    }
    if (team.threads == WARP) {
        return value;
    }
    if (threadIdx.x % WARP == 0) {
        shared.of[threadIdx.x / WARP][0] = value;
    }
    ptx::barrier_sync(1 + team.index, team.threads);
    const uint32_t warps = team.threads / WARP;
#pragma unroll 4
    for (uint32_t warp = 0; warp < warps; ++warp) {
        value = fmaxf(value, shared.of[team.index * warps + warp][0]);
    }
    return value;
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
