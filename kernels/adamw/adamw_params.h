/* The arguments of the AdamW kernels with states in f32. T is the element type in the kernel's name. */
#ifndef WARPSMITH_ADAMW_PARAMS_H
#define WARPSMITH_ADAMW_PARAMS_H
#include "common/optimizer_params.h"

/* Where weight decay comes in. */
enum {
    /// Off the parameter before the update.
    ADAMW_DECAY_BEFORE = 0,
    /// Off the parameter after the update.
    ADAMW_DECAY_AFTER = 1,
    /// Onto the gradient: Adam with a squared penalty.
    ADAMW_DECAY_GRADIENT = 2
};

/// Arguments of `adamw_step_T`.
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
    /// One of the places above.
    uint32_t decay;
    /// Not 0 where parameters are rounded by chance.
    uint32_t stochastic;
} AdamWParams;

#ifdef __cplusplus
static_assert(sizeof(AdamWParams) == 64, "no padding");
#endif
#endif
