// One access of a thread to a row: a 16-byte vector, or where rows do not lie on vectors an element. A kernel that is written once over both
// has the number of elements as a template parameter.
#pragma once
#include "common/vec.cuh"

namespace warpsmith {

/// A vector's worth of elements, or one, as it lies in memory.
template <typename T, int ELEMENTS>
struct Access {
    static_assert(ELEMENTS == LANES<T> || ELEMENTS == 1, "an access is a vector or an element");
    static constexpr bool VECTOR = ELEMENTS > 1;

    uint4 raw;  // an element is the first word

    /// Loads what nothing writes while the kernel runs, and no other thread reads.
    __device__ __forceinline__ void load_once(uint64_t address) {
        if constexpr (VECTOR) {
            raw = ptx::load_16_once(address);
        } else if constexpr (sizeof(T) == 4) {
            raw.x = ptx::load_4(address);
        } else {
            raw.x = ptx::load_2(address);
        }
    }

    /// Loads what this thread may write later.
    __device__ __forceinline__ void load(uint64_t address) {
        if constexpr (VECTOR) {
            raw = ptx::load_16_mutable(address);
        } else if constexpr (sizeof(T) == 4) {
            raw.x = ptx::load_4_mutable(address);
        } else {
            raw.x = ptx::load_2_mutable(address);
        }
    }

    __device__ __forceinline__ void values(float (&values)[ELEMENTS]) const {
        if constexpr (VECTOR) {
            unpack<T>(raw, values);
        } else if constexpr (sizeof(T) == 4) {
            values[0] = __uint_as_float(raw.x);
        } else {
            values[0] = to_float(T{static_cast<uint16_t>(raw.x)});
        }
    }

    /// Stores what was loaded, bit for bit.
    __device__ __forceinline__ void store(uint64_t address) const {
        if constexpr (VECTOR) {
            ptx::store_16(address, raw);
        } else if constexpr (sizeof(T) == 4) {
            ptx::store_4(address, raw.x);
        } else {
            ptx::store_2(address, static_cast<uint16_t>(raw.x));
        }
    }

    static __device__ __forceinline__ void store(uint64_t address, const float (&values)[ELEMENTS]) {
        if constexpr (VECTOR) {
            ptx::store_16(address, pack<T>(values));
        } else {
            store_element<T>(address, values[0]);
        }
    }
};

}  // namespace warpsmith
