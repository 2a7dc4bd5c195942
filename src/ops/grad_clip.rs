//! Clipping of a list of gradients, by their common norm or by value, and the loss scale that goes with it.
//!
//! # Formula
//! [`GradClip::norm`]: `norm = sqrt(sum g^2) / scale` over all elements of all gradients, with `scale` the loss scale or 1, and
//! `factor = min(1, max_norm / (norm + 1e-6)) / scale`, as PyTorch's `clip_grad_norm_` has it. Gradients stay as they are: norm and factor
//! are left on the device for what uses them, such as the `gradient_scale` of an optimizer. `found_inf` is the number of
//! elements that are infinite or NaN, and 1 where the norm overflows without any; the factor is 0 then.
//!
//! With a [`LossScale`] the scale for the next step follows, as in PyTorch's `GradScaler`: times `backoff` after a bad step, times
//! `growth` after `interval` good ones in a row, unless that overflows.
//!
//! [`GradClip::value`]: `g = clamp(g, -limit, limit)`, in place; NaN stays.
//!
//! # Shapes, types, layout
//! Gradients have any shape and no gaps, at any address that is a multiple of the element's size; f32, f16 or bf16, one for all of an
//! object. Scalars are one f32 each.
//!
//! # Accuracy and determinism
//! Squares are added in f32 over 16 bytes and in f64 from there on, in an order that depends on the list alone: the relative error of the norm is below
//! `5 * 2^-24`, and the same input gives the same bits. A square over 3.4e38 overflows.
//!
//! # Speed
//! By norm every gradient is read once, by value read and written once. Unmeasured on a GPU.
//!
//! # Example
//! ```
//! use warpsmith::ops::grad_clip::{GradClip, Norm};
//! use warpsmith::{Buffer, Device};
//! # use warpsmith::{EmulatedDevice, emulator::DeviceModel};
//!
//! # fn main() -> warpsmith::Result<()> {
//! let device = EmulatedDevice::new(DeviceModel::Sm80); // or `CudaDevice::new(0)?`
//! let mut gradient = device.upload(&[3.0_f32, 4.0])?;
//! let [mut norm, mut factor, mut found_inf] = [device.alloc::<f32>(1)?, device.alloc(1)?, device.alloc(1)?];
//! let mut clip = GradClip::new(&device, &mut [gradient.view_mut([2])?])?;
//! let scalars = Norm {
//!     norm: norm.view_mut([1])?,
//!     factor: factor.view_mut([1])?,
//!     found_inf: found_inf.view_mut([1])?,
//!     loss_scale: None,
//! };
//! clip.norm(&device, &[gradient.view([2])?], scalars, 1.0)?;
//! assert_eq!(device.download(&norm)?, [5.0]);
//! assert!((device.download(&factor)?[0] - 0.2).abs() < 1e-6);
//! # Ok(())
//! # }
//! ```

mod kernels;
mod plan;

pub use plan::{NormPlan, Plan, plan, table, workspace_bytes};

use crate::device::{Args, Buffer, Device, Room};
use crate::element::Float;
use crate::error::{Error, Result};
use crate::view::{TensorDesc, View, ViewMut};

const OP: &str = "grad_clip";

/// A list of gradients as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Desc<'a> {
    /// At least one.
    pub gradients: &'a [TensorDesc],
    /// Bytes at a multiple of 16, which hold what [`table`] gives before the first launch.
    pub table: TensorDesc,
    /// Scratch memory of [`workspace_bytes`], at a multiple of 16.
    pub workspace: TensorDesc,
}

/// How a loss scale changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// What it is multiplied by after `interval` good steps; at least 1.
    pub growth: f32,
    /// What it is multiplied by after a bad step; above 0, at most 1.
    pub backoff: f32,
    /// Good steps in a row before it grows; from 1 to 2^24.
    pub interval: u32,
}

impl Default for Rule {
    fn default() -> Self {
        Self { growth: 2.0, backoff: 0.5, interval: 2000 }
    }
}

/// A loss scale as plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScaleDesc {
    /// One f32, read and written.
    pub scale: TensorDesc,
    /// One f32, read and written: good steps since it changed; 0 at the start.
    pub good_steps: TensorDesc,
    /// How it changes.
    pub rule: Rule,
}

/// The scalars of a norm as plain data: one f32 each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormDesc {
    /// Written.
    pub norm: TensorDesc,
    /// Written: what gradients are to be multiplied by.
    pub factor: TensorDesc,
    /// Written: how many elements are not finite, at least 1 where the norm overflows; 0 where all is well.
    pub found_inf: TensorDesc,
    /// What the loss was multiplied by.
    pub loss_scale: Option<LossScaleDesc>,
    /// The largest norm; infinity for no limit.
    pub max_norm: f32,
}

/// A loss scale: two f32 on the device.
#[derive(Debug)]
pub struct LossScale<'a, D: Device> {
    /// Read, and written for the next step.
    pub scale: ViewMut<'a, D, f32>,
    /// Good steps since it changed; 0 at the start.
    pub good_steps: ViewMut<'a, D, f32>,
    /// How it changes.
    pub rule: Rule,
}

/// The scalars of [`GradClip::norm`]: one f32 each.
#[derive(Debug)]
pub struct Norm<'a, D: Device> {
    /// Written.
    pub norm: ViewMut<'a, D, f32>,
    /// Written: what gradients are to be multiplied by.
    pub factor: ViewMut<'a, D, f32>,
    /// Written: how many elements are not finite, at least 1 where the norm overflows; 0 where all is well.
    pub found_inf: ViewMut<'a, D, f32>,
    /// What the loss was multiplied by.
    pub loss_scale: Option<LossScale<'a, D>>,
}

