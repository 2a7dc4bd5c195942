//! Intrinsics and library functions of CUDA C++ as nvcc 13 lowers them (`ptx/intrinsics.cu`), against the same arithmetic in Rust.
//! The PTX ISA is nowhere quoted here: what nvcc means by an instruction decides.

use ptx_emulator::{Config, DeviceModel, Emulator, Launch, Module};

const PTX: &str = include_str!("ptx/intrinsics.ptx");

/// Runs a kernel over arrays of `n` elements of `N` bytes and returns its `n * per` results of `M` bytes.
fn run<const N: usize, const M: usize>(name: &str, inputs: &[Vec<[u8; N]>], per: usize) -> Vec<[u8; M]> {
    let device = Emulator::new(Config::new(DeviceModel::Sm80));
    let n = inputs[0].len();
    let kernel = Module::load(PTX).unwrap().kernel(name).unwrap();
    let mut params = Vec::new();
    for input in inputs {
        let address = device.alloc((n * N) as u64, "input").unwrap();
        device.write(address, input.as_flattened()).unwrap();
        params.extend(address.to_le_bytes());
    }
    let out = device.alloc((n * per * M) as u64, "output").unwrap();
    params.extend(out.to_le_bytes());
    params.extend((n as u32).to_le_bytes());
    let grid = [n.div_ceil(128) as u32, 1, 1];
    let launch = Launch { kernel: &kernel, grid, block: [128, 1, 1], dynamic_shared: 0, params: &params, config: None };
    device.launch(&launch).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut bytes = vec![0; n * per * M];
    device.read(out, &mut bytes).unwrap();
    bytes.as_chunks::<M>().0.to_vec()
}

fn floats(values: &[f32]) -> Vec<[u8; 4]> {
    values.iter().map(|x| x.to_le_bytes()).collect()
}

/// Words that look random.
fn words(count: u32, seed: u32) -> Vec<u32> {
    let mix = |x: u32| {
        let x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
        let x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
        x ^ x >> 16
    };
    (0..count).map(|i| mix(i + seed * 1_000_003)).collect()
}

/// Floats of exponents from -6 to 6, with both signs.
fn moderate(count: u32, seed: u32) -> Vec<f32> {
    words(count, seed).into_iter().map(|w| f32::from_bits(w & 0x807f_ffff | (121 + (w >> 24) % 13) << 23)).collect()
}

/// The f32 neighbours around an exact value, and the nearest: rn, rz, rd, ru. `above` compares the exact value with an f32.
fn roundings(nearest: f32, above: impl Fn(f32) -> std::cmp::Ordering) -> [f32; 4] {
    let (down, up) = match above(nearest) {
        std::cmp::Ordering::Less => (nearest.next_down(), nearest),
        std::cmp::Ordering::Equal => (nearest, nearest),
        std::cmp::Ordering::Greater => (nearest, nearest.next_up()),
    };
    [nearest, if nearest > 0.0 { down } else { up }, down, up]
}

#[test]
fn directed_roundings() {
    let (a, b, c) = (moderate(2000, 1), moderate(2000, 2), moderate(2000, 3));
    let out: Vec<[u8; 4]> = run("float_roundings", &[floats(&a), floats(&b), floats(&c)], 20);
    for (i, got) in out.chunks_exact(20).enumerate() {
        let got: Vec<f32> = got.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let (x, y, z) = (f64::from(a[i]), f64::from(b[i]), f64::from(c[i]));
        // Of such exponents sums and products are exact in f64. A product of 48 bits plus a number of 24 may be not: there the sum
        // is compared in integers of 2^-60.
        let exactly = |exact: f64| move |r: f32| exact.total_cmp(&f64::from(r));
        let integer = |x: f64| (x * 2f64.powi(60)) as i128;
        let fused = integer(x * y) + integer(z);
        let expected = [
            roundings((x + y) as f32, exactly(x + y)),
            roundings((x * y) as f32, exactly(x * y)),
            roundings(a[i].mul_add(b[i], c[i]), |r| fused.cmp(&integer(r.into()))),
            // The sign of the remainder, which is exact, tells on which side of the exact value a quotient or root lies.
            roundings(a[i] / b[i], |r| ((x - f64::from(r) * y) * y).total_cmp(&0.0)),
            roundings(a[i].abs().sqrt(), |r| (x.abs() - f64::from(r) * f64::from(r)).total_cmp(&0.0)),
        ];
        assert_eq!(got, expected.concat(), "{x} {y} {z}");
    }
}

