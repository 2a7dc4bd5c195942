// redux.sync: a reduction of 32-bit integers over the lanes of a warp in one instruction.
#pragma once
#include <stdint.h>

namespace ptx {

/// redux.sync.max.u32 over all 32 lanes: the largest value, in every lane.
/// PTX ISA "Parallel Synchronization and Communication Instructions: redux.sync"; sm_80.
__device__ __forceinline__ uint32_t warp_max(uint32_t a) {
    uint32_t d;
    asm volatile("redux.sync.max.u32 %0, %1, 0xffffffff;" : "=r"(d) : "r"(a));
    return d;
}

/// redux.sync.add.u32 over all 32 lanes: the sum, in every lane.
/// PTX ISA "Parallel Synchronization and Communication Instructions: redux.sync"; sm_80.
__device__ __forceinline__ uint32_t warp_add(uint32_t a) {
    uint32_t d;
    asm volatile("redux.sync.add.u32 %0, %1, 0xffffffff;" : "=r"(d) : "r"(a));
    return d;
}

}  // namespace ptx
