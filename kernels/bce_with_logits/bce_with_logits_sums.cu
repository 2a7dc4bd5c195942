// The sums that a mean needs before the elements themselves, and the loss after them:
//
//     counts[block] = elements of the block that count        loss = sum of partials (/ sum of counts)
//
// Shapes: targets, mask [count]; counts, partials [blocks]; loss [1].
// Traffic: targets and mask are read once; the rest is a few kilobytes.
// Who does what: elements are dealt out to all threads in turn; one block adds the partial sums. The order of additions depends on the count alone.
#include "bce_with_logits/targets.cuh"

namespace warpsmith::bce_with_logits {

__device__ __forceinline__ void count(const BceWithLogitsCountParams& p) {
    __shared__ uint32_t warps[THREADS / WARP];
    const BceWithLogitsTargets& t = p.targets;
    uint32_t kept = 0;
#pragma unroll 4
    for (uint64_t i = blockIdx.x * THREADS + threadIdx.x; i < t.count; i += uint64_t{gridDim.x} * THREADS) {
        const bool ignored = t.kind != BCE_WITH_LOGITS_SOFT && load_target(t, i) == t.ignore_index;
        kept += is_kept(t, i) && !ignored ? 1 : 0;
    }
    kept = block_sum(kept, warps);
    if (threadIdx.x == 0) {
        ptx::store_4(p.counts + blockIdx.x * uint64_t{sizeof(uint32_t)}, kept);
    }
}

__device__ __forceinline__ void reduce(const BceWithLogitsReduceParams& p) {
    __shared__ uint32_t warps[THREADS / WARP];
    __shared__ WarpSums<1> sums;
    float sum[1] = {0.0f};
    for (uint32_t block = threadIdx.x; block < p.blocks; block += THREADS) {
        sum[0] += load_element<float>(p.partials + block * uint64_t{sizeof(float)});
    }
    team_sum(Team(THREADS), sum, sums);
    // No element at all is 0 / 0.
    const float divisor = p.counts != 0 ? static_cast<float>(total_of(p.counts, p.blocks, warps)) : 1.0f;
    if (threadIdx.x == 0) {
        store_element<float>(p.loss, sum[0] / divisor);
    }
}

}  // namespace warpsmith::bce_with_logits

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(BCE_WITH_LOGITS_THREADS)
bce_with_logits_count(const __grid_constant__ BceWithLogitsCountParams params) { bce_with_logits::count(params); }

extern "C" __global__ void __launch_bounds__(BCE_WITH_LOGITS_THREADS)
bce_with_logits_reduce(const __grid_constant__ BceWithLogitsReduceParams params) { bce_with_logits::reduce(params); }