#[test]
fn conversions() {
    let mut inputs = moderate(500, 4);
    inputs.extend([
        0.5, 1.5, 2.5, -0.5, -2.5, 65504.0, 65520.0, 1e6, -1e6, 3e9, -3e9, 5e9, 1e12, -1e12, 1e-8, -3e-5, 0.0,
    ]);
    inputs.extend([
        f32::INFINITY,
        f32::NEG_INFINITY,
        2f32.powi(-25),
        3.0 * 2f32.powi(-25),
        1.0 + 2f32.powi(-11),
        1.0 + 2f32.powi(-8),
    ]);
    let out: Vec<[u8; 4]> = run("conversions", &[floats(&inputs)], 20);
    for (x, got) in inputs.iter().zip(out.chunks_exact(20)) {
        let got: Vec<u32> = got.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let wide = x.floor() as i64 as u64;
        // The nearest value with `keep` bits after the binary point of its binade: a multiple of a power of two.
        let grid = |keep: i32, least: i32| 2f64.powi(((f64::from(*x).abs().log2().floor() as i32).max(least)) - keep);
        let on_grid = |step: f64, largest: f64, encode: &dyn Fn(f64) -> u32| {
            let scaled = f64::from(*x) / step;
            [scaled.round_ties_even(), scaled.trunc(), scaled.floor(), scaled.ceil()].map(|s| {
                let value = (s * step).copysign(f64::from(*x));
                let bounded = match () {
                    _ if !x.is_finite() || value.abs() <= largest => value,
                    // Beyond the largest value: towards zero it stays, nearest it is infinite from half a step on.
                    _ if s == scaled.trunc() => largest.copysign(value),
                    _ => f64::INFINITY.copysign(value),
                };
                encode(bounded)
            })
        };
        // Encoding of values that are exact in the format.
        let f16 = |value: f64| -> u32 {
            let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
            let magnitude = value.abs();
            sign | if magnitude.is_infinite() {
                0x7c00
            } else if magnitude < 2f64.powi(-14) {
                (magnitude * 2f64.powi(24)) as u32
            } else {
                ((magnitude as f32).to_bits() >> 13) - (112 << 10)
            }
        };
        let bf16 = |value: f64| (value as f32).to_bits() >> 16;
        let mut expected = vec![
            x.round_ties_even() as i32 as u32,
            x.trunc() as i32 as u32,
            x.floor() as i32 as u32,
            x.ceil() as i32 as u32,
            x.round_ties_even() as u32,
            x.trunc() as u32,
            x.floor() as u32,
            x.ceil() as u32,
            wide as u32,
            (wide >> 32) as u32,
        ];
        let nearest_overflow = f64::from(*x).abs() >= 65520.0;
        let halves = on_grid(grid(10, -14), 65504.0, &f16);
        let halves = if nearest_overflow {
            [f16(f64::INFINITY.copysign((*x).into())), halves[1], halves[2], halves[3]]
        } else {
            halves
        };
        expected.extend(if x.is_finite() { halves } else { [f16((*x).into()); 4] });
        expected.extend(if x.is_finite() { on_grid(grid(7, -126), f64::MAX, &bf16) } else { [bf16((*x).into()); 4] });
        assert_eq!(got[..18], expected, "{x:e}");
        let half = if nearest_overflow {
            f32::INFINITY.copysign(*x)
        } else {
            (f64::from(*x) / grid(10, -14)).round_ties_even() as f32 * grid(10, -14) as f32
        };
        assert_eq!(got[18] as i32, half.floor() as i32, "{x:e}");
        // The bits of x as a number, cut to 24 bits.
        let bits = x.to_bits();
        let cut = if bits >> 24 == 0 { bits } else { bits & u32::MAX << (8 - bits.leading_zeros()) };
        assert_eq!(f32::from_bits(got[19]), cut as f32, "{x:e}");
    }
}

