//! `wgmma` and `setmaxnreg` (PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions"). Matrices are laid out by the
//! pictures of the swizzle atoms, registers by the fragment formulas, and all numbers are small integers, so every sum is exact.

mod common;
use common::*;
use ptx_emulator::{Approximation, Asynchrony, FaultKind, Faults, LaunchError, Schedule};

/// The swizzle's width in bytes; 16 for none.
const WIDTHS: [usize; 4] = [16, 32, 64, 128];

/// An element type: its name, bits, and the encoding of a small integer.
#[derive(Clone, Copy)]
struct Type {
    name: &'static str,
    bits: usize,
    encode: fn(i32) -> u32,
}

/// The fields of a float format with so many bits of mantissa, for -15 to 15 without rounding.
fn small_float(x: i32, mantissa: u32, bias: u32) -> u32 {
    let size = x.unsigned_abs();
    let Some(exponent) = size.checked_ilog2() else { return 0 };
    (exponent + bias) << mantissa | (size << mantissa >> exponent) & ((1 << mantissa) - 1)
}

const BF16: Type = Type { name: "bf16", bits: 16, encode: |x| (x as f32).to_bits() >> 16 };
const F16: Type = Type { name: "f16", bits: 16, encode: |x| u32::from(x < 0) << 15 | small_float(x, 10, 15) };
const TF32: Type = Type { name: "tf32", bits: 32, encode: |x| (x as f32).to_bits() };
const E4M3: Type = Type { name: "e4m3", bits: 8, encode: |x| u32::from(x < 0) << 7 | small_float(x, 3, 7) };
const E5M2: Type = Type { name: "e5m2", bits: 8, encode: |x| u32::from(x < 0) << 7 | small_float(x, 2, 15) };
const S8: Type = Type { name: "s8", bits: 8, encode: |x| x as u8 as u32 };
const U8: Type = Type { name: "u8", bits: 8, encode: |x| x.unsigned_abs() };

/// A matrix in shared memory: bytes at which it starts, the swizzle's width, whether its lines are contiguous (else the depth), and the byte offsets of
/// its descriptor.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    width: usize,
    across: bool,
    leading: usize,
    stride: usize,
}

impl Place {
    /// The tightest layout of `lines` lines.
    fn packed(start: usize, width: usize, across: bool, lines: usize) -> Self {
        let (leading, stride) = match (across, width) {
            // Atoms of 8 lines and 16 bytes: all lines of the first 16 bytes, then those of the second.
            (false, 16) => (lines * 16, 128),
            (false, width) => (16, 8 * width),
            // Atoms of 8 lines and depth 8: the first eight of the depth of all lines, then the second.
            (true, 16) => (lines * 16, 128),
            // Atoms of width / 2 lines and depth 8: both halves of the depth, then the next lines.
            (true, width) => (16 * width, 8 * width),
        };
        Self { start, width, across, leading, stride }
    }

    /// Where the byte at `depth` (of 32) of a line lies.
    fn byte(&self, line: usize, depth: usize) -> usize {
        let (width, chunk) = (self.width, depth / 16);
        let linear = if self.across {
            let (k, lines) = (depth / 2, width / 2);
            let (aside, down) = if width == 16 { (self.stride, self.leading) } else { (self.leading, self.stride) };
            line / lines * aside + k / 8 * down + k % 8 * width + line % lines * 2 + depth % 2
        } else {
            let inside = if width == 16 { chunk * self.leading + depth % 16 } else { depth };
            line / 8 * self.stride + line % 8 * width + inside
        };
        // In each 128-byte row of a pattern, the 16-byte pieces change places with those of the row's number.
        let at = self.start + linear;
        let (row, piece) = (at / 128, at / 16 % 8);
        row * 128 + (piece ^ (row % (width / 16))) * 16 + at % 16
    }

    fn descriptor(&self) -> u64 {
        let mode = [0u64, 3, 2, 1][WIDTHS.iter().position(|width| *width == self.width).unwrap()];
        (self.start >> 4 | self.leading >> 4 << 16) as u64 | (self.stride as u64 >> 4) << 32 | mode << 62
    }
}

/// Numbers from -3 to 3 that look random.
fn numbers(seed: u32, count: usize) -> Vec<i32> {
    (0..count as u32).map(|i| ((i ^ seed << 16).wrapping_mul(2_654_435_761) >> 11) as i32 % 7 - 3).collect()
}

