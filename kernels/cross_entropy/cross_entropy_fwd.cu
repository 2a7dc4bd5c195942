// Cross-entropy with the gradient in the same pass: for each row of l = logits (c * tanh(logits / c) with a softcap), target t
//
//     lse = log(sum of exp(l_j))    p_j = exp(l_j - lse)    ce = (1 - s) w_t (lse - l_t) + s / V * sum of w_j (lse - l_j)
//     loss = ce / W + z lse^2 / N
//     dloss/dl_j = (((1 - s) w_t + s / V * sum of w) p_j - (1 - s) w_t [j = t] - s / V * w_j) / W + 2 z lse p_j / N
//     dloss/dlogits_j = dloss/dl_j (1 - (l_j / c)^2)
//
// with V classes, label smoothing s, class weights w (ones without them), and for a mean N kept rows, W the sum of their w_t (both 1
// otherwise). An ignored row has loss 0 and gradient 0; a target that is no class gives NaN for both.
//
// Shapes: logits, grad_logits [rows, width]; targets [rows]; weight [width]; losses, lse [rows] in f32; totals [4].
// Traffic: a row is read once and written once, while a thread's part of it fits VECTORS vectors in registers and `shared_vectors` in
// shared memory; what is beyond is read twice, the second time backwards, from L2 while it lasts. Ignored rows are written only.
// Who does what: `threads_per_row` threads share a row, a power of two up to 32 of them with several rows in a block, or a whole
// block. A thread's vector i is member + i * threads_per_row: first come `batches` times VECTORS, of which the last VECTORS stay in
// registers, then those in shared memory; and it has at most one of the elements outside of whole vectors (common/resident.cuh).
// Numerics: one pass over the row with a running maximum, sums in f32 relative to it. The target is kept out of the sum, so that for a
// sure row p_t - 1 = -(sum of the others) / sum and -log p_t = log1p(sum of the others) lose no digits.
#include "common/resident.cuh"
#include "cross_entropy/cross_entropy_params.h"
#include "cross_entropy/softcap.cuh"
#include "cross_entropy/target.cuh"

namespace warpsmith {

struct Shape {
    static constexpr int VECTORS = CROSS_ENTROPY_VECTORS;
    static constexpr int THREADS = CROSS_ENTROPY_THREADS;
    static constexpr int BLOCKS = 2;  // on a multiprocessor: one computes while the other waits for memory
};
static_assert(Shape::THREADS <= WARP * MAX_WARPS, "WarpSums has a place for each warp");

constexpr float LOG2_E = 1.44269504f;
constexpr float INFINITE = __builtin_inff();
constexpr float NOT_A_NUMBER = __builtin_nanf("");
/// Below every logit that counts, and finite, so that a logit of minus infinity is an exponential of zero.
constexpr float LOWEST = -3.40282347e38f;

/// exp(a).
__device__ __forceinline__ float exponential(float a) { return ptx::ex2_approx(a * LOG2_E); }

/// Sums over a row pass through these; the ones that follow one another differ.
struct RowSums {
    WarpSums<1> max;
    WarpSums<2> exponentials;
    WarpSums<1> smoothed;
};

/// A logit after the softcap, if there is one, and its slope before. EXTRAS: there may be one.
template <typename T, bool EXTRAS>
__device__ __forceinline__ Capped capped(const CrossEntropyFwdParams& p, float x) {
    if (!EXTRAS || p.softcap == 0.0f) {
        return {x, 1.0f};
    }
    return softcap<sizeof(T) == sizeof(float)>(x, p.softcap, p.softcap_rate, p.softcap_rate_rest);
}

/// A running maximum, and the sum of exp(l - max) over everything but the target.
struct Online {
    float max = LOWEST;
    float others = 0.0f;
    float target = 0.0f;  // its logit, in the thread that has it

    /// Takes N logits; of those from column `column` on, `hot` may be the target.
    template <int N>
    __device__ __forceinline__ void take(float (&l)[N], uint32_t column, uint32_t hot) {
        float largest = l[0];
#pragma unroll
        for (int e = 1; e < N; ++e) {
            largest = fmaxf(largest, l[e]);
        }
        if (hot - column < N) {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                if (column + e == hot) {
                    target = l[e];
                    l[e] = -INFINITE;
                }
            }
        }
        if (largest > max) {
            others *= exponential(max - largest);
            max = largest;
        }
#pragma unroll
        for (int e = 0; e < N; ++e) {
            l[e] = exponential(l[e] - max);
        }
        others += vector_sum(l);
    }
};

/// What the gradient of a row needs: g_j = exp(l_j - max) * slope - each * w_j, but at the target.
struct Gradient {
    float max;
    float slope;
    float each;
    float at_target;
    float below = 0.0f;  // the sum of w_j (l_j - max), for the smoothed loss

