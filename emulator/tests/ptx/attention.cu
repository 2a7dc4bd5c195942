// O = softmax(scale * Q K^T) V for bf16 and head dimension 64, as a flash-attention forward does it: a block of four warps owns 128
// queries, keys pass by 64 at a time. Swizzled tiles filled by cp.async, ldmatrix, mma, exponentials relative to a running maximum.
#include <cuda_bf16.h>
#include <stdint.h>

namespace flash {

constexpr int kQueries = 128, kKeys = 64, kDim = 64, kThreads = 128, kRowBytes = kDim * 2;

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// `rows` rows of 64 elements; the 16-byte chunk c of row r stands at position c ^ (r % 8).
__device__ __forceinline__ void fetch(uint32_t to, const __nv_bfloat16* from, int rows) {
  const int chunk = threadIdx.x % 8;
#pragma unroll
  for (int row = threadIdx.x / 8; row < rows; row += kThreads / 8) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + row * kRowBytes + ((chunk ^ (row % 8)) * 16)),
                 "l"(from + row * kDim + chunk * 8));
  }
}

template <bool kTransposed>
__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], uint32_t row) {
  if constexpr (kTransposed) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row));
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row));
  }
}

__device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ uint32_t pack(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}

__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffff, x, 1);
  return x + __shfl_xor_sync(0xffffffff, x, 2);
}

}  // namespace flash

// q, o [queries, 64] for each block of the grid's second dimension, k, v [keys, 64] likewise; `scale` includes log2(e).
extern "C" __global__ void __launch_bounds__(128)
    attention(const __nv_bfloat16* q, const __nv_bfloat16* k, const __nv_bfloat16* v, __nv_bfloat16* o, int queries,
              int keys, float scale) {
  using namespace flash;
  __shared__ __align__(128) char q_tile[kQueries * kRowBytes];
  __shared__ __align__(128) char k_tile[kKeys * kRowBytes];
  __shared__ __align__(128) char v_tile[kKeys * kRowBytes];
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 32;
  q += ((size_t)blockIdx.y * queries + blockIdx.x * kQueries) * kDim;
  o += ((size_t)blockIdx.y * queries + blockIdx.x * kQueries) * kDim;
  k += (size_t)blockIdx.y * keys * kDim;
  v += (size_t)blockIdx.y * keys * kDim;

  // A 16x16 block at (row, column) of a tile begins at (start ^ column * 2) + row * 128.
  const uint32_t q_start =
      shared_address(q_tile) + (warp_row + lane % 16) * kRowBytes + (((lane / 16) ^ (lane % 8)) * 16);
  const uint32_t k_start =
      shared_address(k_tile) + (lane % 8 + lane / 16 * 8) * kRowBytes + (((lane / 8 % 2) ^ (lane % 8)) * 16);
  const uint32_t v_start = shared_address(v_tile) + lane % 16 * kRowBytes + (((lane / 16) ^ (lane % 8)) * 16);

  float out[2][kDim / 8][4] = {}, maximum[2][2], sum[2][2] = {};
  for (int i = 0; i < 4; ++i) maximum[i / 2][i % 2] = -1e30f;

  fetch(shared_address(q_tile), q, kQueries);
  fetch(shared_address(k_tile), k, kKeys);
  asm volatile("cp.async.commit_group;");
  for (int first = 0; first < keys; first += kKeys) {
    asm volatile("cp.async.wait_group 0;");
    __syncthreads();
    fetch(shared_address(v_tile), v + (size_t)first * kDim, kKeys);
    asm volatile("cp.async.commit_group;");

    float s[2][kKeys / 8][4] = {};
#pragma unroll
    for (int d = 0; d < kDim; d += 16) {
      uint32_t a[2][4];
      load_matrices<false>(a[0], q_start ^ (d * 2));
      load_matrices<false>(a[1], (q_start ^ (d * 2)) + 16 * kRowBytes);
#pragma unroll
      for (int key = 0; key < kKeys; key += 16) {
        uint32_t b[4];
        load_matrices<false>(b, (k_start ^ (d * 2)) + key * kRowBytes);
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
          mma(s[tile][key / 8], a[tile], b[0], b[1]);
          mma(s[tile][key / 8 + 1], a[tile], b[2], b[3]);
        }
      }
    }

    asm volatile("cp.async.wait_group 0;");
    __syncthreads();
    if (first + kKeys < keys) {
      fetch(shared_address(k_tile), k + (size_t)(first + kKeys) * kDim, kKeys);
      asm volatile("cp.async.commit_group;");
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int tile = i / 2, half = i % 2 * 2;
      float largest = maximum[tile][i % 2];
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) largest = fmaxf(largest, fmaxf(s[tile][n][half], s[tile][n][half + 1]));
      largest = quad_max(largest);
      const float factor = exp2_approx((maximum[tile][i % 2] - largest) * scale);
      maximum[tile][i % 2] = largest;
      sum[tile][i % 2] *= factor;
#pragma unroll
      for (int n = 0; n < kDim / 8; ++n) {
        out[tile][n][half] *= factor;
        out[tile][n][half + 1] *= factor;
      }
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int j = half; j < half + 2; ++j) {
          s[tile][n][j] = exp2_approx(__fmaf_rn(s[tile][n][j], scale, -largest * scale));
          sum[tile][i % 2] += s[tile][n][j];
        }
      }
    }
#pragma unroll
    for (int key = 0; key < kKeys; key += 16) {
      uint32_t a[2][4];
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float(&p)[4] = s[i / 4][key / 8 + i % 4 / 2];
        a[i / 4][i % 4] = pack(p[i % 2 * 2], p[i % 2 * 2 + 1]);
      }
#pragma unroll
      for (int d = 0; d < kDim; d += 16) {
        uint32_t b[4];
        load_matrices<true>(b, (v_start ^ (d * 2)) + key * kRowBytes);
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
          mma(out[tile][d / 8], a[tile], b[0], b[1]);
          mma(out[tile][d / 8 + 1], a[tile], b[2], b[3]);
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float inverse = 1.0f / quad_sum(sum[i / 2][i % 2]);
    const int row = warp_row + i / 2 * 16 + i % 2 * 8 + lane / 4;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      const float(&x)[4] = out[i / 2][n];
      *reinterpret_cast<uint32_t*>(o + row * kDim + n * 8 + lane % 4 * 2) =
          pack(x[i % 2 * 2] * inverse, x[i % 2 * 2 + 1] * inverse);
    }
  }
}