/// One product: types, columns, accumulators.
#[derive(Clone, Copy)]
struct Form {
    a: Type,
    b: Type,
    n: usize,
    to: &'static str,
}

impl Form {
    fn k(&self) -> usize {
        256 / self.a.bits
    }

    fn registers(&self) -> usize {
        if self.to == "f16" { self.n / 4 } else { self.n / 2 }
    }

    fn modifiers(&self) -> String {
        format!("m64n{}k{}.{}.{}.{}", self.n, self.k(), self.to, self.a.name, self.b.name)
    }
}

const SHARED: usize = 32 * 1024;

/// `{d0, d1, ...}`.
fn list(name: &str, count: usize) -> String {
    let names: Vec<String> = (0..count).map(|i| format!("{name}{i}")).collect();
    format!("{{{}}}", names.join(", "))
}

/// A kernel of `threads` threads: shared memory is filled from the input, then `a`'s registers f0 to f3 from 16 bytes a thread behind that, and
/// the accumulators d0... are zeros. `body` finds its thread in t0 and the start of shared memory, in 16 bytes, in T0; after it the accumulators are stored.
fn kernel(head: &str, registers: usize, body: &str) -> String {
    let mut text = format!(
        ".version 8.6\n.target sm_90a\n.address_size 64\n.visible .entry test(.param .u64 input, .param .u64 output) {head}\n{{\n\
         .reg .b32 t<8>, d<{registers}>, f<4>;\n.reg .b64 in, out, T<8>;\n.reg .pred p, q, yes;\n.shared .align 1024 .b8 s[{SHARED}];\n\
         ld.param.u64 in, [input];\nld.param.u64 out, [output];\nmov.u32 t0, %tid.x;\nmov.u32 t1, s;\nshr.u32 t2, t1, 4;\ncvt.u64.u32 T0, t2;\n\
         mul.wide.u32 T1, t0, 16;\nadd.u64 in, in, T1;\nmul.wide.u32 T1, t0, {};\nadd.u64 out, out, T1;\nshl.b32 t2, t0, 4;\nadd.u32 t1, t1, t2;\n\
         setp.eq.u32 yes, t0, t0;\n\
         setp.ge.u32 p, t0, 128;\n@p bra filled;\nmov.u32 t3, 0;\nfill:\nld.global.v4.u32 {{t4, t5, t6, t7}}, [in];\nst.shared.v4.u32 [t1], {{t4, t5, t6, t7}};\n\
         add.u64 in, in, 2048;\nadd.u32 t1, t1, 2048;\nadd.u32 t3, t3, 2048;\nsetp.lt.u32 p, t3, {SHARED};\n@p bra fill;\n\
         ld.global.v4.u32 {{f0, f1, f2, f3}}, [in];\nfilled:\nfence.proxy.async;\nbar.sync 0;\n",
        4 * registers
    );
    (0..registers).for_each(|i| text += &format!("mov.u32 d{i}, 0;\n"));
    text += body;
    text += "\n";
    (0..registers).for_each(|i| text += &format!("st.global.u32 [out+{}], d{i};\n", 4 * i));
    text + "ret;\n}\n"
}

/// The words of shared memory that hold `a` and `b` in their places, and of the fragments of `a`.
fn input(form: &Form, a: &[i32], b: &[i32], places: (Option<Place>, Place)) -> Vec<u32> {
    let mut bytes = vec![0xee; SHARED];
    let k = form.k();
    let mut put = |place: Place, ty: Type, lines: usize, value: &dyn Fn(usize, usize) -> i32| {
        for line in 0..lines {
            for at in 0..k {
                let encoded = (ty.encode)(value(line, at)).to_le_bytes();
                (0..ty.bits / 8).for_each(|i| bytes[place.byte(line, at * ty.bits / 8 + i)] = encoded[i]);
            }
        }
    };
    if let Some(place) = places.0 {
        put(place, form.a, 64, &|row, at| a[row * k + at]);
    }
    put(places.1, form.b, form.n, &|column, at| b[column * k + at]);
    let mut words: Vec<u32> = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    let per_word = 32 / form.a.bits;
    for thread in 0..128 {
        for register in 0..4 {
            let row = 16 * (thread / 32) + thread % 32 / 4 + 8 * (register % 2);
            let first = (thread % 4 + 4 * (register / 2)) * per_word;
            let part = |i: usize| (form.a.encode)(a[row * k + first + i]) << (form.a.bits * i % 32);
            words.push((0..per_word).map(part).fold(0, |word, part| word | part));
        }
    }
    words
}