#[test]
fn integers() {
    let (mut a, b, mut c) = (words(1000, 5), words(1000, 6), words(1000, 7));
    a.extend([0, 1, u32::MAX, 0x8000_0000]);
    c.extend([0, 31, 32, 33]);
    let b = [b, vec![5, u32::MAX, 2, 0x8000_0000]].concat();
    let bytes = |x: &[u32]| x.iter().map(|w| w.to_le_bytes()).collect::<Vec<_>>();
    let out: Vec<[u8; 4]> = run("integers", &[bytes(&a), bytes(&b), bytes(&c)], 24);
    for (i, got) in out.chunks_exact(24).enumerate() {
        let got: Vec<u32> = got.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let (x, y, z) = (a[i], b[i], c[i]);
        let pair = u64::from(y) << 32 | u64::from(x);
        let all = [x.to_le_bytes(), y.to_le_bytes()].concat();
        // In CUDA C++ bit 3 of a selector is ignored by __byte_perm.
        let permuted = u32::from_le_bytes([0, 4, 8, 12].map(|shift| all[(z >> shift & 7) as usize]));
        let each = |f: &dyn Fn(u8, u8) -> u8| {
            let (x, y) = (x.to_le_bytes(), y.to_le_bytes());
            u32::from_le_bytes(std::array::from_fn(|i| f(x[i], y[i])))
        };
        let halves = |f: &dyn Fn(u16, u16) -> u16| {
            u32::from(f(x as u16, y as u16)) | u32::from(f((x >> 16) as u16, (y >> 16) as u16)) << 16
        };
        let signed24 = |x: u32| (x << 8) as i32 >> 8;
        let dot = |signed: bool| {
            let value = |byte: u8| if signed { i32::from(byte as i8) } else { i32::from(byte) };
            x.to_le_bytes()
                .into_iter()
                .zip(y.to_le_bytes())
                .fold(z, |sum, (p, q)| sum.wrapping_add((value(p) * value(q)) as u32))
        };
        let expected = [
            permuted,
            ((pair << (z & 31)) >> 32) as u32,
            (pair >> (z & 31)) as u32,
            ((pair << z.min(32)) >> 32) as u32,
            (pair >> z.min(32)) as u32,
            x.count_ones(),
            x.leading_zeros(),
            if x == 0 { 0 } else { x.trailing_zeros() + 1 },
            x.reverse_bits(),
            ((u64::from(x) * u64::from(y)) >> 32) as u32,
            ((i64::from(x as i32) * i64::from(y as i32)) >> 32) as u32,
            (x & 0xff_ffff).wrapping_mul(y & 0xff_ffff),
            signed24(x).wrapping_mul(signed24(y)) as u32,
            x.abs_diff(y).wrapping_add(z),
            (x as i32).abs_diff(y as i32).wrapping_add(z),
            dot(true),
            dot(false),
            ((u64::from(x) + u64::from(y)) >> 1) as u32,
            ((u64::from(x) + u64::from(y) + 1) >> 1) as u32,
            each(&u8::wrapping_add),
            each(&|p, q| p.min(q)),
            halves(&|p, q| (p as i16).max(q as i16) as u16),
            each(&|p, q| if p > q { 0xff } else { 0 }),
            halves(&u16::saturating_add),
        ];
        assert_eq!(got, expected, "{x:#x} {y:#x} {z:#x}");
    }
}

/// A 16-bit format: bits after the point of a binade, the least exponent, and the position of the sign.
#[derive(Clone, Copy)]
struct Format {
    keep: i32,
    least: i32,
    bias: i32,
}

const F16: Format = Format { keep: 10, least: -14, bias: 15 };
const BF16: Format = Format { keep: 7, least: -126, bias: 127 };

impl Format {
    /// The nearest value, ties to even, as bits. Results of these tests are in range.
    fn encode(self, x: f64) -> u16 {
        let sign = if x.is_sign_negative() { 0x8000 } else { 0 };
        let step = 2f64.powi((x.abs().log2().floor() as i32).max(self.least) - self.keep);
        let value = (x.abs() / step).round_ties_even() * step;
        if value == 0.0 {
            return sign;
        }
        let exponent = value.log2().floor() as i32;
        let mantissa = (value * 2f64.powi(self.keep - exponent)) as u16 - (1 << self.keep);
        sign | ((exponent + self.bias) as u16) << self.keep | mantissa
    }

    fn decode(self, bits: u16) -> f64 {
        let exponent = i32::from(bits & 0x7fff) >> self.keep;
        let mantissa = f64::from(i32::from(bits) & ((1 << self.keep) - 1)) / f64::from(1 << self.keep);
        let sign = if bits & 0x8000 != 0 { -1.0 } else { 1.0 };
        sign * (1.0 + mantissa) * 2f64.powi(exponent - self.bias)
    }
}

