// A warp's hold of one block of 256 elements: 8 of each thread, as they came from memory.
//
// A thread has the elements of whole 16-byte vectors of T, so that a warp's accesses are one run of memory: of 2-byte types 8
// neighbours, of f32 4 neighbours in each half of the block. Word w of its codes holds those of its elements 4w .. 4w + 3.
#pragma once
#include "adamw8bit/adamw8bit_params.h"
#include "common/reduce.cuh"
#include "common/vec.cuh"

namespace warpsmith::adamw8bit {

constexpr int PER_THREAD = ADAMW8BIT_BLOCK / WARP;
static_assert(PER_THREAD == 8, "a thread's codes of one state are two words");

/// The code that stands for an element behind the end of a parameter, as in bitsandbytes: its first moment takes part in the absmax.
constexpr uint32_t SIGNED_PAD = 128;
constexpr uint32_t UNSIGNED_PAD = 0;

/// The value's bits of one element.
template <typename T>
__device__ __forceinline__ uint32_t load_bits_own(uint64_t address) {
    if constexpr (sizeof(T) == 4) {
        return ptx::load_4_own(address);
    } else {
        return ptx::load_2_own(address);
    }
}

template <typename T>
__device__ __forceinline__ void store_bits(uint64_t address, uint32_t bits) {
    if constexpr (sizeof(T) == 4) {
        ptx::store_4(address, bits);
    } else {
        ptx::store_2(address, static_cast<uint16_t>(bits));
    }
}

template <typename T>
struct Held {
    static constexpr int VECTORS = PER_THREAD / LANES<T>;
    /// Elements from one of a thread's vectors to the next.
    static constexpr uint32_t STEP = WARP * LANES<T>;

    uint4 parameter[VECTORS];
    uint4 gradient[VECTORS];
    uint32_t codes1[2];
    uint32_t codes2[2];

    /// The element of the block that is a thread's `e`th.
    static __device__ __forceinline__ uint32_t element(uint32_t lane, int e) {
        return e / LANES<T> * STEP + lane * LANES<T> + e % LANES<T>;
    }

    /// Loads a whole block. `first` is this thread's first element in the parameter.
    __device__ __forceinline__ void load(const AdamW8bitTensor& tensor, uint64_t first) {
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            gradient[v] = ptx::load_16_once(tensor.gradient + (first + v * STEP) * sizeof(T));
            parameter[v] = ptx::load_16_own(tensor.parameter + (first + v * STEP) * sizeof(T));
        }
        load_codes(codes1, tensor.state1 + first);
        load_codes(codes2, tensor.state2 + first);
    }

    __device__ __forceinline__ void store(const AdamW8bitTensor& tensor, uint64_t first) const {
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            ptx::store_16(tensor.parameter + (first + v * STEP) * sizeof(T), parameter[v]);
        }
        store_codes(codes1, tensor.state1 + first);
        store_codes(codes2, tensor.state2 + first);
    }

    /// The same one element at a time, for tensors at any address, and with pads behind the end. `block` is the block's first element.
    __device__ __forceinline__ void load_elements(const AdamW8bitTensor& tensor, uint64_t block, uint32_t lane) {
        codes1[0] = codes1[1] = SIGNED_PAD * 0x01010101;
        codes2[0] = codes2[1] = UNSIGNED_PAD * 0x01010101;
        uint32_t gradients[VECTORS * 4] = {};
        uint32_t parameters[VECTORS * 4] = {};
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            const uint64_t index = block + element(lane, e);
            if (index < tensor.count) {
                constexpr int PER_WORD = 4 / sizeof(T);
                const int shift = e % PER_WORD * 16;
                gradients[e / PER_WORD] |= load_bits_own<T>(tensor.gradient + index * sizeof(T)) << shift;
                parameters[e / PER_WORD] |= load_bits_own<T>(tensor.parameter + index * sizeof(T)) << shift;
                put_byte(codes1[e / 4], e % 4, ptx::load_1_own(tensor.state1 + index));
                put_byte(codes2[e / 4], e % 4, ptx::load_1_own(tensor.state2 + index));
            }
        }
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            gradient[v] = {gradients[4 * v], gradients[4 * v + 1], gradients[4 * v + 2], gradients[4 * v + 3]};
            parameter[v] = {parameters[4 * v], parameters[4 * v + 1], parameters[4 * v + 2], parameters[4 * v + 3]};
        }
    }

    __device__ __forceinline__ void store_elements(const AdamW8bitTensor& tensor, uint64_t block, uint32_t lane) const {
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            const uint64_t index = block + element(lane, e);
            if (index < tensor.count) {
                constexpr int PER_WORD = 4 / sizeof(T);
                const uint4 vector = parameter[e / LANES<T>];
                const uint32_t words[4] = {vector.x, vector.y, vector.z, vector.w};
                const uint32_t word = words[e % LANES<T> / PER_WORD];
                store_bits<T>(tensor.parameter + index * sizeof(T), word >> (e % PER_WORD * 16));
                ptx::store_1(tensor.state1 + index, codes1[e / 4] >> (8 * (e % 4)));
                ptx::store_1(tensor.state2 + index, codes2[e / 4] >> (8 * (e % 4)));
            }
        }
    }

private:
    static __device__ __forceinline__ void load_codes(uint32_t (&codes)[2], uint64_t address) {
        if constexpr (VECTORS == 1) {
            const uint2 words = ptx::load_8_own(address);
            codes[0] = words.x;
            codes[1] = words.y;
        } else {
            codes[0] = ptx::load_4_own(address);
            codes[1] = ptx::load_4_own(address + STEP);
        }
    }

    static __device__ __forceinline__ void store_codes(const uint32_t (&codes)[2], uint64_t address) {
        if constexpr (VECTORS == 1) {
            ptx::store_8(address, {codes[0], codes[1]});
        } else {
            ptx::store_4(address, codes[0]);
            ptx::store_4(address + STEP, codes[1]);
        }
    }

    static __device__ __forceinline__ void put_byte(uint32_t& word, int byte, uint32_t value) {
        word = (word & ~(0xffu << (8 * byte))) | value << (8 * byte);
    }
};

}  // namespace warpsmith::adamw8bit