/// The product from the registers of 128 threads.
fn read(form: &Form, output: &[u32]) -> Vec<i32> {
    let registers = form.registers();
    let element = |row: usize, column: usize| {
        let thread = row / 16 * 32 + row % 8 * 4 + column % 8 / 2;
        let of = |register: usize| output[thread * registers + register];
        match form.to {
            "f16" => {
                let half = of(column / 8 * 2 + row % 16 / 8) >> (16 * (column % 2)) & 0xffff;
                // An integer below 2048: the exponent tells the place of the leading one.
                let (exponent, fraction) = ((half >> 10 & 31) as i32, (half & 0x3ff | 0x400) as i32);
                let size = if half & 0x7fff == 0 { 0 } else { (fraction << 5) >> (30 - exponent) };
                if half >> 15 != 0 { -size } else { size }
            }
            "f32" => f32::from_bits(of(column / 8 * 4 + row % 16 / 8 * 2 + column % 2)) as i32,
            _ => of(column / 8 * 4 + row % 16 / 8 * 2 + column % 2) as i32,
        }
    };
    (0..64 * form.n).map(|at| element(at / form.n, at % form.n)).collect()
}

/// `x` as the type holds it.
fn held(ty: Type, x: i32) -> i32 {
    if ty.name == "u8" { x.abs() } else { x }
}

fn expected(form: &Form, a: &[i32], b: &[i32]) -> Vec<i32> {
    let k = form.k();
    let sum = |at: usize| {
        let (row, column) = (at / form.n, at % form.n);
        (0..k).map(|i| held(form.a, a[row * k + i]) * held(form.b, b[column * k + i])).sum()
    };
    (0..64 * form.n).map(sum).collect()
}

/// The usual sequence around one product.
fn one_product(form: &Form, places: (Option<Place>, Place), constants: &str) -> String {
    let a = places.0.map_or("{f0, f1, f2, f3}".to_owned(), |_| "T2".to_owned());
    format!(
        "add.u64 T2, T0, {};\nadd.u64 T3, T0, {};\nwgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.{} {}, {a}, T3, yes{constants};\n\
         wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;",
        places.0.map_or(0, |place| place.descriptor() as i64),
        places.1.descriptor() as i64,
        form.modifiers(),
        list("d", form.registers())
    )
}

/// Runs one product and compares it with the sum over the depth.
#[track_caller]
fn check(form: Form, places: (Option<Place>, Place)) {
    let (a, b) = (numbers(1, 64 * form.k()), numbers(2, form.n * form.k()));
    let orders = |place: Place| format!(", {}", i32::from(place.across));
    let mut constants = if form.to == "s32" { String::new() } else { ", 1, 1".to_owned() };
    if form.a.bits == 16 {
        constants += &places.0.map_or(String::new(), orders);
        constants += &orders(places.1);
    }
    let ptx = kernel("", form.registers(), &one_product(&form, places, &constants));
    let output = launch(&ptx, &Setup::block(128), &input(&form, &a, &b, places), 128 * form.registers())
        .unwrap_or_else(|error| panic!("{} {places:?}: {error}", form.modifiers()));
    assert_eq!(read(&form, &output), expected(&form, &a, &b), "{} {places:?}", form.modifiers());
}

#[test]
fn every_swizzle_and_order_of_16_bit_operands() {
    for (ty, n) in [(BF16, 128), (F16, 64)] {
        let form = Form { a: ty, b: ty, n, to: "f32" };
        for width in WIDTHS {
            for across in [(false, false), (false, true), (true, false), (true, true)] {
                let places = (Some(Place::packed(0, width, across.0, 64)), Place::packed(8192, width, across.1, n));
                check(form, places);
                check(form, (None, places.1));
            }
        }
    }
}

