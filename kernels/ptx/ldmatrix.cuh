// ldmatrix: 8x8 matrices of 16-bit elements from shared memory to the fragments of mma.
//
// Lane 8*i + r gives the address of row r of matrix i, a multiple of 16. Register i of lane l then holds elements 2*(l%4) and
// 2*(l%4)+1 of row l/4 of matrix i; with `.trans`, of column l/4. The warp is converged.
#pragma once
#include <stdint.h>

namespace ptx {

/// ldmatrix.sync.aligned.m8n8.x4.shared.b16: four matrices. PTX ISA "Warp-level matrix instructions: ldmatrix"; sm_75.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&d)[4], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(address)
                 : "memory");
}

/// ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16: four matrices, each transposed. PTX ISA "ldmatrix"; sm_75.
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&d)[4], uint32_t address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(address)
                 : "memory");
}

}  // namespace ptx
