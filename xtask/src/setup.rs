//! `cargo xtask setup`: nvcc into `.cuda/`. The folder appears under its name only when a kernel has been compiled with it, so a
//! set-up that was interrupted anywhere simply starts over.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::shell::{Outcome, at, cargo, remove, root, run};

/// The packages and their hashes; also the stamp of a finished set-up.
const PACKAGES: &str = include_str!("../nvcc.txt");

const PROBE: &str = r#"#include <cuda_bf16.h>
#include <stdint.h>
extern "C" __global__ void probe(__nv_bfloat16 *x, uint64_t count) {
    uint64_t i = blockIdx.x * uint64_t(blockDim.x) + threadIdx.x;
    if (i < count) x[i] = __float2bfloat16(__bfloat162float(x[i]) + 1.0f);
}
"#;

/// Whether `.cuda/` holds these packages, complete.
pub fn is_done() -> bool {
    std::fs::read_to_string(root().join(".cuda").join("stamp")).is_ok_and(|stamp| stamp == PACKAGES)
}

/// Installs nvcc, compiles a kernel with it, and puts the folder in its place.
pub fn setup() -> Outcome {
    prerequisites()?;
    let root = root();
    let (place, partial) = (root.join(".cuda"), root.join(".cuda.partial"));
    if is_done() {
        eprintln!(".cuda/ is complete");
        return Ok(());
    }
    remove(&partial)?;
    pip_install(&root.join("xtask").join("nvcc.txt"), &partial)?;

    let probe = partial.join("probe.cu");
    at(&probe, std::fs::write(&probe, PROBE))?;
    let nvcc = partial.join("nvidia").join("cu13").join("bin").join("nvcc");
    let cubin = partial.join("probe.cubin");
    run(Command::new(&nvcc).args(["-cubin", "-std=c++17", "-arch=sm_80"]).arg(&probe).arg("-o").arg(&cubin))?;

    at(&partial, std::fs::write(partial.join("stamp"), PACKAGES))?;
    remove(&place)?;
    at(&place, std::fs::rename(&partial, &place))?;
    eprintln!("nvcc is in .cuda/: plain `cargo build` and `cargo test` find it there");
    Ok(())
}

/// Sets up where nothing else was asked for: no `NVCC`, and no finished `.cuda/`.
pub fn ensure() -> Outcome {
    let named = std::env::var_os("NVCC").is_some_and(|nvcc| !nvcc.is_empty());
    if named || is_done() { Ok(()) } else { setup() }
}

/// Installs exactly the wheels of a list with hashes, into a folder of ours. Works where Python is managed by the system (PEP 668)
/// and without venv, because nothing is installed into Python itself.
pub fn pip_install(list: &Path, target: &Path) -> Outcome {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
        "--no-deps",
        "--only-binary=:all:",
    ]);
    pip.arg("--require-hashes").arg("--target").arg(target).arg("-r").arg(list);
    run(pip.envs([("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0"), ("PIP_ROOT_USER_ACTION", "ignore")]))
}

/// Whether there is a C++ compiler for nvcc and a pip, and how to get them.
pub fn prerequisites() -> Outcome {
    let answers = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let wanted = [("g++", "g++", vec!["--version"]), ("python3-pip", "python3", vec!["-m", "pip", "--version"])];
    let missing: Vec<&str> = wanted.iter().filter(|(_, p, a)| !answers(p, a)).map(|(package, ..)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    Err(format!("missing: {missing}. On Debian or Ubuntu:\n\n    sudo apt-get install -y {missing}\n"))
}

/// The nvcc that was named, or the one that [`setup`] installs.
pub fn nvcc() -> PathBuf {
    let named = std::env::var_os("NVCC").filter(|nvcc| !nvcc.is_empty());
    named.map_or_else(|| root().join(".cuda/nvidia/cu13/bin/nvcc"), PathBuf::from)
}

/// Cargo with nvcc in reach.
pub fn cargo_with_nvcc(arguments: &[&str]) -> Outcome<Command> {
    ensure()?;
    Ok(cargo(arguments))
}
