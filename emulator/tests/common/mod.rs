//! Runs PTX snippets in the emulator.
//!
//! A snippet finds its inputs in the registers `a b c e` (32 bits), `A B C E` (64 bits) and `ha hb hc he` (16 bits), which hold
//! the low bits of the same four words, and leaves its result in `d`, `D`, `hd` or the predicate `p`. `f`, `F`, `hf`, `q` and `r` are
//! free, and so are `t0` to `t7` (32 bits), `T0` to `T3` (64 bits). Expectations are bits, worked out by hand from the PTX ISA.
//!
//! With `PTX_EMULATOR_DUMP` naming a folder, every snippet is also written there, so that `ptxas` can judge the snippets
//! themselves.

#![allow(dead_code)] // Each test program uses some of these.

use ptx_emulator::{Approximation, Config, DeviceModel, Emulator, Launch, LaunchError, Module};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What surrounds a launch.
#[derive(Clone)]
pub struct Setup {
    pub grid: u32,
    pub block: u32,
    pub dynamic_shared: u32,
    pub config: Config,
}

impl Setup {
    /// One block.
    pub fn block(block: u32) -> Self {
        Self { grid: 1, block, dynamic_shared: 0, config: Config::new(DeviceModel::Sm90) }
    }
}

const REGISTERS: &str = ".reg .b16 ha, hb, hc, he, hd, hf;
.reg .b32 a, b, c, e, d, f, t<8>;
.reg .b64 A, B, C, E, D, F, T<4>, in, out;
.reg .pred p, q, r;
";

fn dump(ptx: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    if let Some(folder) = std::env::var_os("PTX_EMULATOR_DUMP") {
        let program = std::env::current_exe().unwrap();
        let name = program.file_stem().unwrap().to_string_lossy().into_owned();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}-{number}.ptx")), ptx).unwrap();
    }
}

/// A kernel `test(in, out)` around `body`; `outside` stands before it at module scope.
pub fn module(outside: &str, body: &str) -> String {
    format!(
        ".version 8.7\n.target sm_90\n.address_size 64\n{outside}\n\
         .visible .entry test(.param .u64 input, .param .u64 output)\n{{\n{REGISTERS}\
         ld.param.u64 in, [input];\nld.param.u64 out, [output];\n{body}\nret;\n}}\n"
    )
}

/// Runs a whole module's kernel `test` on words, and returns `words` output words, which start as all ones.
pub fn launch(ptx: &str, setup: &Setup, input: &[u32], words: usize) -> Result<Vec<u32>, LaunchError> {
    dump(ptx);
    let module = Module::load(ptx).unwrap_or_else(|error| panic!("{error}\n{ptx}"));
    let kernel = module.kernel("test").expect("the kernel is there");
    let emulator = Emulator::new(setup.config.clone());
    let bytes: Vec<u8> = input.iter().flat_map(|word| word.to_le_bytes()).collect();
    let from = emulator.alloc(bytes.len().max(1) as u64, "input").unwrap();
    let to = emulator.alloc(4 * words.max(1) as u64, "output").unwrap();
    emulator.write(from, &bytes).unwrap();
    emulator.fill(to, 4 * words.max(1) as u64, u32::MAX, 4).unwrap();
    let params: Vec<u8> = [from, to].iter().flat_map(|address| address.to_le_bytes()).collect();
    emulator.launch(&Launch {
        kernel: &kernel,
        grid: [setup.grid, 1, 1],
        block: [setup.block, 1, 1],
        dynamic_shared: setup.dynamic_shared,
        params: &params,
        config: None,
    })?;
    let mut result = vec![0; 4 * words];
    emulator.read(to, &mut result).unwrap();
    Ok(result.chunks_exact(4).map(|chunk| u32::from_le_bytes(chunk.try_into().unwrap())).collect())
}

/// As [`launch`], for a body that has to run without a fault.
pub fn run(body: &str, setup: &Setup, input: &[u32], words: usize) -> Vec<u32> {
    let ptx = module("", body);
    launch(&ptx, setup, input, words).unwrap_or_else(|error| panic!("{error}\n{ptx}"))
}

/// Runs a snippet in one lane for each set of inputs and returns what `store` leaves in `D`.
fn lanes<const N: usize>(code: &str, store: &str, inputs: &[[u64; N]], config: &Config) -> Vec<u64> {
    let names = ["A", "B", "C", "E"];
    let mut body = String::from("mov.u32 t0, %ctaid.x;\nmov.u32 t1, %tid.x;\nmad.lo.u32 t0, t0, 32, t1;\n");
    body += &format!("mad.wide.u32 in, t0, {}, in;\nmad.wide.u32 out, t0, 8, out;\n", 8 * N.max(1));
    for (i, name) in names.iter().enumerate().take(N) {
        let (low, half) = (name.to_lowercase(), format!("h{}", name.to_lowercase()));
        body += &format!(
            "ld.global.u64 {name}, [in+{}];\nmov.b64 {{{low}, t2}}, {name};\nmov.b32 {{{half}, hf}}, {low};\n",
            8 * i
        );
    }
    body += &format!("{code}\n{store}\nst.global.u64 [out], D;");
    let blocks = inputs.len().div_ceil(32);
    // Lanes beyond the last case repeat it.
    let words = (0..32 * blocks)
        .flat_map(|i| inputs[i.min(inputs.len() - 1)])
        .flat_map(|word| [word as u32, (word >> 32) as u32])
        .collect::<Vec<_>>();
    let setup = Setup { grid: blocks as u32, block: 32, dynamic_shared: 0, config: config.clone() };
    let output = run(&body, &setup, &words, 64 * blocks);
    output.chunks_exact(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).take(inputs.len()).collect()
}

