//! The tasks of this workspace, run by `cargo xtask`. None of them depends on the crate that it works on.

mod bindings;
mod check;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask TASK

  setup      installs nvcc into .cuda/ (needs g++ and python3-pip, neither a GPU nor a driver)
  test       every test: on the emulator, over the drop-in driver, and on a GPU where there is one
  check      formatting, clippy and rustdoc without warnings, generated bindings fresh
  bindings   writes src/abi.rs from kernels/abi.h";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["setup"] => setup::setup(),
        ["test", rest @ ..] => test::test(rest),
        ["check"] => check::check(),
        ["bindings"] => bindings::write(),
        ["bindings", "--check"] => bindings::check(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}
