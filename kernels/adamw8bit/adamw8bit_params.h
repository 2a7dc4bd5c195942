/* The arguments of the 8-bit AdamW kernels and the records that they find in memory. T is the element type in the kernel's name;
 * addresses are of global memory, 0 where an optional scalar is absent. */
#ifndef WARPSMITH_ADAMW8BIT_PARAMS_H
#define WARPSMITH_ADAMW8BIT_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Elements that share one absmax of each state.
    ADAMW8BIT_BLOCK = 256,
    /// Warps of a thread block of `adamw8bit_step_T`, each with one block of elements at a time.
    ADAMW8BIT_WARPS = 8,
    /// Entries of either code map.
    ADAMW8BIT_CODES = 256,
    /// The table that turns |x| into a code of the signed map has a cell for each 2^17 bit patterns of a f32,
    ADAMW8BIT_SIGNED_SHIFT = 17,
    /// of which the first holds 2.75e-7, half of the map's least value,
    ADAMW8BIT_SIGNED_FIRST = 6729,
    /// and the last 1.0. Negative x have as many cells again.
    ADAMW8BIT_SIGNED_CELLS = 1400,
    /// The same for the unsigned map: 2^16 bit patterns a cell,
    ADAMW8BIT_UNSIGNED_SHIFT = 16,
    /// the first holds 1.625e-7,
    ADAMW8BIT_UNSIGNED_FIRST = 13358,
    /// the last 1.0, and one cell is spare, so that the tables end at a multiple of 16 bytes.
    ADAMW8BIT_UNSIGNED_CELLS = 2900
};

/// What quantisation looks up, in shared memory as in global memory. Made by src/ops/adamw8bit/tables.rs.
typedef struct {
    /// The values of the signed map's codes.
    float signed_values[ADAMW8BIT_CODES];
    /// The values of the unsigned map's codes.
    float unsigned_values[ADAMW8BIT_CODES];
    /// Cells of negative x, farthest from zero first.
    uint32_t negative[ADAMW8BIT_SIGNED_CELLS];
    /// Cells of positive x.
    uint32_t positive[ADAMW8BIT_SIGNED_CELLS];
    /// Cells of the unsigned map.
    uint32_t unsigned_cells[ADAMW8BIT_UNSIGNED_CELLS];
} AdamW8bitTables;

/// One parameter of the list.
typedef struct {
    /// [count] T, read and written.
    uint64_t parameter;
    /// [count] T, read.
    uint64_t gradient;
    /// [count] codes of the signed map, read and written.
    uint64_t state1;
    /// [count] codes of the unsigned map, read and written.
    uint64_t state2;
    /// [blocks] f32, read and written: the largest |first moment| of each block.
    uint64_t absmax1;
    /// [blocks] f32, read and written: the largest second moment of each block.
    uint64_t absmax2;
    /// Elements.
    uint64_t count;
    /// Decoupled weight decay.
    float weight_decay;
    /// Whether parameter and gradient lie at multiples of 16 bytes and the states at multiples of 8.
    uint32_t vectorised;
} AdamW8bitTensor;

/// The blocks of one parameter that one thread block updates.
typedef struct {
    /// Which parameter.
    uint32_t tensor;
    /// The first of its blocks of elements.
    uint32_t first;
} AdamW8bitChunk;

/// Where the optimizer stands, and the scalars of the step that is being made.
typedef struct {
    /// Steps made.
    uint64_t steps;
    /// beta1^steps.
    double power1;
    /// beta2^steps.
    double power2;
    /// -lr sqrt(1 - beta2^t) / (1 - beta1^t).
    float step_size;
    /// epsilon sqrt(1 - beta2^t).
    float epsilon;
    /// The learning rate.
    float learning_rate;
    /// What gradients are multiplied by.
    float gradient_scale;
    /// Not 0 where this step is to change nothing.
    uint32_t skip;
    /// Not used.
    uint32_t reserved;
} AdamW8bitProgress;

/// Arguments of `adamw8bit_step_advance_f64`.
typedef struct {
    /// AdamW8bitProgress, read and written.
    uint64_t progress;
    /// [1] f32, read.
    uint64_t learning_rate;
    /// [1] f32, read, optional: 1 without it.
    uint64_t gradient_scale;
    /// [1] f32, read, optional: not 0 where a gradient is infinite or NaN.
    uint64_t found_inf;
    /// Decay rate of the first moment.
    float beta1;
    /// Decay rate of the second moment.
    float beta2;
    /// Added to the root of the second moment.
    float epsilon;
    /// Not used.
    uint32_t reserved;
} AdamW8bitAdvanceParams;

/// Arguments of `adamw8bit_step_T`.
typedef struct {
    /// AdamW8bitProgress, read.
    uint64_t progress;
    /// AdamW8bitTables, read.
    uint64_t tables;
    /// [..] AdamW8bitTensor, read.
    uint64_t tensors;
    /// [blocks of threads] AdamW8bitChunk, read.
    uint64_t chunks;
    /// Decay rate of the first moment.
    float beta1;
    /// Decay rate of the second moment.
    float beta2;
    /// 1 - beta1.
    float rest1;
    /// 1 - beta2.
    float rest2;
    /// Blocks of elements of a chunk; a parameter's last chunk may have fewer.
    uint32_t blocks_per_chunk;
    /// Not used.
    uint32_t reserved;
} AdamW8bitParams;

#ifdef __cplusplus
static_assert(sizeof(AdamW8bitTables) == 4 * (2 * 256 + 2 * 1400 + 2900), "no padding");
static_assert(sizeof(AdamW8bitTables) % 16 == 0, "copied 16 bytes at a time");
static_assert(sizeof(AdamW8bitTensor) == 64, "no padding");
static_assert(sizeof(AdamW8bitChunk) == 8, "no padding");
static_assert(sizeof(AdamW8bitProgress) == 48, "no padding");
static_assert(sizeof(AdamW8bitAdvanceParams) == 48, "no padding");
static_assert(sizeof(AdamW8bitParams) == 56, "no padding");
#endif
#endif
