"""What the stand-in lacks can be imported and named, not used."""

import importlib.abc
import importlib.machinery


class _Absent(type):
    """The type of what the stand-in lacks: can be named, annotated with and derived from, and not called."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _absent(f"{cls.__qualname__}.{name}")

    def __call__(cls, *arguments, **named):
        if "_absent" in cls.__dict__:
            raise NotImplementedError(f"{cls.__qualname__} of the stand-in for PyTorch")
        return super().__call__(*arguments, **named)

    def __or__(cls, other):
        return cls

    __ror__ = __or__


def _absent(name):
    return _Absent(name, (), {"_absent": True, "__module__": "torch"})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Any `torch.x.y` that there is no file for can be imported, and holds absences."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("torch."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__getattr__ = lambda name: _missing(f"{module.__name__}.{name}")


def _missing(name):
    if name.rpartition(".")[2].startswith("__"):
        raise AttributeError(name)
    return _absent(name)
