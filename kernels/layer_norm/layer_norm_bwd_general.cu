// Layer norm, backward, for rows of any width and alignment. Formula, shapes and numerics: layer_norm_bwd.cu.
//
// Two kernels share the work, since the column sums of a wide row do not fit a block: `_dx` takes the rows, `_columns` the columns.
// Traffic: each of them reads grad_output and input once. `_dx` keeps a thread's part of both rows in REGISTERS vectors in registers and
// `shared_vectors` in shared memory; the part beyond is read twice.
// Who does what in `_dx`: `threads_per_row` threads share a row; it is cut at the 16-byte boundaries of `input` (common/peel.cuh).
// Who does what in `_columns`: block (g, t) sums group g of the rows over tile t of the columns; a team takes every teams-th row of the
// group, and a thread one vector of columns; neighbouring columns where rows are aligned, columns `threads_per_row` apart where
// they are not, so that the accesses of a warp are contiguous in both.
#include "layer_norm/held.cuh"
#include "layer_norm/layer_norm_params.h"

namespace warpsmith {

struct Shape {
    static constexpr int REGISTERS = LAYER_NORM_VECTORS;
    static constexpr int ROW_THREADS = LAYER_NORM_GENERAL_THREADS;
    static constexpr int COLUMN_THREADS = LAYER_NORM_COLUMNS_THREADS;
    static constexpr int ROWS_AT_ONCE = 4;  // that a thread of `_columns` has in flight
};
static_assert(Shape::ROW_THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

template <typename T>
__device__ __forceinline__ void layer_norm_bwd_dx(const LayerNormBwdParams& p) {
    __shared__ RowSums<2, 2> sums_of;
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
        const float mean = load_element<float>(row_address<float>(p.mean, row, 1));
        const float rstd = load_element<float>(row_address<float>(p.rstd, row, 1));
        const Cut<T> cut(input, p.width);
        auto for_each = [&](auto step) {
            for_each_vector<Shape::REGISTERS>(team, cut.vectors(), [&](uint32_t v, auto slot) { step(cut.first(v), slot); });
        };
        auto load_x = [&](int32_t i) { return load_vector<T, true>(cut, input, i); };
        auto load_dy = [&](int32_t i) { return load_vector<T, true>(cut, grad_output, i); };
        auto xhat_and_g = [&](int32_t i, auto slot, float(&xhat)[LANES<T>], float(&g)[LANES<T>]) {
            unpack<T>(held_x.get(slot, [&] { return load_x(i); }), xhat);
            unpack<T>(held_dy.get(slot, [&] { return load_dy(i); }), g);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                xhat[e] = (xhat[e] - mean) * rstd;
            }
            if (p.weight != 0) {
                float w[LANES<T>];
                unpack<T>(load_vector<T, false>(cut, p.weight, i), w);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    g[e] *= w[e];
                }
            }
        };

        // All loads first, so that they are in flight together.
        for_each([&](int32_t i, auto slot) {
            held_x.keep(slot, [&] { return load_x(i); });
            held_dy.keep(slot, [&] { return load_dy(i); });
        });

        // Elements that do not exist have g = 0 and add nothing.
        float sums[2] = {0.0f, 0.0f};
        for_each([&](int32_t i, auto slot) {
            float xhat[LANES<T>], g[LANES<T>];
            xhat_and_g(i, slot, xhat, g);
            sums[0] += vector_sum(g);
            sums[1] += vector_sum_of_products(g, xhat);
        });
        team_sum(team, sums, even ? sums_of.first : sums_of.second);
        const float mean_g = width.divide(sums[0]);
        const float mean_g_xhat = width.divide(sums[1]);

