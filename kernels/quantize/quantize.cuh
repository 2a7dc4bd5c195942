// Who has which elements of a block that shares an absmax: a team of block / 8 threads, each 8 elements in whole 16-byte vectors of T: of 2-byte
// types 8 neighbours, of f32 4 neighbours in each half of the block. So every access of a team is one run of memory.
#pragma once
#include "common/codes.cuh"
#include "common/reduce.cuh"
#include "common/vec.cuh"
#include "quantize/quantize_params.h"

namespace warpsmith::quantize {

constexpr int PER_THREAD = QUANTIZE_TILE / QUANTIZE_THREADS;
static_assert(PER_THREAD == 8, "codes of a thread are two words");

/// A thread's place in a tile.
template <typename T>
struct Place {
    static constexpr int VECTORS = PER_THREAD / LANES<T>;

    /// The first element of the thread's block in the tensor, and how far apart the thread's vectors lie.
    uint64_t first;
    uint32_t step;
    uint32_t member;
    uint64_t count;
    /// Whether all 8 exist and may be accessed by vectors.
    bool whole;

    __device__ __forceinline__ Place(const QuantizeParams& params, uint64_t tile)
        : step(params.block / VECTORS), member(threadIdx.x & (params.block / PER_THREAD - 1)), count(params.count) {
        const uint32_t of_tile = threadIdx.x * PER_THREAD & ~(params.block - 1);
        first = tile * QUANTIZE_TILE + of_tile;
        whole = params.vectorised != 0 && first + params.block <= count;
    }

    /// The thread's element e.
    __device__ __forceinline__ uint64_t element(int e) const {
        return first + e / LANES<T> * step + member * LANES<T> + e % LANES<T>;
    }

    __device__ __forceinline__ bool exists(int e) const { return whole || element(e) < count; }
};

}  // namespace warpsmith::quantize
