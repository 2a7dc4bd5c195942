/* The arguments of the token masking kernels. Id is the type of token ids in the kernel's name, i32 or i64; addresses are of global memory, 0 where an
 * optional tensor is absent; tensors have no gaps. */
#ifndef WARPSMITH_MASK_TOKENS_PARAMS_H
#define WARPSMITH_MASK_TOKENS_PARAMS_H
#include <stdint.h>

/* What launchers and kernels agree on. */
enum {
    /// Threads of every block.
    MASK_TOKENS_THREADS = 256,
    /// Tokens of a thread.
    MASK_TOKENS_EACH = 8,
    /// Most ids that are never chosen.
    MASK_TOKENS_MAX_SPECIAL = 8
};

/// Arguments of `mask_tokens_fwd_Id`.
typedef struct {
    /// [count] Id, read.
    uint64_t input;
    /// [count] bytes, read, optional: not 0 where a token is never chosen.
    uint64_t special;
    /// [count] Id, written: `input`, or memory that is not read.
    uint64_t output;
    /// [count] Id, written.
    uint64_t labels;
    /// [2] of 64 bits, read: seed and offset of the random numbers.
    uint64_t state;
    /// Added to that offset.
    uint64_t random_offset;
    /// Tokens.
    uint64_t count;
    /// Tokens are chosen whose first word is below this; up to 2^32.
    uint64_t chosen;
    /// Of these, the mask takes the place of those whose word is below this.
    uint64_t masked;
    /// And a random token that of the others whose word is below this.
    uint64_t randomised;
    /// The mask.
    int64_t mask_token;
    /// The label of tokens that are not chosen.
    int64_t ignore_index;
    /// Ids that are never chosen, where there are some; places left over hold one of them again.
    int64_t special_ids[MASK_TOKENS_MAX_SPECIAL];
    /// Not 0 where there are some.
    uint32_t has_special_ids;
    /// Random tokens are below this.
    uint32_t vocabulary;
    /// 2^32 modulo `vocabulary`: products whose low half is below this would favour some tokens.
    uint32_t rejected;
    /// Not 0 where all ids begin at multiples of 16 bytes.
    uint32_t vectorised;
} MaskTokensFwdParams;

#ifdef __cplusplus
static_assert(sizeof(MaskTokensFwdParams) == 176, "no padding: the launcher copies the bytes");
#endif
#endif
