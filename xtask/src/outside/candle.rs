//! candle-kernels from the Rust registry, through nvcc.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::setup::nvcc;
use crate::shell::{Outcome, at, program, run};

/// The package, and the version whose kernels the checks know.
pub const NAME: &str = "candle-kernels 0.11.1";

/// The files that hold the kernels that are checked.
const FILES: [&str; 11] =
    ["affine", "binary", "cast", "conv", "indexing", "quantized", "reduce", "sort", "ternary", "unary", "moe/moe_wmma"];

/// Compiles what is not compiled yet to PTX in a folder.
pub fn compile(folder: &Path) -> Outcome {
    let wanted = |file: &str| folder.join(file.rsplit('/').next().unwrap_or(file)).with_extension("ptx");
    if FILES.iter().all(|file| wanted(file).exists()) {
        return Ok(());
    }
    let sources = sources(folder)?;
    for file in FILES.into_iter().filter(|file| !wanted(file).exists()) {
        let partial = folder.join("partial.ptx");
        let mut command = Command::new(nvcc());
        command.args(["-ptx", "-std=c++17", "-O3", "-arch=sm_80", "-w", "-I"]).arg(&sources);
        run(command.arg(sources.join(file).with_extension("cu")).arg("-o").arg(&partial))?;
        at(&partial, std::fs::rename(&partial, wanted(file)))?;
    }
    Ok(())
}

/// Has cargo download the package, and gives its folder of sources.
fn sources(folder: &Path) -> Outcome<PathBuf> {
    let (name, version) = NAME.split_once(' ').unwrap_or((NAME, "*"));
    let manifest = format!(
        "[package]\nname = \"sources\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n[dependencies]\n\
         {name} = \"={version}\"\n\n[workspace]\n"
    );
    at(folder, std::fs::create_dir_all(folder))?;
    at(
        folder,
        std::fs::write(folder.join("Cargo.toml"), manifest).and_then(|()| std::fs::write(folder.join("lib.rs"), "")),
    )?;
    let mut command = Command::new(program());
    command.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    let output = command.output().map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!("{NAME} is not to be had: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut found = packages.filter(|package| package["name"] == name);
    let manifest = found.next().and_then(|package| package["manifest_path"].as_str()).map(PathBuf::from);
    manifest
        .and_then(|manifest| Some(manifest.parent()?.join("src")))
        .ok_or_else(|| format!("cargo did not say where {NAME} lies"))
}
