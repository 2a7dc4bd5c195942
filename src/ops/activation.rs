//! Activations and gated linear units (SwiGLU, GeGLU, ReGLU), forward and backward, in place or not.
//!
//! # Formula
//! `output = f(input)`, or `output = f(gate) * up` of a gated unit. [`Function`] lists the functions:
//!
//! | function | `f(x)` | gated |
//! |---|---|---|
//! | [`Function::Silu`] | `x sigmoid(x)` | SwiGLU |
//! | [`Function::QuickGelu`] | `x sigmoid(1.702 x)` | |
//! | [`Function::Relu`] | `max(x, 0)` | ReGLU |
//! | [`Function::ReluSquared`] | `max(x, 0)^2` | |
//! | [`Function::GeluErf`] | `x Phi(x)`, as in [`gelu`](super::gelu) | GeGLU |
//! | [`Function::GeluTanh`] | the approximation of that by tanh | GeGLU |
//!
//! Backward, `grad_gate = grad_output * up * f'(gate)` and `grad_up = grad_output * f(gate)`; `f(gate)` is computed again, so nothing is
//! saved. (Shazeer, "GLU Variants Improve Transformer", 2020; Elfwing et al., 2018, for SiLU; Hendrycks and Gimpel, 2016, for GELU and its
//! quick form; So et al., "Primer", 2021, for the square of ReLU.) The derivative of ReLU at zero is zero.
//!
//! # Shapes and layout
//! All tensors have one shape of up to five dimensions. Gate and up are tensors of their own, or the two halves of each row of one packed
//! `[.., 2 * width]` tensor ([`Input::Packed`]), gate first, as one projection of both writes it; so are their gradients. Elements along
//! the last dimension lie side by side; the leading dimensions together must be rows at one distance (not negative, and for outputs no
//! shorter than a row), of at most 2^31 elements where there are gaps. Any address will do that is a multiple of the element's size;
//! rows that start at multiples of 16 bytes are fastest.
//!
//! # In place
//! An output may be exactly the memory of an input: [`forward_in_place`] replaces a tensor by its activation, [`backward_in_place`]
//! replaces the inputs by their gradients, which saves a training step as much memory. Descriptions may also name `grad_output` as the memory
//! of a gradient, or gate or up as that of the output. Otherwise outputs overlap no other tensor.
//!
//! # Types
//! f32, f16 and bf16, the same for all tensors of a call. Arithmetic is in f32, with one rounding at the end: `f(gate)` is not rounded before
//! it is multiplied.
//!
//! # Accuracy
//! The error is at most twice that of the plain f32 computation plus two units in the last place of the largest result
//! (docs/numerics.md). `f(-inf)` is NaN for the smooth functions, as `-inf * 0` is and as PyTorch has it.
//!
//! # Determinism
//! The same input gives the same bits, on every device and under any schedule.
//!
//! # Speed
//! Bound by memory: each tensor is read or written once, 16 bytes at a time. Unmeasured on a GPU; instruction counts are in
//! `kernels/activation/NOTES.md`.
//!
//! # Example
//! ```
//! use warpsmith::ops::activation::{self, Function, Input};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let gate_up = device.upload(&[0.0_f32, 1.0, 5.0, 2.0, -1.0, 3.0, 7.0, 4.0])?; // two rows of two gates and two ups
//! let mut y = device.alloc::<f32>(4)?;
//! let tensors = activation::Forward { input: Input::Packed(gate_up.view([2, 4])?), output: y.view_mut([2, 2])? };
//! activation::forward(&device, tensors, Function::Silu)?;
//! for (y, expected) in device.download(&y)?.into_iter().zip([0.0, 1.462_117, -1.882_590, 11.430_889]) {
//!     assert!((y - expected).abs() < 1e-5);
//! }
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{BackwardPlan, ForwardPlan, plan_backward, plan_forward};

use crate::abi::{
    ACTIVATION_GELU_ERF, ACTIVATION_GELU_TANH, ACTIVATION_QUICK_GELU, ACTIVATION_RELU, ACTIVATION_RELU_SQUARED,
    ACTIVATION_SILU,
};
use crate::check::Arg;
use crate::device::{Args, Device, Queue};
use crate::element::Float;
use crate::error::{Error, Result};
use crate::view::{TensorDesc, View, ViewMut};

const FORWARD: &str = "activation::forward";
const BACKWARD: &str = "activation::backward";

