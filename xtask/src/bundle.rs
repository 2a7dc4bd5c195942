//! `cargo xtask bundle OUT`: every test and bench program, with the kernels inside, and the one that records golden vectors, packed, and one `run.sh` that unpacks and runs them. The machine that it is copied to
//! needs an NVIDIA driver and a glibc from 2.34 on, and no Rust, no CUDA toolkit and no sources.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::setup::cargo_with_nvcc;
use crate::shell::{Outcome, at, remove, root, run, show, target};

const RUN: &str = include_str!("../bundle/run.sh");

/// The newest glibc whose symbols a program of the bundle may ask for: that of RHEL 9 and before that of Ubuntu 22.04.
const GLIBC: (u32, u32) = (2, 34);

const LIMIT: u64 = 60_000_000;

/// Writes the folder, which must not exist, or be a bundle.
pub fn bundle(out: &Path) -> Outcome {
    let out = if out.is_absolute() { out.to_owned() } else { at(out, std::env::current_dir())?.join(out) };
    if out.exists() && !out.join("run.sh").exists() {
        return Err(format!("{} exists and is not a bundle", out.display()));
    }
    let stage = target().join("bundle-programs");
    remove(&out)?;
    remove(&stage)?;
    let mut unpacked = 0;
    for (kind, arguments) in [
        ("tests", ["test", "--profile", "bundle", "--package", "warpsmith", "--lib", "--tests", "--no-run"].as_slice()),
        ("benches", &["bench", "--profile", "bundle", "--package", "warpsmith", "--benches", "--no-run"]),
    ] {
        for (name, program) in programs(arguments)? {
            unpacked += add(&program, &stage.join(kind).join(name))?;
        }
    }
    let packages = ["--package", "ptx-emulator-driver", "--package", "ptx-emulator-golden"];
    run(cargo_with_nvcc(&["build", "--profile", "bundle"])?.args(packages))?;
    unpacked += add(&target().join("bundle").join("golden"), &stage.join("golden"))?;
    let driver = target().join("bundle").join("libptx_emulator_driver.so");
    let folder = stage.join("emulated-driver");
    unpacked += add(&driver, &folder.join("libcuda.so.1"))?;
    at(&folder, std::os::unix::fs::symlink("libcuda.so.1", folder.join("libcuda.so")))?;

    at(&out, std::fs::create_dir_all(&out))?;
    let programs = out.join("programs.tar.gz");
    run(Command::new("tar").arg("-czf").arg(&programs).arg("-C").arg(&stage).arg("."))?;
    at(&out, std::fs::write(out.join("commit"), commit()))?;
    let script = out.join("run.sh");
    at(&script, std::fs::write(&script, RUN))?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    at(&script, std::fs::set_permissions(&script, executable))?;

    let bytes = at(&programs, programs.metadata())?.len();
    if bytes > LIMIT {
        return Err(format!("the bundle has {bytes} bytes, more than {LIMIT}"));
    }
    let [bytes, unpacked] = [bytes, unpacked].map(|bytes| bytes as f64 / 1e6);
    println!(
        "{}: {bytes:.1} MB ({unpacked:.1} MB unpacked), nothing above GLIBC_{}.{}",
        out.display(),
        GLIBC.0,
        GLIBC.1
    );
    Ok(())
}

/// Builds, and gives the executables by the name of their target.
fn programs(arguments: &[&str]) -> Outcome<Vec<(String, PathBuf)>> {
    let mut command = cargo_with_nvcc(arguments)?;
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let text = show(&mut command)?;
    let mut programs = Vec::new();
    for line in text.lines() {
        let message: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("cargo's messages: {e}"))?;
        // `cargo bench` builds the library's unit tests, too: they belong to the tests alone.
        let wanted = arguments[0] == "test" || message["target"]["kind"][0] == "bench";
        if let (Some(name), Some(program)) = (message["target"]["name"].as_str(), message["executable"].as_str())
            && wanted
        {
            programs.push((name.to_owned(), program.into()));
        }
    }
    if programs.is_empty() { Err("cargo built no program".to_owned()) } else { Ok(programs) }
}

/// Copies a program after a look at what it asks of the machine, and gives its size.
fn add(program: &Path, to: &Path) -> Outcome<u64> {
    let newest = newest_glibc(program)?;
    if newest > GLIBC {
        return Err(format!("{} needs GLIBC_{}.{}", program.display(), newest.0, newest.1));
    }
    let folder = to.parent().unwrap_or(to);
    at(folder, std::fs::create_dir_all(folder))?;
    at(to, std::fs::copy(program, to))
}

/// The newest version of glibc that a program's symbols are bound to, as readelf (which comes with g++) lists them.
fn newest_glibc(program: &Path) -> Outcome<(u32, u32)> {
    let output = Command::new("readelf").args(["--wide", "--version-info"]).arg(program).output();
    let text = String::from_utf8_lossy(&output.map_err(|e| format!("readelf: {e}"))?.stdout).into_owned();
    let versions = text.split("Name: GLIBC_").skip(1).filter_map(|rest| {
        let (major, rest) = rest.split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    versions.max().ok_or_else(|| format!("readelf finds no glibc version in {}", program.display()))
}

/// The commit that the programs were built from, with a mark when the tree had other changes.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    if changed { format!("{commit}-changed\n") } else { format!("{commit}\n") }
}