#[test]
fn every_type() {
    let types = [
        (BF16, BF16, "f32"),
        (F16, F16, "f32"),
        (F16, F16, "f16"),
        (TF32, TF32, "f32"),
        (E4M3, E4M3, "f32"),
        (E4M3, E5M2, "f32"),
        (E5M2, E4M3, "f16"),
        (E5M2, E5M2, "f16"),
        (S8, S8, "s32"),
        (U8, S8, "s32"),
        (S8, U8, "s32"),
        (U8, U8, "s32"),
    ];
    for (a, b, to) in types {
        for (n, width) in [(8, 16), (24, 128), (96, 32), (256, 64)] {
            let n = if to == "s32" && n == 256 { 224 } else { n };
            let form = Form { a, b, n, to };
            let place = Place::packed(16 * 1024, width, false, n);
            check(form, (Some(Place::packed(1024, width, false, 64)), place));
            check(form, (None, place));
        }
    }
}

#[test]
fn offsets_that_leave_gaps() {
    // Atoms further apart than they need to be, and the depth's second 64 bytes of a 128-byte pattern.
    let form = Form { a: BF16, b: BF16, n: 32, to: "f32" };
    let b = Place { start: 16 * 1024 + 64, width: 128, across: false, leading: 16, stride: 2048 };
    check(form, (Some(Place { start: 32, width: 128, across: false, leading: 16, stride: 1024 }), b));
    let a = Place { start: 0, width: 16, across: false, leading: 144, stride: 512 };
    check(form, (Some(a), Place { start: 16 * 1024, width: 32, across: true, leading: 2048, stride: 512 }));
}

#[test]
fn a_pattern_off_its_boundary_has_a_base_offset() {
    // The tile begins at byte 3 * 128, and so does the pattern: its row r, counted from there, exchanges pieces by r.
    let form = Form { a: BF16, b: BF16, n: 16, to: "f32" };
    let (a, b) = (numbers(1, 64 * 16), numbers(2, 16 * 16));
    let place = Place::packed(8192, 128, false, 16);
    let mut words = input(&form, &a, &b, (None, place));
    let moved: Vec<u32> = words[2048..2048 + 512].to_vec();
    words[2048 + 96..2048 + 96 + 512].copy_from_slice(&moved);
    let descriptor = Place { start: 8192 + 384, ..place }.descriptor() | 3 << 49;
    let body = one_product(&form, (None, place), ", 1, 1, 0").replace(
        &format!("T0, {};\nwgmma.fence", place.descriptor() as i64),
        &format!("T0, {};\nwgmma.fence", descriptor as i64),
    );
    let output = launch(&kernel("", 8, &body), &Setup::block(128), &words, 128 * 8).unwrap();
    assert_eq!(read(&form, &output), expected(&form, &a, &b));
}

#[test]
fn signs_and_scale_d() {
    let form = Form { a: BF16, b: BF16, n: 16, to: "f32" };
    let (a, b) = (numbers(1, 64 * 16), numbers(2, 16 * 16));
    let places = (Some(Place::packed(0, 128, false, 64)), Place::packed(8192, 128, false, 16));
    let words = input(&form, &a, &b, places);
    let run = |body: &str| read(&form, &launch(&kernel("", 8, body), &Setup::block(128), &words, 128 * 8).unwrap());
    let scaled = |factor: i32| expected(&form, &a, &b).into_iter().map(|x| factor * x).collect::<Vec<_>>();
    for (signs, factor) in [("1, -1", -1), ("-1, 1", -1), ("-1, -1", 1)] {
        assert_eq!(run(&one_product(&form, places, &format!(", {signs}, 0, 0"))), scaled(factor), "{signs}");
    }
    let once = one_product(&form, places, ", 1, 1, 0, 0");
    // Twice the same product: added to the first, or in its place.
    assert_eq!(run(&format!("{once}\n{once}")), scaled(2));
    let replaced = once.replace("wgmma.fence", "setp.ne.u32 q, t0, t0;\nwgmma.fence").replace("yes", "q");
    assert_eq!(run(&format!("{once}\n{replaced}")), scaled(1));
}

#[test]
fn integers_wrap_or_saturate() {
    let form = Form { a: S8, b: S8, n: 16, to: "s32" };
    let (a, b) = (vec![3; 64 * 32], vec![3; 16 * 32]);
    let place = Place::packed(8192, 64, false, 16);
    let words = input(&form, &a, &b, (None, place));
    let start = (0..8).map(|i| format!("mov.u32 d{i}, 2147483640;\n")).collect::<String>();
    let once = format!("{start}{}", one_product(&form, (None, place), ""));
    let run = |body: &str| read(&form, &launch(&kernel("", 8, body), &Setup::block(128), &words, 128 * 8).unwrap());
    assert_eq!(run(&once), vec![2_147_483_640i32.wrapping_add(9 * 32); 64 * 16]);
    assert_eq!(run(&once.replace(".s32.s8", ".satfinite.s32.s8")), vec![i32::MAX; 64 * 16]);
}