        for_each([&](int32_t i, auto slot) {
            float xhat[LANES<T>], dx[LANES<T>];
            xhat_and_g(i, slot, xhat, dx);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                // In this order a row of one element, whose g is its own mean, has a gradient of exactly zero.
                dx[e] = rstd * fmaf(-xhat[e], mean_g_xhat, dx[e] - mean_g);
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

/// The columns of a thread: column(e) for e < LANES, those in [0, width).
template <typename T>
struct Columns {
    uint32_t first;
    uint32_t spacing;
    uint32_t width;
    bool contiguous;  // and there are 16-byte boundaries at the first one in each row of the inputs

    __device__ __forceinline__ Columns(const LayerNormBwdParams& p, const Team& team) : width(p.width) {
        const uint64_t every_row = p.input | p.grad_output | p.width * sizeof(T) | static_cast<uint64_t>(p.input_stride) * sizeof(T) |
                                   static_cast<uint64_t>(p.grad_output_stride) * sizeof(T);
        contiguous = is_vector_address(every_row);
        const uint32_t tile = blockIdx.y * team.threads * LANES<T>;
        first = tile + (contiguous ? team.member * LANES<T> : team.member);
        spacing = contiguous ? 1 : team.threads;
    }

    __device__ __forceinline__ uint32_t column(int e) const { return first + e * spacing; }

    /// This thread's columns of a row, with zeros for those that do not exist.
    __device__ __forceinline__ void load(uint64_t row, float (&values)[LANES<T>]) const {
        if (contiguous) {
            unpack<T>(first < width ? ptx::load_16_once(row + first * sizeof(T)) : uint4{}, values);
            return;
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[e] = column(e) < width ? load_element<T>(row + column(e) * sizeof(T)) : 0.0f;
        }
    }

    __device__ __forceinline__ void store(uint64_t row, const float* values) const {
        if (contiguous && first < width) {
#pragma unroll
            for (int e = 0; e < LANES<T>; e += 4) {
                store_floats(row + column(e) * sizeof(float), values[e], values[e + 1], values[e + 2], values[e + 3]);
            }
            return;
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            if (column(e) < width) {
                store_element<float>(row + column(e) * sizeof(float), values[e]);
            }
        }
    }
};

template <typename T>
__device__ __forceinline__ void layer_norm_bwd_columns(const LayerNormBwdParams& p) {
    __shared__ float shared[2 * LANES<T> * Shape::COLUMN_THREADS / 2];
    const Team team(p.threads_per_row);
    const Columns<T> columns(p, team);
    float sums[2 * LANES<T>] = {};  // of grad_output * xhat, then of grad_output

    const int64_t group = int64_t{blockIdx.x} * p.rows_per_group;
    const int64_t end = min(group + p.rows_per_group, p.rows);
    for (int64_t first = group + team.index; first < end; first += Shape::ROWS_AT_ONCE * team.teams) {
        float x[Shape::ROWS_AT_ONCE][LANES<T>], dy[Shape::ROWS_AT_ONCE][LANES<T>];
        float mean[Shape::ROWS_AT_ONCE], rstd[Shape::ROWS_AT_ONCE];
#pragma unroll
        for (int r = 0; r < Shape::ROWS_AT_ONCE; ++r) {
            const int64_t row = first + r * int64_t{team.teams};
            if (row < end) {
                columns.load(row_address<T>(p.input, row, p.input_stride), x[r]);
                columns.load(row_address<T>(p.grad_output, row, p.grad_output_stride), dy[r]);
                mean[r] = load_element<float>(row_address<float>(p.mean, row, 1));
                rstd[r] = load_element<float>(row_address<float>(p.rstd, row, 1));
            }
        }
#pragma unroll
        for (int r = 0; r < Shape::ROWS_AT_ONCE; ++r) {
            if (first + r * int64_t{team.teams} < end) {
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    const float xhat = (x[r][e] - mean[r]) * rstd[r];
                    sums[e] = fmaf(dy[r][e], xhat, sums[e]);
                    sums[LANES<T> + e] += dy[r][e];
                }
            }
        }
    }

    combine_teams(team, sums, shared);
    if (team.index == 0) {
        const uint64_t row = uint64_t{p.width} * sizeof(float);
        columns.store(p.partials + blockIdx.x * row, sums);
        columns.store(p.partials + (gridDim.x + blockIdx.x) * row, sums + LANES<T>);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::ROW_THREADS, 1)
layer_norm_bwd_f32_dx(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd_dx<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::ROW_THREADS, 1)
layer_norm_bwd_f16_dx(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd_dx<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::ROW_THREADS, 1)
layer_norm_bwd_bf16_dx(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd_dx<warpsmith::Bf16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::COLUMN_THREADS)
layer_norm_bwd_f32_columns(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd_columns<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::COLUMN_THREADS)
layer_norm_bwd_f16_columns(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd_columns<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::COLUMN_THREADS)
layer_norm_bwd_bf16_columns(const __grid_constant__ LayerNormBwdParams params) {
    warpsmith::layer_norm_bwd_columns<warpsmith::Bf16>(params);
}
