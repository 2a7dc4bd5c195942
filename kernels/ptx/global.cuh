// ld.global and st.global: an address is a `uint64_t` as the parameter structs carry it, always in global memory.
//
// Plain C++ loads through such an address would be generic ones (LD instead of LDG), and cache hints have no C++ spelling.
// `.nc` promises that nothing writes the bytes while the kernel runs; launchers refuse outputs that overlap inputs.
#pragma once
#include <stdint.h>

namespace ptx {

/// ld.global.nc with L1::no_allocate, 16 bytes: data that this kernel reads once, so that it leaves L1 to what is read again.
/// PTX ISA "Data Movement and Conversion Instructions: ld.global.nc"; sm_70 for the hint. `address` is a multiple of 16.
__device__ __forceinline__ uint4 load_16_once(uint64_t address) {
    uint4 d;
    asm volatile("ld.global.nc.L1::no_allocate.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d.x), "=r"(d.y), "=r"(d.z), "=r"(d.w)
                 : "l"(address));
    return d;
}

/// ld.global.nc, 16 bytes: data that other rows or blocks read too.
/// PTX ISA "ld.global.nc"; sm_32. `address` is a multiple of 16.
__device__ __forceinline__ uint4 load_16(uint64_t address) {
    uint4 d;
    asm volatile("ld.global.nc.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d.x), "=r"(d.y), "=r"(d.z), "=r"(d.w)
                 : "l"(address));
    return d;
}

/// ld.global.nc, 8 bytes. PTX ISA "ld.global.nc"; sm_32. `address` is a multiple of 8.
__device__ __forceinline__ uint64_t load_8(uint64_t address) {
    uint64_t d;
    asm volatile("ld.global.nc.b64 %0, [%1];" : "=l"(d) : "l"(address));
    return d;
}

/// ld.global.nc, 4 bytes. PTX ISA "ld.global.nc"; sm_32. `address` is a multiple of 4.
__device__ __forceinline__ uint32_t load_4(uint64_t address) {
    uint32_t d;
    asm volatile("ld.global.nc.b32 %0, [%1];" : "=r"(d) : "l"(address));
    return d;
}

/// ld.global.nc, 2 bytes. PTX ISA "ld.global.nc"; sm_32. `address` is a multiple of 2.
__device__ __forceinline__ uint16_t load_2(uint64_t address) {
    uint16_t d;
    asm volatile("ld.global.nc.b16 %0, [%1];" : "=h"(d) : "l"(address));
    return d;
}

/// ld.global.nc, 1 byte. PTX ISA "ld.global.nc"; sm_32.
__device__ __forceinline__ uint32_t load_1(uint64_t address) {
    uint32_t d;
    asm volatile("ld.global.nc.u8 %0, [%1];" : "=r"(d) : "l"(address));
    return d;
}

/// ld.global, 16 bytes: data that this thread itself may overwrite later.
/// PTX ISA "Data Movement and Conversion Instructions: ld"; every sm. `address` is a multiple of 16.
__device__ __forceinline__ uint4 load_16_mutable(uint64_t address) {
    uint4 d;
    asm volatile("ld.global.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d.x), "=r"(d.y), "=r"(d.z), "=r"(d.w)
                 : "l"(address)
                 : "memory");
    return d;
}

/// ld.global, 4 bytes, the same. PTX ISA "ld"; every sm. `address` is a multiple of 4.
__device__ __forceinline__ uint32_t load_4_mutable(uint64_t address) {
    uint32_t d;
    asm volatile("ld.global.b32 %0, [%1];" : "=r"(d) : "l"(address) : "memory");
    return d;
}

/// ld.global, 2 bytes, the same. PTX ISA "ld"; every sm. `address` is a multiple of 2.
__device__ __forceinline__ uint16_t load_2_mutable(uint64_t address) {
    uint16_t d;
    asm volatile("ld.global.b16 %0, [%1];" : "=h"(d) : "l"(address) : "memory");
    return d;
}

/// ld.global with L1::no_allocate, 16 bytes: data that this thread will write, and that no other thread touches.
/// PTX ISA "Data Movement and Conversion Instructions: ld"; sm_70 for the hint. `address` is a multiple of 16.
__device__ __forceinline__ uint4 load_16_own(uint64_t address) {
    uint4 d;
    asm volatile("ld.global.L1::no_allocate.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d.x), "=r"(d.y), "=r"(d.z), "=r"(d.w)
                 : "l"(address));
    return d;
}

/// The same, 8 bytes. PTX ISA "ld"; sm_70 for the hint. `address` is a multiple of 8.
__device__ __forceinline__ uint2 load_8_own(uint64_t address) {
    uint2 d;
    asm volatile("ld.global.L1::no_allocate.v2.b32 {%0, %1}, [%2];" : "=r"(d.x), "=r"(d.y) : "l"(address));
    return d;
}

/// The same, 4 bytes. PTX ISA "ld"; sm_70 for the hint. `address` is a multiple of 4.
__device__ __forceinline__ uint32_t load_4_own(uint64_t address) {
    uint32_t d;
    asm volatile("ld.global.L1::no_allocate.b32 %0, [%1];" : "=r"(d) : "l"(address));
    return d;
}

/// The same, 2 bytes. PTX ISA "ld"; sm_70 for the hint. `address` is a multiple of 2.
__device__ __forceinline__ uint16_t load_2_own(uint64_t address) {
    uint16_t d;
    asm volatile("ld.global.L1::no_allocate.b16 %0, [%1];" : "=h"(d) : "l"(address));
    return d;
}

/// The same, 1 byte. PTX ISA "ld"; sm_70 for the hint.
__device__ __forceinline__ uint32_t load_1_own(uint64_t address) {
    uint32_t d;
    asm volatile("ld.global.L1::no_allocate.u8 %0, [%1];" : "=r"(d) : "l"(address));
    return d;
}

/// st.global, 16 bytes. PTX ISA "st"; every sm. `address` is a multiple of 16.
__device__ __forceinline__ void store_16(uint64_t address, uint4 s) {
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(s.x), "r"(s.y), "r"(s.z), "r"(s.w)
                 : "memory");
}

/// st.global, 8 bytes. PTX ISA "st"; every sm. `address` is a multiple of 8.
__device__ __forceinline__ void store_8(uint64_t address, uint2 s) {
    asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(address), "r"(s.x), "r"(s.y) : "memory");
}

/// st.global, 4 bytes. PTX ISA "st"; every sm. `address` is a multiple of 4.
__device__ __forceinline__ void store_4(uint64_t address, uint32_t s) {
    asm volatile("st.global.b32 [%0], %1;" ::"l"(address), "r"(s) : "memory");
}

/// st.global, 2 bytes. PTX ISA "st"; every sm. `address` is a multiple of 2.
__device__ __forceinline__ void store_2(uint64_t address, uint16_t s) {
    asm volatile("st.global.b16 [%0], %1;" ::"l"(address), "h"(s) : "memory");
}

/// st.global, the lowest byte. PTX ISA "st"; every sm.
__device__ __forceinline__ void store_1(uint64_t address, uint32_t s) {
    asm volatile("st.global.u8 [%0], %1;" ::"l"(address), "r"(s) : "memory");
}

}  // namespace ptx
