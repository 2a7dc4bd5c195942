// What the two kernels of attention backward have in common: where things are.
#pragma once
#include "attention/attention_params.h"
#include "attention/mask.cuh"

namespace warpsmith {

__device__ __forceinline__ KeyLimit key_limit(const AttentionBwdParams& params) {
    return {static_cast<int>(params.keys), params.diagonal};
}

/// The address of row 0 of a head.
__device__ __forceinline__ uint64_t head_address(const AttentionTensor& tensor, int batch, int head) {
    return tensor.address + (batch * tensor.batch_stride + head * tensor.head_stride) * 2;
}

}  // namespace warpsmith
