//! A small package with one kernel, the build script run on it, and pretended tools.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A kernel with what could differ between folders: a header of ours, names with internal linkage, inlined toolkit functions.
pub const PROBE: &str = r#"
#include "common/twice.cuh"
#include <cuda_bf16.h>
#include <stdint.h>
namespace { __constant__ float table[4] = {1, 2, 3, 4}; }
struct Params { uint64_t x; };
extern "C" __global__ void __launch_bounds__(32) probe(const __grid_constant__ Params params) {
    __nv_bfloat16 *x = reinterpret_cast<__nv_bfloat16 *>(params.x) + threadIdx.x;
    *x = __float2bfloat16(twice(__bfloat162float(*x)) * table[threadIdx.x & 3]);
}
"#;

const TWICE: &str = "#pragma once\n__device__ inline float twice(float x) { return 2 * x; }\n";

/// An empty folder of this name, under the target folder.
pub fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder of our own");
    folder
}

/// Writes a file and the folders above it.
pub fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// Writes a shell script that can be run.
pub fn script(path: &Path, text: &str) {
    put(path, &format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|e| e.expect("an entry")) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The nvcc that this workspace builds with.
pub fn nvcc() -> PathBuf {
    match std::env::var_os("NVCC").filter(|nvcc| !nvcc.is_empty()) {
        Some(nvcc) => nvcc.into(),
        None => workspace().join(".cuda/nvidia/cu13/bin/nvcc"),
    }
}

/// A folder with an nvcc that says it is `version` and otherwise is the workspace's own.
pub fn pretended(name: &str, version: &str) -> PathBuf {
    let (folder, real) = (fresh(name), nvcc());
    // The five lines of the real one: cudarc's build script takes the fourth.
    let answer = format!(
        "nvcc: NVIDIA (R) Cuda compiler driver\nCopyright\nBuilt\nCuda compilation tools, release {version}, V{version}.1\n\
         Build cuda_{version}"
    );
    let nvcc = format!("case \"$1\" in --version) echo '{answer}';; *) exec '{}' \"$@\";; esac", real.display());
    script(&folder.join("nvcc"), &nvcc);
    script(&folder.join("ptxas"), &format!("exec '{}' \"$@\"", real.with_file_name("ptxas").display()));
    folder
}

/// The system folders are looked at last and cannot be hidden from the script: with a toolkit there, nvcc is never missing.
pub fn toolkit_installed() -> bool {
    let installed = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr/lib/nvidia-cuda-toolkit"];
    let found = installed.iter().any(|toolkit| Path::new(toolkit).join("bin/nvcc").exists())
        || Path::new("/usr/bin/nvcc").exists();
    if found {
        eprintln!("not run: a CUDA toolkit is installed in a system folder");
    }
    found
}

/// How the build script ended, and what it said.
pub struct Run {
    pub succeeded: bool,
    pub stdout: String,
    pub stderr: String,
}

/// A package with kernels, as the build script sees one.
pub struct Package {
    pub folder: PathBuf,
    variables: BTreeMap<String, OsString>,
}

impl Package {
    /// With the probe in `kernels/probe/probe.cu`.
    pub fn new(name: &str) -> Self {
        let package = Self::empty(name);
        package.kernel("probe/probe.cu", PROBE);
        package.kernel("common/twice.cuh", TWICE);
        package
    }

    /// Without kernels; `NVCC` is set, and a C++ compiler is on `PATH`.
    pub fn empty(name: &str) -> Self {
        let folder = fresh(name);
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let variables = [
            ("CARGO_MANIFEST_DIR", folder.clone().into()),
            ("OUT_DIR", folder.join("out").into()),
            ("CARGO_CFG_TARGET_OS", "linux".into()),
            ("HOST", triple.clone().into()),
            ("TARGET", triple.into()),
            ("NUM_JOBS", "2".into()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".into()),
            ("NVCC", nvcc().into()),
            ("WARPSMITH_CUDA_ARCHS", "none".into()),
        ];
        let variables: BTreeMap<String, OsString> = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { folder, variables }
    }

    /// Writes a file under `kernels/`.
    pub fn kernel(&self, path: &str, text: &str) {
        put(&self.folder.join("kernels").join(path), text);
    }

    /// Sets a variable for the script.
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a variable away.
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Runs the build script in an environment that holds these variables and no others.
    pub fn build(&self) -> Run {
        let here = std::env::current_exe().expect("the test's own path");
        let script = here.ancestors().nth(2).expect("the target folder").join("examples").join("build-script");
        let output = Command::new(&script).env_clear().envs(&self.variables).current_dir(&self.folder).output();
        let output = output.unwrap_or_else(|e| panic!("{}: {e}", script.display()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Run { succeeded: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Builds, which must work.
    pub fn built(&self) -> Run {
        let run = self.build();
        assert!(run.succeeded, "the build failed:\n{}{}", run.stdout, run.stderr);
        run
    }

    /// Builds, which must fail, and gives the message.
    pub fn refused(&self) -> String {
        let run = self.build();
        assert!(!run.succeeded, "the build should have failed:\n{}{}", run.stdout, run.stderr);
        run.stderr
    }

    /// A file that the script wrote, under `images/`.
    pub fn image(&self, path: &str) -> String {
        let path = self.folder.join("out").join("images").join(path);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The names of the files of one image, sorted.
    pub fn files(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("out").join("images").join(name)).expect("the image's folder");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
