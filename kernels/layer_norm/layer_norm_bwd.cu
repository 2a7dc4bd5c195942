// Layer norm, backward. With xhat = (x - mean) * rstd and g = grad_output * weight, for each row
//
//     grad_input = rstd * (g - mean(g) - xhat * mean(g * xhat)) (+ grad_sum)
//
// and over all rows
//
//     grad_weight = sum of grad_output * xhat        grad_bias = sum of grad_output
//
// Shapes: grad_output, input, grad_sum, grad_input [rows, width]; weight, grad_weight, grad_bias [width]; mean, rstd [rows] in
// f32; partials [2, row_groups, width] in f32.
// Traffic: grad_output and input (and grad_sum) are read once, grad_input is written once; the partials are written here and read by
// layer_norm_bwd_reduce.cu: 16 bytes for each group and column, whatever the number of rows.
// Who does what: a block takes one group of neighbouring rows and walks over it, one row for each of its teams at a time. A thread
// keeps its columns' sums over the rows in registers and, of the row at hand, xhat and g. The rows to come are on their way into
// shared memory meanwhile, STAGES - 1 deep; a thread copies only what it will read itself, so that no barrier is needed.
// Numerics: f32 throughout, one rounding at the end. The order of additions depends on the shape of the problem alone.
//
// This file is the plain kernel: every row of every tensor starts at a multiple of 16 bytes, and a row fits the registers of a
// block. layer_norm_bwd_general.cu has no such condition.
#include "common/ring.cuh"
#include "layer_norm/layer_norm_params.h"

namespace warpsmith {

struct Shape {
    static constexpr int VECTORS = LAYER_NORM_VECTORS;
    static constexpr int THREADS = LAYER_NORM_BWD_THREADS;
    static constexpr int STAGES = LAYER_NORM_BWD_STAGES;
};

/// A row in dynamic shared memory, as common/ring.cuh lays it out.
struct Stage {
    uint4 input[Shape::VECTORS][Shape::THREADS];
    uint4 grad_output[Shape::VECTORS][Shape::THREADS];
};
static_assert(Shape::STAGES * sizeof(Stage) + sizeof(RowSums<2, 2>) <= 99 * 1024,
              "the stages fit the smallest shared memory of a block, that of compute capability 8.6, 8.9 and 12.0");

using RowSlice = Slice<Shape::VECTORS>;
using RowRing = Ring<Shape::VECTORS, Shape::STAGES>;

/// Mean and rstd of a row, which the forward saved.
struct Saved {
    float mean;
    float rstd;

    __device__ __forceinline__ Saved(const Walk& mean_of, const Walk& rstd_of, bool exists) : mean(0.0f), rstd(0.0f) {
        if (exists) {
            mean = load_element<float>(mean_of.address);
            rstd = load_element<float>(rstd_of.address);
        }
    }
};

/// This thread's part of a row.
template <typename T>
struct Part {
    float of[Shape::VECTORS][LANES<T>];
};

template <typename T>
using Weight = ColumnPart<T, Shape::VECTORS>;

/// A thread's sums over the rows, column by column: of grad_output * xhat, then of grad_output.
template <typename T>
struct ColumnSums {
    static constexpr int COLUMNS = Shape::VECTORS * LANES<T>;
    float of[2 * COLUMNS] = {};

    __device__ __forceinline__ void add(int j, int e, float grad_output, float xhat) {
        float& weight = of[j * LANES<T> + e];
        float& bias = of[COLUMNS + j * LANES<T> + e];
        weight = fmaf(grad_output, xhat, weight);
        bias += grad_output;
    }

    /// Leaves the sums of this block's group of rows in the partials.
    __device__ __forceinline__ void store(const LayerNormBwdParams& p, const RowSlice& slice) const {
        const uint64_t width = p.width;
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (j < slice.count) {
                const uint64_t column = (slice.offset + j * slice.step) / sizeof(T);
#pragma unroll
                for (int e = 0; e < LANES<T>; e += 4) {
                    const uint64_t of_weight = p.partials + (blockIdx.x * width + column + e) * sizeof(float);
                    const uint64_t of_bias = of_weight + gridDim.x * width * sizeof(float);
                    const float* w = &of[j * LANES<T> + e];
                    const float* b = w + COLUMNS;
                    store_floats(of_weight, w[0], w[1], w[2], w[3]);
                    store_floats(of_bias, b[0], b[1], b[2], b[3]);
                }
            }
        }
    }
};
static_assert(sizeof(ColumnSums<F16>) * Shape::THREADS / 2 <= Shape::STAGES * sizeof(Stage),
              "half of the teams leave their column sums where the stages were");

/// A row of this thread's, between the sums over it and what depends on them.
template <typename T>
struct Row {
    Part<T> xhat;
    Part<T> g;

