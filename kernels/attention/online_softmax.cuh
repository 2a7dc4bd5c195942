// Softmax over the keys while they pass by in blocks: a reference and a sum for each row, and the output so far scaled to them.
//
// The reference is a lower bound of the row's maximum that is at most 2^8 too low in its exponential. It moves only when a block
// exceeds it by more than that, so most blocks rescale nothing; probabilities stay below 2^8, which neither f16 nor the f32
// sums mind, and the division by the sum cancels the reference exactly.
#pragma once
#include <math_constants.h>

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

/// State of the rows of ROW_TILES 16-row tiles: element [tile][half] is row lane/4 + 8*half of that tile, the same in four lanes.
template <int ROW_TILES>
struct OnlineSoftmax {
    float bias[ROW_TILES][2];   // -reference * scale_log2; 0 until a key was seen
    float limit[ROW_TILES][2];  // the reference moves for an unscaled score above this; -infinity until a key was seen
    float sum[ROW_TILES][2];    // this lane's share of the sum of probabilities

    __device__ __forceinline__ OnlineSoftmax() {
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                bias[tile][half] = 0.0f;
                limit[tile][half] = -CUDART_INF_F;
                sum[tile][half] = 0.0f;
            }
        }
    }

    /// Turns a block of scores into probabilities relative to the reference, after moving it and rescaling `output` if needed.
    template <int KEY_TILES, int OUTPUT_TILES>
    __device__ __forceinline__ void update(float (&scores)[ROW_TILES][KEY_TILES][4], float (&output)[ROW_TILES][OUTPUT_TILES][4],
                                           float scale_log2) {
        float maximum[ROW_TILES][2];
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
                maximum[tile][half] = quad_max(m);
                moves |= maximum[tile][half] > limit[tile][half];
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

    /// Raises the reference of every row that has seen a key to the maximum so far.
    template <int OUTPUT_TILES>
    __device__ __forceinline__ void move(const float (&maximum)[ROW_TILES][2], float (&output)[ROW_TILES][OUTPUT_TILES][4],
                                         float scale_log2) {
#pragma unroll
        for (int tile = 0; tile < ROW_TILES; ++tile) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const bool seen = limit[tile][half] > -CUDART_INF_F;
                if (maximum[tile][half] == -CUDART_INF_F) {
                    continue;  // no key for this row in this block
                }
                const float candidate = -maximum[tile][half] * scale_log2;
                const float raised = seen ? fminf(bias[tile][half], candidate) : candidate;
                // Nothing was summed before the first key, so its factor only has to be finite.
                const float factor = seen ? ptx::ex2_approx(raised - bias[tile][half]) : 1.0f;
                bias[tile][half] = raised;
                limit[tile][half] = __fdividef(SLACK_LOG2 - raised, scale_log2);
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
