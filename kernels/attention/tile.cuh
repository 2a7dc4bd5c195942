// Tiles of 16-bit elements in shared memory, and the fragments that mma takes from them.
//
// A row of D elements lies contiguous; its 16-byte chunk c stands at position c ^ (row % 8) (the upper bits of c unchanged). So the eight rows of
// an 8x8 matrix lie in eight different groups of four banks, and neither the copies that fill a tile nor ldmatrix have a bank conflict.
#pragma once
#include "attention/attention_params.h"
#include "common/element.cuh"
#include "ptx/cp_async.cuh"
#include "ptx/ldmatrix.cuh"
#include "ptx/mma.cuh"

namespace warpsmith {

constexpr int CHUNK = 8;  // 16-bit elements in 16 bytes

/// ROWS rows of D elements.
template <int ROWS, int D>
struct alignas(128) Tile {
    static_assert(D % 64 == 0, "the swizzle permutes eight chunks of 16 bytes");
    static constexpr int ROW_BYTES = D * 2;
    uint4 chunks[ROWS * D / CHUNK];
};

/// Copies rows `first` to `first + ROWS - 1` of a matrix into a tile, asynchronously; rows from `limit` on become zeros
/// (with WHOLE the caller knows of none).
/// `matrix` is the address of row 0, `row_stride` is in elements. All THREADS threads of the block take part.
template <int THREADS, bool WHOLE, int ROWS, int D>
__device__ __forceinline__ void copy_tile(Tile<ROWS, D>& tile, uint64_t matrix, int64_t row_stride, int first, int limit) {
    constexpr int CHUNKS = D / CHUNK;
    constexpr int PASS = THREADS / CHUNKS;
    static_assert(PASS % 8 == 0 && ROWS % PASS == 0, "a thread keeps its row modulo 8, hence its swizzled chunk, in every pass");
    const int chunk = threadIdx.x % CHUNKS;
    const int row = threadIdx.x / CHUNKS;
    const uint32_t destination = ptx::shared_address(tile.chunks) + row * Tile<ROWS, D>::ROW_BYTES + ((chunk ^ (row % 8)) * 16);
    uint64_t source = matrix + ((first + row) * row_stride + chunk * CHUNK) * 2;
#pragma unroll
    for (int pass = 0; pass < ROWS / PASS; ++pass) {
        ptx::cp_async_16_or_zeros(destination + pass * PASS * Tile<ROWS, D>::ROW_BYTES, source, WHOLE || first + row + pass * PASS < limit);
        source += PASS * 2 * row_stride;
    }
}

/// Where a lane's ldmatrix addresses of a tile begin. A 16x16 block at (row, column) lies at
/// `(start ^ (column % 64 * 2)) + row * ROW_BYTES + column / 64 * 128`: one exclusive-or, the rest an immediate.
__device__ __forceinline__ uint32_t block_address(uint32_t start, int row, int column, int row_bytes) {
    return (start ^ (column % 64 * 2)) + row * row_bytes + column / 64 * 128;
}

/// Start for A operands (queries) and, with `.trans`, for B operands whose rows are the summed dimension (values): the four
/// matrices are rows 0-7 and 8-15 of the left eight columns, then of the right.
__device__ __forceinline__ uint32_t row_major_start(const void* tile, int row, int row_bytes) {
    const int lane = threadIdx.x % 32;
    return ptx::shared_address(tile) + (row + lane % 16) * row_bytes + (((lane / 16) ^ (lane % 8)) * 16);
}

/// Start for B operands whose columns are rows of the tile (keys): the four matrices are columns 0-7 and 8-15 of rows 0-7, then
/// of rows 8-15, so registers 0 and 1 are the fragment of the first eight keys, 2 and 3 of the others.
__device__ __forceinline__ uint32_t column_major_start(const void* tile, int row_bytes) {
    const int lane = threadIdx.x % 32;
    return ptx::shared_address(tile) + (lane % 8 + lane / 16 * 8) * row_bytes + ((((lane / 8) % 2) ^ (lane % 8)) * 16);
}

/// D += A * B for elements of T.
template <typename T>
__device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <>
__device__ __forceinline__ void mma<Bf16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    ptx::mma_bf16(d, a, b0, b1);
}
template <>
__device__ __forceinline__ void mma<F16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    ptx::mma_f16(d, a, b0, b1);
}

}  // namespace warpsmith
