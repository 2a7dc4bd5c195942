/* Parameters of the attention kernels. */
#ifndef WARPSMITH_ATTENTION_PARAMS_H
#define WARPSMITH_ATTENTION_PARAMS_H
#include <stdint.h>

enum {
    /// Queries of a block of the attention_fwd kernels.
    ATTENTION_FWD_QUERIES = 128,
    /// Threads of such a block.
    ATTENTION_FWD_THREADS = 128,
    /// Keys of a step.
    ATTENTION_FWD_KEYS = 64,
    /// Keys of a step of the compact kernels.
    ATTENTION_FWD_COMPACT_KEYS = 32,
    /// Keys of a block of `attention_bwd_T`.
    ATTENTION_BWD_KEYS = 128,
    /// Threads of a block of `attention_bwd_prepare_T`.
    ATTENTION_BWD_PREPARE_THREADS = 256,
    /// Bytes of dynamic shared memory of `attention_bwd_T_64`.
    ATTENTION_BWD_SHARED_64 = 58240,
    /// Of `attention_bwd_T_128`.
    ATTENTION_BWD_SHARED_128 = 165504,
    /// Of `attention_bwd_T_128_compact`.
    ATTENTION_BWD_SHARED_128_COMPACT = 99200
};

/// A tensor [batch, length, heads, head_dim]: the address of element 0, and strides in elements. The head dimension is contiguous.
typedef struct AttentionTensor {
    /// Global address, a multiple of 16.
    uint64_t address;
    /// Elements from one batch entry to the next, a multiple of 8.
    int64_t batch_stride;
    /// Elements from one position to the next, a multiple of 8.
    int64_t row_stride;
    /// Elements from one head to the next, a multiple of 8.
    int64_t head_stride;
} AttentionTensor;

/// The one argument of the attention_fwd kernels.
typedef struct AttentionFwdParams {
    /// [batch, queries, heads, D] T, read.
    AttentionTensor q;
    /// [batch, keys, kv_heads, D] T, read.
    AttentionTensor k;
    /// [batch, keys, kv_heads, D] T, read.
    AttentionTensor v;
    /// [batch, queries, heads, D] T, written.
    AttentionTensor o;
    /// [batch, heads, queries] f32, written: log of the sum of exponentials of each row; -infinity for a row without keys. Not
    /// written if 0.
    uint64_t lse;
    /// Queries of a batch entry.
    uint32_t queries;
    /// Keys of a batch entry.
    uint32_t keys;
    /// Query heads; the grid's second dimension.
    uint32_t heads;
    /// Query heads that share a key-value head.
    uint32_t group;
    /// Softmax scale times log2(e).
    float scale_log2;
    /// Query i attends to keys below i + diagonal, as far as there are keys: keys - queries + 1 with a causal mask (aligned at the
    /// bottom right), keys without.
    int32_t diagonal;
} AttentionFwdParams;

/// The one argument of the attention_bwd kernels.
typedef struct AttentionBwdParams {
    /// [batch, queries, heads, D] T, read.
    AttentionTensor q;
    /// [batch, keys, kv_heads, D] T, read.
    AttentionTensor k;
    /// [batch, keys, kv_heads, D] T, read.
    AttentionTensor v;
    /// [batch, queries, heads, D] T, read: the forward's output.
    AttentionTensor o;
    /// [batch, queries, heads, D] T, read: the gradient of the output.
    AttentionTensor grad_o;
    /// [batch, queries, heads, D] T, written.
    AttentionTensor grad_q;
    /// [batch, keys, kv_heads, D] T, written.
    AttentionTensor grad_k;
    /// [batch, keys, kv_heads, D] T, written.
    AttentionTensor grad_v;
    /// [batch, heads, queries] f32, read: as the forward wrote it.
    uint64_t lse;
    /// [batch, heads, query_blocks, 3, block_queries] f32, workspace: lse * log2(e), or +infinity; then -delta, that is minus the sum over
    /// D of grad_o * o, two queries and the same two again.
    uint64_t statistics;
    /// [batch, heads, query_blocks, block_queries, D] f32, workspace: sums of grad_q, in the order of registers.
    uint64_t grad_q_sums;
    /// [1 + batch * heads * query_blocks * warps] u32, workspace: the next key block to be taken, and how many have added to each part.
    uint64_t turns;
    /// Entries of the batch.
    uint32_t batch;
    /// Queries of a batch entry.
    uint32_t queries;
    /// Keys of a batch entry.
    uint32_t keys;
    /// Query heads.
    uint32_t heads;
    /// Query heads that share a key-value head.
    uint32_t group;
    /// Blocks of queries of a head.
    uint32_t query_blocks;
    /// Queries of such a block, which the main kernel takes in one step: a power of two.
    uint32_t block_queries;
    /// Warps of a block of the main kernel.
    uint32_t warps;
    /// Query i attends to keys below i + diagonal, as far as there are keys.
    int32_t diagonal;
    /// Softmax scale.
    float scale;
    /// Softmax scale times log2(e).
    float scale_log2;
    /// Zero.
    uint32_t reserved;
} AttentionBwdParams;

#ifdef __cplusplus
static_assert(sizeof(AttentionTensor) == 32, "no padding: the launcher copies the bytes");
static_assert(sizeof(AttentionFwdParams) == 160, "no padding: the launcher copies the bytes");
static_assert(sizeof(AttentionBwdParams) == 336, "no padding: the launcher copies the bytes");
#endif
#endif
