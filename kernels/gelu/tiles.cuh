// How the general kernels walk over `[rows, width]`: which rows and columns are a thread's, and how it reads and writes them.
#pragma once
#include "common/vec.cuh"
#include "gelu/gelu_params.h"

namespace warpsmith::gelu {

/// COLUMNS neighbouring elements of one row: a 16-byte vector's worth, or one.
template <typename T, int COLUMNS>
struct Chunk {
    static_assert(COLUMNS == LANES<T> || COLUMNS == 1, "a chunk is one access");
    static constexpr bool VECTOR = COLUMNS > 1;

    uint4 raw;
    float single;

    __device__ __forceinline__ void load(uint64_t address) {
        if constexpr (VECTOR) {
            raw = ptx::load_16_once(address);
        } else {
            single = load_element<T>(address);
        }
    }

    __device__ __forceinline__ void values(float (&values)[COLUMNS]) const {
        if constexpr (VECTOR) {
            unpack<T>(raw, values);
        } else {
            values[0] = single;
        }
    }

    static __device__ __forceinline__ void store(uint64_t address, const float (&values)[COLUMNS]) {
        if constexpr (VECTOR) {
            ptx::store_16(address, pack<T>(values));
        } else {
            store_element<T>(address, values[0]);
        }
    }
};

/// A thread's part of the tensor.
struct Place {
    /// Its first row, the end of its rows, and the step between them.
    int64_t row, row_end, row_step;
    /// Its first column, the end of its columns, and the step between them.
    uint32_t column, column_end, column_step;
    /// Whether its columns are one whole vector.
    bool vector;
    /// The first column of the block.
    uint32_t tile;

    __device__ __forceinline__ Place(const GeluTiles& tiles, uint32_t lanes) {
        const uint32_t across = threadIdx.x & (tiles.threads_per_row - 1);
        const uint32_t down = threadIdx.x / tiles.threads_per_row;
        const int64_t block_row = blockIdx.y * tiles.rows_per_block;
        row = block_row + down;
        row_end = min(block_row + tiles.rows_per_block, tiles.rows);
        row_step = GELU_THREADS / tiles.threads_per_row;

        const uint32_t tile_width = tiles.threads_per_row * lanes;
        tile = blockIdx.x * tile_width;
        const uint32_t tile_end = min(tile + tile_width, tiles.width);
        if (tiles.vectorised) {
            column = tile + across * lanes;
            column_end = min(column + lanes, tile_end);
            column_step = 1;
        } else {
            // Neighbouring threads take neighbouring elements.
            column = tile + across;
            column_end = tile_end;
            column_step = tiles.threads_per_row;
        }
        vector = tiles.vectorised && column + lanes <= tile_end;
    }
};

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
