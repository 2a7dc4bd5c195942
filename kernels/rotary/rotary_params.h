/* The arguments of the rotary embedding kernels. T is the element type in the kernel's name; addresses are of global memory; strides are in
 * elements; the elements of a head are contiguous. */
#ifndef WARPSMITH_ROTARY_PARAMS_H
#define WARPSMITH_ROTARY_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Most pairs of a head that are rotated.
    ROTARY_PAIRS = 128,
    /// Threads of a block, a warp for each token.
    ROTARY_THREADS = 128
};

/// One tensor that is rotated, [batch, length, heads, head_dim] T.
typedef struct {
    /// Read.
    uint64_t input;
    /// Written: the same memory as `input`, or none that is read.
    uint64_t output;
    /// Strides of `input` by batch, token and head.
    int64_t input_strides[3];
    /// Strides of `output` by batch, token and head.
    int64_t output_strides[3];
    /// Heads; 0 where the tensor is absent.
    uint32_t heads;
    /// Zero.
    uint32_t reserved;
} RotaryTensor;

/// Cosines or sines, [positions, pairs] or [batch, length, pairs], f32 or T.
typedef struct {
    /// Read.
    uint64_t table;
    /// Strides by batch and token, or 0 and by position.
    int64_t strides[2];
} RotaryTable;

/// Arguments of `rotary_fwd_T` and `rotary_fwd_T_general`.
typedef struct {
    /// Queries and keys.
    RotaryTensor tensors[2];
    /// [batch, length] of i32 or i64, read, 0 where positions are `first_position` and on.
    uint64_t positions;
    /// Strides of `positions` by batch and token.
    int64_t position_strides[2];
    /// The position of the first token of each batch, where there are no `positions`.
    int64_t first_position;
    /// Tokens: batch * length.
    uint32_t tokens;
    /// Tokens of a batch.
    uint32_t length;
    /// Pairs of a head that are rotated.
    uint32_t pairs;
    /// Elements after the rotated ones that are copied: none where the tensors are rotated in place.
    uint32_t rest;
    /// Threads that share a head: a power of two up to 32.
    uint32_t threads_per_head;
    /// Not 0 where a pair is two neighbours (2i, 2i+1); else it is (i, i + pairs).
    uint32_t interleaved;
    /// Not 0 where positions are i64.
    uint32_t wide_positions;
    /// Not 0 for the rotation back.
    uint32_t inverse;
    /// What the rotated elements are multiplied by.
    float factor;
    /// Bytes of an element of `tables`; 0 where `turns` say how far a pair turns.
    uint32_t table_bytes;
    /// Cosines and sines.
    RotaryTable tables[2];
    /// Positions in `tables`; 0 where they have a row for each token.
    int64_t table_positions;
    /// How far each pair turns from one position to the next, in 2^-64 of a full turn; pair i at [i / 32][i % 32].
    uint64_t turns[ROTARY_PAIRS / 32][32];
} RotaryParams;

#ifdef __cplusplus
static_assert(sizeof(RotaryTensor) == 72, "no padding: the launcher copies the bytes");
static_assert(sizeof(RotaryParams) == 2 * 72 + 128 + 8 * ROTARY_PAIRS, "no padding: the launcher copies the bytes");
#endif
#endif
