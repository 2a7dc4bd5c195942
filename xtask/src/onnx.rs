//! `cargo xtask onnx`: ONNX's own tests of operators that the crate's kernels compute, fetched and run.

use std::path::PathBuf;
use std::process::Command;

use crate::setup::{cargo_with_nvcc, pip_install, prerequisites};
use crate::shell::{Outcome, at, remove, root, run};

/// What makes the file; also the stamp of a finished one.
const RECIPE: &str = concat!(include_str!("../onnx/packages.txt"), include_str!("../onnx/export.py"));

/// Runs the tests, and nothing else.
pub fn onnx() -> Outcome {
    let cases = cases()?;
    run(cargo_with_nvcc(&["test", "--package", "warpsmith", "--test", "onnx"])?.env("WARPSMITH_ONNX_CASES", cases))
}

/// The file of the tests' data, made on first use: ONNX computes it, in packages that go again afterwards.
pub fn cases() -> Outcome<PathBuf> {
    let cuda = root().join(".cuda");
    let (place, partial) = (cuda.join("onnx"), cuda.join("onnx.partial"));
    let cases = place.join("cases.safetensors");
    if std::fs::read_to_string(place.join("stamp")).is_ok_and(|stamp| stamp == RECIPE) {
        return Ok(cases);
    }
    prerequisites()?;
    let ours = root().join("xtask").join("onnx");
    let packages = partial.join("packages");
    remove(&partial)?;
    pip_install(&ours.join("packages.txt"), &packages)?;
    let mut python = Command::new("python3");
    python.arg(ours.join("export.py")).arg(partial.join("cases.safetensors"));
    run(python.env("PYTHONPATH", &packages).env("PYTHONDONTWRITEBYTECODE", "1"))?;
    remove(&packages)?;
    at(&partial, std::fs::write(partial.join("stamp"), RECIPE))?;
    remove(&place)?;
    at(&place, std::fs::rename(&partial, &place))?;
    Ok(cases)
}
