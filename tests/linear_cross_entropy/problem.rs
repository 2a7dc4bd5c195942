//! One problem: its data, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::cross_entropy::Reduction;
use warpsmith::ops::linear_cross_entropy::{self, Bias, Forward, MatMul, Operand, Options, workspace_bytes};
use warpsmith::reference::cross_entropy::Labels;
use warpsmith::reference::linear_cross_entropy::{self as reference, Layer};
use warpsmith::{CudaDevice, Device, EmulatedDevice, Float, Result, TensorDesc, cudarc};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::guard::{Guarded, Place, Sample};

/// A device for whose memory this test has products.
pub trait Multiplies: Device {
    /// Computes one.
    fn multiply(&self, product: &MatMul) -> Result<()>;
}

impl Multiplies for EmulatedDevice {
    fn multiply(&self, product: &MatMul) -> Result<()> {
        product.on_emulator(self)
    }
}

/// On copies in an emulated device's memory.
impl Multiplies for CudaDevice {
    fn multiply(&self, product: &MatMul) -> Result<()> {
        use cudarc::driver::result::{memcpy_dtoh_sync, memcpy_htod_sync};
        self.synchronize()?;
        let host = EmulatedDevice::new(DeviceModel::Sm80);
        let copied = |tensor: &TensorDesc| -> Result<_> {
            let elements = (tensor.shape[0] - 1) * tensor.strides[0] as usize + tensor.shape[1];
            let mut bytes = vec![0_u8; elements * tensor.dtype.size()];
            // SAFETY: the tensor lies in the device's memory, and everything that was queued has run.
            unsafe { memcpy_dtoh_sync(&mut bytes, tensor.address) }.expect("a copy to the host");
            let buffer = host.upload(&bytes)?;
            let tensor = TensorDesc { address: buffer.address(), ..*tensor };
            Ok((buffer, tensor))
        };
        let (_a, a) = copied(&product.a.stored)?;
        let (_b, b) = copied(&product.b.stored)?;
        let (buffer, output) = copied(&product.output)?;
        let a = Operand { stored: a, ..product.a };
        let b = Operand { stored: b, ..product.b };
        MatMul { a, b, output, ..*product }.on_emulator(&host)?;
        // SAFETY: as above.
        unsafe { memcpy_htod_sync(product.output.address, &host.download(&buffer)?) }.expect("a copy to the device");
        Ok(())
    }
}

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// Roundings from which on what carries them is judged alone.
const SHORT: usize = 32;

/// A layer, its targets, and how it is run.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub rows: usize,
    pub depth: usize,
    pub classes: usize,
    pub hidden: Vec<T>,
    pub weight: Vec<T>,
    pub bias: Option<Vec<T>>,
    pub targets: Vec<i64>,
    pub class_weight: Option<Vec<f32>>,
    pub grad_loss: Option<Vec<f32>>,
    pub options: Options,
    pub wants_gradients: bool,
    /// Elements between the rows of all matrices.
    pub gap: usize,
    /// What gradients of weight and bias hold before, where they are added to.
    pub before: f32,
}

/// What a pass wrote.
#[derive(Debug)]
pub struct Written<T> {
    pub loss: Vec<f32>,
    pub lse: Vec<f32>,
    pub totals: Vec<f32>,
    pub grad_hidden: Vec<T>,
    pub grad_weight: Vec<f32>,
    pub grad_bias: Vec<f32>,
    /// In their order.
    pub products: Vec<MatMul>,
    /// The address of the workspace and its bytes.
    pub workspace: (u64, usize),
}

impl<T: Real> Problem<T> {
    /// Logits of about unit variance, targets anywhere, every fifth row ignored; the mean of chunks of so many rows.
    pub fn new([rows, depth, classes]: [usize; 3], chunk: usize) -> Self {
        let mut rng = Rng::new((rows * classes + depth) as u64);
        let draw = |row, rng: &mut Rng| if row % 5 == 3 { -100 } else { (rng.next_u64() % classes as u64) as i64 };
        Self {
            rows,
            depth,
            classes,
            hidden: rng.normals(rows * depth, 0.0, 1.0),
            weight: rng.normals(classes * depth, 0.0, 2.0 / (depth as f64).sqrt()),
            bias: None,
            targets: (0..rows).map(|row| draw(row, &mut rng)).collect(),
            class_weight: None,
            grad_loss: None,
            options: Options { chunk_rows: Some(chunk), ..Options::default() },
            wants_gradients: true,
            gap: 0,
            before: 0.0,
        }
    }

