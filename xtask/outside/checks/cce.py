"""cut-cross-entropy's Triton kernels: the loss of a linear layer whose logits are never stored; sums over blocks under locks."""

import ml_dtypes
import numpy as np
import torch

from checking import BF16, F32, bare, check

CCE = "cut-cross-entropy"
bf16 = ml_dtypes.bfloat16
bare("cut_cross_entropy")


@check(CCE, "bf16 [150, 96] x [1000, 96]")
def linear_cross_entropy(case):
    from cut_cross_entropy.cce_backward import cce_backward_kernel
    from cut_cross_entropy.cce_lse_forward import cce_lse_forward_kernel
    from cut_cross_entropy.indexed_dot import indexed_neg_dot_forward_kernel

    (E, e), (C, c) = case.tensor(150, 96, dtype=bf16, scale=0.3), case.tensor(1000, 96, dtype=bf16)
    labels = case.random.integers(0, 1000, 150)
    logits = e @ c.T
    log = np.log(np.exp(logits).sum(1))
    lse = cce_lse_forward_kernel(E, C)
    yield "lse", lse, log, F32
    dot = indexed_neg_dot_forward_kernel(E, C, torch.Tensor(labels), out_dtype=torch.float32)
    # Products are rounded to bf16 before they are summed.
    yield "-logit", dot, -logits[np.arange(150), labels], BF16
    C.requires_grad = True
    de, dc = cce_backward_kernel(torch.tensor(1.0), E, C, lse, None, None, None, torch.Tensor(labels))
    dlogits = np.exp(logits - log[:, None])
    dlogits[np.arange(150), labels] -= 1
    # Each block adds its share to a sum in bf16.
    yield "de", de, dlogits @ c, 4 * BF16
    yield "dc", dc, dlogits.T @ e, 4 * BF16
