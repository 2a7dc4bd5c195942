// RMS norm, backward, for rows of any width and alignment. Formula, shapes and numerics: rms_norm_bwd.cu.
//
// Two kernels share the work, since the column sums of a wide row do not fit a block: `_dx` takes the rows, `_columns` the columns.
// Traffic: each of them reads grad_output and input once. `_dx` keeps a thread's part of both rows in REGISTERS vectors in registers and
// `shared_vectors` in shared memory; the part beyond is read twice.
// Who does what in `_dx`: `threads_per_row` threads share a row; it is cut at the 16-byte boundaries of `input` (common/peel.cuh).
// Who does what in `_columns`: block (g, t) sums group g of the rows over tile t of the columns (common/column_tile.cuh); a team takes
// every teams-th row of the group, and a thread one vector's worth of columns.
#include "common/column_tile.cuh"
#include "common/held.cuh"
#include "common/peel.cuh"
#include "rms_norm/rms_norm.cuh"

namespace warpsmith {

struct Shape {
    static constexpr int REGISTERS = RMS_NORM_VECTORS;
    static constexpr int ROW_THREADS = RMS_NORM_GENERAL_THREADS;
    static constexpr int COLUMN_THREADS = RMS_NORM_COLUMNS_THREADS;
    static constexpr int ROWS_AT_ONCE = 4;  // that a thread of `_columns` has in flight
};
static_assert(Shape::ROW_THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

template <typename T>
__device__ __forceinline__ void rms_norm_bwd_dx(const RmsNormBwdParams& p) {
    __shared__ RowSums<1, 1> sums_of;
    extern __shared__ uint4 shared_rows[];  // [2][shared_vectors][blockDim.x]: input, then grad_output
    const Team team(p.threads_per_row);
    Held<Shape::REGISTERS> held_x(shared_rows, p.shared_vectors);
    Held<Shape::REGISTERS> held_dy(shared_rows + p.shared_vectors * blockDim.x, p.shared_vectors);
    const Width width{static_cast<float>(p.width), p.inverse_width};
    const int64_t at_once = int64_t{gridDim.x} * team.teams;

    bool even = true;
    for (int64_t row = int64_t{blockIdx.x} * team.teams + team.index; row < p.rows; row += at_once, even = !even) {
        const uint64_t input = row_address<T>(p.input, row, p.input_stride);
        const uint64_t grad_output = row_address<T>(p.grad_output, row, p.grad_output_stride);
        const float rstd = load_element<float>(row_address<float>(p.rstd, row, 1));
        const Cut<T> cut(input, p.width);
        auto for_each = [&](auto step) {
            for_each_vector<Shape::REGISTERS>(team, cut.vectors(), [&](uint32_t v, auto slot) { step(cut.first(v), slot); });
        };
        auto load_x = [&](int32_t i) { return load_vector<T, true>(cut, input, i); };
        auto load_dy = [&](int32_t i) { return load_vector<T, true>(cut, grad_output, i); };
        auto xhat_and_g = [&](int32_t i, auto slot, float(&xhat)[LANES<T>], float(&g)[LANES<T>]) {
            float w[LANES<T>];
            unpack<T>(held_x.get(slot, [&] { return load_x(i); }), xhat);
            unpack<T>(held_dy.get(slot, [&] { return load_dy(i); }), g);
            load_columns<T>(cut, p.weight, i, 1.0f, w);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                xhat[e] *= rstd;
                g[e] *= w[e] + p.weight_offset;
            }
        };

        // All loads first, so that they are in flight together.
        for_each([&](int32_t i, auto slot) {
            held_x.keep(slot, [&] { return load_x(i); });
            held_dy.keep(slot, [&] { return load_dy(i); });
        });

        // Elements that do not exist have g = 0 and add nothing.
        float sum[1] = {0.0f};
        for_each([&](int32_t i, auto slot) {
            float xhat[LANES<T>], g[LANES<T>];
            xhat_and_g(i, slot, xhat, g);
            sum[0] += vector_sum_of_products(g, xhat);
        });
        team_sum(team, sum, even ? sums_of.first : sums_of.second);
        const float mean = width.divide(sum[0]);

        for_each([&](int32_t i, auto slot) {
            float xhat[LANES<T>], dx[LANES<T>];
            xhat_and_g(i, slot, xhat, dx);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                dx[e] = rstd * fmaf(-xhat[e], mean, dx[e]);
            }
            if (p.grad_sum != 0) {
                float past[LANES<T>];
                unpack<T>(load_vector<T, true>(cut, row_address<T>(p.grad_sum, row, p.grad_sum_stride), i), past);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    dx[e] += past[e];
                }
            }
            store_vector<T>(cut, row_address<T>(p.grad_input, row, p.grad_input_stride), i, dx);
        });
    }
}

template <typename T>
__device__ __forceinline__ void rms_norm_bwd_columns(const RmsNormBwdParams& p) {
    __shared__ float shared[LANES<T> * Shape::COLUMN_THREADS / 2];
    const Team team(p.threads_per_row);
    const uint64_t strides = static_cast<uint64_t>(p.input_stride | p.grad_output_stride);
    const ColumnTile<T> columns(team, p.width, is_vector_address(p.input | p.grad_output | (p.width | strides) * sizeof(T)));
    float sums[LANES<T>] = {};

    const int64_t group = int64_t{blockIdx.x} * p.rows_per_group;
    const int64_t end = min(group + p.rows_per_group, p.rows);
    for (int64_t first = group + team.index; first < end; first += Shape::ROWS_AT_ONCE * team.teams) {
        float x[Shape::ROWS_AT_ONCE][LANES<T>], dy[Shape::ROWS_AT_ONCE][LANES<T>], rstd[Shape::ROWS_AT_ONCE];
#pragma unroll
        for (int r = 0; r < Shape::ROWS_AT_ONCE; ++r) {
            const int64_t row = first + r * int64_t{team.teams};
            if (row < end) {
                columns.load(row_address<T>(p.input, row, p.input_stride), x[r]);
                columns.load(row_address<T>(p.grad_output, row, p.grad_output_stride), dy[r]);
                rstd[r] = load_element<float>(row_address<float>(p.rstd, row, 1));
            }
        }
#pragma unroll
        for (int r = 0; r < Shape::ROWS_AT_ONCE; ++r) {
            if (first + r * int64_t{team.teams} < end) {
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    sums[e] = fmaf(dy[r][e], x[r][e] * rstd[r], sums[e]);
                }
            }
        }
    }

    combine_teams(team, sums, shared);
    if (team.index == 0) {
        columns.store(p.partials + uint64_t{blockIdx.x} * p.width * sizeof(float), sums);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::ROW_THREADS, 1)
rms_norm_bwd_f32_dx(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd_dx<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::ROW_THREADS, 1)
rms_norm_bwd_f16_dx(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd_dx<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::ROW_THREADS, 1)
rms_norm_bwd_bf16_dx(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd_dx<warpsmith::Bf16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::COLUMN_THREADS)
rms_norm_bwd_f32_columns(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd_columns<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::COLUMN_THREADS)
rms_norm_bwd_f16_columns(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd_columns<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::COLUMN_THREADS)
rms_norm_bwd_bf16_columns(const __grid_constant__ RmsNormBwdParams params) {
    warpsmith::rms_norm_bwd_columns<warpsmith::Bf16>(params);
}
