from torch import _decorator

script = ignore = unused = _decorator