#[test]
fn groups_complete_in_order_under_every_schedule() {
    // Three products of different operands into two sets of accumulators, with waits for one and for none.
    let form = Form { a: BF16, b: BF16, n: 16, to: "f32" };
    let (a, b) = (numbers(1, 64 * 16), numbers(2, 16 * 16));
    let places = (Some(Place::packed(0, 128, false, 64)), Place::packed(8192, 128, false, 16));
    let words = input(&form, &a, &b, places);
    let multiply = |first: usize, signs: &str| {
        let d: Vec<String> = (first..first + 8).map(|i| format!("d{i}")).collect();
        format!(
            "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {{{}}}, T2, T3, yes, {signs}, 0, 0;\n",
            d.join(", ")
        )
    };
    let commit = "wgmma.commit_group.sync.aligned;\n";
    let adds: String = (0..8).map(|i| format!("add.f32 d{i}, d{i}, d{i};\n")).collect();
    let body = format!(
        "add.u64 T2, T0, {};\nadd.u64 T3, T0, {};\nwgmma.fence.sync.aligned;\n{}{}{commit}{}{commit}wgmma.wait_group.sync.aligned 1;\n{adds}\
         wgmma.wait_group.sync.aligned 0;",
        places.0.unwrap().descriptor() as i64,
        places.1.descriptor() as i64,
        multiply(0, "1, 1"),
        multiply(0, "1, 1"),
        multiply(8, "1, -1"),
    );
    let sums = expected(&form, &a, &b);
    for asynchrony in [Asynchrony::Eager, Asynchrony::Late, Asynchrony::Random] {
        for (seed, schedule) in [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy].into_iter().enumerate() {
            for approximation in [Approximation::Exact, Approximation::Perturbed] {
                // Two warpgroups do the same.
                let mut setup = Setup::block(256);
                setup.config.asynchrony = asynchrony;
                setup.config.schedule = schedule;
                setup.config.approximation = approximation;
                setup.config.seed = seed as u64;
                let output = launch(&kernel("", 16, &body), &setup, &words, 256 * 16).unwrap();
                for group in output.chunks_exact(128 * 16) {
                    let half = |first: usize| -> Vec<u32> {
                        group.chunks_exact(16).flat_map(|thread| thread[first..first + 8].to_vec()).collect()
                    };
                    assert_eq!(read(&form, &half(0)), sums.iter().map(|x| 4 * x).collect::<Vec<_>>());
                    assert_eq!(read(&form, &half(8)), sums.iter().map(|x| -x).collect::<Vec<_>>());
                }
            }
        }
    }
}

/// The faults of a body around products of two 64x16 and 16x16 matrices under every asynchrony.
fn faults(head: &str, threads: u32, body: &str) -> Vec<Option<Faults>> {
    faults_under(head, threads, body, (Schedule::default(), 0))
}

fn faults_under(head: &str, threads: u32, body: &str, (schedule, seed): (Schedule, u64)) -> Vec<Option<Faults>> {
    let form = Form { a: BF16, b: BF16, n: 16, to: "f32" };
    let (a, b) = (numbers(1, 64 * 16), numbers(2, 16 * 16));
    let places = (Some(Place::packed(0, 128, false, 64)), Place::packed(8192, 128, false, 16));
    let words = input(&form, &a, &b, places);
    let [da, db] = [places.0.unwrap(), places.1].map(|place| place.descriptor() as i64);
    let ptx = kernel(head, 8, &format!("add.u64 T2, T0, {da};\nadd.u64 T3, T0, {db};\n{body}"));
    let run = |asynchrony| {
        let mut setup = Setup::block(threads);
        (setup.config.asynchrony, setup.config.schedule, setup.config.seed) = (asynchrony, schedule, seed);
        setup.config.instruction_limit = 1_000_000;
        match launch(&ptx, &setup, &words, threads as usize * 8) {
            Ok(_) => None,
            Err(LaunchError::Faults(faults)) => Some(faults),
            Err(other) => panic!("{other}"),
        }
    };
    [Asynchrony::Eager, Asynchrony::Late, Asynchrony::Random].map(run).into()
}

