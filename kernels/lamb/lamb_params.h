/* The arguments of the LAMB kernels and what they leave for one another. T is the element type in the kernel's name. */
#ifndef WARPSMITH_LAMB_PARAMS_H
#define WARPSMITH_LAMB_PARAMS_H
#include "common/codes_params.h"
#include "common/optimizer_params.h"

/// What a thread block leaves of its chunk for the trust ratio.
typedef struct {
    /// The sum of the parameters' squares.
    double parameters;
    /// The sum of the updates' squares.
    double updates;
} LambPartial;

/// Arguments of `lamb_step_norms_T`, `lamb_step8_norms_T`, `lamb_step_apply_T` and `lamb_step8_apply_T`.
typedef struct {
    /// The parameters.
    OptimizerList list;
    /// [chunks] LambPartial, written by the first pass.
    uint64_t partials;
    /// [parameters] f32, read by the second pass: what updates are multiplied by.
    uint64_t rates;
    /// Decay rate of the first moment.
    float beta1;
    /// Decay rate of the second moment.
    float beta2;
    /// 1 - beta1, or 1.
    float rest1;
    /// 1 - beta2.
    float rest2;
    /// Whether weight decay is part of the gradient and not of the update.
    uint32_t onto_gradient;
    /// Not used.
    uint32_t reserved;
} LambParams;

/// Arguments of `lamb_step_rates_f64`.
typedef struct {
    /// OptimizerProgress, read.
    uint64_t progress;
    /// [..] OptimizerTensor, read.
    uint64_t tensors;
    /// [chunks] LambPartial, read.
    uint64_t partials;
    /// [parameters] f32, written.
    uint64_t rates;
    /// The least trust ratio.
    float least;
    /// The largest trust ratio.
    float most;
    /// Whether parameters without weight decay have a trust ratio, too.
    uint32_t always;
    /// Not used.
    uint32_t reserved;
} LambRatesParams;

#ifdef __cplusplus
static_assert(sizeof(LambPartial) == 16, "no padding");
static_assert(sizeof(LambParams) == 80, "no padding");
static_assert(sizeof(LambRatesParams) == 48, "no padding");
#endif
#endif
