/* The arguments of the kernels of binary cross-entropy with logits. T is the element type in the kernel's name; addresses are of global memory, 0 where
 * an optional tensor is absent; tensors have no gaps. */
#ifndef WARPSMITH_BCE_WITH_LOGITS_PARAMS_H
#define WARPSMITH_BCE_WITH_LOGITS_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Threads of every block.
    BCE_WITH_LOGITS_THREADS = 256,
    /// Most blocks: as many partial sums.
    BCE_WITH_LOGITS_MAX_BLOCKS = 1024,
    /// `kind`: targets are i32, 0 or 1 or not counted.
    BCE_WITH_LOGITS_I32 = 0,
    /// `kind`: targets are i64, likewise.
    BCE_WITH_LOGITS_I64 = 1,
    /// `kind`: targets are probabilities of type T.
    BCE_WITH_LOGITS_SOFT = 2
};

/// Targets and what of them counts.
typedef struct {
    /// [count], read, of the type that `kind` says.
    uint64_t targets;
    /// [count] bytes, read, optional: 0 where an element does not count.
    uint64_t mask;
    /// The target, of i32 or i64, of elements that do not count.
    int64_t ignore_index;
    /// Elements.
    uint64_t count;
    /// One of the kinds above.
    uint32_t kind;
    /// Not 0 where targets, and in `bce_with_logits_fwd_T` all tensors of T or f32, begin at multiples of 16 bytes.
    uint32_t vectorised;
} BceWithLogitsTargets;

/// Arguments of `bce_with_logits_count`.
typedef struct {
    /// Where the targets are.
    BceWithLogitsTargets targets;
    /// [blocks] u32, written: the elements that count.
    uint64_t counts;
} BceWithLogitsCountParams;

/// Arguments of `bce_with_logits_fwd_T`.
typedef struct {
    /// Where the targets are.
    BceWithLogitsTargets targets;
    /// [count] T, read.
    uint64_t logits;
    /// [blocks] u32, read, present for a mean: what `bce_with_logits_count` wrote, by as many blocks.
    uint64_t counts;
    /// [1] or [count] f32, read, optional: what the gradient is multiplied by.
    uint64_t grad_loss;
    /// [count] T, written, optional; may be `logits` itself.
    uint64_t grad_logits;
    /// [count] f32, written, optional: each element's loss.
    uint64_t losses;
    /// [blocks] f32, written, optional: their sums.
    uint64_t partials;
    /// 1 where `grad_loss` has an element for each logit, 0 where it has one.
    uint32_t grad_loss_stride;
    /// What the loss of a target of 1 is multiplied by.
    float pos_weight;
} BceWithLogitsFwdParams;

/// Arguments of `bce_with_logits_reduce`.
typedef struct {
    /// [blocks] f32, read.
    uint64_t partials;
    /// [blocks] u32, read, optional: the sum is divided by theirs.
    uint64_t counts;
    /// [1] f32, written.
    uint64_t loss;
    /// How many of each.
    uint32_t blocks;
    /// Zero.
    uint32_t reserved;
} BceWithLogitsReduceParams;

#ifdef __cplusplus
static_assert(sizeof(BceWithLogitsCountParams) == 48, "no padding: the launcher copies the bytes");
static_assert(sizeof(BceWithLogitsFwdParams) == 96, "no padding: the launcher copies the bytes");
static_assert(sizeof(BceWithLogitsReduceParams) == 32, "no padding: the launcher copies the bytes");
#endif
#endif
