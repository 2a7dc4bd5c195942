// Masks tokens for masked language modelling. Token i has words w = 2 (i % 2) and w + 1 of random block i / 2. It is chosen where word w is below `chosen`
// and it is not special:
//
//     label = chosen ? token : ignore_index
//     output = chosen and word < masked ? mask : chosen and word < randomised ? random token : token
//
// The random token is word (w + 1) * vocabulary / 2^32, rounded down, where that favours no token (Lemire, "Fast random integer generation in an interval",
// 2019); otherwise the same place of the next redraw of the block is tried.
//
// Shapes: all [count].
// Traffic: every id is read once, and output and labels written once, 16 bytes at a time.
// Who does what: a thread takes a few groups of the neighbouring tokens of 16 bytes. It reads a token before it writes the output in its place, and no
// other thread reads it, so the output may be the memory of the input.
#include "common/philox.cuh"
#include "mask_tokens/mask_tokens_params.h"

namespace warpsmith::mask_tokens {

/// Neighbouring tokens that a thread takes at once, and how often it does.
template <typename Id>
constexpr int GROUP = 16 / sizeof(Id);
template <typename Id>
constexpr int GROUPS = MASK_TOKENS_EACH / GROUP<Id>;

/// The ids of a group: one access where it is whole and `aligned`, else one for each of the `count` that there are.
__device__ __forceinline__ void load_ids(int32_t (&ids)[4], uint64_t address, uint32_t count, bool aligned) {
    if (count == 4 && aligned) {
        const uint4 raw = ptx::load_16_own(address);
        ids[0] = raw.x, ids[1] = raw.y, ids[2] = raw.z, ids[3] = raw.w;
        return;
    }
#pragma unroll
    for (uint32_t j = 0; j < 4; ++j) {
        ids[j] = j < count ? ptx::load_4_own(address + j * sizeof(int32_t)) : 0;
    }
}
__device__ __forceinline__ int64_t join(uint32_t low, uint32_t high) { return static_cast<int64_t>(uint64_t{high} << 32 | low); }
__device__ __forceinline__ void load_ids(int64_t (&ids)[2], uint64_t address, uint32_t count, bool aligned) {
    if (count == 2 && aligned) {
        const uint4 raw = ptx::load_16_own(address);
        ids[0] = join(raw.x, raw.y), ids[1] = join(raw.z, raw.w);
        return;
    }
#pragma unroll
    for (uint32_t j = 0; j < 2; ++j) {
        const uint2 raw = j < count ? ptx::load_8_own(address + j * sizeof(int64_t)) : uint2{};
        ids[j] = join(raw.x, raw.y);
    }
}

/// Stores them likewise.
__device__ __forceinline__ void store_ids(uint64_t address, const int32_t (&ids)[4], uint32_t count, bool aligned) {
    if (count == 4 && aligned) {
        ptx::store_16(address, {uint32_t(ids[0]), uint32_t(ids[1]), uint32_t(ids[2]), uint32_t(ids[3])});
        return;
    }
#pragma unroll
    for (uint32_t j = 0; j < 4; ++j) {
        if (j < count) {
            ptx::store_4(address + j * sizeof(int32_t), ids[j]);
        }
    }
}
__device__ __forceinline__ uint2 split(int64_t id) { return {static_cast<uint32_t>(id), static_cast<uint32_t>(static_cast<uint64_t>(id) >> 32)}; }
__device__ __forceinline__ void store_ids(uint64_t address, const int64_t (&ids)[2], uint32_t count, bool aligned) {
    const uint2 first = split(ids[0]), second = split(ids[1]);
    if (count == 2 && aligned) {
        ptx::store_16(address, {first.x, first.y, second.x, second.y});
        return;
    }
    ptx::store_8(address, first);
    if (count == 2) {
        ptx::store_8(address + sizeof(int64_t), second);
    }
}

/// The token that a redraw of a block gives one of its places, the first redraw that favours none.
__device__ __forceinline__ uint32_t redrawn_token(const MaskTokensFwdParams& p, const Philox& philox, uint64_t block, bool odd) {
    uint2 product;
    uint32_t redraw = 1;
    do {
        const uint4 words = philox.block(block, redraw++);
        product = ptx::multiply_wide(odd ? words.w : words.y, p.vocabulary);
    } while (product.x < p.rejected);
    return product.y;
}

/// The group from token `first` on.
template <typename Id>
__device__ __forceinline__ void mask_group(const MaskTokensFwdParams& p, const Philox& philox, uint64_t first) {
    constexpr uint32_t N = GROUP<Id>;
    const uint32_t count = static_cast<uint32_t>(min(p.count - first, uint64_t{N}));
    const uint64_t offset = first * sizeof(Id);
    Id ids[N], labels[N];
    load_ids(ids, p.input + offset, count, p.vectorised != 0);
    bool special[N] = {};
    if (p.special != 0) {
        const uint64_t bytes = p.special + first;
        const bool aligned = count == N && bytes % N == 0;
        const uint32_t word = !aligned ? 0 : N == 4 ? ptx::load_4(bytes) : ptx::load_2(bytes);
#pragma unroll
        for (uint32_t j = 0; j < N; ++j) {
            special[j] = aligned ? (word >> 8 * j & 0xff) != 0 : j < count && ptx::load_1(bytes + j) != 0;
        }
    }
    if (p.has_special_ids != 0) {
        // All places are filled, so that each comparison is one instruction with the parameter as it lies.
#pragma unroll
        for (int k = 0; k < MASK_TOKENS_MAX_SPECIAL; ++k) {
#pragma unroll
            for (uint32_t j = 0; j < N; ++j) {
                special[j] |= ids[j] == static_cast<Id>(p.special_ids[k]);
            }
        }
    }
    uint32_t words[N][2];
#pragma unroll
    for (uint32_t j = 0; j < N; j += 2) {
        const uint4 block = philox.block((first + j) / 2);
        words[j][0] = block.x, words[j][1] = block.y, words[j + 1][0] = block.z, words[j + 1][1] = block.w;
    }
    bool redraw[N], any = false;
#pragma unroll
    for (uint32_t j = 0; j < N; ++j) {
        const uint2 product = ptx::multiply_wide(words[j][1], p.vocabulary);
        const bool chosen = words[j][0] < p.chosen && !special[j], masked = words[j][0] < p.masked;
        const bool randomised = chosen && !masked && words[j][0] < p.randomised;
        labels[j] = chosen ? ids[j] : static_cast<Id>(p.ignore_index);
        ids[j] = chosen && masked ? static_cast<Id>(p.mask_token) : randomised ? static_cast<Id>(product.y) : ids[j];
        redraw[j] = randomised && product.x < p.rejected;
        any |= redraw[j];
    }
    if (any) {
#pragma unroll
        for (uint32_t j = 0; j < N; ++j) {
            if (redraw[j]) {
                ids[j] = static_cast<Id>(redrawn_token(p, philox, (first + j) / 2, j % 2 != 0));
            }
        }
    }
    store_ids(p.output + offset, ids, count, p.vectorised != 0);
    store_ids(p.labels + offset, labels, count, p.vectorised != 0);
}

template <typename Id>
__device__ __forceinline__ void fwd(const MaskTokensFwdParams& p) {
    const Philox philox(p.state, p.random_offset);
    const uint64_t group = uint64_t{blockIdx.x} * (MASK_TOKENS_THREADS * GROUPS<Id>) + threadIdx.x;
#pragma unroll 1
    for (int i = 0; i < GROUPS<Id>; ++i) {
        const uint64_t first = (group + i * MASK_TOKENS_THREADS) * GROUP<Id>;
        if (first < p.count) {
            mask_group<Id>(p, philox, first);
        }
    }
}

}  // namespace warpsmith::mask_tokens

using namespace warpsmith;

// Every kernel of this file.

extern "C" __global__ void __launch_bounds__(MASK_TOKENS_THREADS)
mask_tokens_fwd_i32(const __grid_constant__ MaskTokensFwdParams params) { mask_tokens::fwd<int32_t>(params); }

extern "C" __global__ void __launch_bounds__(MASK_TOKENS_THREADS)
mask_tokens_fwd_i64(const __grid_constant__ MaskTokensFwdParams params) { mask_tokens::fwd<int64_t>(params); }
