// Embedding, forward: output[i] = token[ids[i]] (+ position[offset + i % length], or position[position_ids[i]]) (+ segment[segment_ids[i]])
//
// Shapes: tables [rows, width]; ids [outputs]; output [outputs, width].
// Traffic: an output row is written once, and a row of each table read for it: of positions and segments from L2 but for the first time.
// Who does what: `threads_per_row` threads take an output row, vector by vector. Each thread reads the ids itself.
// Numerics: the sum is in f32 and rounded once. An id that is no row of its table gives a row of NaN; nothing is read for it.
#include "common/reduce.cuh"
#include "embedding/chunk.cuh"
#include "embedding/embedding_params.h"

namespace warpsmith {

/// The row of a table that an output row takes; null where there is no table, and not `valid` where it has no such row.
struct Source {
    uint64_t row;
    bool valid;

    template <typename T>
    __device__ __forceinline__ static Source of(const EmbeddingFwdParams& p, const EmbeddingLookup& lookup, int64_t output) {
        if (lookup.table == 0) {
            return {0, true};
        }
        const int64_t id =
            lookup.ids != 0 ? load_id(lookup.ids, output, p.id_bytes) : p.offset + static_cast<int64_t>(output % p.length);
        const bool valid = static_cast<uint64_t>(id) < static_cast<uint64_t>(lookup.rows);
        return {valid ? row_at<T>(lookup.table, id, lookup.stride) : 0, valid};
    }

    template <typename T>
    __device__ __forceinline__ void add_to(const Chunks<T>& chunks, uint32_t chunk, float (&sum)[LANES<T>]) const {
        if (row != 0) {
            float values[LANES<T>];
            chunks.template load<false>(row, chunk, values);
            add(sum, values);
        }
    }
};

template <typename T>
__device__ __forceinline__ void embedding_fwd(const EmbeddingFwdParams& p) {
    const Team team(p.threads_per_row);
    const int64_t output = int64_t{blockIdx.x} * team.teams + team.index;
    if (output >= p.outputs) {
        return;
    }
    const Source token = Source::of<T>(p, p.token, output);
    const Source position = Source::of<T>(p, p.position, output);
    const Source segment = Source::of<T>(p, p.segment, output);
    const bool valid = token.valid && position.valid && segment.valid;

    const Chunks<T> chunks{p.width, p.vectorised != 0};
    const uint64_t row = row_at<T>(p.output, output, p.output_stride);
#pragma unroll 4
    for (uint32_t chunk = team.member; chunk < chunks.count(); chunk += team.threads) {
        // Where a table lacks the row, the others do not count either.
        float sum[LANES<T>];
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            sum[e] = valid ? -0.0f : __builtin_nanf("");
        }
        token.add_to(chunks, chunk, sum);
        position.add_to(chunks, chunk, sum);
        segment.add_to(chunks, chunk, sum);
        chunks.store(row, chunk, sum);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_fwd_f32(const __grid_constant__ EmbeddingFwdParams params) {
    warpsmith::embedding_fwd<float>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_fwd_f16(const __grid_constant__ EmbeddingFwdParams params) {
    warpsmith::embedding_fwd<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_fwd_bf16(const __grid_constant__ EmbeddingFwdParams params) {
    warpsmith::embedding_fwd<warpsmith::Bf16>(params);
}
