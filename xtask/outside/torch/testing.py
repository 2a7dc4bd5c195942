from torch import _missing


def __getattr__(name):
    return _missing(f"torch.testing.{name}")
