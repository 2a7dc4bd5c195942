// mul.wide: products of integers in full.
#pragma once
#include <stdint.h>

namespace ptx {

/// mul.wide.u32: all 64 bits of a product, the low half first. From a product in C++, of operands that were widened, ptxas makes an addition
/// besides, and from __umulhi and `*` two multiplications.
/// PTX ISA "Integer Arithmetic Instructions: mul"; every sm.
__device__ __forceinline__ uint2 multiply_wide(uint32_t a, uint32_t b) {
    uint2 d;
    asm("{\n\t.reg .b64 product;\n\tmul.wide.u32 product, %2, %3;\n\tmov.b64 {%0, %1}, product;\n\t}" : "=r"(d.x), "=r"(d.y) : "r"(a), "r"(b));
    return d;
}

}  // namespace ptx
