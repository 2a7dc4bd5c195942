// The special-function unit: approximate functions with the errors that the PTX ISA documents.
#pragma once

namespace ptx {

/// ex2.approx.ftz.f32: 2^a within 2 units in the last place. PTX ISA "Floating Point Instructions: ex2"; every sm.
__device__ __forceinline__ float ex2_approx(float a) {
    float d;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(a));
    return d;
}

/// rcp.approx.ftz.f32: 1/a within 1 unit in the last place. PTX ISA "Floating Point Instructions: rcp"; every sm.
__device__ __forceinline__ float rcp_approx(float a) {
    float d;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(a));
    return d;
}

}  // namespace ptx
