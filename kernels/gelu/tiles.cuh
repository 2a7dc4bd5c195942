// What the general kernels add to common/tiles.cuh: the bias of a tile.
#pragma once
#include "common/access.cuh"
#include "common/tiles.cuh"
#include "gelu/gelu_params.h"

namespace warpsmith::gelu {

/// A thread's place in a general kernel.
__device__ __forceinline__ Place place_of(const GeluTiles& tiles, uint32_t lanes) {
    return Place(tiles.rows, tiles.rows_per_block, tiles.width, tiles.threads_per_row, tiles.vectorised != 0, GELU_THREADS, lanes);
}

/// The bias of a block's columns. Every row of threads needs all of it, but only one reads it from global memory.
template <typename T>
struct BiasTile {
    float of[GELU_MAX_THREADS_PER_ROW * LANES<T>];

    /// Fills the tile, with zeros where there is no bias. A barrier stands between this and `get`.
    __device__ __forceinline__ void fill(uint64_t bias, const GeluTiles& tiles, const Place& place) {
        const uint32_t columns = min(tiles.threads_per_row * LANES<T>, tiles.width - place.tile);
        for (uint32_t i = threadIdx.x; i < columns; i += GELU_THREADS) {
            const uint64_t column = place.tile + i;
            of[i] = bias == 0 ? 0.0f : load_element<T>(bias + column * sizeof(T));
        }
    }

    /// The bias of COLUMNS neighbouring columns.
    template <int COLUMNS>
    __device__ __forceinline__ void get(const Place& place, uint32_t column, float (&values)[COLUMNS]) const {
#pragma unroll
        for (int i = 0; i < COLUMNS; ++i) {
            values[i] = of[column - place.tile + i];
        }
    }
};

}  // namespace warpsmith::gelu
