// The columns of a block that sums `[rows, width]` over rows: a tile as wide as a vector for each thread of a team.
#pragma once
#include "common/reduce.cuh"
#include "common/vec.cuh"

namespace warpsmith {

/// A thread's columns in tile blockIdx.y, a vector's worth: column(e) for e < LANES, those in [0, width). Neighbours where rows are aligned,
/// else as far apart as the team is wide, so that the accesses of a warp are contiguous in both.
template <typename T>
struct ColumnTile {
    uint32_t first;
    uint32_t spacing;
    uint32_t width;
    bool contiguous;  // and there is a 16-byte boundary at the first one in each row of every tensor

    __device__ __forceinline__ ColumnTile(const Team& team, uint32_t width, bool contiguous) : width(width), contiguous(contiguous) {
        const uint32_t tile = blockIdx.y * team.threads * LANES<T>;
        first = tile + (contiguous ? team.member * LANES<T> : team.member);
        spacing = contiguous ? 1 : team.threads;
    }

    __device__ __forceinline__ uint32_t column(int e) const { return first + e * spacing; }

    /// This thread's columns of a row, with zeros for those that do not exist.
    __device__ __forceinline__ void load(uint64_t row, float (&values)[LANES<T>]) const {
        if (contiguous) {
            unpack<T>(first < width ? ptx::load_16_once(row + first * sizeof(T)) : uint4{}, values);
            return;
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[e] = column(e) < width ? load_element<T>(row + column(e) * sizeof(T)) : 0.0f;
        }
    }

    __device__ __forceinline__ void store(uint64_t row, const float* values) const {
        if (contiguous && first < width) {
#pragma unroll
            for (int e = 0; e < LANES<T>; e += 4) {
                store_floats(row + column(e) * sizeof(float), values[e], values[e + 1], values[e + 2], values[e + 3]);
            }
            return;
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            if (column(e) < width) {
                store_element<float>(row + column(e) * sizeof(float), values[e]);
            }
        }
    }
};

}  // namespace warpsmith
