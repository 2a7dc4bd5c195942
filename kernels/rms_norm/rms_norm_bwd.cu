// RMS norm, backward. With xhat = x * rstd and g = grad_output * (weight + weight_offset), for each row
//
//     grad_input = rstd * (g - xhat * mean(g * xhat)) (+ grad_sum)
//
// and over all rows
//
//     grad_weight = sum of grad_output * xhat
//
// (A rounding of xhat in the forward counts as the identity.)
//
// Shapes: grad_output, input, grad_sum, grad_input [rows, width]; weight, grad_weight [width]; rstd [rows] in f32; partials
// [row_groups, width] in f32.
// Traffic: grad_output and input (and grad_sum) are read once, grad_input is written once; the partials are written here and read by
// rms_norm_bwd_reduce.cu: 8 bytes for each group and column, whatever the number of rows.
// Who does what: a block takes one group of neighbouring rows and walks over it, one row for each of its teams at a time. A thread
// keeps its columns' sums over the rows in registers. The next row is on its way into shared memory meanwhile (common/ring.cuh); the row
// at hand stays there and is read a second time after the sum over it, which costs less than the registers that would hold it: so two
// blocks of 256 threads share a multiprocessor, or one of 512 takes rows of up to 2,048 vectors.
// Numerics: f32 throughout, one rounding at the end. The order of additions depends on the shape of the problem alone.
//
// This file is the plain kernel: every row of every tensor starts at a multiple of 16 bytes, and the columns of a row fit the registers
// of a block. rms_norm_bwd_general.cu has no such condition.
#include "common/ring.cuh"
#include "rms_norm/rms_norm.cuh"

namespace warpsmith {

struct Shape {
    static constexpr int VECTORS = RMS_NORM_VECTORS;
    static constexpr int THREADS = RMS_NORM_BWD_THREADS;
    static constexpr int STAGES = RMS_NORM_BWD_STAGES;
};
static_assert(Shape::THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

using RowSlice = Slice<Shape::VECTORS>;
using RowRing = Ring<Shape::VECTORS, Shape::STAGES>;

/// A thread's sums over the rows of grad_output * xhat, column by column.
template <typename T>
struct ColumnSums {
    float of[Shape::VECTORS * LANES<T>] = {};

    /// Leaves the sums of this block's group of rows in the partials.
    __device__ __forceinline__ void store(const RmsNormBwdParams& p, const RowSlice& slice) const {
        const uint64_t row = p.partials + uint64_t{blockIdx.x} * p.width * sizeof(float);
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (slice.has<false>(j)) {
                const uint64_t column = (slice.offset + j * slice.step) / sizeof(T);
#pragma unroll
                for (int e = 0; e < LANES<T>; e += 4) {
                    const float* sums = &of[j * LANES<T> + e];
                    store_floats(row + (column + e) * sizeof(float), sums[0], sums[1], sums[2], sums[3]);
                }
            }
        }
    }
};

/// A row in its stage: what this thread copied of it.
template <typename T>
struct StagedRow {
    const uint4* input;  // [vector][blockDim.x]
    const uint4* grad_output;

    __device__ __forceinline__ StagedRow(const uint4* stages, uint32_t stage)
        : input(stages + stage * 2 * Shape::VECTORS * blockDim.x + threadIdx.x), grad_output(input + Shape::VECTORS * blockDim.x) {}

    /// xhat and grad_output of vector j.
    __device__ __forceinline__ void get(int j, float rstd, float (&xhat)[LANES<T>], float (&dy)[LANES<T>]) const {
        unpack<T>(input[j * blockDim.x], xhat);
        unpack<T>(grad_output[j * blockDim.x], dy);
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            xhat[e] *= rstd;
        }
    }
};

/// The weight with its offset, from the columns at hand.
template <typename T>
__device__ __forceinline__ void weight_of(const ColumnPart<T, Shape::VECTORS>& part, int j, float offset, float (&w)[LANES<T>]) {
    unpack<T>(part.raw[j], w);
#pragma unroll
    for (int e = 0; e < LANES<T>; ++e) {
        w[e] += offset;
    }
}

