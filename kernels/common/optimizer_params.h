/* What all optimizers find in memory: where they stand, their parameters, and who does what. Addresses are of global memory, 0 where what
 * is optional is absent. T is the element type in a kernel's name. */
#ifndef WARPSMITH_OPTIMIZER_PARAMS_H
#define WARPSMITH_OPTIMIZER_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Elements that a warp has at a time; with 8-bit states, those that share one absmax of each.
    OPTIMIZER_BLOCK = 256,
    /// Warps of a thread block, each with one block of elements at a time.
    OPTIMIZER_WARPS = 8,
    /// `correction`: no bias correction.
    OPTIMIZER_CORRECT_NOTHING = 0,
    /// `correction`: both moments, and `step_size` holds the learning rate.
    OPTIMIZER_CORRECT_MOMENTS = 1,
    /// `correction`: the learning rate, weight decay's too.
    OPTIMIZER_CORRECT_RATE = 2
};

/// One parameter of the list.
typedef struct {
    /// [count] T, read and written; with a master written alone.
    uint64_t parameter;
    /// [count] T, or f32 where the launch says so, read.
    uint64_t gradient;
    /// [count] f32, read and written, optional: the parameter before it is rounded to T.
    uint64_t master;
    /// [count] f32, or codes of the signed map, read and written: first moments.
    uint64_t state1;
    /// [count] f32, or codes of the unsigned map, read and written, optional: second moments.
    uint64_t state2;
    /// [blocks] f32, read and written, present with codes: the largest |first moment| of each block.
    uint64_t absmax1;
    /// [blocks] f32, read and written, present with codes: the largest second moment of each block.
    uint64_t absmax2;
    /// Elements.
    uint64_t count;
    /// Blocks of the parameters before this one.
    uint64_t blocks_before;
    /// Weight decay.
    float weight_decay;
    /// Whether whole blocks may be accessed by vectors.
    uint32_t vectorised;
    /// The first of its chunks.
    uint32_t first_chunk;
    /// Its chunks.
    uint32_t chunks;
    /// Not used.
    uint64_t reserved;
} OptimizerTensor;

/// The blocks of one parameter that one thread block updates.
typedef struct {
    /// Which parameter.
    uint32_t tensor;
    /// The first of its blocks of elements.
    uint32_t first;
} OptimizerChunk;

/// Where an optimizer stands, and the scalars of the step that is being made.
typedef struct {
    /// Steps made.
    uint64_t steps;
    /// beta1^steps.
    double power1;
    /// beta2^steps.
    double power2;
    /// What a moment's quotient is multiplied by.
    float step_size;
    /// What is added to the root of the second moment.
    float epsilon;
    /// The learning rate.
    float learning_rate;
    /// What gradients are multiplied by.
    float gradient_scale;
    /// Of the random numbers.
    uint64_t seed;
    /// The first block of random numbers of this step.
    uint64_t offset;
    /// Not 0 where this step is to change nothing.
    uint32_t skip;
    /// The bias correction of a moment's quotient alone.
    float moment_scale;
} OptimizerProgress;

/// Arguments of `<op>_step_advance_f64`.
typedef struct {
    /// OptimizerProgress, read and written.
    uint64_t progress;
    /// [1] f32, read.
    uint64_t learning_rate;
    /// [1] f32, read, optional: 1 without it.
    uint64_t gradient_scale;
    /// [1] f32, read, optional: not 0 where a gradient is infinite or NaN.
    uint64_t found_inf;
    /// [1] f32, read, optional: the norm of all gradients, scaled.
    uint64_t gradient_norm;
    /// Blocks of random numbers that a step uses.
    uint64_t random_blocks;
    /// Decay rate of the first moment.
    float beta1;
    /// Decay rate of the second moment.
    float beta2;
    /// Added to the root of the second moment.
    float epsilon;
    /// The largest norm; gradients of a larger one are scaled to it.
    float max_norm;
    /// One of the corrections above.
    uint32_t correction;
    /// Not used.
    uint32_t reserved;
} OptimizerAdvanceParams;

/// The list, as every kernel that updates it takes it.
typedef struct {
    /// OptimizerProgress, read.
    uint64_t progress;
    /// [..] OptimizerTensor, read.
    uint64_t tensors;
    /// [blocks of threads] OptimizerChunk, read.
    uint64_t chunks;
    /// CodeTables, read, present with codes.
    uint64_t tables;
    /// Blocks of elements of a chunk; a parameter's last chunk may have fewer.
    uint32_t blocks_per_chunk;
    /// Not 0 where gradients are f32 whatever T is.
    uint32_t wide_gradients;
} OptimizerList;

#ifdef __cplusplus
static_assert(sizeof(OptimizerTensor) == 96, "no padding");
static_assert(sizeof(OptimizerChunk) == 8, "no padding");
static_assert(sizeof(OptimizerProgress) == 64, "no padding");
static_assert(sizeof(OptimizerAdvanceParams) == 72, "no padding");
static_assert(sizeof(OptimizerList) == 40, "no padding");
#endif
#endif