const FENCE: &str = "wgmma.fence.sync.aligned;\n";
const SHARED_A: &str =
    "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {d0, d1, d2, d3, d4, d5, d6, d7}, T2, T3, yes, 1, 1, 0, 0;\n";
const REGISTER_A: &str = "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 {d0, d1, d2, d3, d4, d5, d6, d7}, {f0, f1, f2, f3}, T3, yes, 1, 1, 0;\n";
const COMMIT: &str = "wgmma.commit_group.sync.aligned;\n";
const WAIT: &str = "wgmma.wait_group.sync.aligned 0;\n";

#[track_caller]
fn expect_fault(body: &str, is_expected: impl Fn(&FaultKind) -> bool) {
    for faults in faults("", 128, body) {
        let faults = faults.expect(body);
        assert!(is_expected(&faults.faults[0].kind), "{faults}\n{body}");
    }
}

#[track_caller]
fn expect_none(body: &str) {
    for faults in faults("", 128, body) {
        assert!(faults.is_none(), "{}\n{body}", faults.unwrap());
    }
}

#[test]
fn registers_in_flight_may_not_be_touched() {
    let in_flight = |name: &'static str| {
        move |kind: &FaultKind| match kind {
            FaultKind::RegisterInFlight { register, product } => {
                register == name && product.location.instruction.contains("mma_async")
            }
            _ => false,
        }
    };
    expect_none(&[FENCE, REGISTER_A, COMMIT, WAIT, "mov.u32 t5, d3;\nmov.u32 f0, 7;"].concat());
    for touch in ["mov.u32 t5, d3;\n", "mov.u32 d3, t5;\n", "add.f32 d3, d3, d3;\n"] {
        expect_fault(&[FENCE, SHARED_A, COMMIT, touch, WAIT].concat(), in_flight("d3"));
        // Of no group: the wait does not end it.
        expect_fault(&[FENCE, SHARED_A, WAIT, touch, COMMIT, WAIT].concat(), in_flight("d3"));
        // A wait for all but one group leaves this one in flight.
        expect_fault(
            &[FENCE, SHARED_A, COMMIT, "wgmma.wait_group.sync.aligned 1;\n", touch, WAIT].concat(),
            in_flight("d3"),
        );
    }
    expect_fault(&[FENCE, REGISTER_A, COMMIT, "mov.u32 f2, 0;\n", WAIT].concat(), in_flight("f2"));
    expect_fault(&[FENCE, REGISTER_A, COMMIT, "mov.u32 t5, f1;\n", WAIT].concat(), in_flight("f1"));
}

#[test]
fn registers_need_a_fence_before_a_product() {
    let unfenced = |kind: &FaultKind| matches!(kind, FaultKind::Unfenced { .. });
    expect_fault(&[SHARED_A, COMMIT, WAIT].concat(), unfenced);
    expect_fault(&[FENCE, "mov.u32 d0, 0;\n", SHARED_A, COMMIT, WAIT].concat(), unfenced);
    expect_fault(&[FENCE, "mov.u32 f3, 0;\n", REGISTER_A, COMMIT, WAIT].concat(), unfenced);
    // After the wait, a new fence: the sums were read.
    expect_fault(&[FENCE, SHARED_A, COMMIT, WAIT, "mov.u32 t5, d0;\n", SHARED_A, COMMIT, WAIT].concat(), unfenced);
    // Products of one shape follow one another without.
    expect_none(&[FENCE, SHARED_A, SHARED_A, COMMIT, REGISTER_A, COMMIT, WAIT].concat());
    // Products of another shape on the same accumulators do not.
    let narrow = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {d0, d1, d2, d3}, T2, T3, yes, 1, 1, 0, 0;\n";
    expect_fault(&[FENCE, SHARED_A, narrow, COMMIT, WAIT].concat(), unfenced);
    expect_none(&[FENCE, SHARED_A, COMMIT, WAIT, FENCE, narrow, COMMIT, WAIT].concat());
}

