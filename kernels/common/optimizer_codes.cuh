// A warp's hold of one block of 256 elements of an optimizer with states of 8 bits: 8 elements of each thread, as they came from memory.
//
// A thread has the elements of whole 16-byte vectors of T, so that a warp's accesses are one run of memory: of 2-byte types 8
// neighbours, of f32 4 neighbours in each half of the block. Word w of its codes holds those of its elements 4w .. 4w + 3.
#pragma once
#include "common/codes.cuh"
#include "common/optimizer.cuh"
#include "ptx/redux.cuh"

namespace warpsmith::optimizer {

static_assert(PER_THREAD == 8, "a thread's codes of one state are two words");
constexpr int CODE_WORDS = PER_THREAD / 4;

/// The codes that stand for an element behind the end of a parameter, as in bitsandbytes: its first moment takes part in the absmax.
constexpr uint32_t SIGNED_PAD = 128;
constexpr uint32_t UNSIGNED_PAD = 0;

/// The bits of the least normal float and of infinity.
constexpr uint32_t LEAST_NORMAL = 0x00800000;
constexpr uint32_t INFINITE = 0x7f800000;

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

/// A thread's part of a block, with MOMENTS states.
template <typename T, int MOMENTS>
struct Coded {
    static constexpr int VECTORS = PER_THREAD / LANES<T>;
    /// Elements from one of a thread's vectors to the next.
    static constexpr uint32_t STEP = WARP * LANES<T>;

    uint4 parameter[VECTORS];
    uint4 gradient[VECTORS];
    uint32_t codes[MOMENTS][CODE_WORDS];

    __device__ __forceinline__ void load(const OptimizerTensor& tensor, const Block& block) {
        if (block.whole) {
            load_whole(tensor, block.first + block.lane * LANES<T>);
        } else {
            load_elements(tensor, block);
        }
    }

    __device__ __forceinline__ void store_parameters(const OptimizerTensor& tensor, const Block& block) const {
        if (block.whole) {
            const uint64_t mine = block.first + block.lane * LANES<T>;
#pragma unroll
            for (int v = 0; v < VECTORS; ++v) {
                ptx::store_16(tensor.parameter + (mine + v * STEP) * sizeof(T), parameter[v]);
            }
            return;
        }
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            const uint64_t index = block.first + element(block.lane, e);
            if (index < tensor.count) {
                constexpr int PER_WORD = 4 / sizeof(T);
                const uint4 vector = parameter[e / LANES<T>];
                const uint32_t words[4] = {vector.x, vector.y, vector.z, vector.w};
                const uint32_t word = words[e % LANES<T> / PER_WORD];
                store_bits<T>(tensor.parameter + index * sizeof(T), word >> (e % PER_WORD * 16));
            }
        }
    }

    __device__ __forceinline__ void store_codes(const OptimizerTensor& tensor, const Block& block) const {
#pragma unroll
        for (int m = 0; m < MOMENTS; ++m) {
            const uint64_t state = state_of(tensor, m);
            if (block.whole) {
                store_words(codes[m], state + block.first + block.lane * LANES<T>);
                continue;
            }
#pragma unroll
            for (int e = 0; e < PER_THREAD; ++e) {
                const uint64_t index = block.first + element(block.lane, e);
                if (index < tensor.count) {
                    ptx::store_1(state + index, codes[m][e / 4] >> (8 * (e % 4)));
                }
            }
        }
    }

    __device__ __forceinline__ void gradients(float (&values)[PER_THREAD]) const { unpack_all(gradient, values); }
    __device__ __forceinline__ void parameters(float (&values)[PER_THREAD]) const { unpack_all(parameter, values); }

    /// The new parameters, rounded to T.
    __device__ __forceinline__ void set_parameters(const float (&values)[PER_THREAD]) {
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            float part[LANES<T>];
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                part[e] = values[v * LANES<T> + e];
            }
            parameter[v] = pack<T>(part);
        }
    }

    /// Whether the thread's element e exists.
    __device__ __forceinline__ bool exists(const OptimizerTensor& tensor, const Block& block, int e) const {
        return block.whole || block.first + element(block.lane, e) < tensor.count;
    }

