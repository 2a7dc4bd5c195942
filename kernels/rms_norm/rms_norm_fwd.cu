// RMS norm, forward: for each row of x = input (+ residual, rounded to T, written to `sum`)
//
//     rstd = 1 / sqrt(mean(x^2) + epsilon)    output = x * rstd * (weight + weight_offset)
//
// where `rounds_normalised` says whether x * rstd is rounded to T before it meets the weight.
//
// Shapes: input, residual, output, sum [rows, width]; weight [width]; rstd [rows] in f32.
// Traffic: a row is read once and written once; with a residual it is two reads and two writes. The weight is read once by each block,
// which keeps it in registers and walks over many rows.
// Who does what: `threads_per_row` threads share a row, a power of two up to 32 of them with several rows in a block, or a whole
// block. A thread holds up to VECTORS 16-byte vectors of the row as floats, vector j at member + j * threads_per_row.
// Numerics: f32, one rounding at the end (and the one that is asked for). The order of additions depends on the width alone.
//
// This file is the plain kernel: every row of every tensor starts at a multiple of 16 bytes, and a row fits the registers of a
// block. rms_norm_fwd_general.cu has no such condition.
#include "common/row.cuh"
#include "rms_norm/rms_norm.cuh"

namespace warpsmith {

struct Shape {
    static constexpr int VECTORS = RMS_NORM_VECTORS;
    static constexpr int THREADS = RMS_NORM_FWD_THREADS;
    static constexpr int BLOCKS = 2;  // on a multiprocessor: 16 warps with 64 bytes in flight a thread, at up to 128 registers
};
static_assert(Shape::THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

template <typename T>
__device__ __forceinline__ void rms_norm_fwd(const RmsNormFwdParams& p) {
    __shared__ RowSums<1, 1> sums;
    const Team team(p.threads_per_row);
    const Slice<Shape::VECTORS> slice(team, p.width / LANES<T>);
    const uint64_t start = slice.offset;  // bytes from a row's start to this thread's first vector
    const ColumnPart<T, Shape::VECTORS> weight(p.weight, slice, 1.0f);

    const Width width{static_cast<float>(p.width), p.inverse_width};
    const int64_t at_once = int64_t{gridDim.x} * team.teams;
    bool even = true;
    for (int64_t row = int64_t{blockIdx.x} * team.teams + team.index; row < p.rows; row += at_once, even = !even) {
        RowPart<T, Shape::VECTORS> part;
        const uint64_t input = row_address<T>(p.input, row, p.input_stride) + start;
        if (p.residual == 0) {
            part.load(input, slice);
        } else {
            part.load(input, row_address<T>(p.residual, row, p.residual_stride) + start,
                      row_address<T>(p.sum, row, p.sum_stride) + start, slice);
        }

        float squares[1] = {0.0f};
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            squares[0] += vector_sum_of_products(part.x[j], part.x[j]);
        }
        team_sum(team, squares, even ? sums.first : sums.second);
        const float rstd = rstd_of(squares[0], width, p.epsilon);
        if (p.rstd != 0 && team.member == 0) {
            store_element<float>(row_address<float>(p.rstd, row, 1), rstd);
        }

        const uint64_t output = row_address<T>(p.output, row, p.output_stride) + start;
#pragma unroll
        for (int j = 0; j < Shape::VECTORS; ++j) {
            if (slice.has<false>(j)) {
                float w[LANES<T>];
                unpack<T>(weight.raw[j], w);
                scale<T>(part.x[j], rstd, w, p.weight_offset, p.rounds_normalised != 0);
                ptx::store_16(output + j * slice.step, pack<T>(part.x[j]));
            }
        }
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
rms_norm_fwd_f32(const __grid_constant__ RmsNormFwdParams params) {
    warpsmith::rms_norm_fwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
rms_norm_fwd_f16(const __grid_constant__ RmsNormFwdParams params) {
    warpsmith::rms_norm_fwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
rms_norm_fwd_bf16(const __grid_constant__ RmsNormFwdParams params) {
    warpsmith::rms_norm_fwd<warpsmith::Bf16>(params);
}
