// Softmax over the keys while they pass by in blocks: a reference and a sum for each row, and the output so far scaled to them.
//
// The reference is a lower bound of the row's maximum that is at most 2^8 too low in its exponential. It moves only when a block
// exceeds it by more than that, so most blocks rescale nothing; probabilities stay below 2^8, which neither f16 nor the f32
// sums mind, and the division by the sum cancels the reference exactly.
#pragma once
#include <float.h>

#include "common/reduce.cuh"
#include "ptx/special.cuh"

namespace warpsmith {

/// How far, as a power of two, a probability may exceed 1 before the reference moves.
constexpr float SLACK_LOG2 = 8.0f;

/// Maximum over the four lanes that hold a row of a 16x8 accumulator.
__device__ __forceinline__ float quad_max(float a) {
    a = fmaxf(a, __shfl_xor_sync(0xffffffffu, a, 1));
    return fmaxf(a, __shfl_xor_sync(0xffffffffu, a, 2));
}

/// Sum over the same four lanes.
__device__ __forceinline__ float quad_sum(float a) {
    a += __shfl_xor_sync(0xffffffffu, a, 1);
    return a + __shfl_xor_sync(0xffffffffu, a, 2);
}

/// State of the rows of ROW_TILES 16-row tiles: element [tile][half] is row lane/4 + 8*half of that tile.
template <int ROW_TILES>
struct OnlineSoftmax {
    /// -reference * scale_log2, the same in the four lanes of a row. Until a key was seen it is so large that any score moves it.
    float bias[ROW_TILES][2];
    /// This lane's share of the sum of probabilities.
    float sum[ROW_TILES][2];

    __device__ __forceinline__ OnlineSoftmax() {
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                bias[tile][half] = FLT_MAX;
                sum[tile][half] = 0.0f;
            }
        }
    }

    /// Turns a block of scores into probabilities relative to the reference, after moving it and rescaling `output` if needed.
    template <int KEY_TILES, int OUTPUT_TILES>
    __device__ __forceinline__ void update(float (&scores)[ROW_TILES][KEY_TILES][4], float (&output)[ROW_TILES][OUTPUT_TILES][4],
                                           float scale_log2) {
        float maximum[ROW_TILES][2];  // of this lane's scores
        bool moves = false;
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float m = fmaxf(scores[tile][0][2 * half], scores[tile][0][2 * half + 1]);
#pragma unroll
                for (int key = 1; key < KEY_TILES; ++key) {
                    m = fmaxf(m, fmaxf(scores[tile][key][2 * half], scores[tile][key][2 * half + 1]));
                }
                maximum[tile][half] = m;
                moves |= __fmaf_rn(m, scale_log2, bias[tile][half]) > SLACK_LOG2;
            }
        }
        if (__any_sync(0xffffffffu, moves)) {
            move(maximum, output, scale_log2);
        }
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
            for (int key = 0; key < KEY_TILES; ++key) {
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    const int half = i / 2;
                    scores[tile][key][i] = ptx::ex2_approx(__fmaf_rn(scores[tile][key][i], scale_log2, bias[tile][half]));
                    sum[tile][half] += scores[tile][key][i];
                }
            }
        }
    }

    /// Raises the reference of every row to the maximum so far. A row that has no key yet keeps its bias: -infinity raises nothing.
    /// At a row's first key the factor is 0, and so are the sum and the output that it meets.
    template <int OUTPUT_TILES>
    __device__ __forceinline__ void move(const float (&maximum)[ROW_TILES][2], float (&output)[ROW_TILES][OUTPUT_TILES][4],
                                         float scale_log2) {
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float raised = fminf(bias[tile][half], -quad_max(maximum[tile][half]) * scale_log2);
                const float factor = ptx::ex2_approx(raised - bias[tile][half]);
                bias[tile][half] = raised;
                sum[tile][half] *= factor;
#pragma unroll
                for (int column = 0; column < OUTPUT_TILES; ++column) {
                    output[tile][column][2 * half] *= factor;
                    output[tile][column][2 * half + 1] *= factor;
                }
            }
        }
    }
};

}  // namespace warpsmith