    /// The gradient of N logits from column `column` on, of which `hot` may be the target.
    template <typename T, bool EXTRAS, int N>
    __device__ __forceinline__ void of_elements(const CrossEntropyFwdParams& p, float (&x)[N], uint32_t column, uint32_t hot) {
        float slopes[N];
#pragma unroll
        for (int e = 0; e < N; ++e) {
            const Capped logit = capped<T, EXTRAS>(p, x[e]);
            x[e] = logit.l - max;
            slopes[e] = logit.slope;
        }
        float g[N];
#pragma unroll
        for (int e = 0; e < N; ++e) {
            g[e] = exponential(x[e]) * slope;
        }
        if (EXTRAS && p.smoothing != 0.0f) {
            float w[N];
            load_weights(p.weight, column, w);
#pragma unroll
            for (int e = 0; e < N; ++e) {
                g[e] = fmaf(-each, w[e], g[e]);
                below = fmaf(w[e], x[e], below);
            }
        }
        if (hot - column < N) {
#pragma unroll
            for (int e = 0; e < N; ++e) {
                g[e] = column + e == hot ? at_target : g[e];
            }
        }
#pragma unroll
        for (int e = 0; e < N; ++e) {
            x[e] = EXTRAS ? g[e] * slopes[e] : g[e];
        }
    }

    /// The gradient of a vector, rounded to T.
    template <typename T, bool EXTRAS>
    __device__ __forceinline__ uint4 of(const CrossEntropyFwdParams& p, uint4 raw, uint32_t column, uint32_t hot) {
        uint4 packed;
#pragma unroll
        for (int q = 0; q < QUADS<T>; ++q) {
            float values[QUAD];
            unpack_quad<T>(raw, q, values);
            of_elements<T, EXTRAS>(p, values, column + q * QUAD, hot);
            pack_quad<T>(packed, q, values);
        }
        return packed;
    }

  private:
    /// The weights of N classes, ones without them.
    template <int N>
    __device__ __forceinline__ static void load_weights(uint64_t weight, uint32_t column, float (&w)[N]) {
        const uint64_t address = weight + column * uint64_t{sizeof(float)};
        if constexpr (N == QUAD) {
            if (weight != 0 && is_vector_address(address)) {
                unpack<float>(ptx::load_16(address), w);
                return;
            }
        }
#pragma unroll
        for (int e = 0; e < N; ++e) {
            w[e] = weight != 0 ? load_element<float>(address + e * sizeof(float)) : 1.0f;
        }
    }
};

/// Writes zeros for a row that does not count.
template <typename T>
__device__ __forceinline__ void ignore(const CrossEntropyFwdParams& p, const Pieces<T>& pieces, const Team& team,
                                       uint64_t grad_logits, int64_t index) {
    if (p.grad_logits != 0) {
        const bool aligned = pieces.agrees(grad_logits);
        for (uint32_t v = team.member; v < pieces.vectors; v += team.threads) {
            store_pieces<T>(pieces.address(grad_logits, v), aligned, {});
        }
        const uint32_t edge = pieces.edge(team.member);
        if (edge < p.width) {
            store_element<T>(grad_logits + edge * uint64_t{sizeof(T)}, 0.0f);
        }
    }
    if (team.member == 0) {
        if (p.losses != 0) {
            store_element<float>(p.losses + static_cast<uint64_t>(index) * sizeof(float), 0.0f);
        }
        if (p.lse != 0) {
            store_element<float>(p.lse + static_cast<uint64_t>(index) * sizeof(float), 0.0f);
        }
    }
}

