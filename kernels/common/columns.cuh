// The second stage of a sum over rows: adds the partial sums that the groups of rows left, column by column.
#pragma once
#include "common/reduce.cuh"
#include "ptx/global.cuh"

namespace warpsmith {

/// A block takes 32 columns; its 8 warps share the groups.
struct ColumnSum {
    static constexpr int COLUMNS = WARP;
    static constexpr int SLICES = 8;
    static constexpr int THREADS = COLUMNS * SLICES;
    struct Smem {
        float slice[SLICES][COLUMNS];
    };
};

/// The sum over g of partials[g][column] for this block's `ColumnSum::COLUMNS` columns, [groups, width] f32. The result is in
/// the threads of warp 0, one column a lane; `column` is theirs. The order of additions depends on `groups` alone: each warp
/// adds groups warp, warp + 8, ... and the eight sums are added pairwise. Every thread of the block takes part.
__device__ __forceinline__ float column_sum(uint64_t partials, uint32_t groups, uint32_t width, uint32_t column,
                                            ColumnSum::Smem& smem) {
    const uint32_t lane = threadIdx.x % WARP;
    const uint32_t slice = threadIdx.x / WARP;
    float sum = 0.0f;
    if (column < width) {
        for (uint32_t group = slice; group < groups; group += ColumnSum::SLICES) {
            const uint64_t index = static_cast<uint64_t>(group) * width + column;
            sum += __uint_as_float(ptx::load_4(partials + index * sizeof(float)));
        }
    }
    smem.slice[slice][lane] = sum;
#pragma unroll
    for (uint32_t half = ColumnSum::SLICES / 2; half > 0; half /= 2) {
        __syncthreads();
        if (slice < half) {
            smem.slice[slice][lane] += smem.slice[slice + half][lane];
        }
    }
    return smem.slice[slice][lane];
}

}  // namespace warpsmith