/// What is applied to each element of the input, or of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// `x sigmoid(1.702 x)`.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)^2`.
    ReluSquared,
    /// `x Phi(x)`.
    GeluErf,
    /// The approximation of `x Phi(x)` by tanh, for models that were trained with it.
    GeluTanh,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Silu, Self::QuickGelu, Self::Relu, Self::ReluSquared, Self::GeluErf, Self::GeluTanh];

    /// The name, as it stands in bench ids.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silu => "silu",
            Self::QuickGelu => "quick_gelu",
            Self::Relu => "relu",
            Self::ReluSquared => "relu_squared",
            Self::GeluErf => "gelu_erf",
            Self::GeluTanh => "gelu_tanh",
        }
    }

    /// The number by which kernels know it.
    const fn code(self) -> u32 {
        match self {
            Self::Silu => ACTIVATION_SILU,
            Self::QuickGelu => ACTIVATION_QUICK_GELU,
            Self::Relu => ACTIVATION_RELU,
            Self::ReluSquared => ACTIVATION_RELU_SQUARED,
            Self::GeluErf => ACTIVATION_GELU_ERF,
            Self::GeluTanh => ACTIVATION_GELU_TANH,
        }
    }
}

/// A forward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardDesc {
    /// What is applied.
    pub function: Function,
    /// Read: what it is applied to, the gate of a gated unit.
    pub input: TensorDesc,
    /// Read: what the result is multiplied by.
    pub up: Option<TensorDesc>,
    /// Written: an input's memory, or memory apart.
    pub output: TensorDesc,
}

/// The other half of a gated unit in a backward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateDesc {
    /// Read: as in the forward.
    pub up: TensorDesc,
    /// Written: the memory of a tensor that is read, or memory apart.
    pub grad_up: TensorDesc,
}

/// A backward pass as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackwardDesc {
    /// What was applied.
    pub function: Function,
    /// Read: the gradient of the forward's output.
    pub grad_output: TensorDesc,
    /// Read: as in the forward.
    pub input: TensorDesc,
    /// Written: the memory of a tensor that is read, or memory apart.
    pub grad_input: TensorDesc,
    /// Of a gated unit.
    pub gate: Option<GateDesc>,
}

/// What a function is applied to.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, D: Device, T: Float> {
    /// One tensor, without a gate.
    Plain(View<'a, D, T>),
    /// The two tensors of a gated unit.
    Gated {
        /// What the function is applied to.
        gate: View<'a, D, T>,
        /// What the result is multiplied by.
        up: View<'a, D, T>,
    },
    /// Both in one tensor `[.., 2 * width]`: the first half of a row is the gate.
    Packed(View<'a, D, T>),
}

/// The gradients of an [`Input`], or one that is replaced by them.
#[derive(Debug)]
pub enum InputMut<'a, D: Device, T: Float> {
    /// One tensor, without a gate.
    Plain(ViewMut<'a, D, T>),
    /// The two tensors of a gated unit.
    Gated {
        /// What the function is applied to.
        gate: ViewMut<'a, D, T>,
        /// What the result is multiplied by.
        up: ViewMut<'a, D, T>,
    },
    /// Both in one tensor `[.., 2 * width]`: the first half of a row is the gate.
    Packed(ViewMut<'a, D, T>),
}

/// The tensors of [`forward`].
#[derive(Debug)]
pub struct Forward<'a, D: Device, T: Float> {
    /// Read.
    pub input: Input<'a, D, T>,
    /// Written.
    pub output: ViewMut<'a, D, T>,
}

/// The tensors of [`backward`].
#[derive(Debug)]
pub struct Backward<'a, D: Device, T: Float> {
    /// The gradient of the forward's output.
    pub grad_output: View<'a, D, T>,
    /// As in the forward.
    pub input: Input<'a, D, T>,
    /// Written: gated where the input is, packed or not.
    pub grad_input: InputMut<'a, D, T>,
}

