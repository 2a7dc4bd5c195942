// What the examples need besides the crate's operations: a plain matrix product, for machines without cuBLASLt, conversions and copies.
//
// gemm:  C[m, n] = scale A B (+ C) in f32, rounded to tf32 on the way into tensor cores; A and B by strides, so that either may be
//        transposed. A block makes 64 x 64 of C with four warps, each 32 x 32; the inner dimension goes by 32 through shared memory. Edges
//        are zeros.
// to_*, copy:  groups of rows of f32 to bf16, back, or to f32. A warp takes a row, a lane 4 elements at a time.
#include <stdint.h>

#include "ptx/convert.cuh"
#include "ptx/global.cuh"
#include "ptx/tf32.cuh"

namespace nn {

struct GemmParams {
    uint64_t a, b, c;
    int64_t a_row, a_column, b_row, b_column, c_row;
    uint32_t m, n, k, add;
    float scale;
    uint32_t reserved;
};

struct ConvertParams {
    uint64_t source, target;
    int64_t source_group, target_group, source_row, target_row;
    uint32_t groups, rows, width, reserved;
};

constexpr uint32_t TILE = 64, DEPTH = 32, THREADS = 128;
/// Lanes t, t + 1 of a fragment lie a pitch apart, lanes 4g, 4g + 4 one element: 8 t + g visits every bank once.
constexpr uint32_t PITCH = TILE + 8;

struct Shared {
    uint32_t a[DEPTH][PITCH], b[DEPTH][PITCH];
};

/// Brings a tile of `outer` x DEPTH into shared memory, inner index first. Neighbouring threads read along the stride of 1.
__device__ void fetch(uint32_t (&tile)[DEPTH][PITCH], uint64_t base, uint32_t outer, uint32_t outers, int64_t outer_stride,
                      uint32_t inner, uint32_t inners, int64_t inner_stride) {
    for (uint32_t i = threadIdx.x; i < TILE * DEPTH; i += THREADS) {
        bool along_inner = inner_stride == 1;
        uint32_t o = along_inner ? i / DEPTH : i % TILE, k = along_inner ? i % DEPTH : i / TILE;
        float value = 0.0f;
        if (outer + o < outers && inner + k < inners) {
            int64_t element = (outer + o) * outer_stride + (inner + k) * inner_stride;
            value = __uint_as_float(ptx::load_4(base + element * sizeof(float)));
        }
        tile[k][o] = ptx::f32_to_tf32(value);
    }
}

__device__ __forceinline__ void gemm(const GemmParams& params) {
    __shared__ Shared shared;
    uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint32_t g = lane / 4, t = lane % 4;
    uint32_t row = blockIdx.y * TILE, column = blockIdx.x * TILE;
    uint32_t warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
    float sum[2][4][4] = {};
    for (uint32_t inner = 0; inner < params.k; inner += DEPTH) {
        fetch(shared.a, params.a, row, params.m, params.a_row, inner, params.k, params.a_column);
        fetch(shared.b, params.b, column, params.n, params.b_column, inner, params.k, params.b_row);
        __syncthreads();
        for (uint32_t k = 0; k < DEPTH; k += 8) {
            uint32_t a[2][4], b[4][2];
            for (uint32_t i = 0; i < 2; i++)
                for (uint32_t part = 0; part < 4; part++)
                    a[i][part] = shared.a[k + t + part / 2 * 4][warp_row + i * 16 + g + part % 2 * 8];
            for (uint32_t j = 0; j < 4; j++)
                for (uint32_t part = 0; part < 2; part++)
                    b[j][part] = shared.b[k + t + part * 4][warp_column + j * 8 + g];
            for (uint32_t i = 0; i < 2; i++)
                for (uint32_t j = 0; j < 4; j++) ptx::mma_tf32(sum[i][j], a[i], b[j]);
        }
        __syncthreads();
    }
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t j = 0; j < 4; j++)
            for (uint32_t part = 0; part < 4; part++) {
                uint32_t r = row + warp_row + i * 16 + g + part / 2 * 8, c = column + warp_column + j * 8 + 2 * t + part % 2;
                if (r < params.m && c < params.n) {
                    uint64_t target = params.c + (r * params.c_row + c) * sizeof(float);
                    float value = params.scale * sum[i][j][part];
                    if (params.add) value += __uint_as_float(ptx::load_4_own(target));
                    ptx::store_4(target, __float_as_uint(value));
                }
            }
}

/// The row of this warp in source and target, and its lane's first element.
struct Row {
    uint64_t source, target;
    uint32_t column;
};

/// False for the warps past the last row.
__device__ __forceinline__ bool row_of_warp(const ConvertParams& params, uint32_t source_size, uint32_t target_size, Row& row) {
    uint32_t index = blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    if (index >= params.groups * params.rows) return false;
    uint32_t group = index / params.rows, within = index % params.rows;
    row.source = params.source + (group * params.source_group + within * params.source_row) * source_size;
    row.target = params.target + (group * params.target_group + within * params.target_row) * target_size;
    row.column = threadIdx.x % 32 * 4;
    return true;
}

__device__ __forceinline__ void to_bf16(const ConvertParams& params) {
    Row row;
    if (!row_of_warp(params, 4, 2, row)) return;
    for (uint32_t column = row.column; column < params.width; column += 128) {
        uint4 x = ptx::load_16_once(row.source + column * 4);
        ptx::store_4(row.target + column * 2, ptx::f32_to_bf16x2(__uint_as_float(x.x), __uint_as_float(x.y)));
        ptx::store_4(row.target + column * 2 + 4, ptx::f32_to_bf16x2(__uint_as_float(x.z), __uint_as_float(x.w)));
    }
}

/// A bf16 is the upper half of a f32.
__device__ __forceinline__ void to_f32(const ConvertParams& params) {
    Row row;
    if (!row_of_warp(params, 2, 4, row)) return;
    for (uint32_t column = row.column; column < params.width; column += 128) {
        uint32_t low = ptx::load_4(row.source + column * 2), high = ptx::load_4(row.source + column * 2 + 4);
        ptx::store_16(row.target + column * 4, make_uint4(low << 16, low & 0xffff0000u, high << 16, high & 0xffff0000u));
    }
}

__device__ __forceinline__ void copy(const ConvertParams& params) {
    Row row;
    if (!row_of_warp(params, 4, 4, row)) return;
    for (uint32_t column = row.column; column < params.width; column += 128)
        ptx::store_16(row.target + column * 4, ptx::load_16_once(row.source + column * 4));
}

}  // namespace nn

using nn::ConvertParams;
using nn::GemmParams;

extern "C" __global__ void __launch_bounds__(nn::THREADS)
nn_gemm(const __grid_constant__ GemmParams params) { nn::gemm(params); }

extern "C" __global__ void __launch_bounds__(nn::THREADS)
nn_to_bf16(const __grid_constant__ ConvertParams params) { nn::to_bf16(params); }

extern "C" __global__ void __launch_bounds__(nn::THREADS)
nn_to_f32(const __grid_constant__ ConvertParams params) { nn::to_f32(params); }

extern "C" __global__ void __launch_bounds__(nn::THREADS)
nn_copy(const __grid_constant__ ConvertParams params) { nn::copy(params); }
