// Rows of any width and alignment, kept on chip as far as it goes: the first vectors of a thread in registers, the next ones in
// shared memory, and what is left is read again from global memory each time it is needed.
#pragma once
#include "common/reduce.cuh"
#include "common/vec.cuh"

namespace warpsmith {

/// Where a thread keeps one vector of a row: in a register, which has to be known at compile time, or beyond.
struct InRegister {
    int index;
};
struct Beyond {
    uint32_t index;
};

/// A thread's vectors of one array's row, as they lie in memory.
template <int REGISTERS>
struct Held {
    uint4 registers[REGISTERS];
    uint4* shared;  // [shared_vectors][blockDim.x]: no other thread touches this thread's column
    uint32_t shared_vectors;

    __device__ __forceinline__ Held(uint4* array, uint32_t shared_vectors)
        : shared(array + threadIdx.x), shared_vectors(shared_vectors) {}

    template <typename Load>
    __device__ __forceinline__ void keep(InRegister slot, Load load) {
        registers[slot.index] = load();
    }
    template <typename Load>
    __device__ __forceinline__ void keep(Beyond slot, Load load) {
        if (slot.index < shared_vectors) {
            shared[slot.index * blockDim.x] = load();
        }
    }

    template <typename Load>
    __device__ __forceinline__ uint4 get(InRegister slot, Load) const {
        return registers[slot.index];
    }
    template <typename Load>
    __device__ __forceinline__ uint4 get(Beyond slot, Load load) const {
        return slot.index < shared_vectors ? shared[slot.index * blockDim.x] : load();
    }
};

/// Calls step(vector, slot) for each of this thread's vectors of a row of `vectors` vectors, in a fixed order.
template <int REGISTERS, typename Step>
__device__ __forceinline__ void for_each_vector(const Team& team, uint32_t vectors, Step step) {
    uint32_t v = team.member;
#pragma unroll
    for (int i = 0; i < REGISTERS; ++i, v += team.threads) {
        if (v < vectors) {
            step(v, InRegister{i});
        }
    }
    for (uint32_t i = 0; v < vectors; ++i, v += team.threads) {
        step(v, Beyond{i});
    }
}

}  // namespace warpsmith
