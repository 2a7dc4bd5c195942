// Rotary position embedding: each pair (x, y) of a head is turned by the angle of its token's position,
//
//     x' = factor * (x cos a - y sin a)    y' = factor * (x sin a + y cos a)    a = 2 pi * position * turns[pair] / 2^64
//
// and with `inverse` by -a, which is the backward pass. Elements beyond the pairs are copied. Cosines and sines may come from tables instead.
//
// Shapes: queries and keys [batch, length, heads, head_dim], each with heads of its own; positions [batch, length]; tables
// [positions, pairs] or [batch, length, pairs].
// Traffic: each element is read once and written once; a token's position, and its row of the tables, is read once.
// Who does what: a warp takes a token. `threads_per_head` lanes share a head, so that a thread has the same pairs in all of its heads and
// works out their sines and cosines once; it goes over the heads of both tensors, BATCH of them at a time. Where there are few
// tokens, gridDim.y warps share the heads of one. A thread reads both halves of a pair before it writes them and no other
// thread reads them, so output and input may be the same memory.
// Numerics: position * turns is exact modulo 2^64, a full turn, for any 64-bit position, so an angle errs by what `turns` was rounded by:
// position * 2^-65 of a turn. Sine and cosine are polynomials in f32 after an exact reduction to an eighth of a turn.
//
// The plain kernels take a 16-byte vector's worth of pairs at a time, the general ones one pair.
#include "common/access.cuh"
#include "common/reduce.cuh"
#include "rotary/rotary_params.h"

namespace warpsmith::rotary {

/// Heads that a thread has in flight.
constexpr int BATCH = 4;

/// What a pair is turned by, times the factor.
struct Rotation {
    float cosine;
    float sine;

    /// By an angle in 2^-32 of a turn.
    __device__ __forceinline__ void set(uint32_t turn, float factor) {
        constexpr float RADIANS = 1.4629180792671596e-9f;  // 2 pi / 2^32
        const uint32_t quadrant = (turn + 0x20000000u) >> 30;
        const float a = static_cast<float>(static_cast<int32_t>(turn - (quadrant << 30))) * RADIANS;  // within an eighth of a turn
        const float square = a * a;
        // The coefficients are those of Cephes' sinf and cosf (S. Moshier); both err by less than 1e-7 relative.
        float s = fmaf(square, -1.9515295891e-4f, 8.3321608736e-3f);
        s = fmaf(square, s, -1.6666654611e-1f);
        s = fmaf(a * square, s, a);
        float c = fmaf(square, 2.443315711809948e-5f, -1.388731625493765e-3f);
        c = fmaf(square, c, 4.166664568298827e-2f);
        c = fmaf(square * square, c, fmaf(square, -0.5f, 1.0f));
        const bool swapped = quadrant & 1;
        cosine = swapped ? s : c;
        sine = swapped ? c : s;
        cosine *= (quadrant + 1) & 2 ? -factor : factor;
        sine *= quadrant & 2 ? -factor : factor;
    }
};

/// A token's rows of the tables.
template <typename T>
struct TableRows {
    uint64_t cosines;
    uint64_t sines;
    bool exist;  // a position beyond the tables makes NaN

    __device__ __forceinline__ TableRows(const RotaryParams& p, uint32_t batch, uint32_t token, uint64_t position) : exist(true) {
        uint64_t row = token;
        if (p.table_positions != 0) {
            exist = position < static_cast<uint64_t>(p.table_positions);
            row = exist ? position : 0;
        }
        const auto address = [&](const RotaryTable& table) {
            const uint64_t offset = batch * static_cast<uint64_t>(table.strides[0]) + row * static_cast<uint64_t>(table.strides[1]);
            return table.table + offset * p.table_bytes;
        };
        cosines = address(p.tables[0]);
        sines = address(p.tables[1]);
    }

