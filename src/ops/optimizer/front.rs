//! The object over an optimizer's plan: it owns states, table and progress.

use super::list::empty_list;
use super::plan::{Plan, steps};
use super::states::{Arena, Memory, whole};
use super::{Checkpoint, Desc, Form, ParameterDesc, Scalars, ScalarsDesc, Tensors};
use crate::device::{Args, Buffer, Caps, Device, Launches, Room};
use crate::element::Float;
use crate::error::{Error, Result};
use crate::view::{TensorDesc, View};

/// What distinguishes one optimizer from another. Sealed.
pub trait Rule: sealed::Sealed {
    /// The operation's name.
    const OP: &'static str;
    /// What all parameters share for good.
    type Options: Copy;
    /// The launches after the first, which counts the step.
    type Update: Launches + Copy;

    /// Moments, and how they are kept.
    #[doc(hidden)]
    #[allow(private_interfaces)]
    fn form(options: &Self::Options) -> Form;

    /// What the memory of `table` holds before the first launch.
    ///
    /// # Errors
    /// Those of [`Rule::plan`] that concern the parameters.
    fn table(parameters: &[ParameterDesc], options: &Self::Options) -> Result<Vec<u8>>;

    /// What the memory of `progress` holds before the first launch.
    fn progress(steps: u64, parameters: &[ParameterDesc], options: &Self::Options) -> Vec<u8>;

    /// Checks a list and decides how it is launched.
    ///
    /// # Errors
    /// Those of the operation's `plan`.
    fn plan(desc: &Desc<'_, Self::Options>, caps: &Caps) -> Result<Plan<Self::Update>>;
}

/// One parameter and what belongs to it. Sealed.
pub trait Entry<D: Device>: sealed::Sealed {
    /// Elements of the parameter.
    #[doc(hidden)]
    fn elements(&self) -> usize;

    /// All as plain data, once they are registered.
    #[doc(hidden)]
    fn describe<'a>(&'a mut self, args: &mut Args<'a, D>) -> Result<Described>;
}

/// One parameter's tensors as plain data.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// The parameter.
    pub parameter: TensorDesc,
    /// Its gradient.
    pub gradient: TensorDesc,
    /// Its master.
    pub master: Option<TensorDesc>,
}

pub(in crate::ops) mod sealed {
    pub trait Sealed {}
}

impl<D: Device, T: Float, G: Float> sealed::Sealed for Tensors<'_, D, T, G> {}

impl<D: Device, T: Float, G: Float> Entry<D> for Tensors<'_, D, T, G> {
    fn elements(&self) -> usize {
        self.parameter.shape().elements()
    }

    fn describe<'a>(&'a mut self, args: &mut Args<'a, D>) -> Result<Described> {
        Ok(Described {
            parameter: args.write("parameter", &mut self.parameter)?,
            gradient: args.read("gradient", &self.gradient)?,
            master: args.write_optional("master", self.master.as_mut())?,
        })
    }
}

/// The optimizer of one list of parameters. See the [module](crate::ops::optimizer) and the operation for everything else.
pub struct Optimizer<D: Device, R: Rule> {
    plan: Plan<R::Update>,
    arena: Arena,
    memory: Memory<D>,
    table: D::Buffer<u8>,
    progress: D::Buffer<u8>,
    room: Room<D>,
}

impl<D: Device, R: Rule> Optimizer<D, R> {
    /// An optimizer before its first step. `weight_decays` has one entry for each parameter, 0 for none.
    ///
    /// # Errors
    /// [`Error::Count`] for `weight_decays`; those of the operation's `plan`; [`Error::DeviceMismatch`], inside [`Error::Entry`]; those of
    /// memory.
    pub fn new<E: Entry<D>>(device: &D, tensors: &mut [E], weight_decays: &[f32], options: R::Options) -> Result<Self> {
        let states = Arena::of(R::form(&options), tensors.iter().map(E::elements)).fresh();
        Self::restore(device, tensors, weight_decays, options, &Checkpoint { steps: 0, states })
    }

