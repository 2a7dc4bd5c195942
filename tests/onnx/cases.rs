//! The tests as `xtask/onnx/export.py` writes them, and how a result is judged.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{LazyLock, Once};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use warpsmith::{Buffer, Device};

use crate::common::compare::Comparison;
use crate::common::devices::{Body, on_one_model};

/// A tensor, row-major.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub numbers: Numbers,
}

/// What ONNX's tests hold.
#[derive(Clone, Debug)]
pub enum Numbers {
    F32(Vec<f32>),
    I64(Vec<i64>),
}

impl Tensor {
    pub fn f32(&self) -> &[f32] {
        match &self.numbers {
            Numbers::F32(numbers) => numbers,
            Numbers::I64(_) => panic!("integers where numbers should be"),
        }
    }

    pub fn i64(&self) -> &[i64] {
        match &self.numbers {
            Numbers::I64(numbers) => numbers,
            Numbers::F32(_) => panic!("numbers where integers should be"),
        }
    }

    /// In f64.
    pub fn wide(&self) -> Vec<f64> {
        self.f32().iter().copied().map(f64::from).collect()
    }

    /// In the memory of a device.
    pub fn upload<D: Device>(&self, device: &D) -> D::Buffer<f32> {
        device.upload(self.f32()).expect("upload")
    }
}

/// One of ONNX's tests.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub inputs: Vec<Tensor>,
    /// By name.
    pub outputs: Vec<(String, Tensor)>,
    meta: Value,
}

impl Case {
    /// As many inputs as there are.
    pub fn inputs<const N: usize>(&self) -> &[Tensor; N] {
        self.inputs.as_array().unwrap_or_else(|| panic!("{} has {} inputs, not {N}", self.name, self.inputs.len()))
    }

    /// An attribute of the operator.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        self.meta["attributes"].get(name)
    }

    pub fn integer(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |value| value.as_i64().expect("an integer"))
    }

    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.attribute(name).map_or(default, |value| value.as_str().expect("a word"))
    }

    /// Judges an output: by ONNX's own tolerance, and by the rule of docs/numerics.md, for which the output that ONNX gives is the plain
    /// computation in f32.
    pub fn judge(&self, device: &str, output: &str, got: &[f32], oracle: &[f64]) {
        let Some((_, expected)) = self.outputs.iter().find(|(name, _)| name == output) else {
            panic!("{} has no output {output}", self.name);
        };
        let name = format!("{device}: {}, {output}", self.name);
        assert_eq!(got.len(), expected.f32().len(), "{name}: another number of elements");
        let tolerance = |name: &str| self.meta[name].as_f64().expect("a tolerance");
        let (rtol, atol) = (tolerance("rtol"), tolerance("atol"));
        for (i, (&got, &expected)) in got.iter().zip(expected.f32()).enumerate() {
            let (got, expected) = (f64::from(got), f64::from(expected));
            let close = (got - expected).abs() <= atol + rtol * expected.abs();
            assert!(close, "{name}: element {i} is {got}, and ONNX has {expected}");
        }
        Comparison { name: &name, cols: got.len(), got, oracle, naive: expected.f32() }.assert();
    }
}

/// Where the file is: `WARPSMITH_ONNX_CASES`, which must then be there, or where `cargo xtask onnx` has put it.
fn file() -> Option<Vec<u8>> {
    match std::env::var_os("WARPSMITH_ONNX_CASES") {
        Some(path) => Some(std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))),
        None => {
            let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), ".cuda", "onnx", "cases.safetensors"].iter().collect();
            std::fs::read(path).ok()
        }
    }
}

fn tensor(file: &SafeTensors<'_>, name: &str) -> Option<Tensor> {
    let view = file.tensor(name).ok()?;
    let numbers = match view.dtype() {
        Dtype::F32 => Numbers::F32(view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()),
        Dtype::I64 => Numbers::I64(view.data().as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect()),
        other => panic!("{name} holds {other:?}"),
    };
    Some(Tensor { shape: view.shape().to_vec(), numbers })
}

/// All tests; none where the file is not there.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let Some(bytes) = file() else {
        static ONCE: Once = Once::new();
        // Not `eprintln!`, which the test harness captures.
        ONCE.call_once(|| {
            let _ = writeln!(std::io::stderr(), "ONNX's tests not run: `cargo xtask onnx` fetches and runs them");
        });
        return Vec::new();
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tests = metadata.metadata().clone().expect("the tests' attributes");
    let case = |(name, meta): (String, String)| {
        let meta: Value = serde_json::from_str(&meta).expect("JSON");
        let all = |kind: &str| (0..).map_while(|i| tensor(&file, &format!("{name}/{kind}/{i}"))).collect::<Vec<_>>();
        let names = meta["outputs"].as_array().expect("names").iter();
        let names = names.map(|name| name.as_str().expect("a name").to_owned());
        Case { inputs: all("inputs"), outputs: names.zip(all("outputs")).collect(), meta, name }
    };
    tests.into_iter().map(case).collect()
});

/// What runs a test on a device.
pub trait Operator {
    const NAME: &'static str;
    /// So many tests does ONNX have.
    const TESTS: usize;
    fn run<D: Device>(case: &Case, device: &D, name: &str);
}

struct All<O>(std::marker::PhantomData<O>);

impl<O: Operator> Body for All<O> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let of_operator = CASES.iter().filter(|case| case.meta["operator"] == O::NAME);
        let count = of_operator.map(|case| O::run(case, device, name)).count();
        assert!(CASES.is_empty() || count == O::TESTS, "{count} tests of {}, not {}", O::NAME, O::TESTS);
    }
}

/// Runs every test of an operator.
pub fn every_test<O: Operator>() {
    on_one_model(&All::<O>(std::marker::PhantomData));
}

/// The contents of a buffer.
pub fn read<D: Device>(device: &D, buffer: &D::Buffer<f32>) -> Vec<f32> {
    device.download(buffer).expect("download")
}

/// A buffer of NaN.
pub fn blank<D: Device>(device: &D, len: usize) -> D::Buffer<f32> {
    let buffer = device.upload(&vec![f32::NAN; len]).expect("upload");
    assert_eq!(buffer.len(), len);
    buffer
}
