// Rows that stay on chip between two passes over them, of any width and alignment. A row is cut at the 16-byte boundaries of memory:
// each thread takes whole vectors inside, and at most one of the elements before the first boundary and after the last one. Of a
// thread's vectors the last batch stays in registers, others in shared memory as far as it goes, and what is beyond is loaded again,
// in the opposite order, so that it is in L2 if anything is.
#pragma once
#include "common/reduce.cuh"
#include "common/vec.cuh"
#include "ptx/cp_async.cuh"

namespace warpsmith {

/// The most elements of a row outside of its whole vectors. A team has at least so many threads.
template <typename T>
constexpr uint32_t EDGES = 2 * (LANES<T> - 1);

/// How a row of `width` elements is cut: `head` elements, `vectors` whole vectors, the rest.
template <typename T>
struct Pieces {
    uint64_t row;
    uint32_t head;
    uint32_t vectors;
    uint32_t width;

    __device__ __forceinline__ Pieces(uint64_t row, uint32_t width)
        : row(row),
          head(min(width, static_cast<uint32_t>(-row % 16 / sizeof(T)))),
          vectors((width - head) / LANES<T>),
          width(width) {}

    __device__ __forceinline__ uint32_t column(uint32_t vector) const { return head + vector * LANES<T>; }
    /// The address of a vector in this row, or in another one with the same columns.
    __device__ __forceinline__ uint64_t address(uint64_t other, uint32_t vector) const {
        return other + head * sizeof(T) + vector * uint64_t{16};
    }
    /// Whether another row can be accessed by the vectors of this one.
    __device__ __forceinline__ bool agrees(uint64_t other) const { return (other - row) % 16 == 0; }
    /// The column of a thread's element outside of the vectors; not below `width` where it has none.
    __device__ __forceinline__ uint32_t edge(uint32_t member) const {
        return member < head ? member : member + vectors * LANES<T>;
    }
};

/// Loads one element of memory that this thread itself may overwrite later.
template <typename T>
__device__ __forceinline__ float load_mutable(uint64_t address) {
    if constexpr (sizeof(T) == 4) {
        return __uint_as_float(ptx::load_4_mutable(address));
    } else {
        return to_float(T{ptx::load_2_mutable(address)});
    }
}

/// Stores a vector into a row that agrees with its pieces (`aligned`) or does not.
template <typename T>
__device__ __forceinline__ void store_pieces(uint64_t address, bool aligned, uint4 packed) {
    if (aligned) {
        ptx::store_16(address, packed);
        return;
    }
    const uint32_t words[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
    for (int e = 0; e < LANES<T>; ++e) {
        if constexpr (sizeof(T) == 4) {
            ptx::store_4(address + e * sizeof(T), words[e]);
        } else {
            ptx::store_2(address + e * sizeof(T), static_cast<uint16_t>(words[e / 2] >> e % 2 * 16));
        }
    }
}

/// How a launcher divides the vectors of a row: `batches` times VECTORS for each thread, then `shared` in shared memory.
struct Division {
    uint32_t batches;
    uint32_t shared;
};

/// A thread's part of a row of each of ARRAYS arrays. Passes go `load`, `first_pass`, `second_pass`; each calls step(vector, raw), where
/// raw[a] is array a's vector, for the thread's vectors in the same order whatever the schedule. Array 0 is the one that is cut; another
/// one that lies otherwise modulo 16 is read by elements.
template <typename T, int VECTORS, int ARRAYS = 1>
struct Resident {
    const Pieces<T>& pieces;
    const Team& team;
    const Division& division;
    uint64_t rows[ARRAYS];
    uint4 registers[VECTORS][ARRAYS];
    uint4* shared;        // a column of [division.shared][ARRAYS][blockDim.x] that no other thread touches
    float edge[ARRAYS];   // undefined where the thread has none
    bool has_edge;

    __device__ __forceinline__ Resident(const Pieces<T>& pieces, const Team& team, const Division& division, uint4* array)
        : pieces(pieces), team(team), division(division), shared(array + threadIdx.x) {
        rows[0] = pieces.row;
    }

    /// Asks for what goes to shared memory, and loads the elements outside of the vectors.
    __device__ __forceinline__ void load() {
        uint32_t v = team.member + division.batches * VECTORS * team.threads;
        for (uint32_t i = 0; i < division.shared && v < pieces.vectors; ++i, v += team.threads) {
#pragma unroll
            for (int a = 0; a < ARRAYS; ++a) {
                uint4* const slot = shared + (i * ARRAYS + a) * blockDim.x;
                if (a == 0 || pieces.agrees(rows[a])) {
                    ptx::cp_async_16(ptx::shared_address(slot), pieces.address(rows[a], v));
                } else {
                    *slot = load_vector(a, v);
                }
            }
        }
        ptx::cp_async_commit();
        const uint32_t column = pieces.edge(team.member);
        has_edge = column < pieces.width;
        if (has_edge) {
#pragma unroll
            for (int a = 0; a < ARRAYS; ++a) {
                edge[a] = load_mutable<T>(rows[a] + column * uint64_t{sizeof(T)});
            }
        }
    }

    template <typename Step>
    __device__ __forceinline__ void first_pass(Step step) {
#pragma unroll 1
        for (uint32_t batch = 0; batch < division.batches; ++batch) {
            load_batch(batch);
            for_batch(batch, step);
        }
        ptx::cp_async_wait<0>();
        for_shared(step);
    }

    template <typename Step>
    __device__ __forceinline__ void second_pass(Step step) {
#pragma unroll 1
        for (uint32_t batch = division.batches; batch-- > 0;) {
            if (batch + 1 < division.batches) {
                load_batch(batch);
            }
            for_batch(batch, step);
        }
        for_shared(step);
    }

  private:
    __device__ __forceinline__ uint4 load_vector(int a, uint32_t vector) const {
        const uint64_t address = pieces.address(rows[a], vector);
        if (a == 0 || pieces.agrees(rows[a])) {
            return ptx::load_16_mutable(address);
        }
        float values[LANES<T>];
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            values[e] = load_mutable<T>(address + e * sizeof(T));
        }
        return pack<T>(values);
    }

    __device__ __forceinline__ void load_batch(uint32_t batch) {
        const uint32_t v = team.member + batch * VECTORS * team.threads;
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            if (v + j * team.threads < pieces.vectors) {
#pragma unroll
                for (int a = 0; a < ARRAYS; ++a) {
                    registers[j][a] = load_vector(a, v + j * team.threads);
                }
            }
        }
    }

    template <typename Step>
    __device__ __forceinline__ void for_batch(uint32_t batch, Step step) {
        const uint32_t v = team.member + batch * VECTORS * team.threads;
#pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            if (v + j * team.threads < pieces.vectors) {
                step(v + j * team.threads, registers[j]);
            }
        }
    }

    template <typename Step>
    __device__ __forceinline__ void for_shared(Step step) {
        uint32_t v = team.member + division.batches * VECTORS * team.threads;
#pragma unroll 1
        for (uint32_t i = 0; i < division.shared && v < pieces.vectors; ++i, v += team.threads) {
            uint4 raw[ARRAYS];
#pragma unroll
            for (int a = 0; a < ARRAYS; ++a) {
                raw[a] = shared[(i * ARRAYS + a) * blockDim.x];
            }
            step(v, raw);
        }
    }
};

}  // namespace warpsmith
