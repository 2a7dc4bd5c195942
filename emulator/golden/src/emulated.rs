//! The emulator as a device.

use ptx_emulator::{Checks, Config, DeviceModel, Emulator, Launch, Module};

use crate::job::{Device, Job};

/// An emulated device.
#[derive(Debug)]
pub struct Emulated {
    config: Config,
}

impl Emulated {
    /// The model of this compute capability, with exact results; `None` where there is no such model.
    pub fn new(capability: (u32, u32)) -> Option<Self> {
        let model = DeviceModel::ALL.into_iter().find(|model| model.compute_capability() == capability)?;
        Some(Self { config: Config { checks: Checks::ALL, ..Config::new(model) } })
    }
}

impl Device for Emulated {
    fn capability(&self) -> (u32, u32) {
        self.config.model.compute_capability()
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<u8>, String> {
        let module = Module::load(&job.ptx).map_err(|error| error.to_string())?;
        let kernel = module.kernel("golden").ok_or("the module has no kernel `golden`")?;
        let emulator = Emulator::new(self.config.clone());
        let memory = |bytes: usize, name| emulator.alloc(bytes as u64, name).map_err(|error| error.to_string());
        let (input, output) = (memory(job.input.len(), "input")?, memory(job.output, "output")?);
        emulator.write(input, &job.input).map_err(|error| error.to_string())?;
        emulator.fill(output, job.output as u64, 0, 1).map_err(|error| error.to_string())?;
        let mut params: Vec<u8> = [input, output].iter().flat_map(|address| address.to_le_bytes()).collect();
        if let Some(tile) = job.tile {
            let map = tile.map(tile.address(input, output)).encode().map_err(|error| error.to_string())?;
            params.resize(64, 0);
            params.extend(map);
        }
        let (grid, block) = ([job.blocks, 1, 1], [job.threads, 1, 1]);
        let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None };
        emulator.launch(&launch).map_err(|error| error.to_string())?;
        let mut results = vec![0; job.output];
        emulator.read(output, &mut results).map_err(|error| error.to_string())?;
        Ok(results)
    }
}
