// Embedding, backward, second part: grad_table[v] = sum of grad_output[i] over the rows i of v's bucket, in ascending order of i
// (+ what was there, with `accumulate`; without it, table rows that no row names become zero).
//
// Shapes: grad_output [rows, width]; grad_table [table_rows, width]; buckets, counts and queues as embedding_bwd_sort.cu leaves them.
// Traffic: every row of grad_output that counts is read once, every table row written once (`accumulate`: only those that are named, and
// read too). A bucket is read once for each 32 vectors of a row.
// Who does what: `few` gives a table row of up to FEW rows to a warp, which sorts the bucket by rank. `many` gives one of up to MANY
// rows to blocks, 32 vectors of its columns each: the bucket becomes a bitmap of rows in shared memory, of which each of 8 warps adds up
// an eighth. Longer ones are split by rows; `join` adds up the splits. `positions` needs no buckets: a warp takes a position.
// Numerics: f32, rounded once. Sums nest: of the rows of a word of the bitmap, of 32 words, of these, of warps, of splits.
// Determinism: a bitmap does not know in which order it was filled.
#include "common/reduce.cuh"
#include "embedding/chunk.cuh"
#include "embedding/embedding_params.h"

namespace warpsmith {

constexpr uint32_t WARPS = EMBEDDING_THREADS / WARP;
constexpr uint32_t EVERY_LANE = 0xffffffffu;

__device__ __forceinline__ uint32_t load_word(uint64_t array, int64_t index) {
    return ptx::load_4(array + static_cast<uint64_t>(index) * 4);
}

/// Adds up to two rows of grad_output, so that two loads are in flight.
template <typename T>
__device__ __forceinline__ void add_rows(const EmbeddingBwdParams& p, const Chunks<T>& chunks, uint32_t chunk, bool exists,
                                         uint32_t first, uint32_t second, bool two, float (&sum)[LANES<T>]) {
    float a[LANES<T>] = {}, b[LANES<T>] = {};
    if (exists) {
        chunks.template load<true>(row_at<T>(p.grad_output, first, p.grad_output_stride), chunk, a);
        if (two) {
            chunks.template load<true>(row_at<T>(p.grad_output, second, p.grad_output_stride), chunk, b);
        }
    }
    add(sum, a);
    if (two) {
        add(sum, b);
    }
}

template <typename T>
__device__ __forceinline__ void few(const EmbeddingBwdParams& p) {
    const uint32_t lane = threadIdx.x % WARP;
    const int64_t v = int64_t{blockIdx.x} * WARPS + threadIdx.x / WARP;
    if (v >= p.table_rows) {
        return;
    }
    const uint32_t size = load_word(p.counts, v);
    if (size > EMBEDDING_FEW || (size == 0 && p.accumulate != 0)) {
        return;
    }
    // The bucket in ascending order, one row a lane.
    uint32_t sorted = 0;
    if (size > 0) {
        const uint32_t start = load_word(p.ends, v) - size;
        const uint32_t row = lane < size ? load_word(p.buckets, int64_t{start} + lane) : UINT32_MAX;
        uint32_t rank = 0;
        for (uint32_t i = 0; i < size; ++i) {
            rank += __shfl_sync(EVERY_LANE, row, i) < row ? 1 : 0;
        }
        for (uint32_t i = 0; i < size; ++i) {
            const uint32_t owner = __ffs(__ballot_sync(EVERY_LANE, rank == i)) - 1;
            const uint32_t found = __shfl_sync(EVERY_LANE, row, owner);
            sorted = lane == i ? found : sorted;
        }
    }
    const Chunks<T> chunks{p.width, p.vectorised != 0};
    const uint64_t target = row_at<T>(p.grad_table, v, p.grad_table_stride);
    for (uint32_t tile = 0; tile < chunks.count(); tile += WARP) {
        const uint32_t chunk = tile + lane;
        const bool exists = chunk < chunks.count();
        float sum[LANES<T>] = {};
        for (uint32_t i = 0; i < size; i += 2) {
            const uint32_t first = __shfl_sync(EVERY_LANE, sorted, i);
            const uint32_t second = __shfl_sync(EVERY_LANE, sorted, (i + 1) % WARP);
            add_rows(p, chunks, chunk, exists, first, second, i + 1 < size, sum);
        }
        if (exists) {
            chunks.give(target, chunk, sum, p.accumulate != 0);
        }
    }
}

/// A window of rows as bits, and the sums of the warps.
template <typename T>
struct Window {
    static constexpr uint32_t WORDS = 2048;
    static constexpr uint32_t ROWS = WORDS * WARP;
    uint32_t bits[WORDS];
    float sums[WARPS][LANES<T>][WARP];
};

/// The sum over this warp's eighth of a window for this lane's chunk.
template <typename T>
__device__ __forceinline__ void add_window(const EmbeddingBwdParams& p, const Chunks<T>& chunks, uint32_t chunk, bool exists,
                                           int64_t from, const Window<T>& window, float (&sum)[LANES<T>]) {
    const uint32_t lane = threadIdx.x % WARP;
    const uint32_t first = threadIdx.x / WARP * (Window<T>::WORDS / WARPS);
    for (uint32_t group = first; group < first + Window<T>::WORDS / WARPS; group += WARP) {
        const uint32_t mine = window.bits[group + lane];
        uint32_t words = __ballot_sync(EVERY_LANE, mine != 0);
        float of_group[LANES<T>] = {};
        while (words != 0) {
            const uint32_t index = __ffs(words) - 1;
            words &= words - 1;
            uint32_t bits = __shfl_sync(EVERY_LANE, mine, index);
            const uint32_t row = static_cast<uint32_t>(from) + (group + index) * WARP;
            float of_word[LANES<T>] = {};
            while (bits != 0) {
                const uint32_t a = row + __ffs(bits) - 1;
                bits &= bits - 1;
                const bool two = bits != 0;
                const uint32_t b = row + __ffs(bits) - 1;
                bits &= bits - 1;
                add_rows(p, chunks, chunk, exists, a, b, two, of_word);
            }
            add(of_group, of_word);
        }
        add(sum, of_group);
    }
}

/// The address of a chunk's partial sums.
template <typename T>
__device__ __forceinline__ uint64_t partial(const EmbeddingBwdParams& p, const Chunks<T>& chunks, uint32_t entry, uint32_t split,
                                            uint32_t chunk) {
    const uint64_t row = uint64_t{entry} * p.splits + split;
    return p.partials + (row * chunks.count() + chunk) * LANES<T> * sizeof(float);
}

template <typename T>
__device__ __forceinline__ void many(const EmbeddingBwdParams& p) {
    __shared__ Window<T> window;
    const Chunks<T> chunks{p.width, p.vectorised != 0};
    const uint32_t lane = threadIdx.x % WARP;
    const uint32_t warp = threadIdx.x / WARP;
    const uint32_t chunk = blockIdx.x * WARP + lane;
    const bool exists = chunk < chunks.count();
    const bool splitting = p.splitting != 0;
    const int64_t begin = splitting ? blockIdx.z * p.rows_per_split : 0;
    const int64_t end = splitting ? min(p.rows, begin + p.rows_per_split) : p.rows;
    const uint32_t entries = load_word(p.header, splitting ? 2 : 1);
    for (uint32_t entry = blockIdx.y; entry < entries; entry += gridDim.y) {
        const uint32_t v = load_word(splitting ? p.split : p.many, entry);
        const uint32_t size = load_word(p.counts, v);
        const int64_t bucket = int64_t{load_word(p.ends, v)} - size;
        float sum[LANES<T>] = {};
        for (int64_t from = begin; from < end; from += Window<T>::ROWS) {
            const uint32_t rows = static_cast<uint32_t>(min(int64_t{Window<T>::ROWS}, end - from));
            for (uint32_t i = threadIdx.x; i < Window<T>::WORDS; i += EMBEDDING_THREADS) {
                window.bits[i] = 0;
            }
            __syncthreads();
            for (uint32_t i = threadIdx.x; i < size; i += EMBEDDING_THREADS) {
                const uint32_t row = load_word(p.buckets, bucket + i) - static_cast<uint32_t>(from);
                if (row < rows) {
                    atomicOr(&window.bits[row / WARP], 1u << row % WARP);
                }
            }
            __syncthreads();
            add_window(p, chunks, chunk, exists, from, window, sum);
            __syncthreads();
        }
#pragma unroll
        for (int e = 0; e < LANES<T>; ++e) {
            window.sums[warp][e][lane] = sum[e];
        }
#pragma unroll
        for (uint32_t half = WARPS / 2; half > 0; half /= 2) {
            __syncthreads();
            if (warp < half) {
#pragma unroll
                for (int e = 0; e < LANES<T>; ++e) {
                    sum[e] += window.sums[warp + half][e][lane];
                    window.sums[warp][e][lane] = sum[e];
                }
            }
        }
        if (warp == 0 && exists) {
            if (splitting) {
                const uint64_t address = partial<T>(p, chunks, entry, blockIdx.z, chunk);
#pragma unroll
                for (int e = 0; e < LANES<T>; e += 4) {
                    store_floats(address + e * sizeof(float), sum[e], sum[e + 1], sum[e + 2], sum[e + 3]);
                }
            } else {
                chunks.give(row_at<T>(p.grad_table, v, p.grad_table_stride), chunk, sum, p.accumulate != 0);
            }
        }
        __syncthreads();
    }
}

template <typename T>
__device__ __forceinline__ void join(const EmbeddingBwdParams& p) {
    const Chunks<T> chunks{p.width, p.vectorised != 0};
    const uint32_t chunk = blockIdx.x * WARP + threadIdx.x;
    const uint32_t entry = blockIdx.y;
    if (entry >= load_word(p.header, 2) || chunk >= chunks.count()) {
        return;
    }
    float sum[LANES<T>] = {};
    for (uint32_t split = 0; split < p.splits; ++split) {
        const uint64_t address = partial<T>(p, chunks, entry, split, chunk);
#pragma unroll
        for (int e = 0; e < LANES<T>; e += 4) {
            float four[4];
            unpack<float>(ptx::load_16_once(address + e * sizeof(float)), four);
            sum[e] += four[0];
            sum[e + 1] += four[1];
            sum[e + 2] += four[2];
            sum[e + 3] += four[3];
        }
    }
    const uint32_t v = load_word(p.split, entry);
    chunks.give(row_at<T>(p.grad_table, v, p.grad_table_stride), chunk, sum, p.accumulate != 0);
}

template <typename T>
__device__ __forceinline__ void positions(const EmbeddingPositionsParams& p) {
    const Chunks<T> chunks{p.width, p.vectorised != 0};
    const uint32_t chunk = blockIdx.x * WARP + threadIdx.x % WARP;
    const int64_t position = int64_t{blockIdx.y} * WARPS + threadIdx.x / WARP;
    const int64_t index = position - p.offset;
    const bool named = index >= 0 && index < p.length;
    if (position >= p.table_rows || chunk >= chunks.count() || (!named && p.accumulate != 0)) {
        return;
    }
    float sum[LANES<T>] = {};
    if (named) {
        // Sequences in groups of 32, whose sums are added.
        for (int64_t group = 0; group < p.batch; group += WARP) {
            const int64_t end = min(p.batch, group + WARP);
            float of_group[LANES<T>] = {};
#pragma unroll 4
            for (int64_t sequence = group; sequence < end; ++sequence) {
                float values[LANES<T>];
                const uint64_t row = row_at<T>(p.grad_output, sequence * p.length + index, p.grad_output_stride);
                chunks.template load<true>(row, chunk, values);
                add(of_group, values);
            }
            add(sum, of_group);
        }
    }
    chunks.give(row_at<T>(p.grad_table, position, p.grad_table_stride), chunk, sum, p.accumulate != 0);
}

}  // namespace warpsmith

// Every kernel of this file.
extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_f32_few(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::few<float>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS, 3)
embedding_bwd_f32_many(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::many<float>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::WARP)
embedding_bwd_f32_join(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::join<float>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_f32_positions(const __grid_constant__ EmbeddingPositionsParams params) {
    warpsmith::positions<float>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_f16_few(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::few<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS, 3)
embedding_bwd_f16_many(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::many<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::WARP)
embedding_bwd_f16_join(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::join<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_f16_positions(const __grid_constant__ EmbeddingPositionsParams params) {
    warpsmith::positions<warpsmith::F16>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_bf16_few(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::few<warpsmith::Bf16>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS, 3)
embedding_bwd_bf16_many(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::many<warpsmith::Bf16>(params);
}

extern "C" __global__ void __launch_bounds__(warpsmith::WARP)
embedding_bwd_bf16_join(const __grid_constant__ EmbeddingBwdParams params) {
    warpsmith::join<warpsmith::Bf16>(params);
}

extern "C" __global__ void __launch_bounds__(EMBEDDING_THREADS)
embedding_bwd_bf16_positions(const __grid_constant__ EmbeddingPositionsParams params) {
    warpsmith::positions<warpsmith::Bf16>(params);
}
