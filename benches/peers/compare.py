#!/usr/bin/env python3
"""Times warpsmith and what else is there for the same work, on one NVIDIA GPU, and prints one table.

    compare.py --bundle FOLDER    the benches of a bundle (`cargo xtask bundle FOLDER`): needs neither Rust nor CUDA's toolkit
    compare.py                    the benches of this repository, by `cargo bench`

Peers are what this Python can import: PyTorch (every backend of scaled_dot_product_attention by itself, layer_norm, gelu, fused AdamW),
bitsandbytes and torchao (8-bit AdamW). What is missing is said, and its column stays empty. Both sides are timed by events on the GPU, one call at a time,
on normal random data, with the L2 cache flushed before; the table has medians in microseconds. A process of ours and its peers
take turns, one operation after the other, so that both see the same clocks.
"""
import argparse
import collections
import importlib
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile

REPETITIONS = 40
FLUSH_BYTES = 256 << 20
BENCHES = ["attention", "layer_norm", "gelu", "adamw8bit"]
# What a bench prints for each of its ids on a GPU.
MEDIAN = re.compile(r"^(\S+): median ([0-9.]+) us", re.MULTILINE)


def card():
    """The first GPU's name, power limit and clocks, or None."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=name,driver_version,power.limit,clocks.max.sm,clocks.max.mem", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True)
    lines = answer.stdout.strip().splitlines()
    return lines[0] if answer.returncode == 0 and lines else None


def ours(bench, folder):
    """Runs one of our benches and gives its medians by id."""
    if folder is None:
        root = pathlib.Path(__file__).resolve().parents[2]
        command, where = ["cargo", "bench", "--package", "warpsmith", "--bench", bench], root
    else:
        command, where = [str(folder / "benches" / bench), "--bench"], None
    run = subprocess.run(command, cwd=where, capture_output=True, text=True)
    medians = {name: float(us) for name, us in MEDIAN.findall(run.stdout)}
    if not medians:
        print(f"our bench {bench} printed no times (exit status {run.returncode}):\n{(run.stdout + run.stderr)[-2000:]}")
    return medians


def imported(name):
    """A module, or None with a sentence why."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # An import may fail in any way, for want of a library, too.
        print(f"{name} cannot be imported ({type(error).__name__}: {error}): its column stays empty")
        return None