/// Applies a function to `input`, or to a gate, and multiplies by up. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_forward`], [`Error::DeviceMismatch`], and those of a launch.
pub fn forward<D: Device, T: Float>(device: &D, mut tensors: Forward<'_, D, T>, function: Function) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let (input, up) = describe(&mut args, FORWARD, &tensors.input)?;
    let desc = ForwardDesc { function, input, up, output: args.write("output", &mut tensors.output)? };
    let plan = plan_forward(&desc, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that the output overlaps no other tensor but an input that it is; views lie inside their
    // buffers, which `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(&args) }
}

/// Replaces a tensor by its activation. See the [module](self) for everything else.
///
/// # Errors
/// As [`forward`].
pub fn forward_in_place<D: Device, T: Float>(
    device: &D,
    mut tensor: ViewMut<'_, D, T>,
    function: Function,
) -> Result<()> {
    let mut args = Args::new(device, FORWARD)?;
    let input = args.write("input", &mut tensor)?;
    let plan = plan_forward(&ForwardDesc { function, input, up: None, output: input }, args.caps())?;
    // SAFETY: as in `forward`.
    unsafe { plan.launch(&args) }
}

/// The gradients of [`forward`]. See the [module](self) for everything else.
///
/// # Errors
/// Those of [`plan_backward`], [`Error::DeviceMismatch`], [`Error::Unsupported`] for a gradient that is gated where the input is not or the
/// other way round, and those of a launch.
pub fn backward<D: Device, T: Float>(device: &D, mut tensors: Backward<'_, D, T>, function: Function) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let grad_output = args.read("grad_output", &tensors.grad_output)?;
    let inputs = describe(&mut args, BACKWARD, &tensors.input)?;
    let names = ["grad_input", "grad_gate", "grad_up"];
    let gradients = describe_mut(&mut args, names, &mut tensors.grad_input)?;
    run_backward(&args, function, grad_output, inputs, gradients)
}

/// The gradients of [`forward`], in the memory of its input. See the [module](self) for everything else.
///
/// # Errors
/// As [`backward`].
pub fn backward_in_place<D: Device, T: Float>(
    device: &D,
    grad_output: View<'_, D, T>,
    mut input: InputMut<'_, D, T>,
    function: Function,
) -> Result<()> {
    let mut args = Args::new(device, BACKWARD)?;
    let grad_output = args.read("grad_output", &grad_output)?;
    let tensors = describe_mut(&mut args, ["input", "gate", "up"], &mut input)?;
    run_backward(&args, function, grad_output, tensors, tensors)
}

fn run_backward<D: Device>(
    args: &Args<'_, D>,
    function: Function,
    grad_output: TensorDesc,
    (input, up): Described,
    (grad_input, grad_up): Described,
) -> Result<()> {
    let gate = match (up, grad_up) {
        (Some(up), Some(grad_up)) => Some(GateDesc { up, grad_up }),
        (None, None) => None,
        _ => {
            let what = "one of `input` and `grad_input` gated, the other not".to_owned();
            return Err(Error::Unsupported { op: BACKWARD, what, supported: "both gated or both plain" });
        }
    };
    let plan = plan_backward(&BackwardDesc { function, grad_output, input, grad_input, gate }, args.caps())?;
    // SAFETY: the plan has checked the shapes, and that no output overlaps another tensor but one that it is; views lie inside their buffers,
    // which `args` keeps borrowed until the launch is queued.
    unsafe { plan.launch(args) }
}

/// An input or a gate, and the up that goes with the gate.
type Described = (TensorDesc, Option<TensorDesc>);

fn describe<'a, D: Device, T: Float>(
    args: &mut Args<'a, D>,
    op: &'static str,
    input: &'a Input<'_, D, T>,
) -> Result<Described> {
    Ok(match input {
        Input::Plain(view) => (args.read("input", view)?, None),
        Input::Gated { gate, up } => (args.read("gate", gate)?, Some(args.read("up", up)?)),
        Input::Packed(view) => {
            let packed = args.read("input", view)?;
            let [gate, up] = Arg::new(op, "input", &packed).halves()?;
            (gate, Some(up))
        }
    })
}

/// The same for memory that is written, under the names of a plain or packed tensor, of a gate and of an up.
fn describe_mut<'a, D: Device, T: Float>(
    args: &mut Args<'a, D>,
    [name, gate_name, up_name]: [&'static str; 3],
    input: &'a mut InputMut<'_, D, T>,
) -> Result<Described> {
    Ok(match input {
        InputMut::Plain(view) => (args.write(name, view)?, None),
        InputMut::Gated { gate, up } => (args.write(gate_name, gate)?, Some(args.write(up_name, up)?)),
        InputMut::Packed(view) => {
            let packed = args.write(name, view)?;
            let [gate, up] = Arg::new(BACKWARD, name, &packed).halves()?;
            (gate, Some(up))
        }
    })
}
