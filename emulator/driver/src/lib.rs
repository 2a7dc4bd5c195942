//! Drop-in CUDA driver over the PTX emulator: a `libcuda.so.1` whose GPUs are [`ptx_emulator::Emulator`]s.
//!
//! Programs that load the CUDA driver at run time (cudarc, for one) run on it unchanged, on machines without a GPU. The README of this
//! crate lists the functions, the environment variables and what differs from hardware; in one sentence: every operation runs to its
//! end, in order, inside the call that queues it, and so a failing kernel fails its own launch.
//!
//! # Safety contract of the exported functions
//!
//! All of them are `unsafe extern "C"`, for they follow pointers that the caller gives:
//! - a pointer to a result is null or valid for one write of its type,
//! - a pointer to input (strings with a closing NUL, arrays with their stated length) is null or valid for that many reads,
//! - host memory given to a copy is valid for its byte count: at the call, or, under stream capture, at each launch of the graph.
//!
//! Nothing else is asked. Handles (contexts, streams, events, modules, functions, graphs) are numbers that are looked up and never followed, so an
//! unknown, a destroyed or a foreign one gives an error code; a null result pointer gives `CUDA_ERROR_INVALID_VALUE`; a panic inside gives
//! `CUDA_ERROR_UNKNOWN`. Each function's own "Safety" section names the pointers that this contract covers.

// The exported names are those of the CUDA driver API.
#![allow(non_snake_case)]

mod abi;
mod capture;
mod context;
mod control;
mod copy;
mod device;
mod entry;
mod error;
mod event;
mod forms;
mod function;
mod graph;
mod image;
mod inject;
mod launch;
mod library;
mod memory;
mod operation;
mod pointer;
mod pool;
mod record;
mod settings;
mod state;
mod stream;
mod symbols;
mod tensor;
mod unsupported;
