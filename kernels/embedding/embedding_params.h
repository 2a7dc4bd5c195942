/* The arguments of the embedding kernels. T is the element type in the kernel's name; addresses are of global memory, 0 where an
 * optional tensor is absent; a stride is the distance of two rows in elements; the elements of a row are contiguous. */
#ifndef WARPSMITH_EMBEDDING_PARAMS_H
#define WARPSMITH_EMBEDDING_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Threads of a block of every kernel but `embedding_bwd_T_join`.
    EMBEDDING_THREADS = 256,
    /// Most rows that one warp adds up (`_few`); with more, a table row has blocks of its own (`_many`).
    EMBEDDING_FEW = 32,
    /// Most rows that one block adds up for its columns; with more they are split, and joined by `_join`.
    EMBEDDING_MANY = 8192,
    /// Most splits.
    EMBEDDING_SPLITS = 64,
    /// Blocks of `_many` for a tile of columns: each takes every so many-th table row of the queue.
    EMBEDDING_QUEUE_BLOCKS = 256
};

/// A table and the row of it that each output row takes.
typedef struct {
    /// [rows, width] T, read; 0 where there is no such table.
    uint64_t table;
    /// [outputs] i32 or i64, read; 0 for positions that are counted.
    uint64_t ids;
    /// Row stride of `table`.
    int64_t stride;
    /// Rows of `table`.
    int64_t rows;
} EmbeddingLookup;

/// Arguments of `embedding_fwd_T`.
typedef struct {
    /// The tables, in the order of addition.
    EmbeddingLookup token;
    /// Counted where it has no ids.
    EmbeddingLookup position;
    /// The last one.
    EmbeddingLookup segment;
    /// [outputs, width] T, written.
    uint64_t output;
    /// Row stride of `output`.
    int64_t output_stride;
    /// Rows of `output`.
    int64_t outputs;
    /// Rows of a sequence: a counted position is offset + row % length.
    int64_t length;
    /// The first counted position.
    int64_t offset;
    /// Elements of a row.
    uint32_t width;
    /// Bytes of an id: 4 or 8.
    uint32_t id_bytes;
    /// Threads that share a row: a power of two up to 32.
    uint32_t threads_per_row;
    /// Whether every row of every tensor is made of whole 16-byte vectors.
    uint32_t vectorised;
} EmbeddingFwdParams;

/// Arguments of the kernels that sort rows by their ids, and of `embedding_bwd_T_few` and `_many`.
typedef struct {
    /// [rows, width] T, read.
    uint64_t grad_output;
    /// [rows] i32 or i64, read.
    uint64_t ids;
    /// [table_rows, width] T, written.
    uint64_t grad_table;
    /// [4] u32, scratch: rows in buckets, entries of `many`, entries of `split`. Then `counts`.
    uint64_t header;
    /// [table_rows] u32, scratch: rows that name each table row.
    uint64_t counts;
    /// [table_rows] u32, scratch: the end of each table row's bucket, after `fill`.
    uint64_t ends;
    /// [rows] u32, scratch: the rows, bucket by bucket, in any order within one.
    uint64_t buckets;
    /// [rows / (FEW + 1)] u32, scratch: table rows with more than FEW rows and at most MANY.
    uint64_t many;
    /// [rows / (MANY + 1)] u32, scratch: table rows with more.
    uint64_t split;
    /// [entries of split, splits, width up to a whole vector] f32, scratch.
    uint64_t partials;
    /// Row stride of `grad_output`.
    int64_t grad_output_stride;
    /// Row stride of `grad_table`.
    int64_t grad_table_stride;
    /// Rows of `grad_output`.
    int64_t rows;
    /// Rows of `grad_table`.
    int64_t table_rows;
    /// The table row that gets no gradient; -1 without one.
    int64_t padding_index;
    /// Rows of a split.
    int64_t rows_per_split;
    /// Elements of a row.
    uint32_t width;
    /// Bytes of an id: 4 or 8.
    uint32_t id_bytes;
    /// Splits of the table rows in `split`.
    uint32_t splits;
    /// Whether the gradient is added to what is there.
    uint32_t accumulate;
    /// Whether every row of both tensors is made of whole 16-byte vectors.
    uint32_t vectorised;
    /// Whether `_many` takes the table rows in `split`, one split a block.
    uint32_t splitting;
} EmbeddingBwdParams;

/// Arguments of `embedding_bwd_T_positions`.
typedef struct {
    /// [batch, length, width] T, read, as rows at one distance.
    uint64_t grad_output;
    /// [table_rows, width] T, written.
    uint64_t grad_table;
    /// Row stride of `grad_output`.
    int64_t grad_output_stride;
    /// Row stride of `grad_table`.
    int64_t grad_table_stride;
    /// Sequences.
    int64_t batch;
    /// Rows of a sequence.
    int64_t length;
    /// Rows of `grad_table`.
    int64_t table_rows;
    /// The first position.
    int64_t offset;
    /// Elements of a row.
    uint32_t width;
    /// Whether the gradient is added to what is there.
    uint32_t accumulate;
    /// Whether every row of both tensors is made of whole 16-byte vectors.
    uint32_t vectorised;
    /// Zero.
    uint32_t reserved;
} EmbeddingPositionsParams;

#ifdef __cplusplus
static_assert(sizeof(EmbeddingLookup) == 32, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(EmbeddingFwdParams) == 152, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(EmbeddingBwdParams) == 152, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(EmbeddingPositionsParams) == 80, "no padding: the launcher hashes and copies the bytes");
#endif
#endif
