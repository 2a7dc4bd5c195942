//! A device: its configuration and its global memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::config::Config;
use crate::counters::Counters;
use crate::launch::{self, Launch, LaunchError};
use crate::memory::{Global, MemoryError};
use crate::module::Shared;
use crate::profile::Profile;
use crate::tally::Tally;

/// One emulated device.
#[derive(Debug)]
pub struct Emulator {
    config: Config,
    global: Global,
    /// Addresses of the variables of each module that was launched here.
    modules: Mutex<HashMap<u64, Vec<u64>>>,
}

impl Emulator {
    /// A device with empty memory. No two devices of a process share an address.
    pub fn new(config: Config) -> Self {
        Self { config, global: Global::new(), modules: Mutex::default() }
    }

    /// The configuration of launches that bring none of their own.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Allocates global memory at a multiple of 256, with a gap behind it. `name` appears in reports. Up to 64 MiB are filled
    /// with 0xff bytes, which are NaN in every format; more than that is zero, and takes host memory only where it is touched.
    ///
    /// # Errors
    /// [`MemoryError::OutOfMemory`].
    pub fn alloc(&self, bytes: u64, name: &str) -> Result<u64, MemoryError> {
        self.global.alloc(bytes, name, false)
    }

    /// Frees an allocation by its address. Its addresses are never used again.
    ///
    /// # Errors
    /// [`MemoryError::NotAllocated`].
    pub fn free(&self, address: u64) -> Result<(), MemoryError> {
        self.global.free(address)
    }

    /// Reads global memory.
    ///
    /// # Errors
    /// [`MemoryError::OutOfBounds`] unless the range lies in one allocation.
    pub fn read(&self, address: u64, out: &mut [u8]) -> Result<(), MemoryError> {
        self.global.read(address, out)
    }

    /// Writes global memory.
    ///
    /// # Errors
    /// As [`Emulator::read`].
    pub fn write(&self, address: u64, data: &[u8]) -> Result<(), MemoryError> {
        self.global.write(address, data)
    }

    /// Fills `bytes` bytes with elements of `width` bytes (1, 2 or 4) that hold the low bits of `pattern`.
    ///
    /// # Errors
    /// As [`Emulator::read`], and [`MemoryError::Fill`].
    pub fn fill(&self, address: u64, bytes: u64, pattern: u32, width: u32) -> Result<(), MemoryError> {
        self.global.fill(address, bytes, pattern, width)
    }

    /// Copies within global memory; the ranges may overlap.
    ///
    /// # Errors
    /// As [`Emulator::read`].
    pub fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), MemoryError> {
        self.global.copy(to, from, bytes)
    }

    /// First address and size of the allocation around an address.
    pub fn allocation(&self, address: u64) -> Option<(u64, u64)> {
        self.global.allocation(address)
    }

    /// Runs a kernel to its end, in clusters if it requires them.
    ///
    /// # Errors
    /// A launch beyond the limits of the model or the kernel, without any effect; or [`LaunchError::Faults`].
    pub fn launch(&self, launch: &Launch<'_>) -> Result<Counters, LaunchError> {
        Ok(self.launch_as(launch, None)?.total(&launch.kernel.program))
    }

    /// Runs a kernel in clusters of so many blocks along each axis, which share their shared memory.
    ///
    /// # Errors
    /// As [`Emulator::launch`], and [`LaunchError::Cluster`].
    pub fn launch_cluster(&self, launch: &Launch<'_>, cluster: [u32; 3]) -> Result<Counters, LaunchError> {
        Ok(self.launch_as(launch, Some(cluster))?.total(&launch.kernel.program))
    }

    /// Runs a kernel as [`Emulator::launch`] does, or as [`Emulator::launch_cluster`] if there is a cluster, and gives what was counted at
    /// each of its instructions. The run itself is the same and costs the same.
    ///
    /// # Errors
    /// As [`Emulator::launch_cluster`].
    pub fn profile(&self, launch: &Launch<'_>, cluster: Option<[u32; 3]>) -> Result<Profile, LaunchError> {
        Ok(Profile::new(launch, self.launch_as(launch, cluster)?))
    }

    fn launch_as(&self, launch: &Launch<'_>, cluster: Option<[u32; 3]>) -> Result<Tally, LaunchError> {
        let config = launch.config.unwrap_or(&self.config);
        launch::check(launch, cluster, config)?;
        let variables = self.variables(&launch.kernel.shared)?;
        launch::run(launch, cluster, config, self.global.view(), &variables)
    }

    /// The addresses of a module's variables, which are made at its first launch.
    fn variables(&self, module: &Shared) -> Result<Vec<u64>, MemoryError> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = modules.get(&module.id) {
            return Ok(known.clone());
        }
        let mut addresses = Vec::new();
        for variable in &module.variables {
            let address = self.global.alloc_zeroed(variable.size, &variable.name, variable.read_only)?;
            self.global.write(address, &variable.initial)?;
            addresses.push(address);
        }
        for (variable, address) in module.variables.iter().zip(&addresses) {
            for pointer in &variable.references {
                let value = addresses[pointer.to].wrapping_add_signed(pointer.addend).to_le_bytes();
                self.global.write(address + pointer.offset, &value[..pointer.size.min(8) as usize])?;
            }
        }
        modules.insert(module.id, addresses.clone());
        Ok(addresses)
    }
}
