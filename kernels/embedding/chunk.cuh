// Sixteen bytes of a row at a time, by one access where all rows are made of whole vectors and by elements where not.
#pragma once
#include "common/vec.cuh"

namespace warpsmith {

/// An id of an array of i32 or i64.
__device__ __forceinline__ int64_t load_id(uint64_t ids, int64_t row, uint32_t bytes) {
    const uint64_t address = ids + static_cast<uint64_t>(row) * bytes;
    return bytes == 8 ? static_cast<int64_t>(ptx::load_8(address)) : static_cast<int32_t>(ptx::load_4(address));
}

/// How rows are cut: chunk c holds the elements from c * LANES on.
template <typename T>
struct Chunks {
    uint32_t width;
    bool vectorised;

    __device__ __forceinline__ uint32_t count() const { return (width + LANES<T> - 1) / LANES<T>; }

    /// A chunk of the row at `row`; zeros beyond its end. `ONCE`: nothing else reads these bytes.
    template <bool ONCE>
    __device__ __forceinline__ void load(uint64_t row, uint32_t chunk, float (&values)[LANES<T>]) const {
        const uint64_t address = row + chunk * uint64_t{16};
        if (vectorised) {
            unpack<T>(ONCE ? ptx::load_16_once(address) : ptx::load_16(address), values);
            return;
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[e] = chunk * LANES<T> + e < width ? load_element<T>(address + e * sizeof(T)) : 0.0f;
        }
    }

    __device__ __forceinline__ void store(uint64_t row, uint32_t chunk, const float (&values)[LANES<T>]) const {
        const uint64_t address = row + chunk * uint64_t{16};
        if (vectorised) {
            ptx::store_16(address, pack<T>(values));
            return;
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            if (chunk * LANES<T> + e < width) {
                store_element<T>(address + e * sizeof(T), values[e]);
            }
        }
    }

    /// Writes a gradient, or adds it to what is there.
    __device__ __forceinline__ void give(uint64_t row, uint32_t chunk, float (&values)[LANES<T>], bool accumulate) const {
        if (accumulate) {
            float before[LANES<T>];
            load_mutable(row, chunk, before);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                values[e] += before[e];
            }
        }
        store(row, chunk, values);
    }

  private:
    __device__ __forceinline__ void load_mutable(uint64_t row, uint32_t chunk, float (&values)[LANES<T>]) const {
        const uint64_t address = row + chunk * uint64_t{16};
        if (vectorised) {
            unpack<T>(ptx::load_16_mutable(address), values);
            return;
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[e] = 0.0f;
            if (chunk * LANES<T> + e < width) {
                if constexpr (sizeof(T) == 4) {
                    values[e] = __uint_as_float(ptx::load_4_mutable(address + e * sizeof(T)));
                } else {
                    values[e] = to_float(T{ptx::load_2_mutable(address + e * sizeof(T))});
                }
            }
        }
    }
};

/// The address of a row.
template <typename T>
__device__ __forceinline__ uint64_t row_at(uint64_t base, int64_t row, int64_t stride) {
    return base + static_cast<uint64_t>(row * stride) * sizeof(T);
}

template <int N>
__device__ __forceinline__ void add(float (&sum)[N], const float (&values)[N]) {
#pragma unroll
    for (int e = 0; e < N; ++e) {
        sum[e] += values[e];
    }
}

}  // namespace warpsmith
