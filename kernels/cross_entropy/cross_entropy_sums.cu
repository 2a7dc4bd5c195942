// The sums over rows that a mean needs, before and after the rows themselves:
//
//     totals = [kept rows, sum of weight[target] over them, sum of weight]        loss = sum of losses
//
// Shapes: targets, losses [rows]; weight [width]; totals [4]; loss [1].
// Traffic: every input is read once; a target's weight comes from L2.
// Who does what: one block for everything, since rows are few where they are long. Thread i adds up the elements i, i + THREADS, ...
// (of losses: vectors of four), then the block adds its threads. The order of additions depends on the count alone.
#include "common/reduce.cuh"
#include "common/vec.cuh"
#include "cross_entropy/cross_entropy_params.h"
#include "cross_entropy/target.cuh"

namespace warpsmith {

constexpr int THREADS = CROSS_ENTROPY_SUM_THREADS;
static_assert(THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

__device__ __forceinline__ void totals(const CrossEntropyTotalsParams& p) {
    __shared__ WarpSums<3> shared;
    float sums[3] = {0.0f, 0.0f, 0.0f};
#pragma unroll 4
    for (int64_t row = threadIdx.x; row < p.rows; row += THREADS) {
        const int64_t target = load_target(p.targets, row, p.target_bytes);
        const bool kept = target != p.ignore_index;
        sums[0] += kept ? 1.0f : 0.0f;
        if (p.weight != 0 && kept && is_class(target, p.width)) {
            sums[1] += load_element<float>(p.weight + static_cast<uint64_t>(target) * sizeof(float));
        }
    }
    if (p.weight != 0) {
#pragma unroll 4
        for (uint32_t i = threadIdx.x; i < p.width; i += THREADS) {
            sums[2] += load_element<float>(p.weight + i * uint64_t{sizeof(float)});
        }
    }
    team_sum(Team(THREADS), sums, shared);
    if (threadIdx.x == 0) {
        const float weight = p.weight != 0 ? sums[1] : sums[0];
        store_floats(p.totals, sums[0], weight, sums[2], 0.0f);
        if (p.kept != 0) {
            store_element<float>(p.kept, sums[0]);
            store_element<float>(p.kept + sizeof(float), weight);
        }
    }
}

__device__ __forceinline__ void reduce(const CrossEntropyReduceParams& p) {
    __shared__ WarpSums<1> shared;
    float sum[1] = {0.0f};
    const int64_t vectors = p.rows / LANES<float>;
#pragma unroll 4
    for (int64_t v = threadIdx.x; v < vectors; v += THREADS) {
        float losses[LANES<float>];
        unpack<float>(ptx::load_16_once(p.losses + v * 16), losses);
        sum[0] += vector_sum(losses);
    }
    const int64_t rest = vectors * LANES<float> + threadIdx.x;
    if (rest < p.rows) {
        sum[0] += load_element<float>(p.losses + rest * sizeof(float));
    }
    team_sum(Team(THREADS), sum, shared);
    if (threadIdx.x == 0) {
        const bool none = p.totals != 0 && load_element<float>(p.totals) == 0.0f;
        store_element<float>(p.loss, none ? __uint_as_float(0x7fffffffu) : sum[0]);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::THREADS)
cross_entropy_totals(const __grid_constant__ CrossEntropyTotalsParams params) {
    warpsmith::totals(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::THREADS)
cross_entropy_reduce(const __grid_constant__ CrossEntropyReduceParams params) {
    warpsmith::reduce(params);
}