/// Takes this block's group of rows and adds up its columns.
template <typename T, bool WHOLE>
__device__ __forceinline__ void walk_group(const RmsNormBwdParams& p, const Team& team, const RowSlice& slice, const uint4* stages,
                                           RowSums<1, 1>& row_sums, ColumnSums<T>& columns) {
    // The group's rows are dealt out in runs, one for each team; the last ones may have fewer rows or none.
    const int64_t group = int64_t{blockIdx.x} * p.rows_per_group;
    const uint32_t rows = static_cast<uint32_t>(min(p.rows_per_group, p.rows - group));
    const uint32_t run = (rows + team.teams - 1) / team.teams;
    const uint32_t before = min(rows, team.index * run);
    const uint32_t mine = min(rows - before, run);
    const int64_t row = group + before;

    const Width width{static_cast<float>(p.width), p.inverse_width};
    const ColumnPart<T, Shape::VECTORS> weight(p.weight, slice, 1.0f);
    Walk rstd_at = Walk::over<float>(p.rstd, row, 1, 0);
    Walk grad_input = Walk::over<T>(p.grad_input, row, p.grad_input_stride, slice.offset);
    Walk grad_sum = p.grad_sum != 0 ? Walk::over<T>(p.grad_sum, row, p.grad_sum_stride, slice.offset) : Walk{0, 0};
    RowRing ring(Walk::over<T>(p.input, row, p.input_stride, slice.offset),
                 Walk::over<T>(p.grad_output, row, p.grad_output_stride, slice.offset), mine, ptx::shared_address(stages),
                 blockDim.x * 16);
#pragma unroll
    for (int i = 0; i < Shape::STAGES - 1; ++i) {
        ring.template ask<WHOLE>(slice);
    }
    float rstd = mine > 0 ? load_element<float>(rstd_at.address) : 0.0f;
    uint32_t stage = 0;
    for (uint32_t turn = 0; turn < mine; ++turn) {
        ring.template ask<WHOLE>(slice);
        rstd_at.next();
        const float next_rstd = turn + 1 < mine ? load_element<float>(rstd_at.address) : 0.0f;

        ptx::cp_async_wait<Shape::STAGES - 1>();
        const StagedRow<T> staged(stages, stage);
        float sum[1] = {0.0f};
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (slice.template has<WHOLE>(j)) {
                float xhat[LANES<T>], dy[LANES<T>], w[LANES<T>];
                staged.get(j, rstd, xhat, dy);
                weight_of<T>(weight, j, p.weight_offset, w);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    float& column = columns.of[j * LANES<T> + e];
                    column = fmaf(dy[e], xhat[e], column);
                    dy[e] *= w[e];
                }
                sum[0] += vector_sum_of_products(dy, xhat);
            }
        }
        team_sum(team, sum, turn % 2 == 0 ? row_sums.first : row_sums.second);
        const float mean = width.divide(sum[0]);

#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (slice.template has<WHOLE>(j)) {
                float xhat[LANES<T>], dx[LANES<T>], w[LANES<T>];
                staged.get(j, rstd, xhat, dx);
                weight_of<T>(weight, j, p.weight_offset, w);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    dx[e] = rstd * fmaf(-xhat[e], mean, dx[e] * w[e]);
                }
                if (grad_sum.address != 0) {
                    float past[LANES<T>];
                    unpack<T>(ptx::load_16_once(grad_sum.address + j * slice.step), past);
#pragma unroll
                    for (int e = 0; e < LANES<T>; ++e) {
                        dx[e] += past[e];
                    }
                }
                ptx::store_16(grad_input.address + j * slice.step, pack<T>(dx));
            }
        }
        grad_input.next();
        grad_sum.next();
        rstd = next_rstd;
        stage = stage + 1 == Shape::STAGES ? 0 : stage + 1;
    }
}

template <typename T>
__device__ __forceinline__ void rms_norm_bwd(const RmsNormBwdParams& p) {
    __shared__ RowSums<1, 1> row_sums;
    extern __shared__ uint4 stages[];
    const Team team(p.threads_per_row);
    const RowSlice slice(team, p.width / LANES<T>);
    ColumnSums<T> columns;
    if (slice.whole) {
        walk_group<T, true>(p, team, slice, stages, row_sums, columns);
    } else {
        walk_group<T, false>(p, team, slice, stages, row_sums, columns);
    }

    if (p.partials != 0) {
        __syncthreads();  // the stages are free
        combine_teams(team, columns.of, reinterpret_cast<float*>(stages));
        if (team.index == 0) {
            columns.store(p, slice);
        }
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
rms_norm_bwd_f32(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
rms_norm_bwd_f16(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
rms_norm_bwd_bf16(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd<warpsmith::Bf16>(params);
}
