// Rows that do not start or end at a multiple of 16 bytes. A row is cut at the 16-byte boundaries of memory: the vectors inside
// are moved whole, the elements before the first boundary (the head) and after the last one (the tail) one at a time.
#pragma once
#include "common/row.cuh"

namespace warpsmith {

/// How a row is cut into vectors: vector v holds elements v * LANES - head and on, of which those in [0, width) exist.
template <typename T>
struct Cut {
    uint32_t head;
    uint32_t width;

    /// The cut of the row whose element 0 is at `address`. Other arrays follow it; where their addresses disagree with it modulo
    /// 16 they are accessed by elements.
    __device__ __forceinline__ Cut(uint64_t address, uint32_t width) : head(address % 16 / sizeof(T)), width(width) {}

    __device__ __forceinline__ uint32_t vectors() const { return (head + width + LANES<T> - 1) / LANES<T>; }
    __device__ __forceinline__ int32_t first(uint32_t vector) const {
        return static_cast<int32_t>(vector * LANES<T>) - static_cast<int32_t>(head);
    }
    /// Whether element `i` exists; a negative one wraps around and does not.
    __device__ __forceinline__ bool has(int32_t i) const { return static_cast<uint32_t>(i) < width; }
    /// Whether the vector that starts at element `first` exists in full.
    __device__ __forceinline__ bool whole(int32_t first) const { return has(first) && has(first + LANES<T> - 1); }

    /// Zero in place of the values of elements that do not exist.
    __device__ __forceinline__ void clear_outside(int32_t first, float (&values)[LANES<T>]) const {
        if (!whole(first)) {
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                values[e] = has(first + e) ? values[e] : 0.0f;
            }
        }
    }
};

/// Whether an array whose row starts at `row` can be accessed by the whole vectors of a cut.
template <typename T>
__device__ __forceinline__ bool follows(const Cut<T>& cut, uint64_t row) {
    return row % 16 == cut.head * sizeof(T);
}

/// The vector from element `first` of the row at `row`, with zeros for elements that do not exist.
/// `ONCE` says that no other row or block reads these bytes.
template <typename T, bool ONCE>
__device__ __forceinline__ uint4 load_vector(const Cut<T>& cut, uint64_t row, int32_t first) {
    const uint64_t address = row + static_cast<int64_t>(first) * static_cast<int64_t>(sizeof(T));
    if (cut.whole(first) && follows(cut, row)) {
        return ONCE ? ptx::load_16_once(address) : ptx::load_16(address);
    }
    float values[LANES<T>];
#pragma unroll
    for (int e = 0; e < LANES<T>; ++e) {
        values[e] = cut.has(first + e) ? load_element<T>(address + e * sizeof(T)) : 0.0f;
    }
    return pack<T>(values);
}

/// Stores those elements of a vector that exist.
template <typename T>
__device__ __forceinline__ void store_vector(const Cut<T>& cut, uint64_t row, int32_t first, const float (&values)[LANES<T>]) {
    const uint64_t address = row + static_cast<int64_t>(first) * static_cast<int64_t>(sizeof(T));
    if (cut.whole(first) && follows(cut, row)) {
        ptx::store_16(address, pack<T>(values));
        return;
    }
#pragma unroll
    for (int e = 0; e < LANES<T>; ++e) {
        if (cut.has(first + e)) {
            store_element<T>(address + e * sizeof(T), values[e]);
        }
    }
}

/// A row of input, or of its sum with a residual rounded to T, wherever it starts.
template <typename T>
struct PeeledRow {
    uint64_t input;
    uint64_t residual;  // 0 without one
    Cut<T> cut;         // at the boundaries of `input`

    __device__ __forceinline__ PeeledRow(uint64_t input_base, int64_t input_stride, uint64_t residual_base, int64_t residual_stride,
                                         int64_t row, uint32_t width)
        : input(row_address<T>(input_base, row, input_stride)),
          residual(residual_base != 0 ? row_address<T>(residual_base, row, residual_stride) : 0),
          cut(input, width) {}

    /// The vector from element `first` on.
    __device__ __forceinline__ uint4 load(int32_t first) const {
        const uint4 raw = load_vector<T, true>(cut, input, first);
        if (residual == 0) {
            return raw;
        }
        float x[LANES<T>], r[LANES<T>];
        unpack<T>(raw, x);
        unpack<T>(load_vector<T, true>(cut, residual, first), r);
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            x[e] += r[e];
        }
        return pack<T>(x);
    }
};

/// A vector over the columns (a weight) from column `first` on; `absent` without one.
template <typename T>
__device__ __forceinline__ void load_columns(const Cut<T>& cut, uint64_t vector, int32_t first, float absent, float (&values)[LANES<T>]) {
    if (vector != 0) {
        unpack<T>(load_vector<T, false>(cut, vector, first), values);
        return;
    }
#pragma unroll
    for (int e = 0; e < LANES<T>; ++e) {
        values[e] = absent;
    }
}

}  // namespace warpsmith