#[test]
fn a_product_needs_its_four_warps() {
    // Three warps issue and wait; the fourth never does.
    let body = format!("setp.ge.u32 q, t0, 96;\n@q bra end;\n{FENCE}{SHARED_A}{COMMIT}{WAIT}end:");
    expect_fault(&body, |kind| matches!(kind, FaultKind::Deadlock { waiting } if waiting[0].contains("wait_group")));
    // Warp 3 has another descriptor.
    let body = format!("setp.ge.u32 q, t0, 96;\n@q add.u64 T3, T3, 2;\n{FENCE}{SHARED_A}{COMMIT}{WAIT}");
    expect_fault(&body, |kind| matches!(kind, FaultKind::Divergence { what } if what.contains("descriptor")));
    // Or another instruction.
    let body = format!(
        "{FENCE}setp.ge.u32 q, t0, 96;\n@q bra other;\n{SHARED_A}bra join;\nother:\n{SHARED_A}join:\n{COMMIT}{WAIT}"
    );
    expect_fault(
        &body,
        |kind| matches!(kind, FaultKind::Divergence { what } if what.contains("different instructions")),
    );
    // A block of two warps has no warpgroup.
    for faults in faults("", 64, &[FENCE, SHARED_A, COMMIT, WAIT].concat()) {
        let faults = faults.expect("no warpgroup");
        assert!(
            matches!(&faults.faults[0].kind, FaultKind::Invalid { what } if what.contains("warpgroup")),
            "{faults}"
        );
    }
    // A matrix that ends outside of shared memory.
    let body = format!("add.u64 T3, T3, 1500;\n{FENCE}{SHARED_A}{COMMIT}{WAIT}");
    expect_fault(&body, |kind| matches!(kind, FaultKind::OutOfBounds { space: "shared", .. }));
}

#[test]
fn a_product_waits_for_warps_that_come_later() {
    // Warps 1 to 3 do much else first; warp 0 waits for them, under every schedule.
    let body = format!(
        "shr.u32 t4, t0, 5;\nmul.lo.u32 t4, t4, 200;\nmov.u32 t5, 0;\nspin:\nadd.u32 t5, t5, 1;\nsetp.lt.u32 q, t5, t4;\n@q bra spin;\n{FENCE}{SHARED_A}{COMMIT}{WAIT}"
    );
    expect_none(&body);
}

#[test]
fn registers_move_between_warpgroups() {
    // 256 threads share 65536 registers: 255 and so 248 each would be the most, but two blocks a multiprocessor leave 128.
    let head = ".maxntid 256, 1, 1 .minnctapersm 2";
    let halves = |first: &str, second: &str| {
        format!("setp.ge.u32 q, t0, 128;\n@q bra other;\n{first}bra join;\nother:\n{second}join:\n")
    };
    let set = |what: &str| format!("setmaxnreg.{what};\n");
    let run = |head: &str, body: &str| faults(head, 256, body).swap_remove(0);
    let give = set("dec.sync.aligned.u32 40");
    // 128 - 40 are there to be taken.
    assert!(run(head, &halves(&give, &set("inc.sync.aligned.u32 216"))).is_none());
    let short = run(head, &halves(&give, &set("inc.sync.aligned.u32 224"))).expect("too many");
    let is_stuck =
        |kind: &FaultKind| matches!(kind, FaultKind::Deadlock { waiting } if waiting[0].contains("setmaxnreg"));
    assert!(is_stuck(&short.faults[0].kind), "{short}");
    for wrong in ["dec.sync.aligned.u32 136", "inc.sync.aligned.u32 120"] {
        let faults = run(head, &set(wrong)).expect(wrong);
        assert!(matches!(&faults.faults[0].kind, FaultKind::Invalid { what } if what.contains("128")), "{faults}");
    }
    // Without a limit at compile time it has no effect.
    assert!(run("", &set("inc.sync.aligned.u32 256")).is_none());
    for count in ["20", "100", "264"] {
        let text = kernel("", 8, &set(&format!("inc.sync.aligned.u32 {count}")));
        assert!(ptx_emulator::Module::load(&text).is_err(), "{count}");
    }
}