    __device__ __forceinline__ Rotation rotation(const RotaryParams& p, uint32_t pair) const {
        const auto load = [&](uint64_t row) {
            const uint64_t address = row + uint64_t{pair} * p.table_bytes;
            return p.table_bytes == sizeof(float) ? load_element<float>(address) : load_element<T>(address);
        };
        if (!exist) {
            return {__builtin_nanf(""), __builtin_nanf("")};
        }
        const float sine = load(sines);
        return {load(cosines), p.inverse ? -sine : sine};
    }
};

__device__ __forceinline__ void turn(float& x, float& y, const Rotation& r) {
    const float turned = fmaf(x, r.cosine, -(y * r.sine));
    y = fmaf(x, r.sine, y * r.cosine);
    x = turned;
}

/// Turns PAIRS pairs: first[i] with second[i], or neighbours of both.
template <int PAIRS>
__device__ __forceinline__ void turn(float (&first)[PAIRS], float (&second)[PAIRS], const Rotation (&rotations)[PAIRS],
                                     bool interleaved) {
    if (PAIRS > 1 && interleaved) {
#pragma unroll
        for (int i = 0; i < PAIRS / 2; ++i) {
            turn(first[2 * i], first[2 * i + 1], rotations[i]);
            turn(second[2 * i], second[2 * i + 1], rotations[PAIRS / 2 + i]);
        }
    } else {
#pragma unroll
        for (int i = 0; i < PAIRS; ++i) {
            turn(first[i], second[i], rotations[i]);
        }
    }
}

/// The position of a token.
__device__ __forceinline__ uint64_t position_of(const RotaryParams& p, uint32_t batch, uint32_t token) {
    if (p.positions == 0) {
        return static_cast<uint64_t>(p.first_position) + token;
    }
    const uint64_t index = static_cast<uint64_t>(batch * p.position_strides[0] + token * p.position_strides[1]);
    if (p.wide_positions) {
        return ptx::load_8(p.positions + index * 8);
    }
    return static_cast<uint64_t>(int64_t{static_cast<int32_t>(ptx::load_4(p.positions + index * 4))});
}

/// The address of a token's heads.
template <typename T>
__device__ __forceinline__ uint64_t token_address(uint64_t base, const int64_t (&strides)[3], uint32_t batch, uint32_t token) {
    return base + static_cast<uint64_t>(batch * strides[0] + token * strides[1]) * sizeof(T);
}

/// Calls step(exists, input, output) for the heads of a token that are this thread's, BATCH of them at a time: for j < BATCH these give whether
/// there is a head j, and the addresses of what lies `offset` bytes into it.
template <typename T, typename Step>
__device__ __forceinline__ void for_each_batch(const RotaryParams& p, uint32_t batch, uint32_t token, uint64_t offset, Step step) {
    const uint32_t heads_at_once = WARP / p.threads_per_head;
    const uint32_t first = blockIdx.y * heads_at_once + threadIdx.x % WARP / p.threads_per_head;
    const uint32_t stride = gridDim.y * heads_at_once;
#pragma unroll 1
    for (int i = 0; i < 2; ++i) {
        const RotaryTensor& tensor = p.tensors[i];
        const uint64_t input = token_address<T>(tensor.input, tensor.input_strides, batch, token) + offset;
        const uint64_t output = token_address<T>(tensor.output, tensor.output_strides, batch, token) + offset;
#pragma unroll 1
        for (uint32_t head = first; head < tensor.heads; head += BATCH * stride) {
            step([&](int j) { return head + j * stride < tensor.heads; },
                 [&](int j) { return input + static_cast<uint64_t>((head + j * stride) * tensor.input_strides[2]) * sizeof(T); },
                 [&](int j) { return output + static_cast<uint64_t>((head + j * stride) * tensor.output_strides[2]) * sizeof(T); });
        }
    }
}

template <typename T, int PAIRS>
__device__ __forceinline__ void rotary_fwd(const RotaryParams& p) {
    const uint32_t row = blockIdx.x * (ROTARY_THREADS / WARP) + threadIdx.x / WARP;
    if (row >= p.tokens) {
        return;
    }
    const uint32_t batch = row / p.length;
    const uint32_t token = row - batch * p.length;
    const uint64_t position = position_of(p, batch, token);
    const uint32_t units = p.pairs / PAIRS;
    const uint32_t copies = p.rest / PAIRS;
    for (uint32_t unit = threadIdx.x % p.threads_per_head; unit < units + copies; unit += p.threads_per_head) {
        if (unit < units) {
            // Two vectors half of the rotated part apart hold whole pairs whatever a pair is: their elements i, or neighbours in each.
            const bool neighbours = PAIRS == 1 && p.interleaved;
            const uint64_t offset = uint64_t{unit} * (neighbours ? 2 : PAIRS) * sizeof(T);
            const uint64_t distance = (neighbours ? 1 : p.pairs) * sizeof(T);
            const auto pair = [&](int i) {
                const uint32_t in_halves = unit * PAIRS + i;
                const uint32_t in_vectors = unit * (PAIRS / 2) + (2 * i < PAIRS ? i : i - PAIRS / 2 + p.pairs / 2);
                return PAIRS > 1 && p.interleaved ? in_vectors : in_halves;
            };
            Rotation rotations[PAIRS];
            if (p.table_bytes == 0) {
#pragma unroll
                for (int i = 0; i < PAIRS; ++i) {
                    const uint64_t turn = position * (&p.turns[0][0])[pair(i)];
                    rotations[i].set(static_cast<uint32_t>((p.inverse ? 0 - turn : turn) >> 32), p.factor);
                }
            } else {
                const TableRows<T> rows(p, batch, token, position);
#pragma unroll
                for (int i = 0; i < PAIRS; ++i) {
                    rotations[i] = rows.rotation(p, pair(i));
                }
            }
            for_each_batch<T>(p, batch, token, offset, [&](auto exists, auto input, auto output) {
                Access<T, PAIRS> loaded[BATCH][2];
#pragma unroll
                for (int j = 0; j < BATCH; ++j) {
                    if (exists(j)) {
                        loaded[j][0].load(input(j));
                        loaded[j][1].load(input(j) + distance);
                    }
                }
#pragma unroll
                for (int j = 0; j < BATCH; ++j) {
                    if (exists(j)) {
                        float first[PAIRS], second[PAIRS];
                        loaded[j][0].values(first);
                        loaded[j][1].values(second);
                        turn(first, second, rotations, p.interleaved);
                        Access<T, PAIRS>::store(output(j), first);
                        Access<T, PAIRS>::store(output(j) + distance, second);
                    }
                }
            });
        } else {
            const uint64_t offset = uint64_t{2 * p.pairs + (unit - units) * PAIRS} * sizeof(T);
            for_each_batch<T>(p, batch, token, offset, [&](auto exists, auto input, auto output) {
                Access<T, PAIRS> loaded[BATCH];
#pragma unroll
                for (int j = 0; j < BATCH; ++j) {
                    if (exists(j)) {
                        loaded[j].load(input(j));
                    }
                }
#pragma unroll
                for (int j = 0; j < BATCH; ++j) {
                    if (exists(j)) {
                        loaded[j].store(output(j));
                    }
                }
            });
        }
    }
}

}  // namespace warpsmith::rotary

using namespace warpsmith;
using namespace warpsmith::rotary;

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(ROTARY_THREADS)
rotary_fwd_f32(const __grid_constant__ RotaryParams params) { rotary_fwd<float, LANES<float>>(params); }

extern "C" __global__ void __launch_bounds__(ROTARY_THREADS)
rotary_fwd_f16(const __grid_constant__ RotaryParams params) { rotary_fwd<F16, LANES<F16>>(params); }

extern "C" __global__ void __launch_bounds__(ROTARY_THREADS)
rotary_fwd_bf16(const __grid_constant__ RotaryParams params) { rotary_fwd<Bf16, LANES<Bf16>>(params); }

extern "C" __global__ void __launch_bounds__(ROTARY_THREADS)
rotary_fwd_f32_general(const __grid_constant__ RotaryParams params) { rotary_fwd<float, 1>(params); }

extern "C" __global__ void __launch_bounds__(ROTARY_THREADS)
rotary_fwd_f16_general(const __grid_constant__ RotaryParams params) { rotary_fwd<F16, 1>(params); }

extern "C" __global__ void __launch_bounds__(ROTARY_THREADS)
rotary_fwd_bf16_general(const __grid_constant__ RotaryParams params) { rotary_fwd<Bf16, 1>(params); }
