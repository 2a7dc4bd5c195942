//! What the tests on compiled kernels share.

use ptx_emulator::{Config, Counters, DeviceModel, Emulator, Launch, LaunchError, Module};

/// Parameters packed as C does: each at a multiple of its size.
#[derive(Clone, Default)]
pub struct Params(pub Vec<u8>);

impl Params {
    pub fn push<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.0.resize(self.0.len().next_multiple_of(N), 0);
        self.0.extend(bytes);
        self
    }

    pub fn address(self, address: u64) -> Self {
        self.push(address.to_le_bytes())
    }

    pub fn int(self, value: i32) -> Self {
        self.push(value.to_le_bytes())
    }

    pub fn float(self, value: f32) -> Self {
        self.push(value.to_le_bytes())
    }
}

pub fn config() -> Config {
    Config::new(DeviceModel::Sm80)
}

/// Puts 4-byte values into an allocation of their own.
pub fn upload<T: Copy>(device: &Emulator, values: &[T], bits: impl Fn(T) -> u32, name: &str) -> u64 {
    let bytes: Vec<u8> = values.iter().flat_map(|x| bits(*x).to_le_bytes()).collect();
    let address = device.alloc(bytes.len() as u64, name).unwrap();
    device.write(address, &bytes).unwrap();
    address
}

pub fn upload_f32(device: &Emulator, values: &[f32], name: &str) -> u64 {
    upload(device, values, f32::to_bits, name)
}

pub fn download_u32(device: &Emulator, address: u64, count: usize) -> Vec<u32> {
    let mut bytes = vec![0; count * 4];
    device.read(address, &mut bytes).unwrap();
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

pub fn download_f32(device: &Emulator, address: u64, count: usize) -> Vec<f32> {
    download_u32(device, address, count).into_iter().map(f32::from_bits).collect()
}

/// Puts the upper halves of `f32` values, which are bf16, into an allocation.
pub fn upload_bf16(device: &Emulator, values: &[f32], name: &str) -> u64 {
    let bytes: Vec<u8> = values.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect();
    let address = device.alloc(bytes.len() as u64, name).unwrap();
    device.write(address, &bytes).unwrap();
    address
}

/// Loads a module and launches one of its kernels.
pub fn run(
    device: &Emulator,
    ptx: &str,
    name: &str,
    (grid, block, dynamic_shared): (u32, u32, u32),
    params: &Params,
) -> Result<Counters, LaunchError> {
    let kernel = Module::load(ptx).unwrap().kernel(name).unwrap();
    let (grid, block) = ([grid, 1, 1], [block, 1, 1]);
    device.launch(&Launch { kernel: &kernel, grid, block, dynamic_shared, params: &params.0, config: None })
}

/// The bf16 value below `x` in magnitude.
pub fn cut(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0xffff_0000)
}

/// Numbers between -1 and 1 that look random.
pub fn values(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}
