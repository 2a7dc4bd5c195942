// What surrounds an instruction of a whole warp. Each lane finds 16 words in x0 to x15, its own number in lane, the address of the first word in in, 1 KiB of
// shared memory at s, of which 16 bytes at row are its own, and 64 bytes at bar; what the instruction leaves in y0 to y7, which start as zeros, is stored.
// The line of the asterisk is replaced by the instruction.
#include <stdint.h>

extern "C" __global__ void __launch_bounds__(32) golden(const uint4 *input, uint4 *output) {
    __shared__ __align__(128) uint4 shared[64];
    __shared__ __align__(64) uint64_t barrier[8];
    const uint32_t s = uint32_t(__cvta_generic_to_shared(shared)), bar = uint32_t(__cvta_generic_to_shared(barrier));
    asm volatile("{\n\t"
                 ".reg .b16 h<4>;\n\t"
                 ".reg .b32 x<16>, y<8>, r<4>, lane, s, row, bar;\n\t"
                 ".reg .b64 in, X<8>, Y<4>, R<2>;\n\t"
                 ".reg .pred p, q;\n\t"
                 "mov.b64 in, %0;\n\t"
                 "mov.b32 s, %2;\n\t"
                 "mov.b32 bar, %3;\n\t"
                 "mov.b32 lane, %4;\n\t"
                 "mad.lo.u32 row, lane, 16, s;\n\t"
                 "ld.global.v4.b32 {x0, x1, x2, x3}, [in];\n\t"
                 "ld.global.v4.b32 {x4, x5, x6, x7}, [in+16];\n\t"
                 "ld.global.v4.b32 {x8, x9, x10, x11}, [in+32];\n\t"
                 "ld.global.v4.b32 {x12, x13, x14, x15}, [in+48];\n\t"
                 "mov.b32 y0, 0;\n\t"
                 "mov.b32 y1, 0;\n\t"
                 "mov.b32 y2, 0;\n\t"
                 "mov.b32 y3, 0;\n\t"
                 "mov.b32 y4, 0;\n\t"
                 "mov.b32 y5, 0;\n\t"
                 "mov.b32 y6, 0;\n\t"
                 "mov.b32 y7, 0;\n\t"
                 "// *\n\t"
                 "st.global.v4.b32 [%1], {y0, y1, y2, y3};\n\t"
                 "st.global.v4.b32 [%1+16], {y4, y5, y6, y7};\n\t"
                 "}" ::"l"(input + 4 * (uint64_t(blockIdx.x) * 32 + threadIdx.x)),
                 "l"(output + 2 * (uint64_t(blockIdx.x) * 32 + threadIdx.x)), "r"(s), "r"(bar), "r"(threadIdx.x)
                 : "memory");
}
