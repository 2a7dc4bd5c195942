// What the optimizers share: one thread counts the step and derives its scalars; then a launch goes over a whole list of parameters.
//
// A thread block has one chunk of one parameter; its warps take turns at the chunk's blocks of 256 elements. Which block a warp has
// depends on the list alone. Every operation is rounded by itself, as the intrinsics say, and none is flushed to zero: the
// references in src/reference/ do the same and get the same bits. Nothing may be left to the compiler's choice of fusions.
#pragma once
#include "common/optimizer_params.h"
#include "common/reduce.cuh"
#include "common/vec.cuh"

namespace warpsmith::optimizer {

constexpr uint32_t BLOCK = OPTIMIZER_BLOCK;
constexpr uint32_t THREADS = OPTIMIZER_WARPS * WARP;
/// Elements of a block that a thread has.
constexpr int PER_THREAD = OPTIMIZER_BLOCK / WARP;

/// A record of global memory that no thread writes meanwhile.
template <typename Record>
__device__ __forceinline__ Record load_record(uint64_t address) {
    static_assert(sizeof(Record) % 16 == 0, "read 16 bytes at a time");
    union {
        uint4 words[sizeof(Record) / 16];
        Record record;
    } loaded;
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(Record) / 16); ++i) {
        loaded.words[i] = ptx::load_16(address + 16 * i);
    }
    return loaded.record;
}

__device__ __forceinline__ OptimizerProgress load_progress(const OptimizerList& list) {
    return load_record<OptimizerProgress>(list.progress);
}

/// A warp's block of elements.
struct Block {
    /// Which of the parameter's blocks.
    uint64_t index;
    /// Its first element.
    uint64_t first;
    /// Whether all of its elements exist and may be accessed by vectors.
    bool whole;
    uint32_t lane;
};

/// What a thread block has to do.
struct Chunk {
    OptimizerTensor tensor;
    uint32_t first;

    __device__ __forceinline__ explicit Chunk(const OptimizerList& list) {
        const uint64_t chunk = ptx::load_8(list.chunks + blockIdx.x * sizeof(OptimizerChunk));
        tensor = load_record<OptimizerTensor>(list.tensors + static_cast<uint32_t>(chunk) * sizeof(OptimizerTensor));
        first = static_cast<uint32_t>(chunk >> 32);
    }

    /// Hands each of this warp's blocks to `body`.
    template <typename Body>
    __device__ __forceinline__ void for_each_block(const OptimizerList& list, Body body) const {
        for (uint32_t i = threadIdx.x / WARP; i < list.blocks_per_chunk; i += OPTIMIZER_WARPS) {
            Block block;
            block.index = static_cast<uint64_t>(first) + i;
            block.first = block.index * BLOCK;
            if (block.first >= tensor.count) {
                return;
            }
            block.whole = tensor.vectorised != 0 && block.first + BLOCK <= tensor.count;
            block.lane = threadIdx.x % WARP;
            body(block);
        }
    }
};

/// The new moments of an element: decayed old ones (`kept`), and the gradient's part.
__device__ __forceinline__ float new_first(float kept, float rest1, float g) { return __fmaf_rn(rest1, g, kept); }
__device__ __forceinline__ float new_second(float kept, float rest2, float g) {
    return __fmaf_rn(__fmul_rn(rest2, g), g, kept);
}

/// s1 / (sqrt(s2) + epsilon).
__device__ __forceinline__ float quotient(float first, float second, float epsilon) {
    return __fdiv_rn(first, __fadd_rn(__fsqrt_rn(second), epsilon));
}

/// Counts the step and derives its scalars, each rounded once. One thread.
///
/// With c1 = 1 - beta1^t and c2 = sqrt(1 - beta2^t), m / c1 / (sqrt(v) / c2 + epsilon) is c2 / c1 * m / (sqrt(v) + c2 epsilon).
__device__ __forceinline__ void advance_progress(const OptimizerAdvanceParams& params) {
    const auto scalar = [](uint64_t address, float absent) {
        return address == 0 ? absent : __uint_as_float(ptx::load_4(address));
    };
    OptimizerProgress* progress = reinterpret_cast<OptimizerProgress*>(params.progress);
    // NaN is found, too.
    const bool skip = !(scalar(params.found_inf, 0.0f) == 0.0f);
    progress->skip = skip;
    if (skip) {
        return;
    }
    const double learning_rate = __uint_as_float(ptx::load_4(params.learning_rate));
    const double power1 = __dmul_rn(progress->power1, params.beta1);
    const double power2 = __dmul_rn(progress->power2, params.beta2);
    const bool corrected = params.correction != OPTIMIZER_CORRECT_NOTHING;
    const double correction1 = corrected ? __dsub_rn(1.0, power1) : 1.0;
    const double correction2 = corrected ? __dsqrt_rn(__dsub_rn(1.0, power2)) : 1.0;
    const double step_size = __ddiv_rn(__dmul_rn(-learning_rate, correction2), correction1);
    const bool of_rate = params.correction == OPTIMIZER_CORRECT_RATE;
    progress->steps += 1;
    progress->power1 = power1;
    progress->power2 = power2;
    progress->offset += params.random_blocks;
    progress->step_size = __double2float_rn(step_size);
    progress->moment_scale = __double2float_rn(of_rate ? 1.0 : __ddiv_rn(correction2, correction1));
    progress->epsilon = __double2float_rn(of_rate ? params.epsilon : __dmul_rn(params.epsilon, correction2));
    progress->learning_rate = __double2float_rn(of_rate ? -step_size : learning_rate);
    const float scale = scalar(params.gradient_scale, 1.0f);
    const float norm = scalar(params.gradient_norm, 0.0f);
    progress->gradient_scale = norm > params.max_norm ? __fmul_rn(scale, __fdiv_rn(params.max_norm, norm)) : scale;
}

}  // namespace warpsmith::optimizer
