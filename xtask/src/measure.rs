//! `cargo xtask measure`: what each kernel file costs to build and to carry. Fails where a file is over the budget.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::setup::cargo_with_nvcc;
use crate::shell::{Outcome, at, remove, root, run, target};

/// No kernel file may take longer, from source to the machine code of every default architecture.
const LIMIT: Duration = Duration::from_secs(30);

/// No compiler of one file may hold more.
const LIMIT_BYTES: u64 = 1 << 30;

/// Builds every kernel file alone with the crate's own build script, and prints the table.
pub fn measure() -> Outcome {
    run(&mut cargo_with_nvcc(&["build", "--package", "xtask", "--example", "build-script"])?)?;
    let script = target().join("debug").join("examples").join("build-script");
    let work = target().join("measure");
    remove(&work)?;
    let mut total = Cost::default();
    println!("{:<44} {:>7} {:>8} {:>9}  bytes of each image", "file", "seconds", "peak MB", "bytes");
    let files = kernel_files()?;
    for file in &files {
        let package = work.join(file.replace('/', "_"));
        copy_one(&root().join("kernels"), &package.join("kernels"), &root().join(file))?;
        let cost = build(&script, &package)?;
        let Cost { time, memory, images } = &cost;
        let each: Vec<String> = images.iter().map(|(name, bytes)| format!("{name} {bytes}")).collect();
        let sum: u64 = images.values().sum();
        println!("{file:<44} {:>7.2} {:>8} {sum:>9}  {}", time.as_secs_f64(), memory >> 20, each.join(", "));
        if *time > LIMIT || *memory > LIMIT_BYTES {
            return Err(format!("{file} is over the budget of {} s and {} MB", LIMIT.as_secs(), LIMIT_BYTES >> 20));
        }
        total.add(cost);
    }
    let Cost { time, memory, images } = total;
    let each: Vec<String> = images.iter().map(|(name, bytes)| format!("{name} {bytes}")).collect();
    let sum: u64 = images.values().sum();
    let all = format!("{} files, one at a time", files.len());
    println!("{all:<44} {:>7.2} {:>8} {sum:>9}  {}", time.as_secs_f64(), memory >> 20, each.join(", "));
    Ok(())
}

/// What one file took.
#[derive(Default)]
struct Cost {
    time: Duration,
    /// The largest resident set of any process in it.
    memory: u64,
    /// File name (such as `sm_90.cubin`) to bytes.
    images: BTreeMap<String, u64>,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.time += other.time;
        self.memory = self.memory.max(other.memory);
        for (name, bytes) in other.images {
            *self.images.entry(name).or_default() += bytes;
        }
    }
}

/// Every `.cu` file, relative to the root.
fn kernel_files() -> Outcome<Vec<String>> {
    let mut files = Vec::new();
    for op in entries(&root().join("kernels"))?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&op)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == "cu")) {
            let inside = file.strip_prefix(root()).unwrap_or(&file);
            files.push(inside.display().to_string());
        }
    }
    Ok(files)
}

fn entries(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut paths: Vec<_> = at(folder, std::fs::read_dir(folder))?.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

/// Copies a tree of kernels with one of its `.cu` files alone.
fn copy_one(from: &Path, to: &Path, file: &Path) -> Outcome {
    at(to, std::fs::create_dir_all(to))?;
    for path in entries(from)? {
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_one(&path, &to, file)?;
        } else if path == file || path.extension().is_some_and(|e| e != "cu") {
            at(&path, std::fs::copy(&path, to).map(drop))?;
        }
    }
    Ok(())
}

/// Runs the build script on a package with one kernel file.
fn build(script: &Path, package: &Path) -> Outcome<Cost> {
    let out = package.join("out");
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = Command::new(script);
    command.envs([("CARGO_MANIFEST_DIR", package), ("OUT_DIR", &out)]).current_dir(package);
    command.envs([("HOST", host.as_str()), ("TARGET", &host), ("CARGO_CFG_TARGET_OS", "linux"), ("NUM_JOBS", "1")]);
    if std::env::var_os("NVCC").is_none() {
        command.env("NVCC", root().join(".cuda/nvidia/cu13/bin/nvcc"));
    }
    let (time, memory) = time_and_peak_memory(&mut command)?;
    let mut cost = Cost { time, memory, ..Cost::default() };
    for folder in entries(&out.join("images"))?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&folder)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "ptx" || e == "cubin"))
        {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            cost.images.insert(name, at(&file, file.metadata())?.len());
        }
    }
    Ok(cost)
}

/// Runs a command to its end and gives the processor time of it and its descendants, which other work on the machine does not stretch, and the largest resident set of any of
/// them in bytes.
fn time_and_peak_memory(command: &mut Command) -> Outcome<(Duration, u64)> {
    let child = command.stdout(std::process::Stdio::null()).spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let pid = i32::try_from(child.id()).map_err(|e| e.to_string())?;
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: `pid` is our child, which nobody has waited for, and both pointers are valid for the call.
    let ended = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
    if ended != pid || status != 0 {
        return Err(format!("{command:?} failed"));
    }
    // SAFETY: all zeros is a `rusage`, and a successful `wait4` has filled it.
    let usage = unsafe { usage.assume_init() };
    let of = |time: libc::timeval| Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64);
    let kilobytes = u64::try_from(usage.ru_maxrss).map_err(|e| e.to_string())?;
    Ok((of(usage.ru_utime) + of(usage.ru_stime), kilobytes << 10))
}
