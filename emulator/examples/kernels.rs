//! Lists the kernels of PTX files, and what the emulator does not know of them.
//!
//! `cargo run -p ptx-emulator --example kernels -- file.ptx ...`

use std::collections::BTreeMap;
use std::process::ExitCode;

use ptx_emulator::Module;

fn main() -> ExitCode {
    let mut missing = BTreeMap::<String, u32>::new();
    let (mut known, mut refused) = (0, 0);
    for path in std::env::args().skip(1) {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        };
        match Module::load_lenient(&text) {
            Ok(module) => {
                for kernel in module.kernels() {
                    println!("{path}: {} with {} bytes of parameters", kernel.name(), kernel.param_bytes());
                }
                known += module.kernels().count();
                for (name, error) in module.refused() {
                    println!("{path}: {name} is refused: {error}");
                    *missing.entry(error.what.clone()).or_default() += 1;
                    refused += 1;
                }
            }
            Err(error) => println!("{path}: {error}"),
        }
    }
    println!("{known} kernels can be launched, {refused} are refused");
    for (what, kernels) in missing {
        println!("{kernels:6} {what}");
    }
    ExitCode::SUCCESS
}
