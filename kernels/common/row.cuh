// Rows of `[rows, width]` whose every row starts at a multiple of 16 bytes, in the registers of a team of threads.
#pragma once
#include "common/reduce.cuh"
#include "common/vec.cuh"

namespace warpsmith {

/// Shared memory of the sums over a row: two sets, which the sums of a row take in turns.
template <int FIRST, int SECOND>
struct RowSums {
    WarpSums<FIRST> first;
    WarpSums<SECOND> second;
};

/// The width of a row, by which its sums are divided.
struct Width {
    float width;
    float inverse;  // 1 / width, rounded

    /// sum / width, rounded once in all but rare cases: a product, and a correction by what it leaves.
    __device__ __forceinline__ float divide(float sum) const {
        const float quotient = sum * inverse;
        return fmaf(fmaf(-quotient, width, sum), inverse, quotient);
    }
};

/// The address of row `row` of a tensor.
template <typename T>
__device__ __forceinline__ uint64_t row_address(uint64_t base, int64_t row, int64_t stride) {
    return base + static_cast<uint64_t>(row * stride) * sizeof(T);
}

/// Which part of its team's rows belongs to a thread: up to VECTORS vectors, vector j at member + j * threads.
template <int VECTORS>
struct Slice {
    uint32_t offset;  // bytes from a row's start to the thread's first vector
    uint32_t step;    // and from each of its vectors to the next
    int count;        // its vectors
    bool whole;       // every thread of the team has VECTORS of them

    /// Whether the thread has a vector j; `WHOLE` says that `whole` holds, and the answer costs nothing.
    template <bool WHOLE>
    __device__ __forceinline__ bool has(int j) const {
        return WHOLE || j < count;
    }

    __device__ __forceinline__ Slice(const Team& team, uint32_t vectors)
        : offset(team.member * 16), step(team.threads * 16),
          count(team.member < vectors ? (vectors - team.member + team.threads - 1) / team.threads : 0),
          whole(vectors == VECTORS * team.threads) {}
};

/// The part of a vector over the columns (a weight, a bias) that belongs to a thread, as it lies in memory; `absent` everywhere without
/// one.
template <typename T, int VECTORS>
struct ColumnPart {
    uint4 raw[VECTORS];

    __device__ __forceinline__ ColumnPart(uint64_t base, const Slice<VECTORS>& slice, float absent) {
        float values[LANES<T>];
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[e] = absent;
        }
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            raw[j] = base != 0 && j < slice.count ? ptx::load_16(base + slice.offset + j * slice.step) : pack<T>(values);
        }
    }
};

/// This thread's part of one row, as floats; vectors from `count` on do not exist and hold zeros. Addresses are of the thread's first
/// vector in a row.
template <typename T, int VECTORS>
struct RowPart {
    float x[VECTORS][LANES<T>];

    /// Loads the row.
    __device__ __forceinline__ void load(uint64_t input, const Slice<VECTORS>& slice) {
        uint4 raw[VECTORS];
        load_raw(raw, input, slice);
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            unpack<T>(raw[j], x[j]);
        }
    }

    /// Loads the row, adds the residual, rounds the sum to T as a tensor would, and writes it.
    __device__ __forceinline__ void load(uint64_t input, uint64_t residual, uint64_t sum, const Slice<VECTORS>& slice) {
        uint4 raw[VECTORS], other[VECTORS];
        load_raw(raw, input, slice);
        load_raw(other, residual, slice);
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            float r[LANES<T>];
            unpack<T>(raw[j], x[j]);
            unpack<T>(other[j], r);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                x[j][e] += r[e];
            }
            raw[j] = pack<T>(x[j]);
            unpack<T>(raw[j], x[j]);
            if (j < slice.count) {
                ptx::store_16(sum + j * slice.step, raw[j]);
            }
        }
    }

  private:
    static __device__ __forceinline__ void load_raw(uint4 (&raw)[VECTORS], uint64_t address, const Slice<VECTORS>& slice) {
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            raw[j] = j < slice.count ? ptx::load_16_once(address + j * slice.step) : uint4{};
        }
    }
};

}  // namespace warpsmith
