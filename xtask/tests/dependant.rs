//! A program that depends on this crate and uses one op of it, built by a cargo of its own.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{copy, fresh, nvcc, pretended, put, toolkit_installed, workspace};

const MAIN: &str = r#"
use warpsmith::ops::gelu::{self, Form};
use warpsmith::{Buffer, Device};

#[cfg(feature = "emulated")]
fn device() -> warpsmith::Result<impl Device> {
    Ok(warpsmith::EmulatedDevice::new(warpsmith::emulator::DeviceModel::Sm80))
}

#[cfg(not(feature = "emulated"))]
fn device() -> warpsmith::Result<impl Device> {
    warpsmith::CudaDevice::new(0)
}

fn halves() -> warpsmith::Result<Vec<f32>> {
    let device = device()?;
    let input = device.upload(&[-1.0_f32, 0.0, 1.0, 2.0])?;
    let mut output = device.alloc::<f32>(4)?;
    let tensors = gelu::Forward { input: input.view([4])?, bias: None, output: output.view_mut([4])? };
    gelu::forward(&device, tensors, Form::Tanh)?;
    device.download(&output)
}

fn main() {
    match halves() {
        Ok(values) => println!("{values:.4?}"),
        Err(error) => println!("{error:?}"),
    }
}
"#;

/// The program's package and, beside it, the crate as it is published: its sources, and no `.cuda/`.
struct Dependant {
    folder: PathBuf,
}

impl Dependant {
    fn new() -> Self {
        let folder = fresh("dependant");
        for entry in fs::read_dir(workspace()).expect("the workspace").map(|e| e.expect("an entry")) {
            let (name, to) = (entry.file_name(), folder.join("warpsmith").join(entry.file_name()));
            if entry.path().is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
                copy(&entry.path(), &to);
            } else if entry.path().is_file() {
                put(&to, &fs::read_to_string(entry.path()).expect("text"));
            }
        }
        let manifest = "[package]\nname = \"dependant\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\nwarpsmith = { path = \"../warpsmith\" }\n\n[features]\nemulated = [\"warpsmith/emulator\"]\n\n\
             [profile.release]\nstrip = true\n\n[profile.release.package.ptx-emulator]\nopt-level = 0\n";
        put(&folder.join("program/Cargo.toml"), manifest);
        put(&folder.join("program/src/main.rs"), MAIN);
        fs::copy(workspace().join("Cargo.lock"), folder.join("program/Cargo.lock")).expect("the workspace's versions");
        Self { folder }
    }

    /// Cargo with a search path of `first` and the system's folders, none of our own variables, and none of the workspace's settings,
    /// which it would find above its current folder.
    fn cargo(&self, arguments: &[&str], first: &[&Path], variables: &[(&str, &str)]) -> Output {
        let cargo = PathBuf::from(env!("CARGO"));
        let path =
            first.iter().copied().chain([cargo.parent().expect("a folder"), "/usr/bin".as_ref(), "/bin".as_ref()]);
        let mut command = Command::new(&cargo);
        command
            .args(arguments)
            .arg("--offline")
            .arg("--manifest-path")
            .arg(self.folder.join("program/Cargo.toml"))
            .current_dir("/");
        for name in
            ["NVCC", "CUDA_HOME", "CUDA_PATH", "WARPSMITH_CUDA_ARCHS", "CUDA_COMPUTE_CAP", "CUDARC_CUDA_VERSION"]
        {
            command.env_remove(name);
        }
        command.env("CARGO_TARGET_DIR", self.target());
        command.env("PATH", std::env::join_paths(path).expect("a PATH")).envs(variables.iter().copied());
        command.output().expect("cargo runs")
    }

    /// The bytes of an image as the release build has embedded it.
    fn image_bytes(&self, name: &str) -> usize {
        let builds = fs::read_dir(self.target().join("release/build")).expect("build scripts' folders");
        let folders = builds.map(|e| e.expect("an entry").path().join("out/images").join(name));
        let newest =
            folders.filter(|path| path.is_dir()).max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok());
        let files =
            fs::read_dir(newest.expect("a build with kernels")).expect("the image").map(|e| e.expect("an entry"));
        let embedded = files.filter(|file| file.path().extension().is_some_and(|e| e == "ptx" || e == "cubin"));
        embedded.map(|file| file.metadata().expect("a file").len() as usize).sum()
    }

    /// Kept from run to run.
    fn target(&self) -> PathBuf {
        self.folder.with_file_name("dependant-target")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn contains(program: &[u8], word: &str) -> bool {
    program.windows(word.len()).any(|window| window == word.as_bytes())
}

#[test]
fn a_program_that_uses_one_op() {
    let dependant = Dependant::new();

    // Without nvcc the build fails and tells a dependant what to do.
    if !toolkit_installed() {
        let output = dependant.cargo(&["build", "--release"], &[], &[("CUDARC_CUDA_VERSION", "12080")]);
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("python3 -m pip install --target .cuda") && said.contains("export NVCC="), "{said}");
    }

    // An nvcc on PATH that cudarc does not know stops cudarc's build, unless the variable tells it not to ask.
    let newer = pretended("dependant_nvcc_13_9", "13.9");
    let output = dependant.cargo(&["build", "--release", "--package", "cudarc"], &[&newer], &[]);
    assert!(
        !output.status.success() && text(&output.stderr).contains("Unsupported cuda toolkit version: `13.9`"),
        "{}",
        text(&output.stderr)
    );
    let version = "env.CUDARC_CUDA_VERSION=\"12080\"";
    let output = dependant.cargo(&["build", "--release", "--config", version], &[&newer], &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));

    // The program carries the kernels that it names and no others, and is small.
    let program = fs::read(dependant.target().join("release/dependant")).expect("the program");
    assert!(contains(&program, ".visible .entry gelu_fwd_tanh_bf16("), "its own kernels");
    for other in [".visible .entry gelu_bwd", ".visible .entry layer_norm"] {
        assert!(!contains(&program, other), "kernels of another op: {other}");
    }
    let image = dependant.image_bytes("gelu_fwd");
    eprintln!(
        "a program that uses GELU's forward alone has {} bytes, {image} of them PTX and machine code",
        program.len()
    );
    assert!(program.len() < image + BESIDES, "{} bytes with an image of {image}", program.len());

    // Kernels that were left out on purpose are an error of their own at the first launch.
    let emulated = ["run", "--release", "--quiet", "--features", "emulated", "--config", version];
    let output = dependant.cargo(&emulated, &[], &[("WARPSMITH_SKIP_NVCC", "1")]);
    assert!(text(&output.stdout).contains("KernelsNotBuilt"), "{}{}", text(&output.stdout), text(&output.stderr));
    let nvcc = nvcc().display().to_string();
    let output = dependant.cargo(&emulated, &[], &[("NVCC", &nvcc)]);
    assert_eq!(text(&output.stdout), "[-0.1588, 0.0000, 0.8412, 1.9546]\n", "{}", text(&output.stderr));
}

/// The most that the stripped program may have besides its one image, for the standard library, cudarc and our own code.
const BESIDES: usize = 600_000;
