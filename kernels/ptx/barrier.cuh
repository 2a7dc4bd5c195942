// bar.sync with a name: barriers for a part of a block. Barrier 0 is the one of __syncthreads().
#pragma once
#include <stdint.h>

namespace ptx {

/// bar.sync: waits until `threads` threads, a multiple of 32, have come to barrier `id`; orders their accesses to memory.
/// PTX ISA "Parallel Synchronization and Communication Instructions: barrier"; every sm, ids 0 to 15.
__device__ __forceinline__ void barrier_sync(uint32_t id, uint32_t threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

}  // namespace ptx
