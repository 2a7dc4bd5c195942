//! Runs PTX on the CPU under adversarial schedules, with a race detector and a profiler's counters.

#[allow(dead_code)]
mod ast;
mod config;
mod fault;

pub use config::{Approximation, Asynchrony, Checks, Config, DeviceModel, Residency, Schedule};
pub use fault::{Access, Fault, FaultKind, Faults, Location, SourceLine};
