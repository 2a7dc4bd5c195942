// Tensor-core products of f32 matrices whose elements are rounded to tf32: 8 bits of exponent, 10 of fraction.
#pragma once
#include <stdint.h>

namespace ptx {

/// cvt.rna.tf32.f32: to nearest, ties away from zero, as the bits that `mma_tf32` takes.
/// PTX ISA "Data Movement and Conversion Instructions: cvt"; sm_80.
__device__ __forceinline__ uint32_t f32_to_tf32(float a) {
    uint32_t d;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(d) : "f"(a));
    return d;
}

/// mma.sync.m16n8k8.row.col.f32.tf32.tf32.f32: `d += a b`, with a 16 x 8, b 8 x 8, d 16 x 8. With g = lane / 4, t = lane % 4 a lane holds
/// a at (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4), b at (t, g), (t + 4, g), d at (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
/// PTX ISA "Warp Level Matrix Multiply-Accumulate Instructions: mma"; sm_80.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace ptx
