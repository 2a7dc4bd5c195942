/* The tables by which numbers become codes of 8 bits, and codes numbers. */
#ifndef WARPSMITH_CODES_PARAMS_H
#define WARPSMITH_CODES_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Entries of either code map.
    CODES_COUNT = 256,
    /// The table that turns |x| into a code of the signed map has a cell for each 2^17 bit patterns of a f32,
    CODES_SIGNED_SHIFT = 17,
    /// of which the first holds 2.75e-7, half of the map's least value,
    CODES_SIGNED_FIRST = 6729,
    /// and the last 1.0. Negative x have as many cells again.
    CODES_SIGNED_CELLS = 1400,
    /// The same for the unsigned map: 2^16 bit patterns a cell,
    CODES_UNSIGNED_SHIFT = 16,
    /// the first holds 1.625e-7,
    CODES_UNSIGNED_FIRST = 13358,
    /// the last 1.0, and one cell is spare, so that the tables end at a multiple of 16 bytes.
    CODES_UNSIGNED_CELLS = 2900
};

/// What quantisation looks up, in shared memory as in global memory. Made by src/ops/codes/tables.rs.
typedef struct {
    /// The values of the signed map's codes.
    float signed_values[CODES_COUNT];
    /// The values of the unsigned map's codes.
    float unsigned_values[CODES_COUNT];
    /// Cells of negative x, farthest from zero first.
    uint32_t negative[CODES_SIGNED_CELLS];
    /// Cells of positive x.
    uint32_t positive[CODES_SIGNED_CELLS];
    /// Cells of the unsigned map.
    uint32_t unsigned_cells[CODES_UNSIGNED_CELLS];
} CodeTables;

#ifdef __cplusplus
static_assert(sizeof(CodeTables) == 4 * (2 * 256 + 2 * 1400 + 2900), "no padding");
static_assert(sizeof(CodeTables) % 16 == 0, "copied 16 bytes at a time");
#endif
#endif
