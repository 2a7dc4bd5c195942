//! Kernels as nvcc 13 compiles them for sm_80 and sm_90a: the .cu files beside the PTX in `tests/ptx` are their sources.

mod attention;
mod common;
mod gemm;
mod reductions;
mod wgmma;
