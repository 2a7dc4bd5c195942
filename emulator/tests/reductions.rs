//! Kernels as nvcc 13 compiles them for sm_80, against the same sums in Rust.

use ptx_emulator::{Config, DeviceModel, Emulator, Launch, Module};

const PTX: &str = include_str!("ptx/reductions.ptx");

/// Packs parameters as C does.
#[derive(Default)]
struct Params(Vec<u8>);

impl Params {
    fn push<const N: usize>(mut self, bytes: [u8; N]) -> Self {
        self.0.resize(self.0.len().next_multiple_of(N), 0);
        self.0.extend(bytes);
        self
    }
}

fn device() -> Emulator {
    Emulator::new(Config::new(DeviceModel::Sm80))
}

fn upload(device: &Emulator, values: &[f32], name: &str) -> u64 {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let address = device.alloc(bytes.len() as u64, name).unwrap();
    device.write(address, &bytes).unwrap();
    address
}

fn download(device: &Emulator, address: u64, count: usize) -> Vec<f32> {
    let mut bytes = vec![0; count * 4];
    device.read(address, &mut bytes).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// Numbers between -1 and 1 that look random.
fn values(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

#[test]
fn row_sums() {
    let (rows, n) = (5, 1000);
    let x = values(rows * n);
    let device = device();
    let (from, to) = (upload(&device, &x, "x"), upload(&device, &vec![f32::NAN; rows], "y"));
    let kernel = Module::load(PTX).unwrap().kernel("row_sum").unwrap();
    let params = Params::default().push(from.to_le_bytes()).push(to.to_le_bytes()).push((n as i32).to_le_bytes());
    let launch = Launch {
        kernel: &kernel,
        grid: [rows as u32, 1, 1],
        block: [256, 1, 1],
        dynamic_shared: 0,
        params: &params.0,
        config: None,
    };
    device.launch(&launch).unwrap();
    for (row, sum) in download(&device, to, rows).into_iter().enumerate() {
        let exact: f64 = x[row * n..][..n].iter().map(|x| f64::from(*x)).sum();
        assert!((f64::from(sum) - exact).abs() < 1e-4, "row {row}: {sum} for {exact}");
    }
}
