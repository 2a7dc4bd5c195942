// What surrounds an instruction that works lane by lane. Thread i finds three 64-bit words in A, B and C, their low halves in a, b and c and the low
// quarters in ha, hb and hc, and stores D. The line of the asterisk is replaced by the instruction and by the move of its result to D.
#include <stdint.h>

extern "C" __global__ void golden(const uint64_t *input, uint64_t *output) {
    const uint64_t thread = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    asm volatile("{\n\t"
                 ".reg .b16 ha, hb, hc, hd, hr;\n\t"
                 ".reg .b32 a, b, c, d, r;\n\t"
                 ".reg .b64 A, B, C, D;\n\t"
                 ".reg .pred p, q;\n\t"
                 "ld.global.b64 A, [%0];\n\t"
                 "ld.global.b64 B, [%0+8];\n\t"
                 "ld.global.b64 C, [%0+16];\n\t"
                 "mov.b64 {a, r}, A;\n\t"
                 "mov.b64 {b, r}, B;\n\t"
                 "mov.b64 {c, r}, C;\n\t"
                 "mov.b32 {ha, hr}, a;\n\t"
                 "mov.b32 {hb, hr}, b;\n\t"
                 "mov.b32 {hc, hr}, c;\n\t"
                 "// *\n\t"
                 "st.global.b64 [%1], D;\n\t"
                 "}" ::"l"(input + 3 * thread),
                 "l"(output + thread)
                 : "memory");
}
