"""What Triton asks PyTorch's core."""


def _cuda_getCurrentRawStream(_):
    return 0
