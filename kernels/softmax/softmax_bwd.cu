// Softmax, backward: for each row, with y the forward's output and g its gradient,
//
//     grad_input_j = scale * y_j (g_j - sum of g y), or where y is the logarithm scale * (g_j - exp(y_j) * sum of g)
//
// Shapes: output, grad_output, grad_input [rows, width]. Masked elements have y = 0, or minus infinity, and a gradient
// of 0, so no mask is needed.
// Traffic: both rows are read once and one is written, while a thread's part of them fits VECTORS vectors each in registers and
// `shared_vectors` each in shared memory; what is beyond is read twice, the second time backwards.
// Who does what: as in softmax_fwd.cu. The rows are cut at the 16-byte boundaries of `output`.
// Numerics: f32, one rounding at the end.
#include "common/resident.cuh"
#include "ptx/special.cuh"
#include "softmax/softmax_params.h"

namespace warpsmith {

struct Shape {
    static constexpr int VECTORS = SOFTMAX_VECTORS;
    static constexpr int THREADS = SOFTMAX_THREADS;
    static constexpr int BLOCKS = 2;  // on a multiprocessor: one computes while the other waits for memory
};
static_assert(Shape::THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

constexpr float INFINITE = __builtin_inff();

/// exp(a), with the rounding error of a's product carried along: logarithms are large where probabilities are small, and 2^-24 of one would be too
/// much of an exponent.
__device__ __forceinline__ float exponential(float a) {
    constexpr float LOG2_E = 1.44269504f, REST = 1.92596299e-8f, LN_2 = 0.693147182f;
    const float exponent = a * LOG2_E;
    const float lost = fmaf(a, REST, fmaf(a, LOG2_E, -exponent));
    const float rough = ptx::ex2_approx(exponent);
    return fmaf(rough, lost * LN_2, rough);
}

/// The gradient of the input.
struct Gradient {
    bool logarithm;
    float scale;
    float sum;

    /// From the output and its gradient, in place of the output.
    template <int N>
    __device__ __forceinline__ void of(float (&y)[N], const float (&g)[N]) const {
        if (logarithm) {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                y[e] = y[e] == -INFINITE ? 0.0f : scale * fmaf(-exponential(y[e]), sum, g[e]);
            }
        } else {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                y[e] = scale * y[e] * (g[e] - sum);
            }
        }
    }
};

template <typename T>
__device__ __forceinline__ void softmax_bwd(const SoftmaxBwdParams& p) {
    __shared__ WarpSums<1> sums;
    extern __shared__ __align__(128) uint4 shared_rows[];
    const Team team(p.threads_per_row);
    const int64_t index = int64_t{blockIdx.x} * team.teams + team.index;
    if (index >= p.rows) {
        return;
    }
    const Pieces<T> pieces(p.output + static_cast<uint64_t>(index * p.output_stride) * sizeof(T), p.width);
    const uint64_t grad_input = p.grad_input + static_cast<uint64_t>(index * p.grad_input_stride) * sizeof(T);
    const Division division{p.batches, p.shared_vectors};
    Resident<T, Shape::VECTORS, 2> row(pieces, team, division, shared_rows);
    row.rows[1] = p.grad_output + static_cast<uint64_t>(index * p.grad_output_stride) * sizeof(T);
    row.load();

    const bool logarithm = p.logarithm != 0;
    float sum[1] = {0.0f};
    row.first_pass([&](uint32_t, const uint4(&raw)[2]) {
        float y[LANES<T>], g[LANES<T>];
        unpack<T>(raw[0], y);
        unpack<T>(raw[1], g);
        sum[0] += logarithm ? vector_sum(g) : vector_sum_of_products(y, g);
    });
    if (row.has_edge) {
        sum[0] = fmaf(logarithm ? 1.0f : row.edge[0], row.edge[1], sum[0]);
    }
    team_sum(team, sum, sums);

    const Gradient gradient{logarithm, p.scale, sum[0]};
    const bool aligned = pieces.agrees(grad_input);
    row.second_pass([&](uint32_t vector, const uint4(&raw)[2]) {
        float y[LANES<T>], g[LANES<T>];
        unpack<T>(raw[0], y);
        unpack<T>(raw[1], g);
        gradient.of(y, g);
        store_pieces<T>(pieces.address(grad_input, vector), aligned, pack<T>(y));
    });
    if (row.has_edge) {
        float y[1] = {row.edge[0]};
        const float g[1] = {row.edge[1]};
        gradient.of(y, g);
        store_element<T>(grad_input + pieces.edge(team.member) * uint64_t{sizeof(T)}, y[0]);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
softmax_bwd_f32(const __grid_constant__ SoftmaxBwdParams params) {
    warpsmith::softmax_bwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
softmax_bwd_f16(const __grid_constant__ SoftmaxBwdParams params) {
    warpsmith::softmax_bwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
softmax_bwd_bf16(const __grid_constant__ SoftmaxBwdParams params) {
    warpsmith::softmax_bwd<warpsmith::Bf16>(params);
}
