// mov that the compiler does not look through.
#pragma once
#include <stdint.h>

namespace ptx {

/// mov.b64: the same value, of which the compiler no longer knows how it was made. A pointer that walks by a stride stays one addition
/// a step; else NVVM rewrites it as base + step * stride, a 64-bit multiplication at every use.
/// PTX ISA "Data Movement and Conversion Instructions: mov"; every sm.
__device__ __forceinline__ uint64_t opaque(uint64_t a) {
    uint64_t d;
    asm volatile("mov.b64 %0, %1;" : "=l"(d) : "l"(a));
    return d;
}

/// mov.b32, the same for 32 bits. PTX ISA "mov"; every sm.
__device__ __forceinline__ uint32_t opaque(uint32_t a) {
    uint32_t d;
    asm volatile("mov.b32 %0, %1;" : "=r"(d) : "r"(a));
    return d;
}

}  // namespace ptx
