// Layer norm, forward: for each row of x = input (+ residual, rounded to T, written to `sum`)
//
//     mu = mean(x)    var = mean((x - mu)^2)    rstd = 1 / sqrt(var + epsilon)    output = (x - mu) * rstd * weight + bias
//
// Shapes: input, residual, output, sum [rows, width]; weight, bias [width]; mean, rstd [rows] in f32.
// Traffic: a row is read once and written once; with a residual it is two reads and two writes. Weight and bias are read once by
// each block, which keeps them in registers and walks over many rows.
// Who does what: `threads_per_row` threads share a row, a power of two up to 32 of them with several rows in a block, or a whole
// block. A thread holds up to VECTORS 16-byte vectors of the row as floats, vector j at member + j * threads_per_row.
// Numerics: two passes over the registers. The first gives a pivot (the mean, rounded to T), the second sums the deviations from
// it and their squares; the pivot's own distance from the mean is subtracted from every deviation, so a mean far larger than the
// deviation costs nothing. The order of additions depends on the width alone.
//
// This file is the plain kernel: every row of every tensor starts at a multiple of 16 bytes, and a row fits the registers of a
// block. layer_norm_fwd_general.cu has no such condition.
#include "layer_norm/layer_norm_params.h"
#include "layer_norm/row.cuh"

namespace warpsmith {

struct Shape {
    static constexpr int VECTORS = LAYER_NORM_VECTORS;
    static constexpr int THREADS = LAYER_NORM_FWD_THREADS;
    static constexpr int BLOCKS = 2;  // on a multiprocessor: 16 warps with 64 bytes in flight a thread, at up to 128 registers
};
static_assert(Shape::THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

using RowSlice = Slice<Shape::VECTORS>;
template <typename T>
using Columns = ColumnPart<T, Shape::VECTORS>;

/// This thread's part of one row.
template <typename T>
struct Row : RowPart<T, Shape::VECTORS> {
    using RowPart<T, Shape::VECTORS>::x;

    __device__ __forceinline__ float sum() const {
        float total = 0.0f;
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            total += vector_sum(x[j]);
        }
        return total;
    }

    /// Replaces x by its deviation from the pivot and returns the sums of the deviations and of their squares.
    __device__ __forceinline__ void deviate(const RowSlice& slice, float pivot, float (&sums)[2]) {
        sums[0] = sums[1] = 0.0f;
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (j < slice.count) {
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    x[j][e] -= pivot;
                }
                sums[0] += vector_sum(x[j]);
                sums[1] += vector_sum_of_products(x[j], x[j]);
            }
        }
    }

    __device__ __forceinline__ void store_normalised(uint64_t address, const RowSlice& slice, const Statistics& s,
                                                     const Columns<T>& weight, const Columns<T>& bias) const {
        const float shift = -s.offset * s.rstd;
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (j < slice.count) {
                float w[LANES<T>], b[LANES<T>], y[LANES<T>];
                unpack<T>(weight.raw[j], w);
                unpack<T>(bias.raw[j], b);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    const float xhat = fmaf(x[j][e], s.rstd, shift);
                    y[e] = fmaf(xhat, w[e], b[e]);
                }
                ptx::store_16(address + j * slice.step, pack<T>(y));
            }
        }
    }
};

template <typename T>
__device__ __forceinline__ void layer_norm_fwd(const LayerNormFwdParams& p) {
    __shared__ RowSums<1, 2> sums;
    const Team team(p.threads_per_row);
    const RowSlice slice(team, p.width / LANES<T>);
    const uint64_t start = slice.offset;  // bytes from a row's start to this thread's first vector
    const Columns<T> weight(p.weight, slice, 1.0f);
    const Columns<T> bias(p.bias, slice, 0.0f);

    const Width width{static_cast<float>(p.width), p.inverse_width};
    const int64_t at_once = int64_t{gridDim.x} * team.teams;
    for (int64_t row = int64_t{blockIdx.x} * team.teams + team.index; row < p.rows; row += at_once) {
        Row<T> part;
        const uint64_t input = row_address<T>(p.input, row, p.input_stride) + start;
        if (p.residual == 0) {
            part.load(input, slice);
        } else {
            part.load(input, row_address<T>(p.residual, row, p.residual_stride) + start,
                      row_address<T>(p.sum, row, p.sum_stride) + start, slice);
        }

        float total[1] = {part.sum()};
        team_sum(team, total, sums.first);
        const float pivot = pivot_near<T>(total[0] * width.inverse);

        float deviations[2];
        part.deviate(slice, pivot, deviations);
        team_sum(team, deviations, sums.second);
        const Statistics statistics(pivot, deviations[0], deviations[1], width, p.epsilon);

        if (p.mean != 0 && team.member == 0) {
            store_element<float>(row_address<float>(p.mean, row, 1), statistics.mean);
            store_element<float>(row_address<float>(p.rstd, row, 1), statistics.rstd);
        }
        part.store_normalised(row_address<T>(p.output, row, p.output_stride) + start, slice, statistics, weight, bias);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
layer_norm_fwd_f32(const __grid_constant__ LayerNormFwdParams params) {
    warpsmith::layer_norm_fwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
layer_norm_fwd_f16(const __grid_constant__ LayerNormFwdParams params) {
    warpsmith::layer_norm_fwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
layer_norm_fwd_bf16(const __grid_constant__ LayerNormFwdParams params) {
    warpsmith::layer_norm_fwd<warpsmith::Bf16>(params);
}
