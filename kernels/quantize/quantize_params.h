/* The arguments of the blockwise quantisation kernels. T is the element type in the kernel's name; addresses are of global memory. */
#ifndef WARPSMITH_QUANTIZE_PARAMS_H
#define WARPSMITH_QUANTIZE_PARAMS_H
#include "common/codes_params.h"

/* What launchers and kernels agree on. */
enum {
    /// Threads of every block, each with 8 elements at a time.
    QUANTIZE_THREADS = 512,
    /// Elements that a thread block has at a time: the largest block of elements that share an absmax.
    QUANTIZE_TILE = 4096,
    /// The smallest.
    QUANTIZE_LEAST_BLOCK = 64
};

/// Arguments of `quantize_fwd_T` and `quantize_bwd_T`.
typedef struct {
    /// [count] T: read by `fwd`, written by `bwd`.
    uint64_t values;
    /// [count] codes: written by `fwd`, read by `bwd`.
    uint64_t codes;
    /// [blocks] f32, the largest |value| of each block: written by `fwd`, read by `bwd`.
    uint64_t absmax;
    /// CodeTables, read.
    uint64_t tables;
    /// Elements.
    uint64_t count;
    /// Elements that share an absmax: a power of two from 64 to 4096.
    uint32_t block;
    /// Tiles of a thread block; the last one may have fewer.
    uint32_t tiles;
    /// Whether values lie at multiples of 16 bytes and codes at multiples of 8.
    uint32_t vectorised;
    /// Not 0 for the signed map.
    uint32_t is_signed;
} QuantizeParams;

#ifdef __cplusplus
static_assert(sizeof(QuantizeParams) == 56, "no padding");
#endif
#endif
