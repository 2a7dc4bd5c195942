//! `cargo xtask test`: every test, on the emulated device and then through the CUDA driver's interface.

use std::path::PathBuf;

use crate::onnx;
use crate::setup::cargo_with_nvcc;
use crate::shell::{Outcome, at, remove, run, target};

/// Runs all tests of the workspace, and the crate's own once more with a driver that is the emulator, so that the code over cudarc runs
/// through every case, too. `rest` goes to both.
pub fn test(rest: &[&str]) -> Outcome {
    run(&mut cargo_with_nvcc(&["build", "--package", "ptx-emulator-driver"])?)?;
    let driver = emulated_driver()?;
    let cases = onnx::cases()?;
    let tests = |selection: &[&str]| {
        let mut command = cargo_with_nvcc(selection)?;
        command.args(rest).env("WARPSMITH_EMULATED_DRIVER", &driver).env("WARPSMITH_ONNX_CASES", &cases);
        Ok::<_, String>(command)
    };
    run(&mut tests(&["test", "--package", "warpsmith"])?)?;
    // The emulated cases have just run: this time it is the CUDA cases alone.
    let mut over_driver = tests(&["test", "--package", "warpsmith", "--tests"])?;
    run(over_driver.env("LD_LIBRARY_PATH", &driver).env("WARPSMITH_DEVICE", "cuda"))?;
    run(&mut tests(&["test", "--workspace", "--exclude", "warpsmith"])?)
}

/// A folder that holds the drop-in driver under the names that programs load. It is not where cargo puts the library: cargo's folders
/// are on every test's search path, which must find the machine's own driver.
fn emulated_driver() -> Outcome<PathBuf> {
    let target = target();
    let folder = target.join("emulated-driver");
    remove(&folder)?;
    at(&folder, std::fs::create_dir_all(&folder))?;
    let library = target.join("debug").join("libptx_emulator_driver.so");
    for name in ["libcuda.so.1", "libcuda.so"] {
        at(&library, std::os::unix::fs::symlink(&library, folder.join(name)))?;
    }
    Ok(folder)
}
