// Sixteen bytes of elements at a time: the widest access of a thread. Four floats, or eight F16 or Bf16.
#pragma once
#include "common/element.cuh"

namespace warpsmith {

/// Elements in 16 bytes.
template <typename T>
constexpr int LANES = 16 / sizeof(T);

/// The two elements of a 32-bit word, the one at the lower address first.
template <typename T>
__device__ __forceinline__ float2 unpack_pair(uint32_t word);
template <>
__device__ __forceinline__ float2 unpack_pair<F16>(uint32_t word) {
    return {to_float(F16{static_cast<uint16_t>(word)}), to_float(F16{static_cast<uint16_t>(word >> 16)})};
}
template <>
__device__ __forceinline__ float2 unpack_pair<Bf16>(uint32_t word) {
    return {__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u)};
}

/// Two floats rounded into a 32-bit word, `low` at the lower address.
template <typename T>
__device__ __forceinline__ uint32_t pack_pair(float low, float high);
template <>
__device__ __forceinline__ uint32_t pack_pair<F16>(float low, float high) { return ptx::f32_to_f16x2(low, high); }
template <>
__device__ __forceinline__ uint32_t pack_pair<Bf16>(float low, float high) { return ptx::f32_to_bf16x2(low, high); }

/// The elements of 16 bytes as floats.
template <typename T>
__device__ __forceinline__ void unpack(uint4 raw, float (&values)[LANES<T>]) {
    const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if constexpr (sizeof(T) == 4) {
            values[i] = __uint_as_float(words[i]);
        } else {
            const float2 pair = unpack_pair<T>(words[i]);
            values[2 * i] = pair.x;
            values[2 * i + 1] = pair.y;
        }
    }
}

/// Floats rounded to elements, as 16 bytes.
template <typename T>
__device__ __forceinline__ uint4 pack(const float (&values)[LANES<T>]) {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if constexpr (sizeof(T) == 4) {
            words[i] = __float_as_uint(values[i]);
        } else {
            words[i] = pack_pair<T>(values[2 * i], values[2 * i + 1]);
        }
    }
    return {words[0], words[1], words[2], words[3]};
}

/// Four elements at a time, where eight at once would take too many registers: quads in 16 bytes.
constexpr int QUAD = 4;
template <typename T>
constexpr int QUADS = LANES<T> / QUAD;

/// Quad `q` of 16 bytes as floats.
template <typename T>
__device__ __forceinline__ void unpack_quad(uint4 raw, int q, float (&values)[QUAD]) {
    if constexpr (sizeof(T) == 4) {
        unpack<T>(raw, values);
    } else {
        const float2 low = unpack_pair<T>(q == 0 ? raw.x : raw.z), high = unpack_pair<T>(q == 0 ? raw.y : raw.w);
        values[0] = low.x;
        values[1] = low.y;
        values[2] = high.x;
        values[3] = high.y;
    }
}

/// Four floats rounded to elements, as quad `q` of 16 bytes.
template <typename T>
__device__ __forceinline__ void pack_quad(uint4& raw, int q, const float (&values)[QUAD]) {
    if constexpr (sizeof(T) == 4) {
        raw = pack<T>(values);
    } else {
        (q == 0 ? raw.x : raw.z) = pack_pair<T>(values[0], values[1]);
        (q == 0 ? raw.y : raw.w) = pack_pair<T>(values[2], values[3]);
    }
}

/// The sum of a vector's values. Sums over a row add up vectors by these: two short chains in place of a long one err less, and
/// overlap.
template <int N>
__device__ __forceinline__ float vector_sum(const float (&values)[N]) {
    float sum = values[0];
#pragma unroll
    for (int i = 1; i < N; ++i) {
        sum += values[i];
    }
    return sum;
}

/// The sum of the products of two vectors' values.
template <int N>
__device__ __forceinline__ float vector_sum_of_products(const float (&a)[N], const float (&b)[N]) {
    float sum = a[0] * b[0];
#pragma unroll
    for (int i = 1; i < N; ++i) {
        sum = fmaf(a[i], b[i], sum);
    }
    return sum;
}

/// Stores four floats as they are.
__device__ __forceinline__ void store_floats(uint64_t address, float a, float b, float c, float d) {
    ptx::store_16(address, {__float_as_uint(a), __float_as_uint(b), __float_as_uint(c), __float_as_uint(d)});
}

/// Whether an address may be accessed 16 bytes at a time.
__device__ __forceinline__ bool is_vector_address(uint64_t address) { return address % 16 == 0; }

}  // namespace warpsmith
