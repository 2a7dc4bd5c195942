// Source of sample.ptx: one of everything that the parser must know and that nvcc writes.
//   nvcc -ptx -arch=sm_80 -lineinfo sample.cu -o sample.ptx
// and the folder in its .file lines shortened to /kernels.
#include <stdint.h>

struct Params {
    uint64_t x, y;
    int32_t rows;
    float scale;
    int64_t strides[3];
};

__constant__ float table[4] = {1.0f, 2.0f, 3.0f, -4.5f};
__device__ int counter = 7;
__device__ const unsigned char bytes[5] = {1, 2, 3, 4, 5};
__device__ int* pointer = &counter;
extern __shared__ __align__(16) unsigned char dynamic[];

__device__ __noinline__ float helper(float a, int b, double* c) {
    float local[8];
    for (int i = 0; i < 8; i++) {
        local[(i * b) & 7] = a * i;
    }
    *c = local[b & 7];
    return local[(b + 1) & 7];
}

__device__ __forceinline__ float ex2(float x) {
    float result;
    asm volatile(
        "{ .reg .pred p; .reg .f32 t;\n"
        "setp.gt.f32 p, %1, 0f00000000;\n"
        "@p bra L1;\n"
        "mov.f32 t, %1; bra L2;\n"
        "L1: add.f32 t, %1, 0f3f800000;\n"
        "L2: ex2.approx.ftz.f32 %0, t; }"
        : "=f"(result)
        : "f"(x));
    return result;
}

__device__ __forceinline__ float ex2_twice(float x) {
    return ex2(x) + ex2(x + x);
}

extern "C" __global__ void __launch_bounds__(128, 2) sample(const __grid_constant__ Params params, int choice) {
    __shared__ float row[128];
    int i = threadIdx.x + blockIdx.x * blockDim.x;
    float v = reinterpret_cast<float*>(params.x)[i];
    row[threadIdx.x] = ex2_twice(v);
    __syncthreads();
    double d;
    float r = row[127 - threadIdx.x] + helper(v, choice, &d) + table[choice & 3] + bytes[choice % 5];
    uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(dynamic + threadIdx.x * 16));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(params.x));
    asm volatile("cp.async.commit_group;\n cp.async.wait_group 0;");
    __syncthreads();
    r += __shfl_xor_sync(~0u, r, 3);
    if (__any_sync(~0u, r > 3.0f)) {
        atomicAdd(&counter, 1);
    }
    switch (choice) {
        case 0: r += 1.0f; break;
        case 1: r *= sinf(r); break;
        case 2: r = __expf(r); break;
        case 3: r -= 7.0f; break;
        case 4: r = sqrtf(r); break;
    }
    reinterpret_cast<float4*>(params.y)[i] = make_float4(r, static_cast<float>(d), params.scale, *pointer);
}

extern "C" __global__ void indirect(int* out, int (*f)(int)) {
    *out = f(3);
}
