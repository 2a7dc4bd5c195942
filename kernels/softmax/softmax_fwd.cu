// Softmax, forward: for each row of l = scale * input (+ mask), minus infinity where a mask or the diagonal says so,
//
//     output_j = exp(l_j) / sum of exp(l), or its logarithm l_j - log(sum of exp(l))
//
// and zeros, or minus infinity, where nothing counts.
//
// Shapes: input, output [rows, width]; mask the same, some of the leading dimensions perhaps repeated.
// Traffic: a row is read once and written once, while a thread's part of it fits VECTORS vectors in registers and `shared_vectors` in
// shared memory; what is beyond is read twice, the second time backwards. A mask is read in both passes.
// Who does what: `threads_per_row` threads share a row, a power of two up to 32 of them with several rows in a block, or a whole
// block (common/resident.cuh).
// Numerics: a running maximum and a sum in f32 relative to it; one rounding at the end.
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

constexpr float LOG2_E = 1.44269504f;
constexpr float INFINITE = __builtin_inff();
/// Below every number that counts, and finite, so that minus infinity is an exponential of zero.
constexpr float LOWEST = -3.40282347e38f;

/// exp(a).
__device__ __forceinline__ float exponential(float a) { return ptx::ex2_approx(a * LOG2_E); }

/// What becomes of the elements of one row before the exponential.
template <typename T>
struct Mask {
    uint64_t row;  // of the mask, 0 without one
    bool adds;
    int64_t end;  // columns from here on do not count
    float scale;

    __device__ __forceinline__ Mask(const SoftmaxFwdParams& p, uint32_t index) : row(0), adds(p.mask_adds != 0), scale(p.scale) {
        const uint32_t i = index % p.extents[2], above = index / p.extents[2];
        end = p.causal != 0 ? int64_t{i} + p.diagonal + 1 : int64_t{p.width};
        if (p.mask != 0) {
            const uint32_t j = above % p.extents[1], higher = above / p.extents[1];
            const int64_t offset = higher / p.extents[0] * p.mask_strides[0] + higher % p.extents[0] * p.mask_strides[1] +
                                   j * p.mask_strides[2] + i * p.mask_strides[3];
            row = p.mask + static_cast<uint64_t>(offset) * (adds ? sizeof(T) : 1);
        }
    }

    /// Scales and masks N elements from column `column` on.
    template <int N>
    __device__ __forceinline__ void apply(float (&x)[N], uint32_t column) const {
#pragma unroll
        for (int e = 0; e < N; ++e) {
            x[e] *= scale;
        }
        if (row != 0 && adds) {
            const uint64_t address = row + column * uint64_t{sizeof(T)};
            if (N == LANES<T> && is_vector_address(address)) {
                add_vector(x, address);
            } else {
#pragma unroll
                for (int e = 0; e < N; ++e) {
                    x[e] += load_element<T>(address + e * sizeof(T));
                }
            }
        } else if (row != 0) {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                x[e] = ptx::load_1(row + column + e) != 0 ? x[e] : -INFINITE;
            }
        }
        if (int64_t{column} + N > end) {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                x[e] = int64_t{column} + e < end ? x[e] : -INFINITE;
            }
        }
    }

  private:
    template <int N>
    __device__ __forceinline__ static void add_vector(float (&x)[N], uint64_t address) {
        if constexpr (N == LANES<T>) {
            float values[N];
            unpack<T>(ptx::load_16(address), values);
#pragma unroll
            for (int e = 0; e < N; ++e) {
                x[e] += values[e];
            }
        }
    }
};

/// A running maximum, and the sum of exp(l - max).
struct Online {
    float max = LOWEST;
    float sum = 0.0f;

    template <int N>
    __device__ __forceinline__ void take(float (&l)[N]) {
        float largest = l[0];
#pragma unroll
        for (int e = 1; e < N; ++e) {
            largest = fmaxf(largest, l[e]);
        }
        if (largest > max) {
            sum *= exponential(max - largest);
            max = largest;
        }
#pragma unroll
        for (int e = 0; e < N; ++e) {
            l[e] = exponential(l[e] - max);
        }
        sum += vector_sum(l);
    }
};

/// What is written of a row. Where nothing counts the sum is zero, and so is the row; its logarithm is minus infinity, as its elements are.
struct Result {
    bool logarithm;
    float max;
    float whole;  // the sum's logarithm, or its inverse

    __device__ __forceinline__ Result(const SoftmaxFwdParams& p, float max, float sum) : logarithm(p.logarithm != 0), max(max), whole(0.0f) {
        if (sum != 0.0f) {
            whole = logarithm ? logf(sum) : 1.0f / sum;
        }
    }

    template <int N>
    __device__ __forceinline__ void of(float (&l)[N]) const {
        if (logarithm) {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                l[e] = (l[e] - max) - whole;
            }
        } else {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                l[e] = exponential(l[e] - max) * whole;
            }
        }
    }
};

template <typename T>
__device__ __forceinline__ void softmax_fwd(const SoftmaxFwdParams& p) {
    __shared__ WarpSums<1> maxima;
    __shared__ WarpSums<1> sums;
    extern __shared__ __align__(128) uint4 shared_row[];
    const Team team(p.threads_per_row);
    const int64_t index = int64_t{blockIdx.x} * team.teams + team.index;
    if (index >= p.rows) {
        return;
    }
    const Pieces<T> pieces(p.input + static_cast<uint64_t>(index * p.input_stride) * sizeof(T), p.width);
    const uint64_t output = p.output + static_cast<uint64_t>(index * p.output_stride) * sizeof(T);
    const Mask<T> mask(p, static_cast<uint32_t>(index));
    const Division division{p.batches, p.shared_vectors};
    Resident<T, Shape::VECTORS> row(pieces, team, division, shared_row);
    row.load();

    Online online;
    row.first_pass([&](uint32_t vector, const uint4(&raw)[1]) {
        float l[LANES<T>];
        unpack<T>(raw[0], l);
        mask.apply(l, pieces.column(vector));
        online.take(l);
    });
    const uint32_t edge = pieces.edge(team.member);
    if (row.has_edge) {
        float l[1] = {row.edge[0]};
        mask.apply(l, edge);
        online.take(l);
    }
    const float max = team_max(team, online.max, maxima);
    float sum[1] = {online.sum * exponential(online.max - max)};
    team_sum(team, sum, sums);
    const Result result(p, max, sum[0]);

    const bool aligned = pieces.agrees(output);
    row.second_pass([&](uint32_t vector, const uint4(&raw)[1]) {
        float l[LANES<T>];
        unpack<T>(raw[0], l);
        mask.apply(l, pieces.column(vector));
        result.of(l);
        store_pieces<T>(pieces.address(output, vector), aligned, pack<T>(l));
    });
    if (row.has_edge) {
        float l[1] = {row.edge[0]};
        mask.apply(l, edge);
        result.of(l);
        store_element<T>(output + edge * uint64_t{sizeof(T)}, l[0]);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
softmax_fwd_f32(const __grid_constant__ SoftmaxFwdParams params) {
    warpsmith::softmax_fwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
softmax_fwd_f16(const __grid_constant__ SoftmaxFwdParams params) {
    warpsmith::softmax_fwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
softmax_fwd_bf16(const __grid_constant__ SoftmaxFwdParams params) {
    warpsmith::softmax_fwd<warpsmith::Bf16>(params);
}
