//! Runs PTX on the CPU under adversarial schedules, with a race detector and a profiler's counters.
//!
//! Load PTX text with [`Module::load`], make a device with [`Emulator::new`], allocate and fill its memory, and [launch](Emulator::launch). A
//! launch gives [`Counters`], or [`Faults`] that say what the kernel did wrong and at which line of its source.
//!
//! ```
//! use ptx_emulator::{Config, DeviceModel, Emulator, Launch, Module};
//!
//! let module = Module::load("
//!     .version 7.0
//!     .target sm_80
//!     .address_size 64
//!     .visible .entry double(.param .u64 data) {
//!         .reg .b32 %r<3>;
//!         .reg .b64 %rd<3>;
//!         ld.param.u64 %rd0, [data];
//!         mov.u32 %r0, %tid.x;
//!         mul.wide.u32 %rd1, %r0, 4;
//!         add.u64 %rd2, %rd0, %rd1;
//!         ld.global.u32 %r1, [%rd2];
//!         add.u32 %r2, %r1, %r1;
//!         st.global.u32 [%rd2], %r2;
//!         ret;
//!     }")?;
//! let kernel = module.kernel("double").expect("the module has it");
//! let device = Emulator::new(Config::new(DeviceModel::Sm80));
//! let data = device.alloc(4 * 4, "data")?;
//! device.write(data, &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])?;
//! let params = data.to_le_bytes();
//! let launch = |threads| Launch {
//!     kernel: &kernel,
//!     grid: [1, 1, 1],
//!     block: [threads, 1, 1],
//!     dynamic_shared: 0,
//!     params: &params,
//!     config: None,
//! };
//! let counters = device.launch(&launch(4))?;
//! assert_eq!(counters.global_load_bytes, 16);
//! let mut out = [0; 4];
//! device.read(data + 12, &mut out)?;
//! assert_eq!(u32::from_le_bytes(out), 8);
//!
//! // One thread too many reads and writes past the end.
//! let error = device.launch(&launch(5)).expect_err("out of bounds").to_string();
//! assert!(error.contains("byte 16 of `data`, which has 16 bytes"), "{error}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is modelled, what is not, and where the ISA leaves a choice: see the README.

mod ast;
mod config;
mod counters;
mod decode;
mod emulator;
mod error;
mod exec;
mod executed;
mod fault;
mod isa;
mod lanes;
mod launch;
mod memory;
mod module;
pub mod mutate;
mod numeric;
mod parse;
mod profile;
mod program;
mod random;
mod report;
mod sched;
mod shadow;
mod tally;
mod tensor_map;
mod traffic;

pub use config::{Approximation, Asynchrony, Checks, Config, DeviceModel, Residency, Schedule};
pub use counters::{Class, Counters, InFlight, Pipe, TensorType, WaitKind};
pub use emulator::Emulator;
pub use error::LoadError;
pub use fault::{Access, Fault, FaultKind, Faults, Location, SourceLine};
pub use launch::{Launch, LaunchError};
pub use memory::MemoryError;
pub use module::{Kernel, Module};
pub use profile::{Attribution, InstructionProfile, LineProfile, Profile};
pub use program::KernelParam;
pub use report::Report;
pub use tensor_map::{OutOfBoundsFill, Swizzle, TENSOR_MAP_BYTES, TensorElement, TensorMap, TensorMapError};
