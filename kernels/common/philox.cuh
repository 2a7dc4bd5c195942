// Random words that depend on a seed and a counter alone: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). Any thread makes any block of four words, so a result does not depend on how work is shared.
// What operations take from which block stands in src/random.rs; the CPU's twin is src/reference/philox.rs.
#pragma once
#include "ptx/global.cuh"
#include "ptx/multiply.cuh"

namespace warpsmith {

/// The blocks of one seed.
struct Philox {
    /// The seed, and what is added to each counter.
    uint64_t seed, offset;

    /// From a state on the device, `[2]` of 64 bits: seed and offset, to which a launch adds its own.
    __device__ __forceinline__ Philox(uint64_t state, uint64_t offset)
        : seed(ptx::load_8(state)), offset(ptx::load_8(state + sizeof(uint64_t)) + offset) {}

    /// Four uniform words: block `index` after the offset. `redraw` numbers the blocks of a place that needs more than one.
    __device__ __forceinline__ uint4 block(uint64_t index, uint32_t redraw = 0) const {
        uint32_t key_low = static_cast<uint32_t>(seed), key_high = static_cast<uint32_t>(seed >> 32);
        const uint64_t counter = offset + index;
        uint4 words = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), redraw, 0};
#pragma unroll
        for (int round = 0; round < 10; ++round) {
            const uint2 first = ptx::multiply_wide(words.x, 0xd2511f53u), second = ptx::multiply_wide(words.z, 0xcd9e8d57u);
            words = {second.y ^ words.y ^ key_low, second.x, first.y ^ words.w ^ key_high, first.x};
            key_low += 0x9e3779b9u;
            key_high += 0xbb67ae85u;
        }
        return words;
    }
};

}  // namespace warpsmith
