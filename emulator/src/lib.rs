//! Runs PTX on the CPU under adversarial schedules, with a race detector and a profiler's counters.

#[allow(dead_code)]
mod ast;
mod config;
mod error;
mod fault;
#[allow(dead_code)]
mod numeric;
#[allow(dead_code)]
mod parse;
#[allow(dead_code)]
mod shadow;
#[allow(dead_code)]
mod traffic;

pub use config::{Approximation, Asynchrony, Checks, Config, DeviceModel, Residency, Schedule};
pub use error::LoadError;
pub use fault::{Access, Fault, FaultKind, Faults, Location, SourceLine};
