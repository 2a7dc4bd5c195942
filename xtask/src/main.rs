//! The tasks of this workspace, run by `cargo xtask`. None of them depends on the crate that it works on.

mod bindings;
mod bundle;
mod check;
mod demo;
mod measure;
mod onnx;
mod outside;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask TASK

  setup      installs nvcc into .cuda/ (needs g++ and python3-pip, neither a GPU nor a driver)
  demo       trains a small GPT through the kernels, on a GPU or on the emulator; options go to it, --help lists them
  demo finetune   continues it on other text in six ways, and compares them
  demo mlm        pre-trains a small encoder by masked language modelling
  test       every test: on the emulator, over the drop-in driver, and on a GPU where there is one
  onnx       ONNX's own tests of the operators that the kernels compute, which `test` runs, too
  check      formatting, clippy and rustdoc without warnings, generated bindings fresh
  bindings   writes src/abi.rs from kernels/abi.h
  outside    kernels that others wrote, on the emulator; installs 1.2 GB into .cuda/outside/, takes about 15 minutes the first time
  measure    nvcc seconds and peak memory of each kernel file, image bytes of each architecture
  bundle OUT a folder with all test and bench programs and one run.sh, for a machine that has nothing but an NVIDIA driver";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["setup"] => setup::setup(),
        ["demo", rest @ ..] => demo::demo(rest),
        ["test", rest @ ..] => test::test(rest),
        ["onnx"] => onnx::onnx(),
        ["check"] => check::check(),
        ["bindings"] => bindings::write(),
        ["bundle", out] => bundle::bundle(out.as_ref()),
        ["outside", rest @ ..] => outside::outside(rest),
        ["measure"] => measure::measure(),
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