private:
    /// The element of the block that is a thread's `e`th.
    static __device__ __forceinline__ uint32_t element(uint32_t lane, int e) {
        return e / LANES<T> * STEP + lane * LANES<T> + e % LANES<T>;
    }

    static __device__ __forceinline__ uint64_t state_of(const OptimizerTensor& tensor, int moment) {
        return moment == 0 ? tensor.state1 : tensor.state2;
    }

    __device__ __forceinline__ void load_whole(const OptimizerTensor& tensor, uint64_t first) {
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            gradient[v] = ptx::load_16_once(tensor.gradient + (first + v * STEP) * sizeof(T));
            parameter[v] = ptx::load_16_own(tensor.parameter + (first + v * STEP) * sizeof(T));
        }
#pragma unroll
        for (int m = 0; m < MOMENTS; ++m) {
            load_words(codes[m], state_of(tensor, m) + first);
        }
    }

    /// One element at a time, for tensors at any address, and with pads behind the end.
    __device__ __forceinline__ void load_elements(const OptimizerTensor& tensor, const Block& block) {
#pragma unroll
        for (int m = 0; m < MOMENTS; ++m) {
            codes[m][0] = codes[m][1] = (m == 0 ? SIGNED_PAD : UNSIGNED_PAD) * 0x01010101;
        }
        uint32_t gradients[VECTORS * 4] = {};
        uint32_t parameters[VECTORS * 4] = {};
#pragma unroll
        for (int e = 0; e < PER_THREAD; ++e) {
            const uint64_t index = block.first + element(block.lane, e);
            if (index < tensor.count) {
                constexpr int PER_WORD = 4 / sizeof(T);
                const int shift = e % PER_WORD * 16;
                gradients[e / PER_WORD] |= load_bits_own<T>(tensor.gradient + index * sizeof(T)) << shift;
                parameters[e / PER_WORD] |= load_bits_own<T>(tensor.parameter + index * sizeof(T)) << shift;
#pragma unroll
                for (int m = 0; m < MOMENTS; ++m) {
                    put_byte(codes[m][e / 4], e % 4, ptx::load_1_own(state_of(tensor, m) + index));
                }
            }
        }
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            gradient[v] = {gradients[4 * v], gradients[4 * v + 1], gradients[4 * v + 2], gradients[4 * v + 3]};
            parameter[v] = {parameters[4 * v], parameters[4 * v + 1], parameters[4 * v + 2], parameters[4 * v + 3]};
        }
    }

    static __device__ __forceinline__ void unpack_all(const uint4 (&vectors)[VECTORS], float (&values)[PER_THREAD]) {
#pragma unroll
        for (int v = 0; v < VECTORS; ++v) {
            float part[LANES<T>];
            unpack<T>(vectors[v], part);
#pragma unroll
            for (int e = 0; e < LANES<T>; ++e) {
                values[v * LANES<T> + e] = part[e];
            }
        }
    }

    static __device__ __forceinline__ void load_words(uint32_t (&words)[CODE_WORDS], uint64_t address) {
        if constexpr (VECTORS == 1) {
            const uint2 loaded = ptx::load_8_own(address);
            words[0] = loaded.x;
            words[1] = loaded.y;
        } else {
            words[0] = ptx::load_4_own(address);
            words[1] = ptx::load_4_own(address + STEP);
        }
    }

    static __device__ __forceinline__ void store_words(const uint32_t (&words)[CODE_WORDS], uint64_t address) {
        if constexpr (VECTORS == 1) {
            ptx::store_8(address, {words[0], words[1]});
        } else {
            ptx::store_4(address, words[0]);
            ptx::store_4(address + STEP, words[1]);
        }
    }

    static __device__ __forceinline__ void put_byte(uint32_t& word, int byte, uint32_t value) {
        word = (word & ~(0xffu << (8 * byte))) | value << (8 * byte);
    }
};

