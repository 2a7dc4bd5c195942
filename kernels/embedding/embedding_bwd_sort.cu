// Embedding, backward, first part: the rows of each table row, as buckets.
//
//     clear:    header and counts become zero                count:  counts[id] += 1 for each row
//     allocate: ends[v] = where v's bucket starts; v is queued by the size of its bucket          fill:  buckets[ends[id]++] = row
//
// Shapes: ids, buckets [rows]; counts, ends [table_rows]. Ids outside of the table and the padding index are left out.
// Traffic: ids twice, 16 bytes for each table row, 4 for each row. Integer atomics: equal ids of a warp are counted as one.
// Who does what: a thread takes a row (count, fill) or a table row (clear, allocate).
// Determinism: where a bucket lies, the order of its rows and of the queues depend on the schedule; what is in them does not. The second
// part adds up the rows of a bucket in ascending order.
#include "common/reduce.cuh"
#include "embedding/chunk.cuh"
#include "embedding/embedding_params.h"
#include "ptx/order.cuh"

namespace warpsmith {

constexpr uint32_t EVERY_LANE = 0xffffffffu;

/// A warp's rows, and which of its lanes have the same id.
struct Rows {
    uint32_t row;
    uint32_t id;     // beyond the table where the row counts for nothing
    uint32_t equal;  // lanes with the same id
    uint32_t rank;   // of this lane among them
    bool counts;

    __device__ __forceinline__ explicit Rows(const EmbeddingBwdParams& p) {
        const int64_t index = int64_t{blockIdx.x} * EMBEDDING_THREADS + threadIdx.x;
        row = static_cast<uint32_t>(index);
        const int64_t loaded = index < p.rows ? load_id(p.ids, index, p.id_bytes) : -1;
        counts = static_cast<uint64_t>(loaded) < static_cast<uint64_t>(p.table_rows) && loaded != p.padding_index;
        id = counts ? static_cast<uint32_t>(loaded) : UINT32_MAX;
        equal = __match_any_sync(EVERY_LANE, id);
        rank = __popc(equal & ((1u << threadIdx.x % WARP) - 1));
    }
    __device__ __forceinline__ uint32_t leader() const { return __ffs(equal) - 1; }
};

__device__ __forceinline__ uint64_t word(uint64_t array, uint32_t index) { return array + index * uint64_t{4}; }

__device__ __forceinline__ void clear(const EmbeddingBwdParams& p) {
    const int64_t index = int64_t{blockIdx.x} * EMBEDDING_THREADS + threadIdx.x;
    if (index < 4) {
        ptx::store_4(word(p.header, static_cast<uint32_t>(index)), 0);
    }
    if (index < p.table_rows) {
        ptx::store_4(word(p.counts, static_cast<uint32_t>(index)), 0);
    }
}

__device__ __forceinline__ void count(const EmbeddingBwdParams& p) {
    const Rows rows(p);
    if (rows.counts && rows.rank == 0) {
        ptx::fetch_add(word(p.counts, rows.id), __popc(rows.equal));
    }
}

__device__ __forceinline__ void allocate(const EmbeddingBwdParams& p) {
    const int64_t index = int64_t{blockIdx.x} * EMBEDDING_THREADS + threadIdx.x;
    const uint32_t lane = threadIdx.x % WARP;
    const uint32_t size = index < p.table_rows ? ptx::load_4(word(p.counts, static_cast<uint32_t>(index))) : 0;
    uint32_t end = size;  // of this lane's bucket among the warp's
#pragma unroll
    for (uint32_t distance = 1; distance < WARP; distance *= 2) {
        const uint32_t below = __shfl_up_sync(EVERY_LANE, end, distance);
        end += lane >= distance ? below : 0;
    }
    uint32_t start = 0;
    if (lane == WARP - 1 && end > 0) {
        start = ptx::fetch_add(p.header, end);
    }
    start = __shfl_sync(EVERY_LANE, start, WARP - 1) + end - size;
    if (size > 0) {
        ptx::store_4(word(p.ends, static_cast<uint32_t>(index)), start);
    }
    if (size > EMBEDDING_FEW) {
        const bool splits = size > EMBEDDING_MANY;
        const uint32_t entry = ptx::fetch_add(word(p.header, splits ? 2 : 1), 1);
        ptx::store_4(word(splits ? p.split : p.many, entry), static_cast<uint32_t>(index));
    }
}

__device__ __forceinline__ void fill(const EmbeddingBwdParams& p) {
    const Rows rows(p);
    uint32_t start = 0;
    if (rows.counts && rows.rank == 0) {
        start = ptx::fetch_add(word(p.ends, rows.id), __popc(rows.equal));
    }
    start = __shfl_sync(EVERY_LANE, start, rows.leader());
    if (rows.counts) {
        ptx::store_4(word(p.buckets, start + rows.rank), rows.row);
    }
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_clear(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::clear(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_count(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::count(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_allocate(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::allocate(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_fill(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::fill(params);
}
