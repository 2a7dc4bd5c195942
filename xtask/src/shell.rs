//! Running other programs, always showing the line that a person could type instead.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a task gives back: nothing, or the sentence that explains why not.
pub type Outcome<T = ()> = Result<T, String>;

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map(Path::to_owned).unwrap_or(here)
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Cargo, as it called this program.
pub fn program() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo, as it called this program, in the workspace's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(root());
    command
}

/// Prints the command's line, runs it, and fails as it fails.
pub fn run(command: &mut Command) -> Outcome {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|e| format!("{line}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed ({status}): {line}")) }
}

/// Prints the command's line, runs it, and gives back its standard output.
pub fn show(command: &mut Command) -> Outcome<String> {
    let line = line(command);
    eprintln!("$ {line}");
    let output = command.output().map_err(|e| format!("{line}: {e}"))?;
    if !output.status.success() {
        return Err(format!("failed ({}): {line}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{line}: {e}"))
}

/// The command as one types it in a shell, with the variables that it adds.
fn line(command: &Command) -> String {
    let quoted = |text: &OsStr| {
        let text = text.to_string_lossy();
        let text = text.strip_prefix(&format!("{}/", root().display())).unwrap_or(&text).to_owned();
        if text.contains([' ', '"', '\'', '*', '$']) { format!("'{text}'") } else { text }
    };
    let program = if command.get_program() == program() { "cargo".into() } else { quoted(command.get_program()) };
    let variables = command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", quoted(name), quoted(value?))));
    variables.chain([program]).chain(command.get_args().map(quoted)).collect::<Vec<_>>().join(" ")
}

/// Adds the path to a failure of the file system.
pub fn at<T>(path: &Path, result: std::io::Result<T>) -> Outcome<T> {
    result.map_err(|e| format!("{}: {e}", path.display()))
}

/// Removes a folder if it is there.
pub fn remove(folder: &Path) -> Outcome {
    if folder.exists() { at(folder, std::fs::remove_dir_all(folder)) } else { Ok(()) }
}
