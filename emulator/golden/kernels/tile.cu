// What surrounds a copy of a box of a tensor. Shared memory is the input's 4 KiB; thread 0 copies from or to the tensor of the map, which is at M, with shared
// memory at s and an mbarrier at bar; then the output's first 4 KiB are what shared memory holds. The line of the asterisk is replaced by the copy, which waits.
#include <stdint.h>

constexpr uint32_t THREADS = 32, VECTORS = 4096 / sizeof(uint4);

struct __align__(64) TensorMap {
    uint64_t words[16];
};

extern "C" __global__ void __launch_bounds__(THREADS)
    golden(const uint4 *input, uint4 *output, const __grid_constant__ TensorMap map) {
    __shared__ __align__(1024) uint4 shared[VECTORS];
    __shared__ uint64_t barrier;
    for (uint32_t i = threadIdx.x; i < VECTORS; i += THREADS) {
        shared[i] = input[i];
    }
    asm volatile("fence.proxy.async;\n\tbar.sync 0;" ::: "memory");
    if (threadIdx.x == 0) {
        asm volatile("{\n\t"
                     ".reg .b32 s, bar;\n\t"
                     ".reg .b64 M;\n\t"
                     ".reg .pred p;\n\t"
                     "mov.b64 M, %0;\n\t"
                     "mov.b32 s, %1;\n\t"
                     "mov.b32 bar, %2;\n\t"
                     "// *\n\t"
                     "}" ::"l"(&map),
                     "r"(uint32_t(__cvta_generic_to_shared(shared))), "r"(uint32_t(__cvta_generic_to_shared(&barrier)))
                     : "memory");
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < VECTORS; i += THREADS) {
        output[i] = shared[i];
    }
}
