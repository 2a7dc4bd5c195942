from torch import _decorator

once_differentiable = _decorator
