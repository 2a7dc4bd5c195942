//! Records golden vectors, and compares the emulator with them.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use ptx_emulator_golden::{Check, Cuda, File, all, compare, record};

const USAGE: &str = "golden TASK

  record FILE       runs every instruction on the first GPU of the CUDA driver and writes what it gave
  compare FILE...   runs the same on the emulator and says what differs
  pack FROM TO      makes a file small: digests in place of the results of exact instructions
  ptx FOLDER        writes the kernel of each instruction, for ptxas to judge";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["record", file] => record_to(file),
        ["compare", files @ ..] if !files.is_empty() => {
            files.iter().try_fold(true, |all, file| Ok(compare_with(file)? && all))
        }
        ["pack", from, to] => pack(from, to),
        ["ptx", folder] => write_ptx(folder.as_ref()),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well; what did not is printed.
type Outcome = Result<bool, Box<dyn Error>>;

fn record_to(path: &str) -> Outcome {
    let device = Cuda::new()?;
    let (file, failures) = record(&device, &all(), device.about()?);
    std::fs::write(path, file.to_bytes())?;
    for (name, why) in &failures {
        println!("failed: {name}: {why}");
    }
    println!("{path}: {} forms recorded, {} failed", file.entries.len(), failures.len());
    Ok(failures.is_empty())
}

fn read(path: &str) -> Result<File, Box<dyn Error>> {
    Ok(File::from_bytes(&std::fs::read(path)?)?)
}

fn compare_with(path: &str) -> Outcome {
    let file = read(path)?;
    for (name, value) in &file.about {
        println!("{name}: {value}");
    }
    let found = compare(&file, &all())?;
    for (name, used) in &found.near {
        println!("within {used:.3} of its bound: {name}");
    }
    for wrong in &found.wrong {
        println!("differs: {wrong}");
    }
    println!(
        "{path}: {} forms the same, {} within their bounds, {} not",
        found.same,
        found.near.len(),
        found.wrong.len()
    );
    Ok(found.wrong.is_empty())
}

fn pack(from: &str, to: &str) -> Outcome {
    let forms = all();
    let is_exact = |name: &str| forms.iter().any(|form| form.name() == name && form.check == Check::Exact);
    std::fs::write(to, read(from)?.packed(is_exact).to_bytes())?;
    Ok(true)
}

fn write_ptx(folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder)?;
    for (number, form) in all().iter().enumerate() {
        let target = if form.needs == 900 { "90a".to_owned() } else { form.needs.to_string() };
        std::fs::write(folder.join(format!("{number:04}.sm_{target}.ptx")), form.ptx())?;
    }
    Ok(true)
}
