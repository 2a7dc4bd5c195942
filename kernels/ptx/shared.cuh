// ld.shared by a 32-bit address: what C++ spells as an index into an array costs an addition more, since NVVM adds the array's address
// after it has scaled the index.
#pragma once
#include <stdint.h>

namespace ptx {

/// ld.shared, 4 bytes at `address + OFFSET`. PTX ISA "Data Movement and Conversion Instructions: ld"; every sm. A multiple of 4.
template <int OFFSET>
__device__ __forceinline__ uint32_t load_shared_4(uint32_t address) {
    uint32_t d;
    asm volatile("ld.shared.b32 %0, [%1 + %2];" : "=r"(d) : "r"(address), "n"(OFFSET));
    return d;
}

}  // namespace ptx
