// Binary cross-entropy with logits, with the gradient in the same pass: for a logit x with target y and the weight c of positive targets
//
//     loss = (1 - y) softplus(x) + c y softplus(-x)        dloss/dx = (1 - y) sigmoid(x) - c y sigmoid(-x)
//
// with softplus(x) = log(1 + exp(x)). For a mean both are divided by the number of elements that count; those that do not have loss and gradient 0. A hard
// target that is neither 0 nor 1 gives NaN for both.
//
// Shapes: logits, grad_logits, targets, mask, losses [count]; partials, counts [blocks].
// Traffic: logits, targets and mask are read once, the gradient (and losses, where each is wanted) written once; 16 bytes at a time, but for the mask.
// Who does what: vectors of logits are dealt out to all threads of `blocks` blocks in turn, of which each leaves the sum of its losses.
// Numerics: with E = exp(-|x|), softplus(x) = max(x, 0) + log1p(E), sigmoid(|x|) = 1 / (1 + E) and sigmoid(-|x|) = E / (1 + E): nothing cancels, so losses
// and gradients of sure elements keep their digits. log1p(E) = 2 atanh(s) with s = E / (2 + E), up to 1/3, by a polynomial in s^2.
#include "bce_with_logits/targets.cuh"
#include "ptx/special.cuh"