/// Loss and gradient of row `index`, which counts. EXTRAS: there is a softcap or label smoothing.
template <typename T, bool EXTRAS>
__device__ __forceinline__ void take_row(const CrossEntropyFwdParams& p, const Pieces<T>& pieces, const Team& team,
                                         uint64_t grad_logits, int64_t index, int64_t target, uint4* shared_row,
                                         RowSums& sums) {
    const bool valid = is_class(target, p.width);
    const uint32_t hot = valid ? static_cast<uint32_t>(target) : UINT32_MAX;
    const uint32_t edge = pieces.edge(team.member);
    const Division division{p.batches, p.shared_vectors};
    Resident<T, Shape::VECTORS> row(pieces, team, division, shared_row);
    row.load();

    // The row's maximum, and the sum of exponentials below it.
    Online online;
    row.first_pass([&](uint32_t vector, const uint4(&raw)[1]) {
        float l[LANES<T>];
        unpack<T>(raw[0], l);
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            l[e] = capped<T, EXTRAS>(p, l[e]).l;
        }
        online.take(l, pieces.column(vector), hot);
    });
    if (row.has_edge) {
        float l[1] = {capped<T, EXTRAS>(p, row.edge[0]).l};
        online.take(l, edge, hot);
    }
    const float max = team_max(team, online.max, sums.max);
    float exponentials[2] = {online.others * exponential(online.max - max), online.target};
    team_sum(team, exponentials, sums.exponentials);
    const float others = exponentials[0], logit = exponentials[1];
    const float at_target = exponential(logit - max);
    const float sum = others + at_target;
    const float log_sum = logit == max ? log1pf(others) : logf(sum);
    const float lse = max + log_sum;

    // What the row counts for.
    float totals[4] = {1.0f, 1.0f, 0.0f, 0.0f};
    if (p.totals != 0) {
        unpack<float>(ptx::load_16(p.totals), totals);
    }
    const float kept = p.mean != 0 ? totals[0] : 1.0f;
    const float kept_weight = p.mean != 0 ? totals[1] : 1.0f;
    float weight = 1.0f, weights = static_cast<float>(p.width);
    if (p.weight != 0) {
        weight = valid ? load_element<float>(p.weight + hot * uint64_t{sizeof(float)}) : 0.0f;
        weights = totals[2];
    }
    float grad_loss = 1.0f;
    if (p.grad_loss != 0) {
        grad_loss = load_element<float>(p.grad_loss + static_cast<uint64_t>(index * p.grad_loss_stride) * sizeof(float));
    }
    const float own = valid ? (1.0f - p.smoothing) * weight : NOT_A_NUMBER;
    const float smoothed = p.smoothing_each * weights;
    const float scale = grad_loss / kept_weight;
    const float of_lse = 2.0f * p.z_loss * lse * (grad_loss / kept);

    Gradient gradient;
    gradient.max = max;
    gradient.slope = fmaf(own + smoothed, scale, of_lse) / sum;
    gradient.each = p.smoothing_each * scale;
    // The two parts of the smoothing are equal where there is one class: each is rounded once, so that they cancel.
    const float spread_here = fmaf(at_target / sum, smoothed, -__fmul_rn(p.smoothing_each, weight));
    gradient.at_target = fmaf(spread_here - own * (others / sum), scale, at_target / sum * of_lse);
    // Of the loss, everything but the smoothing, for which the logits are looked at again.
    const float penalty = p.z_loss != 0.0f ? p.z_loss * lse * lse / kept : 0.0f;
    float loss = own * ((max - logit) + log_sum) / kept_weight + penalty;
    const float all_below = weights * log_sum;
    if (p.lse != 0 && team.member == 0) {
        store_element<float>(p.lse + static_cast<uint64_t>(index) * sizeof(float), lse);
    }
    if (p.grad_logits != 0 || EXTRAS) {
        const bool aligned = pieces.agrees(grad_logits);
        row.second_pass([&](uint32_t vector, const uint4(&raw)[1]) {
            const uint4 packed = gradient.of<T, EXTRAS>(p, raw[0], pieces.column(vector), hot);
            if (p.grad_logits != 0) {
                store_pieces<T>(pieces.address(grad_logits, vector), aligned, packed);
            }
        });
        if (row.has_edge) {
            float g[1] = {row.edge[0]};
            gradient.of_elements<T, EXTRAS>(p, g, edge, hot);
            if (p.grad_logits != 0) {
                store_element<T>(grad_logits + edge * uint64_t{sizeof(T)}, g[0]);
            }
        }
    }
    if (EXTRAS && p.smoothing != 0.0f) {
        float below[1] = {gradient.below};
        team_sum(team, below, sums.smoothed);
        loss += p.smoothing_each * (all_below - below[0]) / kept_weight;
    }
    if (p.losses != 0 && team.member == 0) {
        store_element<float>(p.losses + static_cast<uint64_t>(index) * sizeof(float), loss);
    }
}

template <typename T>
__device__ __forceinline__ void cross_entropy_fwd(const CrossEntropyFwdParams& p) {
    __shared__ RowSums sums;
    extern __shared__ __align__(128) uint4 shared_row[];
    const Team team(p.threads_per_row);
    const int64_t index = int64_t{blockIdx.x} * team.teams + team.index;
    if (index >= p.rows) {
        return;
    }
    const Pieces<T> pieces(p.logits + static_cast<uint64_t>(index * p.logits_stride) * sizeof(T), p.width);
    const uint64_t grad_logits = p.grad_logits + static_cast<uint64_t>(index * p.grad_logits_stride) * sizeof(T);
    const int64_t target = load_target(p.targets, index, p.target_bytes);
    if (target == p.ignore_index) {
        ignore(p, pieces, team, grad_logits, index);
    } else if (p.softcap != 0.0f || p.smoothing != 0.0f) {
        take_row<T, true>(p, pieces, team, grad_logits, index, target, shared_row, sums);
    } else {
        take_row<T, false>(p, pieces, team, grad_logits, index, target, shared_row, sums);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
cross_entropy_fwd_f32(const __grid_constant__ CrossEntropyFwdParams params) {
    warpsmith::cross_entropy_fwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
cross_entropy_fwd_f16(const __grid_constant__ CrossEntropyFwdParams params) {
    warpsmith::cross_entropy_fwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::Shape::THREADS, warpsmith::Shape::BLOCKS)
cross_entropy_fwd_bf16(const __grid_constant__ CrossEntropyFwdParams params) {
    warpsmith::cross_entropy_fwd<warpsmith::Bf16>(params);
}
