"""Automatic mixed precision, which is off."""

from torch import _decorator, _Nothing

custom_fwd = custom_bwd = _decorator
autocast = _Nothing
