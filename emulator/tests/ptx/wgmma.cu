// Two products by wgmma for one warpgroup, as a Hopper attention makes them: S = Q K^T with both operands in shared memory, then O += S V with S as
// bf16 from registers and V with its rows contiguous. 64 queries, 64 columns, keys 128 at a time; tiles with the 128-byte swizzle.
#include <cuda_bf16.h>
#include <stdint.h>

namespace warpgroup {

constexpr int kRows = 64, kKeys = 128, kDim = 64, kThreads = 128;

// The byte of a 16-byte chunk in a tile whose rows have 128 bytes.
__device__ __forceinline__ int chunk_at(int row, int chunk) { return row * 128 + ((chunk ^ (row % 8)) * 16); }

__device__ __forceinline__ void fill(char* tile, const __nv_bfloat16* from, int rows) {
  for (int i = threadIdx.x; i < rows * 8; i += kThreads) {
    *reinterpret_cast<uint4*>(tile + chunk_at(i / 8, i % 8)) = *reinterpret_cast<const uint4*>(from + i / 8 * kDim + i % 8 * 8);
  }
}

// 128-byte swizzle; rows of 128 bytes, eight of them 1024 bytes after the eight before.
__device__ __forceinline__ uint64_t descriptor(const void* start) {
  const uint64_t address = static_cast<uint64_t>(__cvta_generic_to_shared(start));
  return (address & 0x3ffff) >> 4 | uint64_t(1) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 62;
}

__device__ __forceinline__ void fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kLeft>
__device__ __forceinline__ void wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
}

#define ACCUMULATORS_32(d)                                                                                              \
  "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]),          \
      "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),            \
      "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),           \
      "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
#define NAMES_32                                                                                                        \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "     \
  "%24, %25, %26, %27, %28, %29, %30, %31}"

__device__ __forceinline__ void multiply(float (&d)[32], uint64_t a, uint64_t b, int accumulate) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\nwgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " NAMES_32
      ", %32, %33, p, 1, 1, 0, 0;\n}\n"
      : ACCUMULATORS_32(d)
      : "l"(a), "l"(b), "r"(accumulate));
}

__device__ __forceinline__ void multiply_transposed(float (&d)[32], const uint32_t (&a)[4], uint64_t b) {
  asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " NAMES_32 ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;\n"
               : ACCUMULATORS_32(d)
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

__device__ __forceinline__ uint32_t pack(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

}  // namespace warpgroup

// q [64, 64], k and v [keys, 64] bf16; o [64, 64] f32 = (q k^T) v, the inner product rounded to bf16.
extern "C" __global__ void __launch_bounds__(128) two_products(const __nv_bfloat16* q, const __nv_bfloat16* k,
                                                                const __nv_bfloat16* v, float* o, int keys) {
  using namespace warpgroup;
  __shared__ __align__(1024) char q_tile[kRows * 128];
  __shared__ __align__(1024) char k_tile[2][64 * 128];
  __shared__ __align__(1024) char v_tile[2][64 * 128];
  fill(q_tile, q, kRows);
  float out[32] = {};
  for (int first = 0; first < keys; first += kKeys) {
    for (int half = 0; half < 2; ++half) {
      fill(k_tile[half], k + (first + half * 64) * kDim, 64);
      fill(v_tile[half], v + (first + half * 64) * kDim, 64);
    }
    asm volatile("fence.proxy.async;" ::: "memory");
    __syncthreads();
    float scores[2][32];
    fence();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int d = 0; d < kDim / 16; ++d) {
        multiply(scores[half], descriptor(q_tile + d * 32), descriptor(k_tile[half] + d * 32), d != 0);
      }
      commit();
    }
    wait<1>();
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint32_t a[4][4];
#pragma unroll
      for (int i = 0; i < 16; ++i) {
        a[i / 4][i % 4] = pack(scores[half][2 * i], scores[half][2 * i + 1]);
      }
      fence();
#pragma unroll
      for (int key = 0; key < 4; ++key) {
        multiply_transposed(out, a[key], descriptor(v_tile[half] + key * 16 * 128));
      }
      commit();
      wait<0>();
    }
    __syncthreads();
  }
  const int lane = threadIdx.x % 32, row = threadIdx.x / 32 * 16 + lane / 4;
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    o[(row + i / 2 % 2 * 8) * 64 + i / 4 * 8 + lane % 4 * 2 + i % 2] = out[i];
  }
}
