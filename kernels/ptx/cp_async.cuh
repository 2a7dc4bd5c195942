// cp.async: copies from global to shared memory that pass by the registers and complete later, in groups.
#pragma once
#include <stdint.h>

namespace ptx {

/// The address of shared memory that the instructions below take.
__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

/// cp.async.cg.shared.global, 16 bytes, around L1. The bytes may be read by this thread after `cp_async_wait`, by the others
/// of the block after a barrier behind that. Both addresses are multiples of 16.
/// PTX ISA "Data Movement and Conversion Instructions: cp.async"; sm_80.
__device__ __forceinline__ void cp_async_16(uint32_t shared, uint64_t global) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
}

/// cp.async.cg.shared.global with a source size: 16 bytes, or 16 zeros without touching `global` where `valid` is false.
/// PTX ISA "cp.async"; sm_80.
__device__ __forceinline__ void cp_async_16_or_zeros(uint32_t shared, uint64_t global, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(valid ? 16 : 0) : "memory");
}

/// cp.async.commit_group: closes this thread's group of copies; an empty group is complete at once.
/// PTX ISA "cp.async.commit_group"; sm_80.
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// cp.async.wait_group: waits until at most `PENDING` of this thread's youngest groups are in flight.
/// PTX ISA "cp.async.wait_group"; sm_80.
template <int PENDING>
__device__ __forceinline__ void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

}  // namespace ptx
