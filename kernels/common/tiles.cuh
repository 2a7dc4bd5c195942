// How a block of an element-wise kernel walks over `[rows, width]`: it is `threads_per_row` threads wide and the rest high, each thread
// has one vector's worth of columns, and block (x, y) takes column tile x of the y-th `rows_per_block` rows.
#pragma once
#include <stdint.h>

namespace warpsmith {

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

    /// Of a block of `threads`; `threads_per_row` is a power of two up to 32; `vectorised` says that every row of every tensor begins at a multiple of 16 bytes.
    __device__ __forceinline__ Place(int64_t rows, int64_t rows_per_block, uint32_t width, uint32_t threads_per_row, bool vectorised, uint32_t threads,
                                     uint32_t lanes) {
        const uint32_t across = threadIdx.x & (threads_per_row - 1);
        const uint32_t down = threadIdx.x / threads_per_row;
        const int64_t block_row = blockIdx.y * rows_per_block;
        row = block_row + down;
        row_end = min(block_row + rows_per_block, rows);
        row_step = threads / threads_per_row;

        const uint32_t tile_width = threads_per_row * lanes;
        tile = blockIdx.x * tile_width;
        const uint32_t tile_end = min(tile + tile_width, width);
        if (vectorised) {
            column = tile + across * lanes;
            column_end = min(column + lanes, tile_end);
            column_step = 1;
        } else {
            // Neighbouring threads take neighbouring elements.
            column = tile + across;
            column_end = tile_end;
            column_step = threads_per_row;
        }
        vector = vectorised && column + lanes <= tile_end;
    }
};

}  // namespace warpsmith
