//! What a stream does: run at once, or kept in a graph and run at each of its launches.

use std::ffi::c_void;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{Arc, PoisonError};

use ptx_emulator::{Config, FaultKind, Faults, Launch, LaunchError, Profile, SourceLine};

use crate::abi::{Handle, HostFunction};
use crate::control;
use crate::error::{CudaError, Outcome, name_of};
use crate::library::KernelCode;
use crate::state::{Context, Driver};

/// An operation of a stream. Host addresses are numbers here; that they are valid when it runs is the contract of the function that queued it.
#[derive(Clone)]
pub enum Operation {
    /// Host to device.
    Upload { to: u64, from: usize, bytes: usize },
    /// Device to host.
    Download { to: usize, from: u64, bytes: usize },
    /// Device to device.
    Copy { to: u64, from: u64, bytes: usize },
    /// `count` elements of `width` bytes.
    Fill { to: u64, pattern: u32, width: u32, count: usize },
    /// A function on the host.
    Host { function: HostFunction, data: usize },
    /// A kernel.
    Launch(Box<KernelLaunch>),
}

/// A kernel and everything that it runs with.
#[derive(Clone)]
pub struct KernelLaunch {
    pub code: Arc<KernelCode>,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub dynamic_shared: u32,
    /// Blocks of a cluster along each axis, where the launch names them.
    pub cluster: Option<[u32; 3]>,
    /// Whether all blocks have to be resident at once.
    pub cooperative: bool,
    /// The parameters, packed.
    pub params: Vec<u8>,
}

impl Driver {
    /// Queues an operation in a stream: runs it, or takes it into the capture.
    pub fn submit(&self, stream: Handle, operation: Operation) -> Outcome {
        let (context, operation) = {
            let mut state = self.lock();
            let (key, context) = state.stream(stream)?;
            (context, state.capture_operation(key, operation)?)
        };
        // The tables are free while the device works.
        operation.map_or(Ok(()), |operation| self.run(&context, &operation))
    }

    /// Runs an operation in a context, after everything that was queued before it.
    pub fn run(&self, context: &Context, operation: &Operation) -> Outcome {
        // A function on the host runs without the context's turn, for it may wait for another thread that needs it.
        let on_device = !matches!(operation, Operation::Host { .. });
        let _turn = on_device.then(|| context.turn.lock().unwrap_or_else(PoisonError::into_inner));
        context.check()?;
        match *operation {
            Operation::Upload { to, from, bytes } => {
                if bytes == 0 {
                    return Ok(());
                }
                // SAFETY: the queueing function's contract: `bytes` bytes at the host address can be read, and it was checked not to be null.
                let data = unsafe { std::slice::from_raw_parts(from as *const u8, bytes) };
                self.write(context, to, data)
            }
            Operation::Download { to, from, bytes } => {
                if bytes == 0 {
                    return Ok(());
                }
                // SAFETY: the queueing function's contract: `bytes` bytes at the host address can be written, and it was checked not to be null.
                let data = unsafe { std::slice::from_raw_parts_mut(to as *mut u8, bytes) };
                self.read(context, from, data)
            }
            Operation::Copy { to, from, bytes } => self.copy(context, to, from, bytes),
            Operation::Fill { to, pattern, width, count } => {
                let bytes = (count as u64).checked_mul(width.into()).ok_or(CudaError::INVALID_VALUE)?;
                let owner = self.owner(context, to)?;
                let emulator = owner.as_deref().map_or(&context.emulator, |owner| &owner.emulator);
                self.memory(bytes, emulator.fill(to, bytes, pattern, width))
            }
            Operation::Launch(ref launch) => self.run_kernel(context, launch),
            Operation::Host { function, data } => {
                // SAFETY: `cuLaunchHostFunc`'s contract: the function may be called with this data.
                unsafe { function(data as *mut c_void) };
                Ok(())
            }
        }
    }

