//! `cargo xtask outside`: kernels that others wrote and other compilers compiled, on the emulated driver, against numpy.
//!
//! `xtask/outside/` holds the Python side: a stand-in for PyTorch over numpy, checks of each package's kernels through that package's own
//! host code, and the CUDA driver by ctypes. This side installs, runs every check under several schedules, and prints.

mod candle;
mod forms;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::setup::{ensure, pip_install};
use crate::shell::{Outcome, at, cargo, remove, root, run, target};
use table::{Line, Notes};

/// The packages and their hashes; also the stamp of a finished installation.
const PACKAGES: &str = include_str!("../../outside.txt");

/// Where everything lies that is downloaded or generated.
fn place() -> PathBuf {
    root().join(".cuda").join("outside")
}

/// Python modules with checks, by what they need. Each group runs in processes of its own.
const GROUPS: [&[&str]; 2] = [&["liger", "xformers_ops", "sage", "cce"], &["flash_linear"]];

/// Devices, and the orders of events under which every check runs.
const MODELS: [&str; 2] = ["sm_80", "sm_90"];
const SCHEDULES: [&[(&str, &str)]; 3] = [
    &[("SCHEDULE", "round-robin"), ("ASYNCHRONY", "late")],
    &[("SCHEDULE", "random"), ("ASYNCHRONY", "random"), ("APPROXIMATION", "perturbed"), ("SEED", "7")],
    &[("SCHEDULE", "greedy"), ("ASYNCHRONY", "eager"), ("REVERSED", "1"), ("RESIDENT_BLOCKS", "1"), ("SEED", "11")],
];

/// Runs everything; with names, those checks alone and no list of forms.
pub fn outside(names: &[&str]) -> Outcome {
    ensure()?;
    python_headers()?;
    install()?;
    let driver = driver()?;
    candle::compile(&place().join("candle"))?;
    let executed = place().join("forms");
    remove(&executed)?;
    at(&executed, std::fs::create_dir_all(&executed))?;
    let mut lines = Vec::new();
    for model in MODELS {
        for (number, schedule) in SCHEDULES.iter().enumerate() {
            let groups = GROUPS.iter().copied().chain((model == "sm_80").then_some(&["candle"][..]));
            let children = groups.map(|modules| {
                let forms = executed.join(format!("{model}.{number}.{}", modules[0]));
                let mut command = python(&driver, model, schedule, &forms);
                command.arg(modules.join(",")).args(names).stdout(Stdio::piped());
                command.spawn().map_err(|e| format!("python3: {e}"))
            });
            for child in children.collect::<Vec<_>>() {
                let output = child?.wait_with_output().map_err(|e| format!("python3: {e}"))?;
                if !output.status.success() {
                    return Err(format!("python3 failed on {model}: {}", output.status));
                }
                let text = String::from_utf8_lossy(&output.stdout);
                lines.extend(text.lines().map(Line::parse).collect::<Outcome<Vec<_>>>()?);
            }
            eprintln!("{model}, {}: {} checks so far", words(schedule), lines.len());
        }
    }
    let notes = notes(&executed)?;
    let failed = table::print(&lines, &notes, SCHEDULES.len());
    if names.is_empty() {
        forms::report(&notes)?;
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} checks failed")) }
}

/// A schedule in a few words.
fn words(schedule: &[(&str, &str)]) -> String {
    schedule.iter().map(|(name, value)| format!("{} {value}", name.to_lowercase())).collect::<Vec<_>>().join(", ")
}

/// Triton compiles its launcher when it is first used.
fn python_headers() -> Outcome {
    let script = "import os, sysconfig; exit(not os.path.exists(sysconfig.get_path('include') + '/Python.h'))";
    let status = Command::new("python3").args(["-c", script]).status().map_err(|e| format!("python3: {e}"))?;
    let hint = "missing: Python.h. On Debian or Ubuntu:\n\n    sudo apt-get install -y python3-dev\n";
    if status.success() { Ok(()) } else { Err(hint.to_owned()) }
}