namespace warpsmith::bce_with_logits {

constexpr float NOT_A_NUMBER = __builtin_nanf("");

/// exp(-|x|). What is rounded off the exponent is put back as 2^(a + b) = 2^a (1 + b ln 2); from 126 on the power is next to 0 anyway.
__device__ __forceinline__ float decay(float x) {
    constexpr float LOG2_E = 1.44269504f, LOG2_E_REST = 1.92596303e-8f, LN_2 = 0.69314718f;
    const float t = fminf(fabsf(x), 100.0f);
    const float a = t * -LOG2_E;
    const float b = fmaf(t, -LOG2_E_REST, fmaf(t, -LOG2_E, -a));
    // fminf drops a NaN, which has to stay.
    return x == x ? ptx::ex2_approx(a) * fmaf(b, LN_2, 1.0f) : x;
}

/// log1p(E) for E from 0 to 1: 2 s (1 + s^2 / 3 + s^4 / 5 + ..).
__device__ __forceinline__ float log_one_plus(float e) {
    const float s = e * ptx::rcp_approx(2.0f + e);
    const float square = s * s;
    float sum = 1.0f / 15.0f;
    sum = fmaf(sum, square, 1.0f / 13.0f);
    sum = fmaf(sum, square, 1.0f / 11.0f);
    sum = fmaf(sum, square, 1.0f / 9.0f);
    sum = fmaf(sum, square, 1.0f / 7.0f);
    sum = fmaf(sum, square, 1.0f / 5.0f);
    sum = fmaf(sum, square, 1.0f / 3.0f);
    const float twice = s + s;
    return fmaf(twice, square * sum, twice);
}

struct Both {
    float loss;
    float gradient;
};

/// Loss and gradient of a logit.
__device__ __forceinline__ Both of(float x, float y, float pos_weight) {
    const float e = decay(x);
    const float near = ptx::rcp_approx(1.0f + e), far = e * near;
    const float log_term = log_one_plus(e);
    const float negative = 1.0f - y, positive = pos_weight * y;
    // A weight of 0 takes out what it weighs, infinite or not.
    const float of_negative = negative != 0.0f ? negative * (fmaxf(x, 0.0f) + log_term) : 0.0f;
    const float of_positive = positive != 0.0f ? positive * (fmaxf(-x, 0.0f) + log_term) : 0.0f;
    const bool above = x >= 0.0f;
    return {of_negative + of_positive, negative * (above ? near : far) - positive * (above ? far : near)};
}

/// N elements from `first` on, or `count` of them one at a time: their targets, and which count.
template <typename T, int N>
__device__ __forceinline__ void load_targets(const BceWithLogitsTargets& t, uint64_t first, uint32_t count, bool whole, float (&y)[N], bool (&kept)[N]) {
    int64_t hard[N];
    if (t.kind == BCE_WITH_LOGITS_SOFT) {
        if (whole) {
            unpack<T>(ptx::load_16_once(t.targets + first * sizeof(T)), y);
        } else {
#pragma unroll
            for (uint32_t j = 0; j < N; ++j) {
                y[j] = j < count ? load_element<T>(t.targets + (first + j) * sizeof(T)) : 0.0f;
            }
        }
    } else if (whole && t.kind == BCE_WITH_LOGITS_I32) {
#pragma unroll
        for (int q = 0; q < N / 4; ++q) {
            const uint4 raw = ptx::load_16(t.targets + first * 4 + q * 16);
            hard[4 * q] = static_cast<int32_t>(raw.x), hard[4 * q + 1] = static_cast<int32_t>(raw.y);
            hard[4 * q + 2] = static_cast<int32_t>(raw.z), hard[4 * q + 3] = static_cast<int32_t>(raw.w);
        }
    } else if (whole) {
#pragma unroll
        for (int q = 0; q < N / 2; ++q) {
            const uint4 raw = ptx::load_16(t.targets + first * 8 + q * 16);
            hard[2 * q] = static_cast<int64_t>(uint64_t{raw.y} << 32 | raw.x);
            hard[2 * q + 1] = static_cast<int64_t>(uint64_t{raw.w} << 32 | raw.z);
        }
    } else {
#pragma unroll
        for (uint32_t j = 0; j < N; ++j) {
            hard[j] = j < count ? load_target(t, first + j) : 0;
        }
    }
#pragma unroll
    for (uint32_t j = 0; j < N; ++j) {
        kept[j] = j < count && is_kept(t, first + j);
    }
    if (t.kind != BCE_WITH_LOGITS_SOFT) {
#pragma unroll
        for (int j = 0; j < N; ++j) {
            y[j] = hard[j] == 1 ? 1.0f : hard[j] == 0 ? 0.0f : NOT_A_NUMBER;
            kept[j] &= hard[j] != t.ignore_index;
        }
    }
}

template <typename T>
__device__ __forceinline__ void fwd(const BceWithLogitsFwdParams& p) {
    constexpr int N = LANES<T>;
    __shared__ uint32_t warps[THREADS / WARP];
    __shared__ WarpSums<1> sums;
    const BceWithLogitsTargets& t = p.targets;
    const float kept_count = p.counts != 0 ? static_cast<float>(total_of(p.counts, gridDim.x, warps)) : 1.0f;
    const bool each = p.grad_loss_stride != 0;
    const float scale = (p.grad_loss != 0 && !each ? load_element<float>(p.grad_loss) : 1.0f) / kept_count;
    float sum[1] = {0.0f};
    const uint64_t step = uint64_t{gridDim.x} * THREADS * N;
    for (uint64_t first = (blockIdx.x * uint64_t{THREADS} + threadIdx.x) * N; first < t.count; first += step) {
        const uint32_t count = static_cast<uint32_t>(min(t.count - first, uint64_t{N}));
        const bool whole = count == N && t.vectorised != 0;
        float x[N], y[N], losses[N];
        bool kept[N];
        load_targets<T>(t, first, count, whole, y, kept);
        if (whole) {
            unpack<T>(ptx::load_16_own(p.logits + first * sizeof(T)), x);
        } else {
#pragma unroll
            for (uint32_t j = 0; j < N; ++j) {
                x[j] = j < count ? load_mutable<T>(p.logits + (first + j) * sizeof(T)) : 0.0f;
            }
        }
#pragma unroll
        for (int j = 0; j < N; ++j) {
            const Both both = of(x[j], y[j], p.pos_weight);
            losses[j] = kept[j] ? both.loss : 0.0f;
            x[j] = both.gradient;
        }
        sum[0] += vector_sum(losses);
        if (p.losses != 0) {
#pragma unroll
            for (uint32_t j = 0; j < N; ++j) {
                if (whole && j % 4 == 0) {
                    store_floats(p.losses + (first + j) * sizeof(float), losses[j], losses[j + 1], losses[j + 2], losses[j + 3]);
                } else if (!whole && j < count) {
                    store_element<float>(p.losses + (first + j) * sizeof(float), losses[j]);
                }
            }
        }
        if (p.grad_logits != 0) {
#pragma unroll
            for (uint32_t j = 0; j < N; ++j) {
                x[j] = kept[j] ? x[j] * scale : 0.0f;
                if (p.grad_loss != 0 && each && kept[j]) {
                    x[j] *= load_element<float>(p.grad_loss + (first + j) * sizeof(float));
                }
            }
            if (whole) {
                ptx::store_16(p.grad_logits + first * sizeof(T), pack<T>(x));
            } else {
#pragma unroll
                for (uint32_t j = 0; j < N; ++j) {
                    if (j < count) {
                        store_element<T>(p.grad_logits + (first + j) * sizeof(T), x[j]);
                    }
                }
            }
        }
    }
    if (p.partials != 0) {
        team_sum(Team(THREADS), sum, sums);
        if (threadIdx.x == 0) {
            store_element<float>(p.partials + blockIdx.x * uint64_t{sizeof(float)}, sum[0]);
        }
    }
}

}  // namespace warpsmith::bce_with_logits

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(BCE_WITH_LOGITS_THREADS)
bce_with_logits_fwd_f32(const __grid_constant__ BceWithLogitsFwdParams params) { bce_with_logits::fwd<float>(params); }

extern "C" __global__ void __launch_bounds__(BCE_WITH_LOGITS_THREADS)
bce_with_logits_fwd_f16(const __grid_constant__ BceWithLogitsFwdParams params) { bce_with_logits::fwd<F16>(params); }

extern "C" __global__ void __launch_bounds__(BCE_WITH_LOGITS_THREADS)
bce_with_logits_fwd_bf16(const __grid_constant__ BceWithLogitsFwdParams params) { bce_with_logits::fwd<Bf16>(params); }
