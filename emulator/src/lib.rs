//! Runs PTX on the CPU under adversarial schedules, with a race detector and a profiler's counters.

mod ast;
mod config;
mod counters;
mod decode;
mod emulator;
mod error;
mod exec;
mod fault;
mod isa;
mod lanes;
mod launch;
mod memory;
mod module;
pub mod mutate;
#[allow(dead_code)]
mod numeric;
mod parse;
mod program;
mod random;
mod sched;
#[allow(dead_code)]
mod shadow;
mod traffic;

pub use config::{Approximation, Asynchrony, Checks, Config, DeviceModel, Residency, Schedule};
pub use counters::{Class, Counters};
pub use emulator::Emulator;
pub use error::LoadError;
pub use fault::{Access, Fault, FaultKind, Faults, Location, SourceLine};
pub use launch::{Launch, LaunchError};
pub use memory::MemoryError;
pub use module::{Kernel, Module};
pub use program::KernelParam;