#[test]
fn operands_need_a_fence_between_the_proxies() {
    // The helper's own writes are fenced; this one is not, or on the wrong side of the barrier for the other warps' sake.
    let write = |between: &str| {
        format!("mov.u32 t4, s;\nadd.u32 t4, t4, 8192;\nst.shared.u32 [t4], 0;\n{between}bar.sync 0;\n{FENCE}{SHARED_A}{COMMIT}{WAIT}")
            .replace("st.shared", "setp.eq.u32 q, t0, 0;\n@q st.shared")
    };
    expect_none(&write("fence.proxy.async;\n"));
    expect_none(&write("").replace("bar.sync 0;", "bar.sync 0;\nfence.proxy.async.shared::cta;"));
    expect_fault(&write(""), |kind| matches!(kind, FaultKind::Proxy { .. }));
    // A write while the product may still read is one of bytes in flight, whatever the fences.
    let late = format!(
        "mov.u32 t4, s;\nadd.u32 t4, t4, 8192;\nsetp.eq.u32 q, t0, 0;\n{FENCE}{SHARED_A}{COMMIT}@q st.shared.u32 [t4], 0;\n{WAIT}"
    );
    expect_fault(&late, |kind| matches!(kind, FaultKind::InFlight { .. }));
    // The first of two products has been waited for; the second still reads the same columns. (A lane of every
    // warp writes, so the first warp to get there does.)
    let second = late
        .replace("setp.eq.u32 q, t0, 0", "and.b32 t5, t0, 31;\nsetp.eq.u32 q, t5, 0")
        .replace(COMMIT, &format!("{COMMIT}{SHARED_A}{COMMIT}wgmma.wait_group.sync.aligned 1;\n"));
    expect_fault(&second, |kind| matches!(kind, FaultKind::InFlight { .. }));
    let waited = second
        .replace("t5, t0, 31", "t5, t0, -1")
        .replace("group.sync.aligned 1;", "group.sync.aligned 0;\nbar.sync 0;");
    expect_none(&waited);
}

#[test]
fn one_thread_gives_the_operands_of_its_warpgroup_back() {
    // Warps 0 to 3 multiply what warp 4 writes, six times over. A thread of warp 3 tells warp 4 as soon as its own warp has waited, whether or
    // not the other three have come to their waits.
    let wait = |object: &str, parity: &str, label: &str| {
        format!("{label}:\nmbarrier.try_wait.parity.shared.b64 q, [{object}], {parity};\n@!q bra {label};\n")
    };
    let body = |waits_for_empty: bool| {
        let empty = if waits_for_empty {
            format!(
                "setp.eq.u32 q, t4, 0;\n@q bra write;\nadd.u32 t5, t4, 1;\nand.b32 t5, t5, 1;\n{}",
                wait("empty", "t5", "empties")
            )
        } else {
            String::new()
        };
        format!(
            ".shared .align 8 .b64 full, empty;\nsetp.ne.u32 q, t0, 0;\n@q bra begin;\nmbarrier.init.shared.b64 [full], 32;\nmbarrier.init.shared.b64 [empty], 1;\n\
             begin:\nbar.sync 0;\nmov.u32 t4, 0;\nsetp.ge.u32 q, t0, 128;\n@q bra produce;\n\
             consume:\nand.b32 t5, t4, 1;\n{}{FENCE}{SHARED_A}{COMMIT}{WAIT}setp.ne.u32 q, t0, 100;\n@q bra next;\nmbarrier.arrive.shared.b64 T5, [empty];\n\
             next:\nadd.u32 t4, t4, 1;\nsetp.lt.u32 q, t4, 6;\n@q bra consume;\nbra end;\n\
             produce:\nmov.u32 t6, s;\nand.b32 t5, t0, 31;\nshl.b32 t5, t5, 2;\nadd.u32 t6, t6, t5;\n\
             fill_next:\n{empty}write:\nst.shared.u32 [t6+8192], t4;\nfence.proxy.async;\nmbarrier.arrive.shared.b64 T5, [full];\n\
             add.u32 t4, t4, 1;\nsetp.lt.u32 q, t4, 6;\n@q bra fill_next;\nend:",
            wait("full", "t5", "fulls")
        )
    };
    for seed in 0..4 {
        for schedule in [Schedule::RoundRobin, Schedule::Random, Schedule::Greedy] {
            for faults in faults_under("", 160, &body(true), (schedule, seed)) {
                assert!(faults.is_none(), "{schedule:?} {seed}: {}", faults.unwrap());
            }
        }
    }
    for faults in faults("", 160, &body(false)) {
        assert!(faults.is_some());
    }
}