/// Copies the tables into shared memory; a barrier has to follow.
__device__ __forceinline__ codes::Codes load_tables(const OptimizerList& list, CodeTables& tables) {
    uint4* words = reinterpret_cast<uint4*>(&tables);
    for (uint32_t i = threadIdx.x; i < sizeof(CodeTables) / 16; i += THREADS) {
        words[i] = ptx::load_16(list.tables + 16 * i);
    }
    return {static_cast<uint32_t>(__cvta_generic_to_shared(&tables))};
}

/// The values of a thread's codes times `factor`.
__device__ __forceinline__ void signed_values(const codes::Codes& codes, const uint32_t (&words)[CODE_WORDS], float factor,
                                              float (&values)[PER_THREAD]) {
#pragma unroll
    for (int w = 0; w < CODE_WORDS; ++w) {
        values[4 * w] = __fmul_rn(codes.signed_value<0>(words[w]), factor);
        values[4 * w + 1] = __fmul_rn(codes.signed_value<1>(words[w]), factor);
        values[4 * w + 2] = __fmul_rn(codes.signed_value<2>(words[w]), factor);
        values[4 * w + 3] = __fmul_rn(codes.signed_value<3>(words[w]), factor);
    }
}

__device__ __forceinline__ void unsigned_values(const codes::Codes& codes, const uint32_t (&words)[CODE_WORDS], float factor,
                                                float (&values)[PER_THREAD]) {
#pragma unroll
    for (int w = 0; w < CODE_WORDS; ++w) {
        values[4 * w] = __fmul_rn(codes.unsigned_value<0>(words[w]), factor);
        values[4 * w + 1] = __fmul_rn(codes.unsigned_value<1>(words[w]), factor);
        values[4 * w + 2] = __fmul_rn(codes.unsigned_value<2>(words[w]), factor);
        values[4 * w + 3] = __fmul_rn(codes.unsigned_value<3>(words[w]), factor);
    }
}

/// The bits of a block's largest moment. The bits of floats that are not negative are in their order, and NaN is above all.
struct Largest {
    uint32_t bits;

    /// Whether it has a normal reciprocal's worth of digits and nothing is NaN or infinite.
    __device__ __forceinline__ bool ordinary() const { return bits - LEAST_NORMAL < INFINITE - LEAST_NORMAL; }
    __device__ __forceinline__ float inverse() const { return __fdiv_rn(1.0f, __uint_as_float(bits)); }
};

/// The largest |moment| of a block. One that is not finite shows, as infinity or as NaN.
__device__ __forceinline__ Largest largest_of(const float (&moments)[PER_THREAD]) {
    uint32_t bits = 0;
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        bits = max(bits, __float_as_uint(moments[e]) & 0x7fffffff);
    }
    return {ptx::warp_max(bits)};
}

/// The same, passing NaN by.
__device__ __forceinline__ Largest largest_number_of(const float (&moments)[PER_THREAD]) {
    float largest = 0.0f;
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        largest = fmaxf(largest, fabsf(moments[e]));
    }
    return {ptx::warp_max(__float_as_uint(largest))};
}

/// The codes of first moments whose block's largest is ordinary, with their signs.
__device__ __forceinline__ void encode_signed(const codes::Codes& codes, const float (&moments)[PER_THREAD], Largest largest,
                                              uint32_t (&words)[CODE_WORDS]) {
    const float inverse = largest.inverse();
    uint32_t q[PER_THREAD];
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        q[e] = codes.signed_code(__fmul_rn(moments[e], inverse));
    }
#pragma unroll
    for (int w = 0; w < CODE_WORDS; ++w) {
        words[w] = codes::gather_bytes<3>(q[4 * w], q[4 * w + 1], q[4 * w + 2], q[4 * w + 3]);
    }
}

/// The codes of second moments whose block's largest is ordinary.
__device__ __forceinline__ void encode_unsigned(const codes::Codes& codes, const float (&moments)[PER_THREAD], Largest largest,
                                                uint32_t (&words)[CODE_WORDS]) {
    const float inverse = largest.inverse();
    uint32_t q[PER_THREAD];
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        q[e] = codes.unsigned_code(__fmul_rn(moments[e], inverse));
    }
