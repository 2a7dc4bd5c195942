// cvt between f32 and the 16-bit floats. A 16-bit float is its bits here; `common/element.cuh` gives it a type.
#pragma once
#include <stdint.h>

namespace ptx {

/// cvt.f32.f16: exact. PTX ISA "Data Movement and Conversion Instructions: cvt"; sm_53.
__device__ __forceinline__ float f16_to_f32(uint16_t a) {
    float d;
    asm("cvt.f32.f16 %0, %1;" : "=f"(d) : "h"(a));
    return d;
}

/// cvt.rn.f16.f32: to nearest, ties to even. PTX ISA "cvt"; sm_53.
__device__ __forceinline__ uint16_t f32_to_f16(float a) {
    uint16_t d;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(d) : "f"(a));
    return d;
}

/// cvt.rn.bf16.f32: to nearest, ties to even. PTX ISA "cvt"; sm_80.
__device__ __forceinline__ uint16_t f32_to_bf16(float a) {
    uint16_t d;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(d) : "f"(a));
    return d;
}

/// cvt.rn.f16x2.f32: two at once, `low` in the low half. PTX ISA "cvt"; sm_80.
__device__ __forceinline__ uint32_t f32_to_f16x2(float low, float high) {
    uint32_t d;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

/// cvt.rn.bf16x2.f32: two at once, `low` in the low half. PTX ISA "cvt"; sm_80.
__device__ __forceinline__ uint32_t f32_to_bf16x2(float low, float high) {
    uint32_t d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

}  // namespace ptx