class Peers:
    """PyTorch and what works on its tensors, for ids as our benches have them."""

    def __init__(self):
        self.torch = imported("torch")
        if self.torch is not None and not self.torch.cuda.is_available():
            print("PyTorch sees no GPU (a build for the CPU?): its column stays empty")
            self.torch = None
        if self.torch is not None:
            self.flushed = self.torch.empty(FLUSH_BYTES, dtype=self.torch.uint8, device="cuda")
            self.optimizers = {name: imported(name) for name in ["bitsandbytes", "torchao.optim"]}

    def time(self, call):
        """The median of many calls, each with a cold cache."""
        torch, times = self.torch, []
        for _ in range(3):
            call()
        for _ in range(REPETITIONS):
            self.flushed.zero_()
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            call()
            end.record()
            end.synchronize()
            times.append(1e3 * start.elapsed_time(end))
        return statistics.median(times)

    def of(self, name):
        """Pairs of a peer's name and its median for one of our ids; what a peer cannot do is left out."""
        if self.torch is None:
            return {}
        dtypes = {"f32": self.torch.float32, "f16": self.torch.float16, "bf16": self.torch.bfloat16}
        op, kind, dtype, shape = name.split("/")
        rows, width = map(int, shape.split("x"))
        make = {"attention": self.attention, "layer_norm": self.layer_norm, "gelu": self.gelu, "adamw8bit": self.adamw}[op]
        found = {}
        for peer, prepare in make(kind, dtypes[dtype], rows, width):
            try:
                found[peer] = self.time(prepare())
            except Exception as error:  # A backend that does not take the problem, memory that does not suffice.
                print(f"{peer} does not do {name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            self.torch.cuda.empty_cache()
        return found

    def normal(self, *shape, dtype, grad=False):
        return self.torch.randn(*shape, dtype=dtype, device="cuda").requires_grad_(grad)

    def backward_of(self, output, inputs):
        """A call of the backward pass alone."""
        gradient = self.torch.randn_like(output)
        return lambda: self.torch.autograd.grad(output, inputs, gradient, retain_graph=True)

    def attention(self, kind, dtype, length, head_dim):
        from torch.nn.attention import SDPBackend, sdpa_kernel

        sdpa = self.torch.nn.functional.scaled_dot_product_attention
        batch, heads = 16384 // length, 2048 // head_dim
        forward, causal = kind.startswith("forward"), kind.endswith("causal")

        def prepare(backend):
            # [batch, length, heads, head_dim] in memory, as ours.
            q, k, v = (self.normal(batch, length, heads, head_dim, dtype=dtype, grad=True).transpose(1, 2) for _ in range(3))

            def call():
                with sdpa_kernel(backend):
                    return sdpa(q, k, v, is_causal=causal)

            return call if forward else self.backward_of(call(), (q, k, v))

        names = {"FLASH_ATTENTION": "SDPA flash", "CUDNN_ATTENTION": "SDPA cuDNN", "EFFICIENT_ATTENTION": "SDPA efficient"}
        for backend, name in names.items():
            if hasattr(SDPBackend, backend):
                yield name, lambda backend=backend: prepare(getattr(SDPBackend, backend))

    def layer_norm(self, kind, dtype, rows, width):
        def prepare():
            x, weight, bias = (self.normal(*shape, dtype=dtype, grad=True) for shape in [(rows, width), (width,), (width,)])
            call = lambda: self.torch.nn.functional.layer_norm(x, (width,), weight, bias, 1e-5)
            return call if kind == "forward" else self.backward_of(call(), (x, weight, bias))

        # PyTorch adds no residual in the same pass.
        if kind in ("forward", "backward"):
            yield "torch", prepare

    def gelu(self, kind, dtype, rows, width):
        def prepare():
            x = self.normal(rows, width, dtype=dtype, grad=True)
            call = lambda: self.torch.nn.functional.gelu(x, approximate="tanh" if "tanh" in kind else "none")
            return call if kind.startswith("forward") else self.backward_of(call(), (x,))

        if not kind.endswith("bias"):
            yield "torch", prepare

    def adamw(self, kind, dtype, count, elements):
        def prepare(optimizer, **options):
            parameters = [self.torch.nn.Parameter(self.normal(elements, dtype=dtype)) for _ in range(count)]
            for parameter in parameters:
                parameter.grad = 0.01 * self.torch.randn_like(parameter)
            return optimizer(parameters, lr=1e-4, weight_decay=0.1, **options).step

        yield "torch fused, 32-bit", lambda: prepare(self.torch.optim.AdamW, fused=True)
        if self.optimizers["bitsandbytes"] is not None:
            yield "bitsandbytes", lambda: prepare(self.optimizers["bitsandbytes"].optim.AdamW8bit)
        if self.optimizers["torchao.optim"] is not None:
            yield "torchao", lambda: prepare(self.optimizers["torchao.optim"].AdamW8bit)


def table(rows):
    """Prints one line for each of our ids and each of its peers."""
    print(f"\n{'':<48} {'ours, us':>12}  {'peer':<22} {'us':>12} {'peer / ours':>12}")
    for name, (time, peers) in rows.items():
        for i, (peer, its) in enumerate(peers.items() or [("", None)]):
            head = f"{name:<48} {time:>12.1f}" if i == 0 else f"{'':<61}"
            print(f"{head}  {peer:<22} {its:>12.1f} {its / time:>12.2f}" if its is not None else head)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=pathlib.Path, help="a folder that `cargo xtask bundle` made")
    options = parser.parse_args()
    gpu = card()
    if gpu is None:
        print("no NVIDIA GPU answers nvidia-smi here: there is nothing to compare, since times on the emulator mean nothing")
        return 1
    print(f"card: {gpu}")
    peers, rows = Peers(), collections.OrderedDict()
    with tempfile.TemporaryDirectory() as scratch:
        folder = None
        if options.bundle is not None:
            folder = pathlib.Path(scratch)
            with tarfile.open(options.bundle / "programs.tar.gz") as programs:
                programs.extractall(folder)
        for bench in BENCHES:
            for name, time in ours(bench, folder).items():
                rows[name] = (time, peers.of(name))
    table(rows)
    return 0 if rows else 1


if __name__ == "__main__":
    sys.exit(main())
