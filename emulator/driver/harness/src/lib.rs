//! Runs tests in processes that find the emulated CUDA driver, and reads what that driver recorded.
//!
//! A process decides at its start which `libcuda.so.1` it finds, so a test that wants the emulated one starts itself anew:
//!
//! ```no_run
//! #[test]
//! fn two_devices() {
//!     ptx_emulator_driver_harness::emulated("two_devices", &[("PTX_EMULATOR_DEVICES", "2")], || {
//!         // Here cudarc, or anything else that loads the CUDA driver, gets the emulator.
//!     });
//! }
//! ```

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::sync::OnceLock;

mod control;

pub use control::{Call, execute_launches, fail, forgive, record};

/// The folder with the emulated driver, for those who have built it already; also set for processes that this crate starts.
pub const FOLDER: &str = "WARPSMITH_EMULATED_DRIVER";
/// Set in processes that this crate starts.
const CHILD: &str = "PTX_EMULATOR_DRIVER_CHILD";

/// Runs a test's body under the emulated driver, in a process of its own with this environment. `test` is the test's full name, module path included.
/// Where there is no emulated driver and no cargo to build it, says that the test is skipped.
///
/// # Panics
/// When the body panics, or when the name is not the test's.
pub fn emulated(test: &str, environment: &[(&str, &str)], body: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let Some(mut command) = emulated_self() else {
        // Not `eprintln!`, which the test harness swallows when a test passes.
        let why = format!("no emulated driver ({FOLDER} is not set, and no cargo is there to build it)");
        let _ = writeln!(std::io::stderr(), "skipped {test}: {why}");
        return;
    };
    let output = command.args([test, "--exact", "--nocapture"]).envs(environment.iter().copied()).output();
    let output = output.expect("this test can start itself anew");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{test} failed under the emulated driver:\n{text}");
    assert!(text.contains("1 passed"), "no test is called {test:?}:\n{text}");
}

/// Makes sure that this process, a benchmark say, runs under the emulated driver: starts it anew with this environment where it does not, and ends with the
/// status of that process. Gives `false` where there is no emulated driver.
pub fn require(environment: &[(&str, &str)]) -> bool {
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let Some(mut command) = emulated_self() else { return false };
    let status = command.args(env::args_os().skip(1)).envs(environment.iter().copied()).status();
    exit(status.ok().and_then(|status| status.code()).unwrap_or(1))
}

/// The folder with the emulated driver: the one that was named, or one that cargo has just filled.
pub fn folder() -> Option<&'static Path> {
    static FOLDER_OF_PROCESS: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER_OF_PROCESS.get_or_init(|| env::var_os(FOLDER).map(PathBuf::from).or_else(build)).as_deref()
}

/// This executable as a command that finds the emulated driver.
fn emulated_self() -> Option<Command> {
    let folder = folder()?;
    let mut search = OsString::from(folder);
    if let Some(rest) = env::var_os("LD_LIBRARY_PATH") {
        search.push(":");
        search.push(rest);
    }
    let mut command = Command::new(env::current_exe().ok()?);
    command.env("LD_LIBRARY_PATH", search).env(FOLDER, folder).env(CHILD, "1");
    Some(command)
}

/// Builds the driver beside this executable, and a folder in which it is called as the loader looks for it.
fn build() -> Option<PathBuf> {
    let cargo = env::var_os("CARGO")?;
    let executable = env::current_exe().ok()?;
    // target/<profile>/deps/<this>
    let profile = executable.parent()?.parent()?;
    let target = profile.parent()?;
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--package", "ptx-emulator-driver", "--target-dir"]).arg(target);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // The folder of the profile `dev` is called `debug`; all others have the profile's name.
    command.arg("--profile").arg(profile.file_name().filter(|name| *name != "debug").unwrap_or("dev".as_ref()));
    command.status().ok().filter(|status| status.success())?;
    let folder = target.join("emulated-driver");
    link(&profile.join("libptx_emulator_driver.so"), &folder).ok()?;
    Some(folder)
}

/// Makes a folder in which the library has the names under which programs look for the CUDA driver.
pub fn link(library: &Path, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for name in ["libcuda.so", "libcuda.so.1"] {
        let (link, new) = (folder.join(name), folder.join(format!("{name}.{}", std::process::id())));
        // A rename replaces the old link in one step, whoever else is looking.
        std::os::unix::fs::symlink(library, &new)?;
        std::fs::rename(&new, &link)?;
    }
    Ok(())
}