    /// Takes the row from its stage: xhat, g, the thread's share of the sums of g and of g * xhat, and of the column sums.
    template <bool WHOLE>
    __device__ __forceinline__ void take(const Stage& stage, const RowSlice& slice, const Saved& saved, const Weight<T>& weight,
                                         float (&sums)[2], ColumnSums<T>& columns) {
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (slice.template has<WHOLE>(j)) {
                float x[LANES<T>], dy[LANES<T>], w[LANES<T>];
                unpack<T>(stage.input[j][threadIdx.x], x);
                unpack<T>(stage.grad_output[j][threadIdx.x], dy);
                unpack<T>(weight.raw[j], w);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    xhat.of[j][e] = (x[e] - saved.mean) * saved.rstd;
                    g.of[j][e] = dy[e] * w[e];
                    columns.add(j, e, dy[e], xhat.of[j][e]);
                }
                sums[0] += vector_sum(g.of[j]);
                sums[1] += vector_sum_of_products(g.of[j], xhat.of[j]);
            }
        }
    }

    /// Writes the row's gradient: rstd * g - rstd * mean(g) - xhat * rstd * mean(g * xhat) (+ grad_sum).
    template <bool WHOLE>
    __device__ __forceinline__ void give(const Walk& grad_input, const Walk& grad_sum, const RowSlice& slice, float rstd,
                                         float mean_g, float mean_g_xhat) const {
        const float constant = -rstd * mean_g;
        const float slope = -rstd * mean_g_xhat;
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (slice.template has<WHOLE>(j)) {
                float dx[LANES<T>];
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    dx[e] = fmaf(xhat.of[j][e], slope, fmaf(g.of[j][e], rstd, constant));
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
    }
};

/// Takes this block's group of rows and adds up its columns.
template <typename T, bool WHOLE>
__device__ __forceinline__ void walk_group(const LayerNormBwdParams& p, const Team& team, const RowSlice& slice, Stage* stages,
                                           RowSums<2, 2>& row_sums, ColumnSums<T>& columns) {
    // The group's rows are dealt out in runs, one for each team; the last ones may have fewer rows or none.
    const int64_t group = int64_t{blockIdx.x} * p.rows_per_group;
    const uint32_t rows = static_cast<uint32_t>(min(p.rows_per_group, p.rows - group));
    const uint32_t run = (rows + team.teams - 1) / team.teams;
    const uint32_t before = min(rows, team.index * run);
    const uint32_t mine = min(rows - before, run);
    const int64_t row = group + before;

    const Width width{static_cast<float>(p.width), p.inverse_width};
    const Weight<T> weight(p.weight, slice, 1.0f);
    Walk mean = Walk::over<float>(p.mean, row, 1, 0);
    Walk rstd = Walk::over<float>(p.rstd, row, 1, 0);
    Walk grad_input = Walk::over<T>(p.grad_input, row, p.grad_input_stride, slice.offset);
    Walk grad_sum = p.grad_sum != 0 ? Walk::over<T>(p.grad_sum, row, p.grad_sum_stride, slice.offset) : Walk{0, 0};
    RowRing ring(Walk::over<T>(p.input, row, p.input_stride, slice.offset),
                 Walk::over<T>(p.grad_output, row, p.grad_output_stride, slice.offset), mine, ptx::shared_address(stages),
                 sizeof(Stage::input[0]));
#pragma unroll
    for (int i = 0; i < Shape::STAGES - 1; ++i) {
        ring.template ask<WHOLE>(slice);
    }
    Saved saved(mean, rstd, mine > 0);
    uint32_t stage = 0;
    for (uint32_t turn = 0; turn < mine; ++turn) {
        ring.template ask<WHOLE>(slice);
        mean.next();
        rstd.next();
        const Saved next(mean, rstd, turn + 1 < mine);

        ptx::cp_async_wait<Shape::STAGES - 1>();
        Row<T> row_at_hand;
        float sums[2] = {0.0f, 0.0f};
        row_at_hand.template take<WHOLE>(stages[stage], slice, saved, weight, sums, columns);
        team_sum(team, sums, turn % 2 == 0 ? row_sums.first : row_sums.second);
        row_at_hand.template give<WHOLE>(grad_input, grad_sum, slice, saved.rstd, width.divide(sums[0]),
                                         width.divide(sums[1]));

        grad_input.next();
        grad_sum.next();
        saved = next;
        stage = stage + 1 == Shape::STAGES ? 0 : stage + 1;
    }
}

template <typename T>
__device__ __forceinline__ void layer_norm_bwd(const LayerNormBwdParams& p) {
    __shared__ RowSums<2, 2> row_sums;
    extern __shared__ uint4 dynamic_shared[];
    Stage* stages = reinterpret_cast<Stage*>(dynamic_shared);
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
        combine_teams(team, columns.of, reinterpret_cast<float*>(dynamic_shared));
        if (team.index == 0) {
            columns.store(p, slice);
        }
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
layer_norm_bwd_f32(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
layer_norm_bwd_f16(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
layer_norm_bwd_bf16(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd<warpsmith::Bf16>(params);
}