/// The clipping of one list of gradients. See the [module](self) for everything else.
pub struct GradClip<D: Device> {
    plan: Plan,
    table: D::Buffer<u8>,
    workspace: D::Buffer<u8>,
    room: Room<D>,
}

impl<D: Device> GradClip<D> {
    /// Checks the list, and puts its addresses into a table on the device.
    ///
    /// # Errors
    /// Those of [`plan`]; [`Error::DeviceMismatch`], inside [`Error::Entry`]; those of memory.
    pub fn new<T: Float>(device: &D, gradients: &mut [ViewMut<'_, D, T>]) -> Result<Self> {
        let gradients = {
            let mut args = Args::with_room(device, OP, Room::default())?;
            let mut described = Vec::with_capacity(gradients.len());
            for (index, gradient) in gradients.iter_mut().enumerate() {
                described.push(args.write("gradient", gradient).map_err(|error| error.of_entry(index))?);
            }
            described
        };
        let table = device.upload(&table(&gradients)?)?;
        let mut workspace = device.alloc::<u8>(workspace_bytes(&gradients)?)?;
        let plan = {
            let bytes = workspace.len();
            let (table, mut workspace) = (table.view([table.len()])?, workspace.view_mut([bytes])?);
            let mut args = Args::new(device, OP)?;
            let (table, workspace) = (args.read("table", &table)?, args.write("workspace", &mut workspace)?);
            plan(&Desc { gradients: &gradients, table, workspace }, device.caps())?
        };
        Ok(Self { plan, table, workspace, room: Room::default() })
    }

    /// Queues two kernels that leave norm, factor and `found_inf`. `gradients` are those of [`GradClip::new`], in the same order and place.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of gradients; inside [`Error::Entry`], [`Error::Moved`], [`Error::Shape`], [`Error::Stride`],
    /// [`Error::DType`] and [`Error::DeviceMismatch`] name what is not as it was; those of [`Plan::norm`]; and those of a launch.
    pub fn norm<T: Float>(
        &mut self,
        device: &D,
        gradients: &[View<'_, D, T>],
        mut scalars: Norm<'_, D>,
        max_norm: f32,
    ) -> Result<()> {
        self.check_count(gradients.len())?;
        let bytes = self.workspace.len();
        let (table, mut workspace) = (self.table.view([self.table.len()])?, self.workspace.view_mut([bytes])?);
        let mut args = Args::with_room(device, OP, std::mem::take(&mut self.room))?;
        args.read("table", &table)?;
        args.write("workspace", &mut workspace)?;
        for (index, gradient) in gradients.iter().enumerate() {
            let placed = args.read("gradient", gradient).and_then(|desc| self.plan.check_place(index, &desc));
            placed.map_err(|error| error.of_entry(index))?;
        }
        let loss_scale = match &mut scalars.loss_scale {
            Some(LossScale { scale, good_steps, rule }) => Some(LossScaleDesc {
                scale: args.write("loss_scale", scale)?,
                good_steps: args.write("good_steps", good_steps)?,
                rule: *rule,
            }),
            None => None,
        };
        let desc = NormDesc {
            norm: args.write("norm", &mut scalars.norm)?,
            factor: args.write("factor", &mut scalars.factor)?,
            found_inf: args.write("found_inf", &mut scalars.found_inf)?,
            loss_scale,
            max_norm,
        };
        // SAFETY: the plan has checked the list, and every gradient is still where it was; views lie inside their buffers, which `args`
        // keeps borrowed until the launches are queued. The table was uploaded when this was made.
        unsafe { self.plan.norm(&desc)?.launch(&args)? };
        self.room = args.into_room();
        Ok(())
    }

    /// Queues one kernel that clamps every gradient to `[-limit, limit]`. `gradients` are those of [`GradClip::new`], in the same order and place.
    ///
    /// # Errors
    /// Those of [`GradClip::norm`] for gradients; those of [`Plan::value`]; and those of a launch.
    pub fn value<T: Float>(&mut self, device: &D, gradients: &mut [ViewMut<'_, D, T>], limit: f32) -> Result<()> {
        self.check_count(gradients.len())?;
        let table = self.table.view([self.table.len()])?;
        let mut args = Args::with_room(device, OP, std::mem::take(&mut self.room))?;
        args.read("table", &table)?;
        for (index, gradient) in gradients.iter_mut().enumerate() {
            let placed = args.write("gradient", gradient).and_then(|desc| self.plan.check_place(index, &desc));
            placed.map_err(|error| error.of_entry(index))?;
        }
        // SAFETY: as for the norm; no two gradients share memory.
        unsafe { self.plan.value(limit)?.queue(&args)? };
        self.room = args.into_room();
        Ok(())
    }

    /// Loads the kernels ahead of the first launch, as before the capture of a stream.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, device: &D) -> Result<()> {
        self.plan.preload(device)
    }

    fn check_count(&self, got: usize) -> Result<()> {
        let expected = self.plan.gradients();
        if got == expected { Ok(()) } else { Err(Error::Count { op: OP, argument: "gradients", expected, got }) }
    }
}

impl<D: Device> std::fmt::Debug for GradClip<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GradClip({} gradients)", self.plan.gradients())
    }
}
