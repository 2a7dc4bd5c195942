/* The arguments of the cross-entropy kernels. T is the element type in the kernel's name; addresses are of global memory, 0 where an
 * optional tensor is absent; a stride is the distance of two rows in elements; the elements of a row are contiguous. */
#ifndef WARPSMITH_CROSS_ENTROPY_PARAMS_H
#define WARPSMITH_CROSS_ENTROPY_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// 16-byte vectors of a row that a thread loads at once, and holds in registers when they are the last ones.
    CROSS_ENTROPY_VECTORS = 4,
    /// Most threads of a block of `cross_entropy_fwd_T`.
    CROSS_ENTROPY_THREADS = 448,
    /// Threads of the one block of `cross_entropy_totals` and `cross_entropy_reduce`.
    CROSS_ENTROPY_SUM_THREADS = 1024
};

/// Arguments of `cross_entropy_totals`.
typedef struct {
    /// [rows] i32 or i64, read.
    uint64_t targets;
    /// [width] f32, read, optional: the weight of each class.
    uint64_t weight;
    /// [4] f32, written: kept rows, the sum of their targets' weights, the sum of all weights, zero.
    uint64_t totals;
    /// [2] f32, written, optional: the first two of them.
    uint64_t kept;
    /// Rows.
    int64_t rows;
    /// The target of rows that do not count.
    int64_t ignore_index;
    /// Classes.
    uint32_t width;
    /// Bytes of a target: 4 or 8.
    uint32_t target_bytes;
} CrossEntropyTotalsParams;

/// Arguments of `cross_entropy_fwd_T`.
typedef struct {
    /// [rows, width] T, read.
    uint64_t logits;
    /// [rows] i32 or i64, read.
    uint64_t targets;
    /// [width] f32, read, optional: the weight of each class.
    uint64_t weight;
    /// [4] f32, read, present where `mean` is set or there are weights: what `cross_entropy_totals` wrote.
    uint64_t totals;
    /// [1] or [rows] f32, read, optional: what the gradient of the loss is multiplied by.
    uint64_t grad_loss;
    /// [rows, width] T, written, optional; may be `logits` itself.
    uint64_t grad_logits;
    /// [rows] f32, written, optional: what each row adds to the loss.
    uint64_t losses;
    /// [rows] f32, written, optional: the logarithm of the sum of the exponentials; 0 for ignored rows.
    uint64_t lse;
    /// Row stride of `logits`.
    int64_t logits_stride;
    /// Row stride of `grad_logits`.
    int64_t grad_logits_stride;
    /// 1 where `grad_loss` has an element for each row, 0 where it has one.
    int64_t grad_loss_stride;
    /// Rows.
    int64_t rows;
    /// The target of rows that do not count.
    int64_t ignore_index;
    /// Classes.
    uint32_t width;
    /// Bytes of a target: 4 or 8.
    uint32_t target_bytes;
    /// Threads that share a row: a power of two up to 32, or all threads of the block.
    uint32_t threads_per_row;
    /// Times that each thread loads VECTORS vectors of a row; the last ones stay in registers.
    uint32_t batches;
    /// Vectors of a row after those that each thread keeps in dynamic shared memory.
    uint32_t shared_vectors;
    /// Whether the loss is divided by the kept rows (their weights where there are some).
    uint32_t mean;
    /// Label smoothing, 0 to 1.
    float smoothing;
    /// smoothing / width.
    float smoothing_each;
    /// The factor of the squared `lse`.
    float z_loss;
    /// c of c * tanh(x / c), 0 without it.
    float softcap;
    /// 2 log2(e) / softcap, 0 without it.
    float softcap_rate;
    /// What that was rounded by.
    float softcap_rate_rest;
} CrossEntropyFwdParams;

/// Arguments of `cross_entropy_reduce`.
typedef struct {
    /// [rows] f32, read, at a multiple of 16 bytes.
    uint64_t losses;
    /// [4] f32, read, optional: what `cross_entropy_totals` wrote; without kept rows the loss is NaN.
    uint64_t totals;
    /// [1] f32, written: the sum.
    uint64_t loss;
    /// Rows.
    int64_t rows;
} CrossEntropyReduceParams;

#ifdef __cplusplus
static_assert(sizeof(CrossEntropyTotalsParams) == 56, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(CrossEntropyFwdParams) == 152, "no padding: the launcher hashes and copies the bytes");
static_assert(sizeof(CrossEntropyReduceParams) == 32, "no padding: the launcher hashes and copies the bytes");
#endif
#endif
