//! One softmax problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::softmax::{self, Backward, Forward, Io, Options};
use warpsmith::reference::softmax as reference;
use warpsmith::{Device, Float};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// A mask of `[matrices, queries, width]`, with one element along a dimension in which it repeats.
#[derive(Clone, Debug)]
pub enum Mask<T> {
    Keep([usize; 2], Vec<u8>),
    Add([usize; 2], Vec<T>),
}

/// Matrices of rows, and the gradient of their softmax.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub matrices: usize,
    pub queries: usize,
    pub width: usize,
    pub input: Vec<T>,
    pub grad_output: Vec<T>,
    pub mask: Option<Mask<T>>,
    pub options: Options,
    pub in_place: bool,
    /// Elements by which tensors are off a 256-byte boundary: what is read, what is written, and what the backward pass has of the
    /// forward.
    pub shifts: [usize; 3],
    /// Elements between rows, of the same.
    pub gaps: [usize; 3],
}

/// Elements from which on a row is judged alone.
const SHORT: usize = 32;

impl<T: Real> Problem<T> {
    /// Normal numbers, no mask.
    pub fn new(matrices: usize, queries: usize, width: usize) -> Self {
        let (mut rng, count) = (Rng::new(width as u64), matrices * queries * width);
        Self {
            matrices,
            queries,
            width,
            input: rng.normals(count, 1.0, 2.0),
            grad_output: rng.normals(count, 0.0, 1.0),
            mask: None,
            options: Options::default(),
            in_place: false,
            shifts: [0, 0, 0],
            gaps: [0, 0, 0],
        }
    }

    /// Its logarithm.
    pub fn logarithm(self) -> Self {
        Self { options: Options { logarithm: true, ..self.options }, ..self }
    }

    /// With a scale, a diagonal and bytes for each column of each matrix or of all.
    pub fn kept(self, extents: [usize; 2]) -> Self {
        let mut rng = Rng::new(!(self.width as u64));
        let bytes = (0..extents[0] * extents[1] * self.width).map(|_| (rng.next_u64() % 3) as u8).collect();
        let options = Options { scale: 0.75, causal: Some(self.width as i64 / 2), ..self.options };
        Self { mask: Some(Mask::Keep(extents, bytes)), options, ..self }
    }

    /// With a scale and numbers to be added, some of them minus infinity.
    pub fn added(self, extents: [usize; 2]) -> Self {
        let mut rng = Rng::new(!(self.width as u64));
        let number = |_| T::from_f64(if rng.unit() < 0.1 { f64::NEG_INFINITY } else { rng.normal() });
        let numbers = (0..extents[0] * extents[1] * self.width).map(number).collect();
        let options = Options { scale: 0.75, ..self.options };
        Self { mask: Some(Mask::Add(extents, numbers)), options, ..self }
    }

    fn rows(&self) -> usize {
        self.matrices * self.queries
    }

    fn shape(&self) -> [usize; 3] {
        [self.matrices, self.queries, self.width]
    }

    fn place(&self, which: usize) -> Place {
        Place::matrix(self.rows(), self.width).with_gap(self.gaps[which]).shifted(self.shifts[which])
    }