#pragma unroll
    for (int w = 0; w < CODE_WORDS; ++w) {
        words[w] = codes::gather_bytes<2>(q[4 * w], q[4 * w + 1], q[4 * w + 2], q[4 * w + 3]);
    }
}

/// The codes of first moments of any block. NaN (an absmax of zero or infinity) becomes code 0, which then gets the sign of its moment by a step
/// of one, which may wrap around.
__device__ __forceinline__ void encode_signed_any(const codes::Codes& codes, const float (&moments)[PER_THREAD], Largest largest,
                                                  uint32_t (&words)[CODE_WORDS]) {
    const float inverse = largest.inverse();
    uint32_t q[PER_THREAD];
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        const float x = __fmul_rn(moments[e], inverse);
        const bool negative = __float_as_int(moments[e]) < 0;
        const uint32_t of_nan = (negative ? 0u : moments[e] > 0.0f ? 1u : 255u) << 24;
        q[e] = isnan(x) ? of_nan : codes.signed_code(fminf(fmaxf(x, -1.0f), 1.0f));
    }
#pragma unroll
    for (int w = 0; w < CODE_WORDS; ++w) {
        words[w] = codes::gather_bytes<3>(q[4 * w], q[4 * w + 1], q[4 * w + 2], q[4 * w + 3]);
    }
}

/// The codes of second moments of any block.
__device__ __forceinline__ void encode_unsigned_any(const codes::Codes& codes, const float (&moments)[PER_THREAD], Largest largest,
                                                    uint32_t (&words)[CODE_WORDS]) {
    const float inverse = largest.inverse();
    uint32_t q[PER_THREAD];
#pragma unroll
    for (int e = 0; e < PER_THREAD; ++e) {
        const float x = __fmul_rn(moments[e], inverse);
        q[e] = isnan(x) ? 0u : codes.unsigned_code(fminf(x, 1.0f));
    }
#pragma unroll
    for (int w = 0; w < CODE_WORDS; ++w) {
        words[w] = codes::gather_bytes<2>(q[4 * w], q[4 * w + 1], q[4 * w + 2], q[4 * w + 3]);
    }
}

/// The absmax of a block: read by all lanes, and written by one when all have read it.
__device__ __forceinline__ float load_absmax(uint64_t absmax, const Block& block) {
    return __uint_as_float(ptx::load_4_own(absmax + block.index * sizeof(float)));
}
__device__ __forceinline__ void store_absmax(uint64_t absmax, const Block& block, Largest largest) {
    __syncwarp();
    if (block.lane == 0) {
        ptx::store_4(absmax + block.index * sizeof(float), largest.bits);
    }
}

/// Both moments of a block before a step, decayed, and then with the gradient's part.
struct Moments {
    float first[PER_THREAD];
    float second[PER_THREAD];

    template <typename T>
    __device__ __forceinline__ void decode(const codes::Codes& codes, const OptimizerTensor& tensor, const Block& block,
                                           const Coded<T, 2>& held, float beta1, float beta2) {
        signed_values(codes, held.codes[0], __fmul_rn(load_absmax(tensor.absmax1, block), beta1), first);
        unsigned_values(codes, held.codes[1], __fmul_rn(load_absmax(tensor.absmax2, block), beta2), second);
    }

    /// Takes element e's gradient, scaled.
    __device__ __forceinline__ void add(int e, float g, float rest1, float rest2) {
        first[e] = new_first(first[e], rest1, g);
        second[e] = new_second(second[e], rest2, g);
    }

    /// Codes and absmax of a block whose largest moments are ordinary, or of any.
    template <typename T>
    __device__ __forceinline__ void encode(const codes::Codes& codes, Largest largest1, Largest largest2, bool ordinary, Coded<T, 2>& held) const {
        if (ordinary) {
            encode_signed(codes, first, largest1, held.codes[0]);
            encode_unsigned(codes, second, largest2, held.codes[1]);
        } else {
            encode_signed_any(codes, first, largest1, held.codes[0]);
            encode_unsigned_any(codes, second, largest2, held.codes[1]);
        }
    }
};

}  // namespace warpsmith::optimizer
