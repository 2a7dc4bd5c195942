//! Where a program's kernels run: which device, and why.

use warpsmith::emulator::{Checks, DeviceModel};
use warpsmith::{CudaDevice, EmulatedDevice, Queue};

use super::Outcome;
use super::launchers::Launchers;
use super::ops::Ops;
use super::product::{CublasLt, Mma, OnCpu, Products};

/// Where the kernels run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// An NVIDIA GPU.
    Cuda,
    /// The emulator, on the CPU.
    Emulated,
}

/// A program that is written once for all devices.
pub trait Program {
    /// Does what it does; `ops` makes another front on the same device, for another model.
    fn run<O: Ops>(&self, ops: impl Fn() -> Outcome<O>) -> Outcome;
}

/// Chooses the device, says which and why, and runs there.
pub fn start(choice: Option<Choice>, program: &impl Program) -> Outcome {
    match choice {
        Some(Choice::Cuda) => on_gpu(program, CudaDevice::new(0)?, "as --device asks"),
        Some(Choice::Emulated) => on_emulator(program, "as --device asks"),
        None => match CudaDevice::new(0) {
            Ok(device) => on_gpu(program, device, "since there is one"),
            Err(error) => on_emulator(program, &format!("since there is no GPU to use: {error}")),
        },
    }
}

fn on_gpu(program: &impl Program, device: CudaDevice, why: &str) -> Outcome {
    let name = device.stream().context().name().map_err(|error| format!("cuDeviceGetName: {:?}", error.0))?;
    let how = match CublasLt::find(&device) {
        Ok(_) => "by cuBLASLt in tf32".to_owned(),
        Err(why) => format!("by the examples' own tf32 kernel, since {why}"),
    };
    let capability = device.caps().compute_capability;
    println!("device:     {name}, compute capability {capability}, {why}");
    println!("products:   {how}");
    let ops = || {
        let products: Box<dyn Products<CudaDevice>> = match CublasLt::find(&device) {
            Ok(products) => Box::new(products),
            Err(_) => Box::new(Mma),
        };
        Launchers::new(device.clone(), products)
    };
    program.run(ops)?;
    println!("ran on      {name}");
    Ok(())
}

fn on_emulator(program: &impl Program, why: &str) -> Outcome {
    // The tests look for races and uninitialised reads; here they would cost time.
    let device = EmulatedDevice::builder(DeviceModel::Sm80).checks(Checks::NONE).build();
    println!("device:     emulated, compute capability 8.0: the kernels' PTX on the CPU, {why}");
    println!("products:   by the gemm crate");
    program.run(|| Launchers::new(device.clone(), Box::new(OnCpu)))?;
    let kernels: Vec<&str> = device.loaded_kernels().iter().map(|loaded| loaded.kernel).collect();
    println!(
        "ran on      the emulated device, whose speed says nothing about a GPU's; its kernels:\n            {}",
        kernels.join(" ")
    );
    Ok(())
}