/// Installs the packages, unless they are there.
fn install() -> Outcome {
    let (packages, stamp) = (place().join("python"), place().join("stamp"));
    if std::fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == PACKAGES) {
        return Ok(());
    }
    remove(&packages)?;
    at(&place(), std::fs::create_dir_all(place()))?;
    let list = place().join("package.txt");
    let mut is_complete = true;
    for package in packages_of(PACKAGES) {
        at(&list, std::fs::write(&list, &package))?;
        if let Err(why) = pip_install(&list, &packages) {
            let name = package.split_whitespace().next().unwrap_or_default();
            eprintln!("{name} is not to be had, and what needs it is not checked: {why}");
            is_complete = false;
        }
    }
    if is_complete { at(&stamp, std::fs::write(&stamp, PACKAGES)) } else { Ok(()) }
}

/// The requirements of a list, each with its hashes.
fn packages_of(list: &str) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#')) {
        match packages.last_mut() {
            Some(package) if line.starts_with(' ') => *package += &format!("{line}\n"),
            _ => packages.push(format!("{line}\n")),
        }
    }
    packages
}

/// Builds the emulated driver, in a folder in which it is called as programs look for it.
fn driver() -> Outcome<PathBuf> {
    run(&mut cargo(&["build", "--package", "ptx-emulator-driver"]))?;
    let folder = place().join("driver");
    remove(&folder)?;
    at(&folder, std::fs::create_dir_all(&folder))?;
    let library = target().join("debug").join("libptx_emulator_driver.so");
    for name in ["libcuda.so", "libcuda.so.1"] {
        at(&library, std::os::unix::fs::symlink(&library, folder.join(name)))?;
    }
    Ok(folder)
}

/// Python on the emulated driver.
fn python(driver: &Path, model: &str, schedule: &[(&str, &str)], forms: &Path) -> Command {
    let scripts = root().join("xtask").join("outside");
    let packages = place().join("python");
    let mut command = Command::new("python3");
    command.arg(scripts.join("run.py"));
    command.env("PYTHONPATH", [scripts, packages].map(|path| path.display().to_string()).join(":"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("LD_LIBRARY_PATH", driver);
    command.env("OUTSIDE_CANDLE", place().join("candle")).env("OUTSIDE_CANDLE_VERSION", candle::NAME);
    // Triton's own cache and its way to the driver. Fused multiply-adds, its default until 3.10, make the two sides of a
    // reduction differ in the last bit, so that lanes store different values to one place: the detector finds that.
    command.env("TRITON_CACHE_DIR", place().join("cache")).env("TRITON_LIBCUDA_PATH", driver);
    command.env("TRITON_DEFAULT_FP_FUSION", "0");
    command.env("PTX_EMULATOR_MODEL", model).env("PTX_EMULATOR_DRIVER_VERSION", "13050");
    command.env("PTX_EMULATOR_WORKERS", "1").env("PTX_EMULATOR_FORMS", forms);
    for (name, value) in schedule {
        command.env(format!("PTX_EMULATOR_{name}"), value);
    }
    command
}

/// What each kernel executed on each model, from the files of all processes.
fn notes(folder: &Path) -> Outcome<Notes> {
    let mut notes = Notes(BTreeMap::new());
    for entry in at(folder, std::fs::read_dir(folder))?.flatten() {
        let model = entry.file_name().to_string_lossy().split('.').next().unwrap_or_default().to_owned();
        let text = at(&entry.path(), std::fs::read_to_string(entry.path()))?;
        for (kernel, form) in text.lines().filter_map(|line| line.split_once('\t')) {
            notes.0.entry((model.clone(), kernel.to_owned())).or_default().insert(form.to_owned());
        }
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_comes_with_its_hashes() {
        let packages = packages_of(PACKAGES);
        assert!(packages.len() >= 8);
        for package in packages {
            let name = package.split("==").next().unwrap_or_default();
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{package}");
            assert!(package.contains("--hash=sha256:"), "{package}");
        }
        assert_eq!(packages_of("# list\na==1 \\\n    --hash=x\nb==2\n"), ["a==1 \\\n    --hash=x\n", "b==2\n"]);
    }
}