    /// With everything that is optional.
    pub fn with_all(mut self) -> Self {
        let mut rng = Rng::new(self.classes as u64);
        self.bias = Some(rng.normals(self.classes, 0.5, 1.0));
        self.class_weight = Some(rng.uniforms(self.classes, 0.25, 2.0));
        self.grad_loss = Some(vec![64.0]);
        let loss = &mut self.options.loss;
        (loss.label_smoothing, loss.z_loss, loss.softcap) = (0.125, 1e-3, Some(5.0));
        self
    }

    /// With another reduction, and a gradient of the loss of its shape.
    pub fn reduced(mut self, reduction: Reduction) -> Self {
        self.options.loss.reduction = reduction;
        self.grad_loss = Some(Rng::new(9).uniforms(self.losses(), 0.5, 2.0));
        self
    }

    fn losses(&self) -> usize {
        if self.options.loss.reduction == Reduction::None { self.rows } else { 1 }
    }

    /// Runs a pass between guards.
    pub fn run<D: Multiplies>(&self, device: &D) -> Written<T> {
        let Self { rows, depth, classes, gap, .. } = *self;
        let vector = |values: &Vec<f32>| Guarded::input(device, Place::vector(values.len()).shifted(1), values);
        let of_type = |values: &[T]| Guarded::input(device, Place::vector(values.len()).shifted(3), values);
        let matrix = |width| move |rows| Place::matrix(rows, width).with_gap(gap);
        let hidden = Guarded::input(device, matrix(depth)(rows), &self.hidden);
        let weight = Guarded::input(device, matrix(depth)(classes), &self.weight);
        let targets = Guarded::input(device, Place::vector(rows), &self.targets);
        let (class_weight, grad_loss) = (self.class_weight.as_ref().map(vector), self.grad_loss.as_ref().map(vector));
        let bias = self.bias.as_deref().map(of_type);
        let ones = of_type(&vec![T::from_f32(1.0); self.options.chunk_rows.expect("a chunk").min(rows)]);
        let mut grad_hidden = Guarded::<D, T>::output(device, matrix(depth)(rows));
        let held = |place, count| match self.options.accumulate {
            true => Guarded::input(device, place, &vec![self.before; count]),
            false => Guarded::<D, f32>::output(device, place),
        };
        let mut grad_weight = held(matrix(depth)(classes), classes * depth);
        let mut grad_bias = held(Place::vector(classes).shifted(1), classes);
        let mut loss = Guarded::<D, f32>::output(device, Place::vector(self.losses()));
        let mut lse = Guarded::<D, f32>::output(device, Place::vector(rows));
        let mut totals = Guarded::<D, f32>::output(device, Place::vector(2));
        let bytes = workspace_bytes([rows, depth], classes, T::DTYPE, &self.options);
        let mut workspace = Guarded::<D, u8>::output(device, Place::vector(bytes));
        let gradients = self.wants_gradients;
        let tensors = Forward {
            hidden: hidden.view(),
            weight: weight.view(),
            bias: bias.as_ref().map(|bias| Bias {
                bias: bias.view(),
                ones: ones.view(),
                grad_bias: gradients.then(|| grad_bias.view_mut()),
            }),
            targets: targets.view(),
            class_weight: class_weight.as_ref().map(Guarded::view),
            grad_loss: grad_loss.as_ref().map(Guarded::view),
            grad_hidden: gradients.then(|| grad_hidden.view_mut()),
            grad_weight: gradients.then(|| grad_weight.view_mut()),
            loss: Some(loss.view_mut()),
            lse: Some(lse.view_mut()),
            totals: Some(totals.view_mut()),
            workspace: workspace.view_mut(),
        };
        let mut products = Vec::new();
        let multiply = |product: &MatMul| {
            products.push(*product);
            device.multiply(product)
        };
        linear_cross_entropy::forward(device, tensors, &self.options, multiply).expect("linear_cross_entropy::forward");
        if !gradients {
            grad_hidden.assert_untouched(device);
            grad_weight.assert_untouched(device);
        }
        if self.bias.is_none() || !gradients {
            grad_bias.read(device).iter().for_each(|g| assert!(g.is_nan() || *g == self.before));
        }
        workspace.read(device);
        // The logits are the end of the workspace.
        let (logits, chunk) = (products.last().expect("a product"), self.options.chunk_rows.unwrap_or(1).min(rows));
        let logits = if gradients { logits_of(&products) } else { logits.output };
        let end = logits.address + (chunk * logits.strides[0] as usize * T::DTYPE.size()) as u64;
        Written {
            loss: loss.read(device),
            lse: lse.read(device),
            totals: totals.read(device),
            grad_hidden: grad_hidden.read(device),
            grad_weight: grad_weight.read(device),
            grad_bias: grad_bias.read(device),
            products,
            workspace: (end - bytes as u64, bytes),
        }
    }

