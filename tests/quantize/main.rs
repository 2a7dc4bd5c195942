//! Blockwise quantisation against its reference, bit by bit, on every device.

#[path = "../common/mod.rs"]
mod common;

mod problem;

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::quantize::{Kind, Options};
use warpsmith::reference::quantize as reference;
use warpsmith::{Device, EmulatedDevice};

use common::data::Rng;
use common::devices::{Body, on_every_device, on_one_model, regimes};
use problem::{Problem, Real};

const BLOCKS: [usize; 7] = [64, 128, 256, 512, 1024, 2048, 4096];
const MAPS: [Kind; 2] = [Kind::Signed, Kind::Unsigned];

fn normals<T: Real>(len: usize) -> Vec<T> {
    Rng::new(len as u64).normals(len, 0.0, 1.0)
}

/// Every block size, lengths around a thread's share, a block, a tile of 4096 and two; both maps.
struct Sizes;

impl Body for Sizes {
    fn run<D: Device>(&self, device: &D, name: &str) {
        fn of<T: Real, D: Device>(device: &D, name: &str) {
            for block in BLOCKS {
                for (i, len) in [1, 7, block - 1, block, block + 1, 4095, 4097, 2 * 4096, 8200].into_iter().enumerate()
                {
                    Problem::<T>::new(normals(len), Options { block, map: MAPS[i % 2] }).check(device, name);
                }
            }
        }
        of::<f32, D>(device, name);
        of::<f16, D>(device, name);
        of::<bf16, D>(device, name);
    }
}

#[test]
fn tensors_of_every_size() {
    on_one_model(&Sizes);
}

/// Off their boundaries, together and apart.
struct Layouts;

impl Body for Layouts {
    fn run<D: Device>(&self, device: &D, name: &str) {
        fn of<T: Real, D: Device>(device: &D, name: &str) {
            for shifts in [[1, 0], [0, 1], [3, 3], [16 / size_of::<T>(), 8]] {
                for map in MAPS {
                    let problem = Problem::<T>::new(normals(5000), Options { map, ..Options::default() });
                    Problem { shifts, ..problem }.check(device, name);
                }
            }
        }
        of::<f32, D>(device, name);
        of::<f16, D>(device, name);
        of::<bf16, D>(device, name);
    }
}

#[test]
fn tensors_at_any_address() {
    on_every_device(&Layouts);
}

/// More tiles than one for each thread block, the last of which has fewer.
#[test]
fn tensors_of_many_tiles() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let many = normals::<bf16>(4096 * 512 + 5);
    Problem::new(many, Options { block: 2048, map: Kind::Signed }).check(&device, "many tiles");
}

/// The numbers next to every midpoint, of both signs, in blocks whose largest is 1.
#[test]
fn the_code_changes_at_the_midpoint() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    for map in MAPS {
        let options = Options { block: 64, map };
        let map = reference::map(&options);
        let midpoints = map.windows(2).map(|pair| ((pair[0] + pair[1]) * 0.5).abs());
        let around = |x: f32| (-2..=2).map(move |step| f32::from_bits(x.to_bits().saturating_add_signed(step)));
        let numbers: Vec<f32> = midpoints.flat_map(around).flat_map(|x| [x, -x]).filter(|x| x.abs() <= 1.0).collect();
        let values = numbers.chunks(63).flat_map(|part| std::iter::once(1.0).chain(part.iter().copied())).collect();
        Problem::<f32>::new(values, options).check(&device, "midpoints");
    }
}

/// Zeros of both signs, NaN, infinities, numbers whose reciprocal is infinite, and the largest, each in blocks of its own and among others.
#[test]
fn what_is_not_ordinary() {
    fn of<T: Real>(device: &EmulatedDevice) {
        let special = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-41, -1e-45, 3.3e38, -6e-8];
        for map in MAPS {
            for block in [64, 512] {
                let options = Options { block, map };
                let mut values: Vec<T> = special.iter().flat_map(|&x| vec![T::from_f64(x); block]).collect();
                let mut mixed = normals::<T>(special.len() * block);
                mixed.iter_mut().step_by(block).zip(special).for_each(|(slot, x)| *slot = T::from_f64(x));
                values.extend(mixed);
                Problem::new(values, options).check(device, "special");
            }
        }
    }
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    of::<f32>(&device);
    of::<f16>(&device);
    of::<bf16>(&device);
}

/// By hand: bitsandbytes' codes of zero and one, the tie rule, and what comes back.
#[test]
fn codes_by_hand() {
    let options = Options::default();
    let (codes, absmax) = reference::quantize(&[2.0_f32, 0.0, -2.0, 1.985_937_5, 1e-9, -1e-9], &options);
    assert_eq!((codes, absmax), (vec![255, 127, 0, 254, 127, 127], vec![2.0]));
    let back: Vec<f32> = reference::dequantize(&[255, 127, 0], &[2.0], &options);
    assert_eq!((back[0], back[1]), (2.0, 0.0));
    assert!((back[2] + 2.0 * 0.992_968_74).abs() < 1e-6);
    // A round trip of normal numbers errs by at most half of the widest gap of the map, 0.9 / 64 / 2.
    let values = normals::<f32>(4096);
    let (codes, absmax) = reference::quantize(&values, &options);
    let back: Vec<f32> = reference::dequantize(&codes, &absmax, &options);
    for (i, (x, back)) in values.iter().zip(&back).enumerate() {
        assert!((x - back).abs() <= absmax[i / 256] * 0.5 * 0.9 / 63.9, "{x} became {back}");
    }
}

#[test]
fn every_regime_gives_the_same_bits() {
    let problem = Problem::<f16>::new(normals(9000), Options { block: 4096, map: Kind::Signed });
    regimes(DeviceModel::Sm80).for_each(|(name, device)| problem.check(&device, &name));
}

/// Everything is read and written once, in whole sectors; tables come from L2, once for each tile of a short tensor; each absmax is written in
/// sectors that several warps share, and read once by each warp.
#[test]
fn traffic_is_at_its_floor() {
    fn of<T: Real>() {
        const COUNT: usize = 1 << 17;
        let device = EmulatedDevice::new(DeviceModel::Sm90);
        Problem::<T>::new(normals(COUNT), Options::default()).check(&device, "counted");
        let counters = device.take_counters();
        let each = |counted: u64| counted as f64 / COUNT as f64;
        let bytes = 32.0 * each(counters.global_load_sectors + counters.global_store_sectors);
        let floor = 2.0 * (size_of::<T>() as f64 + 1.0);
        let shared = (24_848.0 + 1024.0) / 4096.0 + 2.0 * 32.0 / 256.0;
        let instructions = each(counters.thread_instructions.iter().sum());
        println!(
            "{}: both ways {instructions:.1} thread-instructions, {bytes:.2} B of sectors an element, {shared:.2} of them of tables and absmax",
            T::DTYPE
        );
        assert!((floor + shared..1.03 * floor + shared + 0.1).contains(&bytes), "{bytes} for {floor}");
        assert!(instructions < 80.0, "{instructions} instructions an element");
    }
    of::<f32>();
    of::<f16>();
    of::<bf16>();
}
