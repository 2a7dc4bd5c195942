// Which keys a query may attend to.
#pragma once
#include <math_constants.h>
#include <stdint.h>

namespace warpsmith {

/// Query `row` attends to keys 0 to of(row) - 1. It attends to none where that is not positive.
struct KeyLimit {
    int keys;
    int diagonal;  // the limit of query 0, as far as there are keys

    __device__ __forceinline__ int of(int row) const { return min(keys, row + diagonal); }
};

/// Sets scores outside the limit to -infinity. `row` and `key` are the coordinates of the warp's first score.
template <int ROW_TILES, int KEY_TILES>
__device__ __forceinline__ void mask_scores(float (&scores)[ROW_TILES][KEY_TILES][4], KeyLimit limit, int row, int key) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int end = limit.of(row + tile * 16 + half * 8 + lane / 4) - key - lane % 4 * 2;
#pragma unroll
            for (int column = 0; column < KEY_TILES; ++column) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    if (column * 8 + i >= end) {
                        scores[tile][column][2 * half + i] = -CUDART_INF_F;
                    }
                }
            }
        }
    }
}

/// The same for scores that stand as keys by queries. `key` and `query` are the coordinates of the warp's first score.
template <int KEY_TILES, int QUERY_TILES>
__device__ __forceinline__ void mask_transposed(float (&scores)[KEY_TILES][QUERY_TILES][4], KeyLimit limit, int key, int query) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int column = 0; column < QUERY_TILES; ++column) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            const int end = limit.of(query + column * 8 + lane % 4 * 2 + i) - key - lane / 4;
#pragma unroll
            for (int half = 0; half < 2 * KEY_TILES; ++half) {
                if (half * 8 >= end) {
                    scores[half / 2][column][half % 2 * 2 + i] = -CUDART_INF_F;
                }
            }
        }
    }
}

}  // namespace warpsmith