    /// Reads `from` and writes the result of `call`, in one place or in two.
    fn pass<D: Device>(&self, device: &D, from: &[T], call: impl FnOnce(Io<'_, D, T>)) -> Vec<T> {
        let mut input = Guarded::<D, T>::input(device, self.place(0), from);
        let mut output = Guarded::<D, T>::output(device, self.place(1));
        if self.in_place {
            call(Io::InPlace(input.view_mut_as(self.shape())));
            output.assert_untouched(device);
            return input.read(device);
        }
        call(Io::Apart { from: input.view_as(self.shape()), to: output.view_mut_as(self.shape()) });
        let same = input.read(device).iter().zip(from).all(|(a, b)| a.bits() == b.bits());
        assert!(same, "what is read was overwritten");
        output.read(device)
    }

    /// Runs the forward pass between guards.
    pub fn forward<D: Device>(&self, device: &D) -> Vec<T> {
        let place = |extents: &[usize; 2]| Place::matrix(extents[0] * extents[1], self.width).shifted(1);
        let shape = |extents: &[usize; 2]| [extents[0], extents[1], self.width];
        let (mut keep, mut add) = (None, None);
        match &self.mask {
            Some(Mask::Keep(extents, bytes)) => {
                keep = Some((shape(extents), Guarded::<D, u8>::input(device, place(extents), bytes)));
            }
            Some(Mask::Add(extents, numbers)) => {
                add = Some((shape(extents), Guarded::<D, T>::input(device, place(extents), numbers)));
            }
            None => {}
        }
        self.pass(device, &self.input, |io| {
            let keep = keep.as_ref().map(|(shape, mask)| softmax::Mask::Keep(mask.view_as(*shape)));
            let mask = keep.or_else(|| add.as_ref().map(|(shape, mask)| softmax::Mask::Add(mask.view_as(*shape))));
            softmax::forward(device, Forward { io, mask }, &self.options).expect("softmax::forward");
        })
    }

    /// Runs the backward pass between guards, for this output.
    pub fn backward<D: Device>(&self, device: &D, output: &[T]) -> Vec<T> {
        let output = Guarded::<D, T>::input(device, self.place(2), output);
        self.pass(device, &self.grad_output, |io| {
            let tensors = Backward { output: output.view_as(self.shape()), io };
            softmax::backward(device, tensors, &self.options).expect("softmax::backward");
        })
    }

    /// The scaled and masked input: in f64, and in f32 as a framework has it.
    fn logits(&self) -> (Vec<f64>, Vec<f32>) {
        let scale = self.options.scale;
        let element = |i: usize| {
            let (row, column) = (i / self.width, i % self.width);
            let (matrix, query) = (row / self.queries, row % self.queries);
            let x = self.input[i].to_f64();
            let (mut wide, mut narrow) = (f64::from(scale) * x, scale * x as f32);
            let at =
                |extents: &[usize; 2]| (matrix % extents[0] * extents[1] + query % extents[1]) * self.width + column;
            match &self.mask {
                Some(Mask::Keep(extents, bytes)) if bytes[at(extents)] == 0 => wide = f64::NEG_INFINITY,
                Some(Mask::Add(extents, numbers)) => {
                    wide += numbers[at(extents)].to_f64();
                    narrow += numbers[at(extents)].to_f64() as f32;
                }
                _ => {}
            }
            if self.options.causal.is_some_and(|diagonal| column as i64 > query as i64 + diagonal) {
                wide = f64::NEG_INFINITY;
            }
            (wide, if wide == f64::NEG_INFINITY { f32::NEG_INFINITY } else { narrow })
        };
        (0..self.input.len()).map(element).unzip()
    }

    /// The name of a comparison.
    fn name(&self, device: &str, what: &str) -> String {
        let Self { matrices, queries, width, options, in_place, shifts, gaps, .. } = self;
        let mask = match &self.mask {
            Some(Mask::Keep(extents, _)) => format!("bytes {extents:?}"),
            Some(Mask::Add(extents, _)) => format!("numbers {extents:?}"),
            None => "none".to_owned(),
        };
        format!(
            "{device}: softmax {} of [{matrices}, {queries}, {width}], mask {mask}, in place {in_place}, shifts {shifts:?}, \
             gaps {gaps:?}, {options:?}: {what}",
            T::DTYPE
        )
    }

    fn judge(&self, device: &str, what: &str, got: &[T], oracle: &[f64], naive: &[T]) {
        // The gradient of a logarithm has one rounding that all of a row share, that of the sum: in a row alone naive's may happen to be none.
        let shared = self.options.logarithm && what == "gradient";
        let cols = if self.width < SHORT || shared { got.len() } else { self.width };
        Comparison { name: &self.name(device, what), cols, got, oracle, naive }.assert();
    }

    /// Runs both passes and judges them row by row.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let output = self.forward(device);
        let (wide, narrow) = self.logits();
        let logarithm = self.options.logarithm;
        let (oracle, naive): (_, Vec<T>) = match logarithm {
            true => (reference::log_forward(&wide, self.width), reference::naive::log_forward(&narrow, self.width)),
            false => (reference::forward(&wide, self.width), reference::naive::forward(&narrow, self.width)),
        };
        self.judge(name, "output", &output, &oracle, &naive);
        let masked = if logarithm { f64::NEG_INFINITY } else { 0.0 };
        for (i, output) in output.iter().enumerate().filter(|&(i, _)| wide[i] == f64::NEG_INFINITY) {
            assert!(output.to_f64() == masked, "{}", self.name(name, &format!("element {i} is masked")));
        }

        let gradient = self.backward(device, &output);
        let scale = self.options.scale;
        let (y, g) = (widen(&output), widen(&self.grad_output));
        let (oracle, naive) = match logarithm {
            true => (
                reference::log_backward(&y, &g, self.width, scale.into()),
                reference::naive::log_backward(&output, &self.grad_output, self.width, scale),
            ),
            false => (
                reference::backward(&y, &g, self.width, scale.into()),
                reference::naive::backward(&output, &self.grad_output, self.width, scale),
            ),
        };
        self.judge(name, "gradient", &gradient, &oracle, &naive);
    }
}

/// A test that is written once for all devices and element types.
pub trait Case {
    /// Runs on one of each.
    fn run<D: Device, T: Real>(&self, device: &D, name: &str);
}

/// A case as one test body for a device.
pub struct Every<C>(pub C);

impl<C: Case> Body for Every<C> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        self.0.run::<D, f32>(device, name);
        self.0.run::<D, f16>(device, name);
        self.0.run::<D, bf16>(device, name);
    }
}
