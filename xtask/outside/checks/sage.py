"""sageattention's Triton kernels: queries and keys in 8 bits, whose products are exact."""

import numpy as np

from checking import F32, bare, check, eps

SAGE = "sageattention"
# Triton 3.9 takes accumulators in halves apart between a product's issue and the wait for it. ptxas sees that and waits; PTX says no.
EARLY = {90: "is used by a product still in flight"}
bare("sageattention")


def quantised(case, length, causal):
    from sageattention.attn_qk_int8_per_block import forward
    from sageattention.attn_qk_int8_per_block_causal import forward as forward_causal
    from sageattention.quant_per_block import per_block_int8

    (Q, q), (K, k), (V, v) = (case.tensor(1, h, length, 64, dtype=np.float16) for h in (4, 2, 2))
    q8, q_scale, k8, k_scale = per_block_int8(Q, K)
    for what, got, scale, exact, block in [
        ("q8", q8, q_scale, q / 8 * np.log2(np.e), 128),
        ("k8", k8, k_scale, k, 64),
    ]:
        blocks = [np.abs(exact[:, :, at : at + block]).max((2, 3)) / 127 for at in range(0, length, block)]
        yield f"scale of {what}", scale, np.stack(blocks, -1)[..., None], F32
        spread = np.repeat(scale.array[..., 0], block, -1)[:, :, :length, None]
        yield what, got.array * spread, exact, 0.51 / 127
    o = (forward_causal if causal else forward)(q8, k8, V, q_scale, k_scale)
    queries = q8.array.astype(np.float64) * np.repeat(q_scale.array[..., 0], 128, -1)[:, :, :length, None]
    keys = k8.array.astype(np.float64) * np.repeat(k_scale.array[..., 0], 64, -1)[:, :, :length, None]
    s = queries @ keys.repeat(2, 1).swapaxes(-1, -2)
    if causal:
        s = np.where(np.tril(np.ones((length, length), bool)), s, -np.inf)
    p = np.exp2(s - s.max(-1, keepdims=True))
    # Products of two halves are summed in halves, over 64 keys at a time.
    yield "o", o, p / p.sum(-1, keepdims=True) @ v.repeat(2, 1), eps(np.float16, 4)


# Without a mask, this version counts keys beyond the end as zeros where the length is no multiple of 64.
@check(SAGE, "int8 and f16 [1, 4 over 2 heads, 192, 64]", finds=EARLY)
def sage_attention(case):
    yield from quantised(case, 192, False)


@check(SAGE, "int8 and f16 [1, 4 over 2 heads, 200, 64], causal", finds=EARLY)
def sage_attention_causal(case):
    yield from quantised(case, 200, True)
