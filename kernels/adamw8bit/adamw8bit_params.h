/* The arguments of the 8-bit AdamW kernels. T is the element type in the kernel's name. */
#ifndef WARPSMITH_ADAMW8BIT_PARAMS_H
#define WARPSMITH_ADAMW8BIT_PARAMS_H
#include "common/codes_params.h"
#include "common/optimizer_params.h"

/// Arguments of `adamw8bit_step_T`.
typedef struct {
    /// The parameters.
    OptimizerList list;
    /// Decay rate of the first moment.
    float beta1;
    /// Decay rate of the second moment.
    float beta2;
    /// 1 - beta1.
    float rest1;
    /// 1 - beta2.
    float rest2;
} AdamW8bitParams;

#ifdef __cplusplus
static_assert(sizeof(AdamW8bitParams) == 56, "no padding");
#endif
#endif