    /// An optimizer that goes on where another one stood: the next step gives the same bits.
    ///
    /// # Errors
    /// Those of [`Optimizer::new`]; [`Error::Count`] where the checkpoint has another number of parameters, or, inside
    /// [`Error::Entry`], states of another length; [`Error::Unsupported`] there for states of another kind.
    pub fn restore<E: Entry<D>>(
        device: &D,
        tensors: &mut [E],
        weight_decays: &[f32],
        options: R::Options,
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        let count = |argument, got| match got == tensors.len() {
            true => Ok(()),
            false => Err(Error::Count { op: R::OP, argument, expected: tensors.len(), got }),
        };
        count("weight_decays", weight_decays.len())?;
        count("checkpoint.states", checkpoint.states.len())?;
        if tensors.is_empty() {
            return Err(empty_list(R::OP));
        }
        let arena = Arena::of(R::form(&options), tensors.iter().map(E::elements));
        let mut memory = arena.upload(device, &checkpoint.states)?;
        let parameters = {
            let mut own = memory.views()?;
            let mut args = Args::with_room(device, R::OP, Room::default())?;
            let at = own.register(&mut args)?;
            let mut parameters = Vec::with_capacity(tensors.len());
            for (index, (tensors, &weight_decay)) in tensors.iter_mut().zip(weight_decays).enumerate() {
                let Described { parameter, gradient, master } =
                    tensors.describe(&mut args).map_err(|error| error.of_entry(index))?;
                let (first, second) = arena.describe(index, at);
                parameters.push(ParameterDesc { parameter, gradient, master, first, second, weight_decay });
            }
            parameters
        };
        let mut table = device.upload(&R::table(&parameters, &options)?)?;
        let mut progress = device.upload(&R::progress(checkpoint.steps, &parameters, &options))?;
        let plan = {
            let (mut table, mut progress) = (whole::<D, u8>(&mut table)?, whole::<D, u8>(&mut progress)?);
            let mut args = Args::new(device, R::OP)?;
            let (table, progress) = (args.write("table", &mut table)?, args.write("progress", &mut progress)?);
            R::plan(&Desc { parameters: &parameters, table, progress, options }, device.caps())?
        };
        Ok(Self { plan, arena, memory, table, progress, room: Room::default() })
    }

    /// Makes a step: queues as many kernels for any list. `tensors` are those of [`Optimizer::new`], in the same order and the same place.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of tensors; inside [`Error::Entry`], [`Error::Moved`], [`Error::Shape`], [`Error::Stride`],
    /// [`Error::DType`] and [`Error::DeviceMismatch`] name the tensor that is not what it was; those of [`Plan::step`] for the scalars; and
    /// those of a launch.
    pub fn step<E: Entry<D>>(&mut self, device: &D, tensors: &mut [E], scalars: Scalars<'_, D>) -> Result<()> {
        self.step_with(device, tensors, scalars, None)
    }

    pub(in crate::ops) fn step_with<E: Entry<D>>(
        &mut self,
        device: &D,
        tensors: &mut [E],
        scalars: Scalars<'_, D>,
        gradient_norm: Option<View<'_, D, f32>>,
    ) -> Result<()> {
        let expected = self.plan.parameters();
        if tensors.len() != expected {
            return Err(Error::Count { op: R::OP, argument: "tensors", expected, got: tensors.len() });
        }
        let (table, mut own) = (self.table.view([self.table.len()])?, self.memory.views()?);
        let mut progress = whole::<D, u8>(&mut self.progress)?;
        let mut args = Args::with_room(device, R::OP, std::mem::take(&mut self.room))?;
        args.read("table", &table)?;
        args.write("progress", &mut progress)?;
        own.register(&mut args)?;
        for (index, tensors) in tensors.iter_mut().enumerate() {
            let placed =
                tensors.describe(&mut args).and_then(|described| self.plan.list.check_place(index, &described));
            placed.map_err(|error| error.of_entry(index))?;
        }
        let scalars = ScalarsDesc {
            learning_rate: args.read("learning_rate", &scalars.learning_rate)?,
            gradient_scale: args.read_optional("gradient_scale", scalars.gradient_scale.as_ref())?,
            found_inf: args.read_optional("found_inf", scalars.found_inf.as_ref())?,
        };
        let gradient_norm = args.read_optional("gradient_norm", gradient_norm.as_ref())?;
        // SAFETY: the plan has checked the list, and every tensor is still where it was; views lie inside their buffers, which `args`
        // keeps borrowed until the launches are queued. The table and the progress record were uploaded when this was made.
        unsafe { self.plan.step_with(&scalars, gradient_norm.as_ref())?.launch(&args)? };
        self.room = args.into_room();
        Ok(())
    }

    /// Loads the kernels ahead of the first step, as before the capture of a stream.
    ///
    /// # Errors
    /// Those of loading a kernel.
    pub fn preload(&self, device: &D) -> Result<()> {
        self.plan.preload(device)
    }

    /// The steps made and the states, after everything that was queued before.
    ///
    /// # Errors
    /// Those of [`Device::download`].
    pub fn checkpoint(&self, device: &D) -> Result<Checkpoint> {
        let progress = device.download(&self.progress)?;
        Ok(Checkpoint { steps: steps(&progress), states: self.arena.download(device, &self.memory)? })
    }

    /// Bytes of device memory that the states take; masters are the caller's.
    pub fn state_bytes(&self) -> usize {
        self.memory.bytes()
    }
}

impl<D: Device, R: Rule> std::fmt::Debug for Optimizer<D, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} parameters, {} bytes of states)", R::OP, self.plan.parameters(), self.state_bytes())
    }
}
