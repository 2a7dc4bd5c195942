/* The arguments of the gradient clipping kernels and the records that they find in memory. T is the element type in the kernel's name;
 * addresses are of global memory, 0 where an optional scalar is absent. */
#ifndef WARPSMITH_GRAD_CLIP_PARAMS_H
#define WARPSMITH_GRAD_CLIP_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Threads of every block.
    GRAD_CLIP_THREADS = 256,
    /// Elements of a chunk: what a block goes over.
    GRAD_CLIP_CHUNK = 16384
};

/// One gradient of the list.
typedef struct {
    /// [count] T.
    uint64_t gradient;
    /// Elements.
    uint64_t count;
} GradClipTensor;

/// One chunk of one gradient.
typedef struct {
    /// Which gradient.
    uint32_t tensor;
    /// Which of its chunks.
    uint32_t chunk;
} GradClipChunk;

/// What a block of `grad_clip_step_norm_T` leaves of its chunk.
typedef struct {
    /// The sum of the squares.
    double squares;
    /// Elements that are infinite or NaN.
    uint64_t not_finite;
} GradClipPartial;

/// Arguments of `grad_clip_step_norm_T`.
typedef struct {
    /// [..] GradClipTensor, read.
    uint64_t tensors;
    /// [chunks] GradClipChunk, read.
    uint64_t chunks;
    /// [chunks] GradClipPartial, written.
    uint64_t partials;
} GradClipNormParams;

/// Arguments of `grad_clip_step_value_T`.
typedef struct {
    /// [..] GradClipTensor, read; the gradients are read and written.
    uint64_t tensors;
    /// [chunks] GradClipChunk, read.
    uint64_t chunks;
    /// The largest magnitude.
    float limit;
    /// Not used.
    uint32_t reserved;
} GradClipValueParams;

/// Arguments of `grad_clip_step_finish_f64`.
typedef struct {
    /// [chunks] GradClipPartial, read.
    uint64_t partials;
    /// [1] f32, written: the norm of the gradients over the loss scale.
    uint64_t norm;
    /// [1] f32, written: what gradients are to be multiplied by.
    uint64_t factor;
    /// [1] f32, written: how many elements are not finite, at least 1 where the norm overflows.
    uint64_t found_inf;
    /// [1] f32, read and written, optional.
    uint64_t loss_scale;
    /// [1] f32, read and written, present with `loss_scale`: steps since it changed.
    uint64_t good_steps;
    /// Partial sums.
    uint32_t chunks;
    /// The largest norm; infinity for no limit.
    float max_norm;
    /// What the loss scale is multiplied by after `interval` good steps.
    float growth;
    /// What it is multiplied by after a bad one.
    float backoff;
    /// Good steps before it grows.
    float interval;
    /// Not used.
    uint32_t reserved;
} GradClipFinishParams;

#ifdef __cplusplus
static_assert(sizeof(GradClipTensor) == 16 && sizeof(GradClipChunk) == 8 && sizeof(GradClipPartial) == 16, "no padding");
static_assert(sizeof(GradClipNormParams) == 24, "no padding");
static_assert(sizeof(GradClipValueParams) == 24, "no padding");
static_assert(sizeof(GradClipFinishParams) == 72, "no padding");
#endif
#endif
