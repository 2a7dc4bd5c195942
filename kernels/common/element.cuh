// The element types of tensors: float, F16, Bf16. Arithmetic is always in float; these convert, load and store one element.
#pragma once
#include "ptx/convert.cuh"
#include "ptx/global.cuh"

namespace warpsmith {

/// IEEE binary16, as its bits.
struct F16 {
    uint16_t bits;
};

/// bfloat16, the upper half of a float, as its bits.
struct Bf16 {
    uint16_t bits;
};

/// The value of an element, exactly.
__device__ __forceinline__ float to_float(float a) { return a; }
__device__ __forceinline__ float to_float(F16 a) { return ptx::f16_to_f32(a.bits); }
__device__ __forceinline__ float to_float(Bf16 a) { return __uint_as_float(static_cast<uint32_t>(a.bits) << 16); }

/// The element nearest to a float, ties to even.
template <typename T>
__device__ __forceinline__ T from_float(float a);
template <>
__device__ __forceinline__ float from_float<float>(float a) { return a; }
template <>
__device__ __forceinline__ F16 from_float<F16>(float a) { return {ptx::f32_to_f16(a)}; }
template <>
__device__ __forceinline__ Bf16 from_float<Bf16>(float a) { return {ptx::f32_to_bf16(a)}; }

/// A float rounded to T and back: the value that a tensor of T would hold.
template <typename T>
__device__ __forceinline__ float round_to(float a) { return to_float(from_float<T>(a)); }

/// Loads one element of read-only memory.
template <typename T>
__device__ __forceinline__ float load_element(uint64_t address) {
    if constexpr (sizeof(T) == 4) {
        return __uint_as_float(ptx::load_4(address));
    } else {
        return to_float(T{ptx::load_2(address)});
    }
}

/// Stores one element.
template <typename T>
__device__ __forceinline__ void store_element(uint64_t address, float value) {
    if constexpr (sizeof(T) == 4) {
        ptx::store_4(address, __float_as_uint(value));
    } else {
        ptx::store_2(address, from_float<T>(value).bits);
    }
}

}  // namespace warpsmith
