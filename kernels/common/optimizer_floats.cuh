// A warp's hold of one block of 256 elements of an optimizer with states in f32: 8 elements of each thread, as they came from memory.
//
// A thread has 4 neighbours in each half of the block: 16 bytes of f32, 8 of a 2-byte type. So every access of a warp is one run of
// memory, and states, parameters and gradients of any type lie in the same threads.
#pragma once
#include "common/optimizer.cuh"
#include "common/philox.cuh"

namespace warpsmith::optimizer {

constexpr int HALVES = PER_THREAD / QUAD;
static_assert(HALVES == 2, "a Philox block of 128 bits is 16 for each element of a thread");

/// How new parameters become elements: to nearest.
struct ToNearest {
    static constexpr bool STOCHASTIC = false;
};

/// Up or down by chance, in the ratio of the distances, where the launch says so: Bf16 alone.
struct ByChance {
    static constexpr bool STOCHASTIC = true;
    bool wanted;
    Philox random;
};

/// Four neighbours: of f32 all words, of 2-byte types the first two.
template <typename T>
__device__ __forceinline__ uint4 load_quad(uint64_t address) {
    if constexpr (sizeof(T) == 4) {
        return ptx::load_16_own(address);
    } else {
        const uint2 words = ptx::load_8_own(address);
        return {words.x, words.y, 0, 0};
    }
}

template <typename T>
__device__ __forceinline__ void store_quad(uint64_t address, uint4 raw) {
    if constexpr (sizeof(T) == 4) {
        ptx::store_16(address, raw);
    } else {
        ptx::store_8(address, {raw.x, raw.y});
    }
}

/// The same one at a time, zeros behind the end: `left` elements exist.
template <typename T>
__device__ __forceinline__ uint4 load_some(uint64_t address, uint64_t left) {
    uint32_t words[QUAD] = {};
#pragma unroll
    for (int e = 0; e < QUAD; ++e) {
        if (e < left) {
            if constexpr (sizeof(T) == 4) {
                words[e] = ptx::load_4_own(address + 4 * e);
            } else {
                words[e / 2] |= static_cast<uint32_t>(ptx::load_2_own(address + 2 * e)) << (e % 2 * 16);
            }
        }
    }
    return {words[0], words[1], words[2], words[3]};
}

template <typename T>
__device__ __forceinline__ void store_some(uint64_t address, uint64_t left, uint4 raw) {
    const uint32_t words[QUAD] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int e = 0; e < QUAD; ++e) {
        if (e < left) {
            if constexpr (sizeof(T) == 4) {
                ptx::store_4(address + 4 * e, words[e]);
            } else {
                ptx::store_2(address + 2 * e, static_cast<uint16_t>(words[e / 2] >> (e % 2 * 16)));
            }
        }
    }
}

/// One of the list's tensors in this thread's part of a block.
struct Access {
    uint64_t first;
    uint64_t count;
    bool whole;

    __device__ __forceinline__ Access(const OptimizerTensor& tensor, const Block& block)
        : first(block.first + block.lane * QUAD), count(tensor.count), whole(block.whole) {}

    /// Whether element e of a half exists.
    __device__ __forceinline__ bool exists(int half, int e) const { return whole || first + half * (BLOCK / HALVES) + e < count; }

    template <typename T>
    __device__ __forceinline__ void load(uint64_t tensor, uint4 (&raw)[HALVES]) const {
#pragma unroll
        for (int half = 0; half < HALVES; ++half) {
            const uint64_t index = first + half * (BLOCK / HALVES);
            const uint64_t address = tensor + index * sizeof(T);
            raw[half] = whole ? load_quad<T>(address) : load_some<T>(address, count - min(index, count));
        }
    }

    template <typename T>
    __device__ __forceinline__ void store(uint64_t tensor, const uint4 (&raw)[HALVES]) const {
#pragma unroll
        for (int half = 0; half < HALVES; ++half) {
            const uint64_t index = first + half * (BLOCK / HALVES);
            const uint64_t address = tensor + index * sizeof(T);
            if (whole) {
                store_quad<T>(address, raw[half]);
            } else {
                store_some<T>(address, count - min(index, count), raw[half]);
            }
        }
    }
};