    fn run_kernel(&self, context: &Context, launch: &KernelLaunch) -> Outcome {
        if !self.settings.execute || !control::executing() {
            return Ok(());
        }
        let resident = launch.cooperative.then(|| all_resident(context.emulator.config(), launch.grid));
        let kernel = Launch {
            kernel: &launch.code.kernel,
            grid: launch.grid,
            block: launch.block,
            dynamic_shared: launch.dynamic_shared,
            params: &launch.params,
            config: resident.as_ref(),
        };
        match context.emulator.profile(&kernel, launch.cluster) {
            Ok(profile) => {
                self.forms.note(&launch.code.kernel);
                self.append(&profile);
                Ok(())
            }
            Err(LaunchError::Faults(faults)) => {
                let error = code_of(&faults);
                context.end_with(error);
                self.record.remark(&format!("{} ({}), {faults}", name_of(error.0), error.0));
                Err(error)
            }
            Err(invalid) => {
                self.record.remark(&format!("launch of {}: {invalid}", launch.code.kernel.name()));
                Err(match invalid {
                    LaunchError::Cluster { .. } => CudaError::INVALID_CLUSTER_SIZE,
                    _ => CudaError::INVALID_VALUE,
                })
            }
        }
    }

    /// Appends what a launch has counted to the file that the settings name. Where the sources are found under the names that the
    /// PTX has for them, their lines are quoted.
    fn append(&self, profile: &Profile) {
        let Some(path) = &self.settings.profile else { return };
        let source = |line: &SourceLine| {
            let text = std::fs::read_to_string(&line.file).ok()?;
            text.lines().nth(line.line.checked_sub(1)? as usize).map(str::to_owned)
        };
        let text = format!("{}\n", profile.report().source(&source));
        let file = OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
            self.record.remark(&format!("PTX_EMULATOR_PROFILE={}: {error}", path.display()));
        }
    }

    fn write(&self, context: &Context, to: u64, data: &[u8]) -> Outcome {
        let owner = self.owner(context, to)?;
        let emulator = owner.as_deref().map_or(&context.emulator, |owner| &owner.emulator);
        self.memory(data.len() as u64, emulator.write(to, data))
    }

    fn read(&self, context: &Context, from: u64, data: &mut [u8]) -> Outcome {
        let owner = self.owner(context, from)?;
        let emulator = owner.as_deref().map_or(&context.emulator, |owner| &owner.emulator);
        self.memory(data.len() as u64, emulator.read(from, data))
    }

    fn copy(&self, context: &Context, to: u64, from: u64, bytes: usize) -> Outcome {
        if bytes == 0 {
            return Ok(());
        }
        if self.owner(context, to)?.is_none() && self.owner(context, from)?.is_none() {
            return self.memory(bytes as u64, context.emulator.copy(to, from, bytes as u64));
        }
        // Between contexts, through the host.
        let mut data = vec![0; bytes];
        self.read(context, from, &mut data)?;
        self.write(context, to, &data)
    }

    /// The context that owns an address, where that is not the given one: addresses are unified over contexts, for copies.
    fn owner(&self, context: &Context, address: u64) -> Outcome<Option<Arc<Context>>> {
        if context.emulator.allocation(address).is_some() {
            return Ok(None);
        }
        let owner = self.lock().owner(address);
        owner.map(Some).ok_or_else(|| {
            self.record.remark(&format!("device address {address:#x} lies in no allocation"));
            CudaError::INVALID_VALUE
        })
    }

    fn memory(&self, bytes: u64, result: Result<(), ptx_emulator::MemoryError>) -> Outcome {
        result.map_err(|error| {
            self.record.remark(&format!("{bytes} bytes: {error}"));
            CudaError::INVALID_VALUE
        })
    }
}

/// The configuration under which every block of a grid is resident at once.
fn all_resident(config: &Config, grid: [u32; 3]) -> Config {
    let mut config = config.clone();
    config.residency.resident_blocks = grid.iter().map(|extent| *extent as usize).product();
    config
}

/// The code by which hardware would report the first fault. What hardware cannot see (races, reads of unwritten memory) is an unspecified
/// launch failure.
fn code_of(faults: &Faults) -> CudaError {
    match faults.faults.first().map(|fault| &fault.kind) {
        Some(FaultKind::OutOfBounds { .. } | FaultKind::ReadOnly { .. }) => CudaError::ILLEGAL_ADDRESS,
        Some(FaultKind::Misaligned { .. }) => CudaError::MISALIGNED_ADDRESS,
        Some(FaultKind::Deadlock { .. } | FaultKind::InstructionLimit { .. }) => CudaError::LAUNCH_TIMEOUT,
        _ => CudaError::LAUNCH_FAILED,
    }
}
