//! Trains a small GPT on text, byte by byte: `cargo xtask demo`, or `cargo run --release --example train_gpt -- --help`.
//!
//! Every attention, layer norm, GELU and optimizer step runs in the crate's kernels, on a GPU or on the emulator. Matrix products are
//! not the crate's job (`product.rs`); embeddings and the loss are plain code here (`plain.rs`). The model (`model.rs`) is written
//! over one trait (`ops.rs`), which the launchers on a device implement (`launchers.rs`), and so do the crate's references
//! (`reference.rs`), so that the tests can hold one against the other.

#[path = "train_gpt/checkpoint.rs"]
mod checkpoint;
#[path = "train_gpt/console.rs"]
mod console;
#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "train_gpt/kernels.rs"]
mod kernels;
#[path = "train_gpt/launchers.rs"]
mod launchers;
#[path = "train_gpt/model.rs"]
mod model;
#[path = "train_gpt/ops.rs"]
mod ops;
#[path = "train_gpt/optimizer.rs"]
mod optimizer;
#[path = "train_gpt/options.rs"]
mod options;
#[path = "train_gpt/plain.rs"]
mod plain;
#[path = "train_gpt/plot.rs"]
mod plot;
#[path = "train_gpt/product.rs"]
mod product;
#[cfg(test)]
#[path = "train_gpt/reference.rs"]
mod reference;
#[cfg(test)]
#[path = "train_gpt/tests.rs"]
mod tests;
#[path = "train_gpt/text.rs"]
mod text;
#[path = "train_gpt/train.rs"]
mod train;

use std::process::ExitCode;

use clap::Parser;
use warpsmith::emulator::{Checks, DeviceModel};
use warpsmith::{CudaDevice, EmulatedDevice, Queue};

use launchers::Launchers;
use options::{Choice, Options};
use product::{CublasLt, Mma, OnCpu, Products};

/// What can go wrong here is told to the person who started the program.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match start(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Chooses the device, says which and why, and trains on it.
fn start(options: &Options) -> Outcome {
    console::stop_at_ctrl_c()?;
    match options.device {
        Some(Choice::Cuda) => on_gpu(options, CudaDevice::new(0)?, "as --device asks"),
        Some(Choice::Emulated) => on_emulator(options, "as --device asks"),
        None => match CudaDevice::new(0) {
            Ok(device) => on_gpu(options, device, "since there is one"),
            Err(error) => on_emulator(options, &format!("since there is no GPU to use: {error}")),
        },
    }
}

fn on_gpu(options: &Options, device: CudaDevice, why: &str) -> Outcome {
    let name = device.stream().context().name().map_err(|error| format!("cuDeviceGetName: {:?}", error.0))?;
    let (products, how): (Box<dyn Products<CudaDevice>>, _) = match CublasLt::find(&device) {
        Ok(products) => (Box::new(products), "by cuBLASLt in tf32".to_owned()),
        Err(why) => (Box::new(Mma), format!("by the example's own tf32 kernel, since {why}")),
    };
    let capability = device.caps().compute_capability;
    println!("device:     {name}, compute capability {capability}, {why}");
    println!("products:   {how}");
    console::train(options, Launchers::new(device, products))?;
    println!("ran on      {name}");
    Ok(())
}

fn on_emulator(options: &Options, why: &str) -> Outcome {
    // The tests look for races and uninitialised reads; here they would cost time.
    let device = EmulatedDevice::builder(DeviceModel::Sm80).checks(Checks::NONE).build();
    println!("device:     emulated, compute capability 8.0: the kernels' PTX on the CPU, {why}");
    println!("products:   by the gemm crate");
    console::train(options, Launchers::new(device.clone(), Box::new(OnCpu)))?;
    let kernels: Vec<&str> = device.loaded_kernels().iter().map(|loaded| loaded.kernel).collect();
    println!(
        "ran on      the emulated device, whose speed says nothing about a GPU's; its kernels:\n            {}",
        kernels.join(" ")
    );
    Ok(())
}
