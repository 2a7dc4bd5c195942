/* The arguments of the Lion kernels. T is the element type in the kernel's name. */
#ifndef WARPSMITH_LION_PARAMS_H
#define WARPSMITH_LION_PARAMS_H
#include "common/codes_params.h"
#include "common/optimizer_params.h"

/// Arguments of `lion_step_T` and `lion_step8_T`.
typedef struct {
    /// The parameters.
    OptimizerList list;
    /// The moment's part of the direction.
    float beta1;
    /// Decay rate of the moment.
    float beta2;
    /// 1 - beta1.
    float rest1;
    /// 1 - beta2.
    float rest2;
} LionParams;

#ifdef __cplusplus
static_assert(sizeof(LionParams) == 56, "no padding");
#endif
#endif
