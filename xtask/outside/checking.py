"""Checks of other people's kernels: registered by `@check`, run one by one, each ending in one line of JSON.

A check launches kernels through their package's own host code and yields `(what, got, want, bound)`: the error is the largest difference, over the
largest expected value; a bound counts in that unit. A fault ends the device's context, so after a failure the process starts itself anew with the
checks that are left.
"""

import contextlib
import importlib
import importlib.metadata
import json
import os
import sys
import tempfile
import time
import traceback
import types

import ml_dtypes
import numpy as np

import device

CHECKS = {}
LAUNCHED = []  # Kernel names, in the order of their launches.


class Case:
    """What a check starts from: the same random numbers every time."""

    def __init__(self, arch):
        self.arch, self.random = arch, np.random.default_rng(1)

    def normal(self, *shape, dtype=np.float32, scale=1.0):
        """Normally distributed numbers that `dtype` can hold."""
        return (self.random.standard_normal(shape) * scale).astype(dtype)

    def tensor(self, *shape, dtype=np.float32, scale=1.0):
        """The same as a tensor, and in f64."""
        import torch

        array = self.normal(*shape, dtype=dtype, scale=scale)
        return torch.Tensor(array.copy()), array.astype(np.float64)


def check(package, shape, archs=(80, 90), finds=None):
    """Registers a check of kernels that come from a package of Python's or Rust's registry. `finds` says for an architecture which fault the
    kernel really has: there the check is passed if the detector reports it, and no other."""

    def register(function):
        name = function.__name__.rstrip("_")
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(package)
            CHECKS[name] = {"package": f"{package} {version}"}
        known = CHECKS.setdefault(name, {"package": package})
        CHECKS[name] = known | {"run": function, "shape": shape, "archs": archs, "finds": finds or {}}
        return function

    return register


def eps(kind, times=1.0):
    """A bound: so many roundings of a type."""
    return times * float(ml_dtypes.finfo(kind).eps)


F32 = eps(np.float32, 32)
F16 = eps(np.float16)
BF16 = eps(ml_dtypes.bfloat16)


def error(got, want):
    """The largest difference, over the largest expected value. What is not finite where it should be is infinitely wrong."""
    got = np.asarray(got.array if hasattr(got, "array") else got).astype(np.float64)
    want = np.asarray(want, np.float64)
    if got.shape != want.shape:
        raise ValueError(f"shape {got.shape} instead of {want.shape}")
    finite = np.isfinite(want)
    if not (np.isfinite(got) == finite).all() or not (got[~finite] == want[~finite]).all():
        return float("inf")
    difference = np.abs(got - want)[finite]
    return float(difference.max(initial=0.0) / max(np.abs(want[finite]).max(initial=0.0), 1e-30))


def ratio(wrong, bound):
    """An error in units of its bound."""
    return wrong / bound if bound else float("inf") if wrong else 0.0


@contextlib.contextmanager
def _stderr():
    """Standard error goes to a file meanwhile, the driver's reports of faults too."""
    sys.stderr.flush()
    old = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            sys.stderr.flush()
            os.dup2(old, 2)
            os.close(old)


def run(name, arch):
    """One check, as what its line says."""
    known = CHECKS[name]
    LAUNCHED.clear()
    worst = {"what": "", "error": 0.0, "bound": 0.0}
    failed, found, outputs, began = None, None, 0, time.monotonic()
    expected = known["finds"].get(arch)
    with _stderr() as file:
        try:
            for what, got, want, bound in known["run"](Case(arch)):
                outputs += 1
                wrong = error(got, want)
                if wrong > bound and failed is None:
                    failed = f"{what} is off by {wrong:.2e}, allowed are {bound:.2e}"
                if not worst["what"] or ratio(wrong, bound) > ratio(worst["error"], worst["bound"]):
                    worst = {"what": what, "error": wrong, "bound": bound}
            failed = failed or (None if outputs else "nothing was checked")
            failed = failed or (f"not found: {expected}" if expected else None)
        except Exception:  # Whatever goes wrong in other people's code is this check's failure.
            file.seek(0)
            report = file.read().decode(errors="replace").splitlines()
            faults = report[next((at + 1 for at, line in enumerate(report) if line.startswith("ptx-emulator driver: ")), len(report)) :]
            if expected and faults and all(expected in fault for fault in faults):
                found = faults[0].strip()
            else:
                failed = "\n".join([*faults[:12], traceback.format_exc(limit=-3).strip()])
    return {
        "check": name,
        "package": known["package"],
        "arch": arch,
        "shape": known["shape"],
        "kernels": sorted(set(LAUNCHED)),
        "launches": len(LAUNCHED),
        "outputs": outputs,
        "seconds": round(time.monotonic() - began, 2),
        "failed": failed,
        "found": found,
        **worst,
    }


def bare(*packages):
    """Makes packages importable without what their `__init__` asks for: their kernels alone."""
    for package in packages:
        parent, _, name = package.rpartition(".")
        places = sys.modules[parent].__path__ if parent else sys.path
        paths = [place for path in places if os.path.isdir(place := os.path.join(path, name))]
        if not paths:
            raise ImportError(f"no package {package}")
        module = types.ModuleType(package)
        module.__path__, module.__version__ = paths, "0"
        sys.modules[package] = module


def stop_at_ptx():
    """Triton hands PTX to the driver, as to one that compiles it, rather than machine code."""
    from triton import knobs
    from triton.backends.nvidia.compiler import CUDABackend

    stages, begin = CUDABackend.add_stages, CUDABackend.__init__

    def add_stages(self, chosen, options, language):
        stages(self, chosen, options, language)
        del chosen["cubin"]

    def __init__(self, target):
        begin(self, target)
        self.binary_ext = "ptx"

    CUDABackend.add_stages, CUDABackend.__init__ = add_stages, __init__
    knobs.runtime.launch_enter_hook.add(lambda metadata: LAUNCHED.append(metadata.get()["name"]))
    # Timing means nothing here: of the configurations that a kernel could be tuned over, the first that fits is taken.
    from triton.runtime import autotuner

    autotuner.Autotuner._bench = lambda self, *arguments, config, **meta: [1.0, 1.0, 1.0]


def main(modules, names):
    """Imports modules, runs those checks of theirs that have a name in `names` (all, if it is empty), and prints a line for each."""
    major, minor = device.capability()
    arch = 10 * major + minor
    for module in modules:
        try:
            importlib.import_module(f"checks.{module}")
        except ImportError as what:
            print(json.dumps({"check": module, "missing": str(what)}), flush=True)
    chosen = [name for name, known in CHECKS.items() if arch in known["archs"] and (not names or name in names)]
    for at, name in enumerate(chosen):
        outcome = run(name, arch)
        print(json.dumps(outcome), flush=True)
        if (outcome["failed"] or outcome["found"]) and chosen[at + 1 :]:
            os.execv(sys.executable, [sys.executable, sys.argv[0], sys.argv[1], *chosen[at + 1 :]])
