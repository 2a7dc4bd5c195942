// C = A * B^T for bf16 and f32 accumulators: cp.async in two stages, ldmatrix, mma. One block makes 64 x 64 of C with four
// warps, each 32 x 32; K goes by 32.
#include <cuda_bf16.h>
#include <stdint.h>

namespace gemm {

constexpr int kTile = 64, kDepth = 32, kPitch = kDepth + 8, kStages = 2;

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

// 64 rows of 32 elements, as 256 copies of 16 bytes; rows past the end are zeros.
__device__ __forceinline__ void fetch(__nv_bfloat16* to, const __nv_bfloat16* from, int first, int rows, int k, int stride) {
  for (int chunk = threadIdx.x; chunk < kTile * kDepth / 8; chunk += blockDim.x) {
    int row = chunk / (kDepth / 8), column = chunk % (kDepth / 8) * 8;
    int bytes = first + row < rows ? 16 : 0;
    const __nv_bfloat16* source = from + (size_t)(bytes ? first + row : 0) * stride + k + column;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to + row * kPitch + column)),
                 "l"(source), "r"(bytes));
  }
}

__device__ __forceinline__ void load_matrices(uint32_t (&r)[4], const __nv_bfloat16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row)));
}

__device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace gemm

extern "C" __global__ void __launch_bounds__(128)
gemm_bf16(const __nv_bfloat16* __restrict__ a, const __nv_bfloat16* __restrict__ b, float* __restrict__ c, int m, int n, int k) {
  using namespace gemm;
  __shared__ __align__(16) __nv_bfloat16 sa[kStages][kTile * kPitch], sb[kStages][kTile * kPitch];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int row0 = blockIdx.y * kTile, column0 = blockIdx.x * kTile;
  int warp_row = warp / 2 * 32, warp_column = warp % 2 * 32;
  float sum[2][4][4] = {};
  int steps = k / kDepth;
  fetch(sa[0], a, row0, m, 0, k);
  fetch(sb[0], b, column0, n, 0, k);
  asm volatile("cp.async.commit_group;");
  for (int step = 0; step < steps; step++) {
    if (step + 1 < steps) {
      int stage = (step + 1) % kStages;
      fetch(sa[stage], a, row0, m, (step + 1) * kDepth, k);
      fetch(sb[stage], b, column0, n, (step + 1) * kDepth, k);
    }
    asm volatile("cp.async.commit_group;");
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();
    const __nv_bfloat16 *ta = sa[step % kStages], *tb = sb[step % kStages];
    for (int kk = 0; kk < kDepth; kk += 16) {
      uint32_t fa[2][4], fb[2][4];
      for (int i = 0; i < 2; i++)
        load_matrices(fa[i], ta + (warp_row + i * 16 + lane % 16) * kPitch + kk + lane / 16 * 8);
      for (int j = 0; j < 2; j++)
        load_matrices(fb[j], tb + (warp_column + j * 16 + lane % 8 + lane / 16 * 8) * kPitch + kk + lane / 8 % 2 * 8);
      for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++) multiply(sum[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
    }
    __syncthreads();
  }
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 4; j++)
      for (int half = 0; half < 2; half++) {
        int row = row0 + warp_row + i * 16 + lane / 4 + half * 8, column = column0 + warp_column + j * 8 + lane % 4 * 2;
        if (row < m && column < n) {
          float2 pair = make_float2(sum[i][j][half * 2], sum[i][j][half * 2 + 1]);
          *reinterpret_cast<float2*>(c + (size_t)row * n + column) = pair;
        }
      }
}
