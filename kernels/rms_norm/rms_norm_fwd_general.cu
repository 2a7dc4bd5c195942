// RMS norm, forward, for rows of any width and alignment. Formula, shapes and numerics: rms_norm_fwd.cu.
//
// Traffic: as there, while a thread's part of the row fits REGISTERS vectors in registers and `shared_vectors` in shared memory.
// The part beyond is read twice instead of once. The weight comes from L1 or L2 for every row.
// Who does what: `threads_per_row` threads share a row as there. The row is cut at 16-byte boundaries of the array that is
// normalised; vectors inside are accessed whole, head and tail by elements (common/peel.cuh). Arrays that are not aligned to
// one another are accessed by elements where they disagree.
#include "common/held.cuh"
#include "common/peel.cuh"
#include "rms_norm/rms_norm.cuh"

namespace warpsmith {

struct Shape {
    static constexpr int REGISTERS = RMS_NORM_VECTORS;
    static constexpr int THREADS = RMS_NORM_GENERAL_THREADS;
};
static_assert(Shape::THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

template <typename T>
__device__ __forceinline__ void rms_norm_fwd_general(const RmsNormFwdParams& p) {
    __shared__ RowSums<1, 1> sums;
    extern __shared__ uint4 shared_row[];  // [shared_vectors][blockDim.x]
    const Team team(p.threads_per_row);
    Held<Shape::REGISTERS> held(shared_row, p.shared_vectors);

    const Width width{static_cast<float>(p.width), p.inverse_width};
    const int64_t at_once = int64_t{gridDim.x} * team.teams;
    bool even = true;
    for (int64_t row = int64_t{blockIdx.x} * team.teams + team.index; row < p.rows; row += at_once, even = !even) {
        const PeeledRow<T> x(p.input, p.input_stride, p.residual, p.residual_stride, row, p.width);
        const uint64_t sum = row_address<T>(p.sum, row, p.sum_stride);
        const uint64_t output = row_address<T>(p.output, row, p.output_stride);
        auto for_each = [&](auto step) {
            for_each_vector<Shape::REGISTERS>(team, x.cut.vectors(), [&](uint32_t v, auto slot) { step(x.cut.first(v), slot); });
        };

        // All loads first, so that they are in flight together.
        for_each([&](int32_t first, auto slot) { held.keep(slot, [&] { return x.load(first); }); });

        float squares[1] = {0.0f};
        for_each([&](int32_t first, auto slot) {
            float values[LANES<T>];
            unpack<T>(held.get(slot, [&] { return x.load(first); }), values);
            squares[0] += vector_sum_of_products(values, values);
            if (x.residual != 0) {
                store_vector<T>(x.cut, sum, first, values);
            }
        });
        team_sum(team, squares, even ? sums.first : sums.second);
        const float rstd = rstd_of(squares[0], width, p.epsilon);
        if (p.rstd != 0 && team.member == 0) {
            store_element<float>(row_address<float>(p.rstd, row, 1), rstd);
        }

        for_each([&](int32_t first, auto slot) {
            float values[LANES<T>], w[LANES<T>];
            unpack<T>(held.get(slot, [&] { return x.load(first); }), values);
            load_columns<T>(x.cut, p.weight, first, 1.0f, w);
            scale<T>(values, rstd, w, p.weight_offset, p.rounds_normalised != 0);
            store_vector<T>(x.cut, output, first, values);
        });
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
rms_norm_fwd_f32_general(const __grid_constant__ RmsNormFwdParams params) {
    warpsmith::rms_norm_fwd_general<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
rms_norm_fwd_f16_general(const __grid_constant__ RmsNormFwdParams params) {
    warpsmith::rms_norm_fwd_general<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, 1)
rms_norm_fwd_bf16_general(const __grid_constant__ RmsNormFwdParams params) {
    warpsmith::rms_norm_fwd_general<warpsmith::Bf16>(params);
}
