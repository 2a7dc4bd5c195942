// ld.acquire and st.release at the scope of the device: what a thread wrote before a release, another reads after the acquire that
// saw it. PTX ISA "Memory Consistency Model: Release and Acquire Patterns".
#pragma once
#include <stdint.h>

namespace ptx {

/// ld.acquire.gpu.global.u32. PTX ISA "ld"; sm_70. `address` is a multiple of 4.
__device__ __forceinline__ uint32_t load_acquire(uint64_t address) {
    uint32_t d;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(d) : "l"(address) : "memory");
    return d;
}

/// st.release.gpu.global.u32. PTX ISA "st"; sm_70. `address` is a multiple of 4.
__device__ __forceinline__ void store_release(uint64_t address, uint32_t s) {
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(address), "r"(s) : "memory");
}

/// atom.relaxed.gpu.global.add.u32: adds, and gives what was there before. PTX ISA "atom"; sm_70. `address` is a multiple of 4.
__device__ __forceinline__ uint32_t fetch_add(uint64_t address, uint32_t a) {
    uint32_t d;
    asm volatile("atom.relaxed.gpu.global.add.u32 %0, [%1], %2;" : "=r"(d) : "l"(address), "r"(a) : "memory");
    return d;
}

/// ld.global of 16 bytes that other blocks wrote, so without `.nc`. PTX ISA "ld"; every sm.
__device__ __forceinline__ float4 load_shared_result(uint64_t address) {
    float4 d;
    asm volatile("ld.global.v4.f32 {%0, %1, %2, %3}, [%4];"
                 : "=f"(d.x), "=f"(d.y), "=f"(d.z), "=f"(d.w)
                 : "l"(address)
                 : "memory");
    return d;
}

/// st.global of 16 bytes that other blocks will read. PTX ISA "st"; every sm.
__device__ __forceinline__ void store_shared_result(uint64_t address, float4 s) {
    asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(address), "f"(s.x), "f"(s.y), "f"(s.z), "f"(s.w)
                 : "memory");
}

}  // namespace ptx