fn check<const N: usize>(code: &str, store: &str, cases: &[([u64; N], u64)]) {
    let inputs: Vec<[u64; N]> = cases.iter().map(|(input, _)| *input).collect();
    let results = lanes(code, store, &inputs, &Config::new(DeviceModel::Sm90));
    for ((input, expected), got) in cases.iter().zip(results) {
        assert_eq!(got, *expected, "{code} of {input:#x?} gave {got:#x}, expected {expected:#x}");
    }
}

/// Checks `d`.
#[track_caller]
pub fn check32<const N: usize>(code: &str, cases: &[([u32; N], u32)]) {
    let cases: Vec<_> = cases.iter().map(|(input, d)| (input.map(u64::from), u64::from(*d))).collect();
    check(code, "cvt.u64.u32 D, d;", &cases);
}

/// Checks `D`.
#[track_caller]
pub fn check64<const N: usize>(code: &str, cases: &[([u64; N], u64)]) {
    check(code, "", cases);
}

/// Checks `hd`.
#[track_caller]
pub fn check16<const N: usize>(code: &str, cases: &[([u16; N], u16)]) {
    let cases: Vec<_> = cases.iter().map(|(input, d)| (input.map(u64::from), u64::from(*d))).collect();
    check(code, "cvt.u64.u16 D, hd;", &cases);
}

/// Checks `hd` from 32-bit inputs.
#[track_caller]
pub fn check32to16<const N: usize>(code: &str, cases: &[([u32; N], u16)]) {
    let cases: Vec<_> = cases.iter().map(|(input, d)| (input.map(u64::from), u64::from(*d))).collect();
    check(code, "cvt.u64.u16 D, hd;", &cases);
}

/// Checks `d` from 64-bit inputs.
#[track_caller]
pub fn check64to32<const N: usize>(code: &str, cases: &[([u64; N], u32)]) {
    let cases: Vec<_> = cases.iter().map(|(input, d)| (*input, u64::from(*d))).collect();
    check(code, "cvt.u64.u32 D, d;", &cases);
}

/// Checks `D` from 32-bit inputs.
#[track_caller]
pub fn check32to64<const N: usize>(code: &str, cases: &[([u32; N], u64)]) {
    let cases: Vec<_> = cases.iter().map(|(input, d)| (input.map(u64::from), *d)).collect();
    check(code, "", &cases);
}

/// Checks the bits of `d` as an f32.
#[track_caller]
pub fn checkf<const N: usize>(code: &str, cases: &[([f32; N], f32)]) {
    let cases: Vec<_> = cases.iter().map(|(input, d)| (input.map(f32::to_bits), d.to_bits())).collect();
    check32(code, &cases);
}

/// Checks the bits of `D` as an f64.
#[track_caller]
pub fn checkd<const N: usize>(code: &str, cases: &[([f64; N], f64)]) {
    let cases: Vec<_> = cases.iter().map(|(input, d)| (input.map(f64::to_bits), d.to_bits())).collect();
    check64(code, &cases);
}

/// Checks the predicate `p`.
#[track_caller]
pub fn check_predicate<const N: usize>(code: &str, cases: &[([u64; N], bool)]) {
    let cases: Vec<_> = cases.iter().map(|(input, p)| (*input, u64::from(*p))).collect();
    check(code, "selp.u64 D, 1, 0, p;", &cases);
}

/// The f32 results of a snippet under an approximation and a seed.
pub fn values(code: &str, inputs: &[[f32; 1]], approximation: Approximation, seed: u64) -> Vec<f32> {
    let mut config = Config::new(DeviceModel::Sm90);
    (config.approximation, config.seed) = (approximation, seed);
    let inputs: Vec<_> = inputs.iter().map(|[x]| [u64::from(x.to_bits())]).collect();
    lanes(code, "cvt.u64.u32 D, d;", &inputs, &config).into_iter().map(|bits| f32::from_bits(bits as u32)).collect()
}

/// Runs a snippet once in a full warp; lane `l` finds `input(l)` in `a` and `b`. Returns its `d` and `f`, which start as 0.
pub fn warp(code: &str, input: impl Fn(u32) -> [u32; 2]) -> [[u32; 2]; 32] {
    let body = format!(
        "mov.u32 t0, %tid.x;\nmad.wide.u32 in, t0, 8, in;\nmad.wide.u32 out, t0, 8, out;\nld.global.v2.u32 {{a, b}}, [in];\n\
         mov.u32 d, 0;\nmov.u32 f, 0;\n{code}\nst.global.v2.u32 [out], {{d, f}};"
    );
    let words: Vec<u32> = (0..32).flat_map(input).collect();
    let output = run(&body, &Setup::block(32), &words, 64);
    std::array::from_fn(|lane| [output[2 * lane], output[2 * lane + 1]])
}

/// NaN as f32 instructions return it.
pub const NAN: f32 = f32::from_bits(0x7fff_ffff);
/// The bits of a float.
pub const fn bits(x: f32) -> u32 {
    x.to_bits()
}
