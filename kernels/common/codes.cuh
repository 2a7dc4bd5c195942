// Code maps of 8 bits in shared memory: values of codes, and codes of values.
//
// A number is `value of its code * absmax of its block`. The signed map has seven decades below 1 with 1, 2, 4 .. 64
// codes in each, of both signs, and 0 and 1.0; the unsigned map has 2, 4, 8 .. 128 codes in each, and 0 and 1.0.
//
// Code of x: the nearest value, of two that are equally near (by the f32 midpoint) the one with the even code. The bits of |x| as
// an integer grow with |x|. They are cut into cells so small that at most one midpoint lies in each; the cell's entry is a number e
// such that, in 32 bits, e + bits = code * 2^SHIFT + (something below 2^SHIFT): it holds the code below the midpoint, and what is missing to
// carry into it from the midpoint on. So one access and one addition give the code, exactly. Made and tested in src/ops/codes/tables.rs.
#pragma once
#include "common/codes_params.h"
#include "ptx/shared.cuh"

namespace warpsmith::codes {

/// The bits of |x| below which all x of a map have the code of zero's neighbourhood, and those of 1.0.
constexpr int32_t SIGNED_LEAST = CODES_SIGNED_FIRST << CODES_SIGNED_SHIFT;
constexpr uint32_t UNSIGNED_LEAST = CODES_UNSIGNED_FIRST << CODES_UNSIGNED_SHIFT;
constexpr int32_t ONE = 0x3f800000;

/// Looks up by byte addresses: `tables` is where the tables lie in shared memory.
struct Codes {
    uint32_t tables;

    /// The value of the code in byte `BYTE` of a word.
    template <int BYTE>
    __device__ __forceinline__ float signed_value(uint32_t codes) const {
        constexpr int OFFSET = offsetof(CodeTables, signed_values);
        return __uint_as_float(ptx::load_shared_4<OFFSET>(tables + 4 * byte<BYTE>(codes)));
    }
    template <int BYTE>
    __device__ __forceinline__ float unsigned_value(uint32_t codes) const {
        constexpr int OFFSET = offsetof(CodeTables, unsigned_values);
        return __uint_as_float(ptx::load_shared_4<OFFSET>(tables + 4 * byte<BYTE>(codes)));
    }

    /// The code of x in the signed map, in the highest byte. |x| is at most 1 and an ulp or two. The code has the sign of x, zeros' too:
    /// a negative x too near to zero gets the negative code next to it.
    __device__ __forceinline__ uint32_t signed_code(float x) const {
        constexpr int OFFSET = offsetof(CodeTables, positive);
        const int32_t bits = __float_as_int(x);
        const int32_t above = max((bits & 0x7fffffff) - SIGNED_LEAST, 0);
        // For negative x -1 - above, whose cells lie before those of positive x, in reverse.
        const int32_t place = above ^ (bits >> 31);
        const uint32_t cell = tables + 4 * (place >> CODES_SIGNED_SHIFT);
        constexpr int TO_THE_TOP = 1 << (24 - CODES_SIGNED_SHIFT);
        return place * TO_THE_TOP + ptx::load_shared_4<OFFSET>(cell);
    }

    /// The code of x in the unsigned map, in the second-highest byte. x is from 0 to 1 and an ulp or two.
    __device__ __forceinline__ uint32_t unsigned_code(float x) const {
        constexpr int OFFSET = offsetof(CodeTables, unsigned_cells) - 4 * CODES_UNSIGNED_FIRST;
        const uint32_t bits = max(__float_as_uint(x), UNSIGNED_LEAST);
        return bits + ptx::load_shared_4<OFFSET>(tables + 4 * (bits >> CODES_UNSIGNED_SHIFT));
    }

private:
    template <int BYTE>
    static __device__ __forceinline__ uint32_t byte(uint32_t word) { return __byte_perm(word, 0, 0x4440 + BYTE); }
};

/// The codes of four x, from the bytes where `signed_code` and `unsigned_code` leave them.
template <int BYTE>
__device__ __forceinline__ uint32_t gather_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    constexpr uint32_t PAIR = BYTE | (4 + BYTE) << 4;
    return __byte_perm(__byte_perm(a, b, PAIR), __byte_perm(c, d, PAIR), 0x5410);
}

}  // namespace warpsmith::codes