/// All four as floats; `wide` says that they are floats already, whatever T is.
template <typename T>
__device__ __forceinline__ void to_floats(uint4 raw, bool wide, float (&values)[QUAD]) {
    if (sizeof(T) == 4 || wide) {
        unpack<float>(raw, values);
    } else {
        unpack_quad<T>(raw, 0, values);
    }
}

/// Four floats, each rounded up or down to a Bf16 by 16 random bits: added below the last place that is kept, they carry into it with the
/// probability of what lies there. What is not finite is rounded to nearest.
__device__ __forceinline__ uint4 round_by_chance(uint4 floats, uint2 random) {
    float values[QUAD];
    uint32_t bits[QUAD];
    unpack<float>(floats, values);
#pragma unroll
    for (int e = 0; e < QUAD; ++e) {
        const uint32_t word = e < 2 ? random.x : random.y;
        const uint32_t chance = e % 2 == 0 ? word & 0xffff : word >> 16;
        const uint32_t exact = __float_as_uint(values[e]);
        const bool finite = fabsf(values[e]) < INFINITY;
        bits[e] = finite ? exact + chance : static_cast<uint32_t>(from_float<Bf16>(values[e]).bits) << 16;
    }
    return {__byte_perm(bits[0], bits[1], 0x7632), __byte_perm(bits[2], bits[3], 0x7632), 0, 0};
}

/// A thread's part of a block, with MOMENTS states.
template <typename T, int MOMENTS>
struct Floats {
    uint4 parameter[HALVES];
    uint4 gradient[HALVES];
    uint4 moments[MOMENTS][HALVES];

    /// Loads everything but the gradient.
    __device__ __forceinline__ void load_own(const OptimizerTensor& tensor, const Access& access) {
        if (sizeof(T) == 2 && tensor.master != 0) {
            access.load<float>(tensor.master, parameter);
        } else {
            access.load<T>(tensor.parameter, parameter);
        }
        access.load<float>(tensor.state1, moments[0]);
        if constexpr (MOMENTS == 2) {
            access.load<float>(tensor.state2, moments[1]);
        }
    }

    __device__ __forceinline__ void load_gradient(const OptimizerTensor& tensor, const Access& access, bool wide) {
        if (sizeof(T) == 2 && wide) {
            access.load<float>(tensor.gradient, gradient);
        } else {
            access.load<T>(tensor.gradient, gradient);
        }
    }

    /// The parameters of a half as floats.
    __device__ __forceinline__ void parameters(const OptimizerTensor& tensor, int half, float (&values)[QUAD]) const {
        to_floats<T>(parameter[half], tensor.master != 0, values);
    }

    __device__ __forceinline__ void store_moments(const OptimizerTensor& tensor, const Access& access) const {
        access.store<float>(tensor.state1, moments[0]);
        if constexpr (MOMENTS == 2) {
            access.store<float>(tensor.state2, moments[1]);
        }
    }

    /// Stores parameters that are floats by now, to the master where there is one, and rounded.
    template <typename Rounding>
    __device__ __forceinline__ void store_parameters(const OptimizerTensor& tensor, const Access& access, const Block& block,
                                                     const Rounding& rounding) {
        if constexpr (sizeof(T) == 2) {
            if (tensor.master != 0) {
                access.store<float>(tensor.master, parameter);
            }
            bool rounded = false;
            if constexpr (Rounding::STOCHASTIC) {
                rounded = rounding.wanted;
                if (rounded) {
                    const uint4 random = rounding.random.block((tensor.blocks_before + block.index) * WARP + block.lane);
                    parameter[0] = round_by_chance(parameter[0], {random.x, random.y});
                    parameter[1] = round_by_chance(parameter[1], {random.z, random.w});
                }
            }
            if (!rounded) {
#pragma unroll
                for (int half = 0; half < HALVES; ++half) {
                    float values[QUAD];
                    unpack<float>(parameter[half], values);
                    pack_quad<T>(parameter[half], 0, values);
                }
            }
        }
        access.store<T>(tensor.parameter, parameter);
    }
};

}  // namespace warpsmith::optimizer
