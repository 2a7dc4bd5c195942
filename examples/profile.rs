//! What a profiler would count of any operation and shape, from a run of its kernels on the emulator:
//! `cargo run --release --example profile -- attention_fwd --batch 1 --heads 2 --length 256 --dim 64`.
//!
//! For each launch: instructions by class and by pipe, bytes and sectors of global memory over the bytes that have to move, wavefronts
//! and bank conflicts, tensor flops, special functions, waits, asynchronous bytes; then the lines of the `.cu` files that execute most.
//! `--list` names the operations. All of it is counted in PTX; none of it is a time.

#[path = "../tests/common/data.rs"]
#[allow(dead_code)] // Shared with the tests, which use all of it.
mod data;
#[path = "profile/ops.rs"]
mod ops;
#[path = "../benches/common/workload.rs"]
#[allow(dead_code)] // Shared with the benches, which use all of it.
mod workload;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use warpsmith::EmulatedDevice;
use warpsmith::emulator::{Attribution, Checks, DeviceModel, SourceLine};

use ops::{OPS, Op, Sizes};
use workload::Workload;

/// Counts what a profiler would count of one operation, on the emulator.
#[derive(Debug, Parser)]
#[command(name = "profile")]
struct Options {
    /// The operation
    #[arg(required_unless_present = "list")]
    op: Option<String>,

    /// Names every operation with its sizes
    #[arg(long)]
    list: bool,

    /// The type of its tensors
    #[arg(long, default_value = "bf16")]
    dtype: Type,

    /// Rows, or tokens
    #[arg(long)]
    rows: Option<usize>,

    /// Elements of a row
    #[arg(long)]
    width: Option<usize>,

    /// Rows of an embedding's table
    #[arg(long)]
    vocabulary: Option<usize>,

    /// Entries of a batch
    #[arg(long)]
    batch: Option<usize>,

    /// Heads of attention
    #[arg(long)]
    heads: Option<usize>,

    /// Positions of a sequence
    #[arg(long)]
    length: Option<usize>,

    /// Elements of a head
    #[arg(long)]
    dim: Option<usize>,

    /// Tensors of a list
    #[arg(long)]
    tensors: Option<usize>,

    /// Elements of each of them
    #[arg(long)]
    elements: Option<usize>,

    /// Lines that are listed of each launch
    #[arg(long, default_value_t = 10)]
    lines: usize,

    /// Sums what was inlined at the lines of the kernel itself, rather than where it is written
    #[arg(long)]
    outermost: bool,

    /// Plays an sm_80 device instead of an sm_90 one
    #[arg(long)]
    sm80: bool,
}

/// A type of elements.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Type {
    F32,
    F16,
    Bf16,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        OPS.iter().for_each(|op| println!("{op}"));
        return ExitCode::SUCCESS;
    }
    match profile(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("profile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn profile(options: &Options) -> Result<(), String> {
    let name = options.op.as_deref().unwrap_or_default();
    let op = OPS.iter().find(|op| op.name == name).ok_or_else(|| format!("no operation `{name}`; see --list"))?;
    let run =
        op.types[options.dtype as usize].ok_or_else(|| format!("{name} has no kernel for {:?}", options.dtype))?;
    let sizes = sizes(options, op)?;
    let model = if options.sm80 { DeviceModel::Sm80 } else { DeviceModel::Sm90 };
    let device = EmulatedDevice::builder(model).checks(Checks::NONE).build();
    let measured = run(&device, &sizes);
    let attribution = if options.outermost { Attribution::Outermost } else { Attribution::Innermost };
    let moved: u64 = measured
        .profiles
        .iter()
        .map(|profile| profile.counters())
        .map(|c| c.global_load_bytes + c.global_store_bytes)
        .sum();
    println!("{}: {sizes}; on {model:?}, launches: {}", measured.name, measured.profiles.len());
    println!(
        "  {moved} bytes of global memory asked for, {:.3} times the {} that have to move",
        moved as f64 / measured.bytes as f64,
        measured.bytes
    );
    if let Some(flops) = measured.flops {
        println!("  the products of the formula: {flops:.0} flops");
    }
    for profile in &measured.profiles {
        println!("\n{}", profile.report().hottest(options.lines, attribution).source(&text));
    }
    Ok(())
}

/// The text of a line of the crate's kernels; nvcc's own headers are not looked for.
fn text(line: &SourceLine) -> Option<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&line.file)).ok()?;
    text.lines().nth(line.line.checked_sub(1)? as usize).map(str::to_owned)
}

/// The sizes of an operation: those given, and its own for the rest.
fn sizes(options: &Options, op: &Op) -> Result<Sizes, String> {
    let given = [
        ("rows", options.rows),
        ("width", options.width),
        ("vocabulary", options.vocabulary),
        ("batch", options.batch),
        ("heads", options.heads),
        ("length", options.length),
        ("dim", options.dim),
        ("tensors", options.tensors),
        ("elements", options.elements),
    ];
    let has = |name: &str| op.sizes.iter().any(|(known, _)| *known == name);
    if let Some((name, _)) = given.iter().find(|(name, value)| value.is_some() && !has(name)) {
        return Err(format!("{} has no size --{name}; its sizes are those of `{op}`", op.name));
    }
    let value = |name: &str| given.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    Ok(Sizes(op.sizes.iter().map(|(name, default)| (*name, value(name).unwrap_or(*default))).collect()))
}
