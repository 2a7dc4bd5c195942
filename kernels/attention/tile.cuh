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
#include "ptx/opaque.cuh"

namespace warpsmith {

constexpr int CHUNK = 8;  // 16-bit elements in 16 bytes

/// ROWS rows of D elements.
template <int ROWS, int D>
struct alignas(128) Tile {
    static_assert(D % 64 == 0, "the swizzle permutes eight chunks of 16 bytes");
    static constexpr int ROW_BYTES = D * 2;
    uint4 chunks[ROWS * D / CHUNK];
};

/// Copies tiles out of a matrix with rows of D elements, one above the other from the last to the first, as THREADS threads do it together.
template <int THREADS, int D>
struct Copier {
    static constexpr int CHUNKS = D / CHUNK;
    static constexpr int PASS = THREADS / CHUNKS;  // rows that the block copies at once
    static_assert(PASS % 8 == 0, "a thread keeps its row modulo 8, hence its swizzled chunk, in every pass");
    uint64_t source;  // this thread's chunk of the next PASS rows

    __device__ __forceinline__ static int row() { return threadIdx.x / CHUNKS; }

    /// For tiles that end before row `end`. `matrix` is the address of row 0, `row_stride` is in elements.
    __device__ __forceinline__ Copier(uint64_t matrix, int64_t row_stride, int end)
        : source(matrix + ((end - PASS + row()) * row_stride + threadIdx.x % CHUNKS * CHUNK) * 2) {}

    /// Copies ROWS rows into a tile, asynchronously. Only the first `rows` of them exist, and the others become zeros; with WHOLE
    /// the caller knows that all exist.
    template <bool WHOLE, int ROWS>
    __device__ __forceinline__ void copy(Tile<ROWS, D>& tile, int64_t row_stride, int rows) {
        static_assert(ROWS % PASS == 0, "every thread copies the same number of chunks");
        const int chunk = threadIdx.x % CHUNKS ^ row() % 8;
        const uint32_t destination = ptx::shared_address(tile.chunks) + row() * Tile<ROWS, D>::ROW_BYTES + chunk * 16;
#pragma unroll
        for (int first = ROWS - PASS; first >= 0; first -= PASS) {
            ptx::cp_async_16_or_zeros(destination + first * Tile<ROWS, D>::ROW_BYTES, source, WHOLE || first + row() < rows);
            source = ptx::opaque(source - PASS * 2 * row_stride);
        }
    }
};

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

/// D = A * B + C for elements of T.
template <typename T>
__device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const float (&c)[4]);
template <>
__device__ __forceinline__ void mma<Bf16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const float (&c)[4]) {
    ptx::mma_bf16(d, a, b0, b1, c);
}
template <>
__device__ __forceinline__ void mma<F16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const float (&c)[4]) {
    ptx::mma_f16(d, a, b0, b1, c);
}

}  // namespace warpsmith