/// Operators of a 16-bit format. Of such exponents sums and products are exact in f64.
fn check_halves(kernel: &str, format: Format) {
    let values = |seed| moderate(2000, seed).into_iter().map(|x| format.encode(x.into())).collect::<Vec<u16>>();
    let inputs = [values(8), values(9), values(10)];
    let bytes = inputs.each_ref().map(|values| values.iter().map(|x| x.to_le_bytes()).collect::<Vec<_>>());
    let out: Vec<[u8; 2]> = run(kernel, &bytes, 12);
    for (i, got) in out.chunks_exact(12).enumerate() {
        let got: Vec<u16> = got.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
        let [x, y, z] = inputs.each_ref().map(|values| format.decode(values[i]));
        let expected = [
            x + y,
            x - y,
            x * y,
            x * y + z,
            x / y,
            (x * y + z).max(0.0),
            (x * y + z).clamp(0.0, 1.0),
            x.max(y),
            x.min(y),
            x.round_ties_even(),
            x.abs(),
            if x > y { x * y + z } else { y * z + x },
        ]
        .map(|value| format.encode(value));
        assert_eq!(got, expected, "{x} {y} {z}");
    }
}

#[test]
fn half_precision_operators() {
    check_halves("halves", F16);
}

#[test]
fn brain_float_operators() {
    check_halves("bfloats", BF16);
}

#[test]
fn library_functions_meet_their_documented_errors() {
    let mut inputs = moderate(1500, 11);
    // Large arguments of sine and cosine are reduced by way of local memory.
    inputs.extend([1e-20, 1e5, -2e5, 1e8, 3e15, -1e30, 87.0, -87.0, 1.0, -1.0]);
    let out: Vec<[u8; 4]> = run("functions", &[floats(&inputs)], 16);
    // Maximum errors in units in the last place from the CUDA C++ Programming Guide, "Mathematical Functions".
    let limits = [1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 2.0, 1.0, 1.0, 1.0, 4.0, 4.0, 3.0, 0.0];
    let names = "expf logf sinf cosf tanhf erff rsqrtf cbrtf exp2f log2f expm1f log1pf powf erfcf asinhf fmodf";
    for (x, got) in inputs.iter().zip(out.chunks_exact(16)) {
        let x = f64::from(*x);
        let p = x.abs();
        let truth = [
            x.exp(),
            p.ln(),
            x.sin(),
            x.cos(),
            x.tanh(),
            libm::erf(x),
            p.sqrt().recip(),
            x.cbrt(),
            x.exp2(),
            p.log2(),
            x.exp_m1(),
            p.ln_1p(),
            p.powf(f64::from(0.7f32)),
            libm::erfc(x),
            x.asinh(),
            x % f64::from(0.37f32),
        ];
        for (((got, truth), limit), name) in got.iter().zip(truth).zip(limits).zip(names.split(' ')) {
            let got = f32::from_le_bytes(*got);
            let unit = f64::from((truth.abs() as f32).next_up()) - f64::from(truth.abs() as f32);
            let close = (f64::from(got) - truth).abs() <= (limit + 0.5) * unit;
            assert!(close || got == truth as f32, "{name}({x}) gave {got}, the exact value is {truth}");
        }
    }
}

#[test]
fn library_functions_in_double_precision() {
    let inputs: Vec<f64> = moderate(1500, 12)
        .into_iter()
        .map(|x| f64::from(x) * 1.000_000_123)
        .chain([1e6, -1e9, 1e300, 1e-300])
        .collect();
    let bytes = inputs.iter().map(|x| x.to_le_bytes()).collect();
    let out: Vec<[u8; 8]> = run("double_functions", &[bytes], 8);
    // Of the functions that the host computes too, each side may be off by the documented 1 or 2 units.
    let limits = [2, 2, 3, 3, 0, 0, 2, 0];
    for (x, got) in inputs.iter().zip(out.chunks_exact(8)) {
        let p = x.abs();
        let host = [x.exp(), p.ln(), x.sin(), x.tanh(), 1.0 / x, p.sqrt(), 1.0 / p.sqrt(), x.mul_add(*x, -p)];
        for (i, (got, host)) in got.iter().zip(host).enumerate() {
            let got = f64::from_le_bytes(*got);
            let distance = got.to_bits().abs_diff(host.to_bits());
            assert!(distance <= limits[i], "function {i} of {x} gave {got:e}, {host:e} on the host");
        }
    }
}
