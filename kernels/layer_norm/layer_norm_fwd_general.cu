// Layer norm, forward, for rows of any width and alignment. Formula, shapes and numerics: layer_norm_fwd.cu.
//
// Traffic: as there, while a thread's part of the row fits REGISTERS vectors in registers and `shared_vectors` in shared memory.
// The part beyond is read three times instead of once. Weight and bias come from L1 or L2 for every row.
// Who does what: `threads_per_row` threads share a row as there. The row is cut at 16-byte boundaries of the array that is
// normalised; vectors inside are accessed whole, head and tail by elements (common/peel.cuh). Arrays that are not aligned to
// one another are accessed by elements where they disagree.
#include "common/held.cuh"
#include "common/peel.cuh"
#include "layer_norm/layer_norm_params.h"
#include "layer_norm/row.cuh"

namespace warpsmith {

struct Shape {
    static constexpr int REGISTERS = LAYER_NORM_VECTORS;
    static constexpr int THREADS = LAYER_NORM_GENERAL_THREADS;
};
static_assert(Shape::THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

template <typename T>
__device__ __forceinline__ void layer_norm_fwd_general(const LayerNormFwdParams& p) {
    __shared__ RowSums<1, 2> sums;
    extern __shared__ uint4 shared_row[];  // [shared_vectors][blockDim.x]
    const Team team(p.threads_per_row);
    Held<Shape::REGISTERS> held(shared_row, p.shared_vectors);

    const Width width{static_cast<float>(p.width), p.inverse_width};
    const int64_t at_once = int64_t{gridDim.x} * team.teams;
    for (int64_t row = int64_t{blockIdx.x} * team.teams + team.index; row < p.rows; row += at_once) {
        const PeeledRow<T> rows(p.input, p.input_stride, p.residual, p.residual_stride, row, p.width);
        const uint64_t sum = row_address<T>(p.sum, row, p.sum_stride);
        const uint64_t output = row_address<T>(p.output, row, p.output_stride);
        const Cut<T>& cut = rows.cut;
        auto for_each = [&](auto step) {
            for_each_vector<Shape::REGISTERS>(team, cut.vectors(), [&](uint32_t v, auto slot) { step(cut.first(v), slot); });
        };
        auto x_of = [&](int32_t first, auto slot, float(&x)[LANES<T>]) {
            unpack<T>(held.get(slot, [&] { return rows.load(first); }), x);
        };

        // All loads first, so that they are in flight together.
        for_each([&](int32_t first, auto slot) { held.keep(slot, [&] { return rows.load(first); }); });

        float total[1] = {0.0f};
        for_each([&](int32_t first, auto slot) {
            float x[LANES<T>];
            x_of(first, slot, x);
            total[0] += vector_sum(x);
            if (rows.residual != 0) {
                store_vector<T>(cut, sum, first, x);
            }
        });
        team_sum(team, total, sums.first);
        const float pivot = pivot_near<T>(total[0] * width.inverse);

        float deviations[2] = {0.0f, 0.0f};
        for_each([&](int32_t first, auto slot) {
            float d[LANES<T>];
            x_of(first, slot, d);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                d[e] -= pivot;
            }
            cut.clear_outside(first, d);
            deviations[0] += vector_sum(d);
            deviations[1] += vector_sum_of_products(d, d);
        });
        team_sum(team, deviations, sums.second);
        const Statistics statistics(pivot, deviations[0], deviations[1], width, p.epsilon);

        if (p.mean != 0 && team.member == 0) {
            store_element<float>(row_address<float>(p.mean, row, 1), statistics.mean);
            store_element<float>(row_address<float>(p.rstd, row, 1), statistics.rstd);
        }
        const float shift = -statistics.offset * statistics.rstd;
        for_each([&](int32_t first, auto slot) {
            float y[LANES<T>];
            x_of(first, slot, y);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                y[e] = fmaf(y[e] - pivot, statistics.rstd, shift);
            }
            if (p.weight != 0) {
                float w[LANES<T>];
                unpack<T>(load_vector<T, false>(cut, p.weight, first), w);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    y[e] *= w[e];
                }
            }
            if (p.bias != 0) {
                float b[LANES<T>];
                unpack<T>(load_vector<T, false>(cut, p.bias, first), b);
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    y[e] += b[e];
                }
            }
            store_vector<T>(cut, output, first, y);
        });
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
layer_norm_fwd_f32_general(const __grid_constant__ LayerNormFwdParams params) {
    warpsmith::layer_norm_fwd_general<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
layer_norm_fwd_f16_general(const __grid_constant__ LayerNormFwdParams params) {
    warpsmith::layer_norm_fwd_general<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
layer_norm_fwd_bf16_general(const __grid_constant__ LayerNormFwdParams params) {
    warpsmith::layer_norm_fwd_general<warpsmith::Bf16>(params);
}
