// What surrounds a product of a warpgroup. Shared memory is the input's first 16 KiB; behind them each thread has 16 bytes, which it finds in f0 to f3. The
// start of shared memory, as a descriptor has it, is in S, the thread's output in out. The line of the asterisk is replaced by the product and by the
// stores of its accumulators.
#include <stdint.h>

constexpr uint32_t THREADS = 128, VECTORS = 16384 / sizeof(uint4);

extern "C" __global__ void __launch_bounds__(THREADS) golden(const uint4 *input, uint32_t *output) {
    __shared__ __align__(1024) uint4 shared[VECTORS];
    for (uint32_t i = threadIdx.x; i < VECTORS; i += THREADS) {
        shared[i] = input[i];
    }
    asm volatile("{\n\t"
                 ".reg .b32 f<4>;\n\t"
                 ".reg .b64 S, A, B, out;\n\t"
                 ".reg .pred p;\n\t"
                 "ld.global.v4.b32 {f0, f1, f2, f3}, [%0];\n\t"
                 "mov.b64 out, %1;\n\t"
                 "mov.b64 S, %2;\n\t"
                 "fence.proxy.async;\n\t"
                 "bar.sync 0;\n\t"
                 "// *\n\t"
                 "}" ::"l"(input + VECTORS + threadIdx.x),
                 "l"(output + 128 * threadIdx.x), "l"(uint64_t(__cvta_generic_to_shared(shared) >> 4))
                 : "memory");
}