    fn judge<U: Real>(&self, device: &str, what: &str, cols: usize, got: &[U], oracle: &[f64], naive: &[U]) {
        let Self { rows, depth, classes, options, .. } = self;
        let name = format!("{device}: {} [{rows}, {depth}] to {classes}, {options:?}: {what}", T::DTYPE);
        Comparison { name: &name, cols, got, oracle, naive }.assert();
    }

    /// Runs a pass and judges it: matrices row by row if these are long enough, everything else as one row.
    pub fn check<D: Multiplies>(&self, device: &D, name: &str) {
        let got = self.run(device);
        let grad_loss = self.grad_loss.as_deref().unwrap_or(&[1.0]);
        let labels = Labels { targets: &self.targets, weight: self.class_weight.as_deref(), grad_loss };
        let (hidden, weight) = (widen(&self.hidden), widen(&self.weight));
        let bias = self.bias.as_deref().map(widen);
        let wide = Layer { hidden: &hidden, weight: &weight, bias: bias.as_deref(), depth: self.depth };
        let layer = Layer { hidden: &self.hidden, weight: &self.weight, bias: self.bias.as_deref(), depth: self.depth };
        let mut oracle = reference::forward(&wide, &labels, &self.options.loss);
        let mut naive = reference::naive::forward(&layer, &labels, &self.options.loss);
        for sums in [&mut oracle.grad_weight, &mut oracle.grad_bias] {
            sums.iter_mut().for_each(|sum| *sum += f64::from(self.before));
        }
        for sums in [&mut naive.grad_weight, &mut naive.grad_bias] {
            sums.iter_mut().for_each(|sum| *sum += self.before);
        }
        self.judge(name, "lse", self.rows, &got.lse, &oracle.lse, &naive.lse);
        self.judge(name, "loss", got.loss.len(), &got.loss, &oracle.loss, &naive.loss);
        if !self.wants_gradients {
            return;
        }
        self.judge(name, "grad_hidden", self.depth, &got.grad_hidden, &oracle.grad_hidden, &naive.grad_hidden);
        // The elements of a class share the roundings of one element of the logits' gradient for each row: of few rows, naive is often
        // right by chance.
        let cols = if self.rows < SHORT { self.weight.len() } else { self.depth };
        self.judge(name, "grad_weight", cols, &got.grad_weight, &oracle.grad_weight, &naive.grad_weight);
        if self.bias.is_some() {
            self.judge(name, "grad_bias", self.classes, &got.grad_bias, &oracle.grad_bias, &naive.grad_bias);
        }
        let rows = got.grad_hidden.chunks_exact(self.depth).zip(&self.targets);
        for (row, _) in rows.filter(|&(_, &target)| target == self.options.loss.ignore_index) {
            assert!(row.iter().all(|g| g.to_f64() == 0.0), "{name}: an ignored row has a gradient");
        }
    }
}

/// The logits that the first products filled.
pub fn logits_of(products: &[MatMul]) -> TensorDesc {
    products[0].output
}

/// A test that is written once for all devices and element types.
pub trait Case {
    /// Runs on one of each.
    fn run<D: Multiplies, T: Real>(&self, device: &D, name: &str);
}

/// Runs a case on the emulated models and the GPU, in every element type.
pub fn everywhere(case: &impl Case) {
    for model in DeviceModel::ALL {
        in_every_type(case, &EmulatedDevice::new(model), &format!("{model:?}"));
    }
    if let Some(device) = crate::common::devices::cuda() {
        in_every_type(case, &device, "CUDA");
    }
}

fn in_every_type<D: Multiplies>(case: &impl Case, device: &D, name: &str) {
    case.run::<D, f32>(device, name);
    case.run::<D, f16>(device, name);
    case.run::<D, bf16>(device, name);
}
