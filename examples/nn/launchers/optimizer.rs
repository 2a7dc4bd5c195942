//! Clipping and optimizers over one list of parameters.

use std::collections::BTreeMap;

use warpsmith::ops::adamw::{self, AdamW};
use warpsmith::ops::adamw8bit::{self, AdamW8bit};
use warpsmith::ops::grad_clip::{GradClip, Norm};
use warpsmith::ops::lamb::{self, Lamb};
use warpsmith::ops::lion::{self, Lion};
use warpsmith::ops::optimizer::{self, Checkpoint, Moment, Scalars, State, States, Tensors};
use warpsmith::{Buffer, Device, View, ViewMut};

use crate::nn::Outcome;
use crate::nn::optimizer::{BETAS, Data, Kind, List, Recipe, Saved};

/// The clipping of a list of gradients, an optimizer over the same list, and the scalars that pass from one to the other: norm and factor
/// stay on the device.
pub struct Optimizer<D: Device> {
    rule: Rule<D>,
    clip: GradClip<D>,
    max_norm: f32,
    learning_rate: D::Buffer<f32>,
    norm: D::Buffer<f32>,
    factor: D::Buffer<f32>,
    found_inf: D::Buffer<f32>,
}

/// What makes the step.
enum Rule<D: Device> {
    AdamW8bit(AdamW8bit<D>),
    AdamW(AdamW<D>),
    Lamb(Box<Lamb<D>>),
    Lion(Lion<D>),
}

impl<D: Device> Optimizer<D> {
    /// Starts, or goes on where another one stood.
    pub fn new(
        device: &D,
        recipe: &Recipe,
        list: &mut List<'_, D::Buffer<f32>>,
        saved: Option<&Saved>,
    ) -> Outcome<Self> {
        let mut gradients = list.gradients.iter_mut().map(whole).collect::<warpsmith::Result<Vec<_>>>()?;
        let clip = GradClip::new(device, &mut gradients)?;
        drop(gradients);
        let decays = list.decays.clone();
        let rule = match recipe.kind {
            Kind::AdamW8bit => {
                let options = adamw8bit::Options { beta1: BETAS[0], beta2: BETAS[1], epsilon: 1e-8 };
                let mut tensors = tensors_8bit::<D>(list)?;
                Rule::AdamW8bit(match saved {
                    None => AdamW8bit::new(device, &mut tensors, &decays, options)?,
                    Some(saved) => {
                        let checkpoint = to_adamw8bit(saved)?;
                        AdamW8bit::restore(device, &mut tensors, &decays, options, &checkpoint)?
                    }
                })
            }
            Kind::AdamW => Rule::AdamW(over(device, list, adamw_options(), saved)?),
            Kind::Lamb => Rule::Lamb(Box::new(over(device, list, lamb_options(States::Floats), saved)?)),
            Kind::Lamb8bit => Rule::Lamb(Box::new(over(device, list, lamb_options(States::Codes), saved)?)),
            Kind::Lion => Rule::Lion(over(device, list, lion_options(States::Floats), saved)?),
            Kind::Lion8bit => Rule::Lion(over(device, list, lion_options(States::Codes), saved)?),
        };
        let scalar = || device.alloc(1);
        let (learning_rate, norm, factor, found_inf) = (scalar()?, scalar()?, scalar()?, scalar()?);
        Ok(Self { rule, clip, max_norm: recipe.max_norm, learning_rate, norm, factor, found_inf })
    }

    /// See [`Ops::optimizer_step`](crate::nn::ops::Ops::optimizer_step). A step whose gradients are not finite is skipped.
    pub fn step(&mut self, device: &D, list: &mut List<'_, D::Buffer<f32>>, learning_rate: f32) -> Outcome {
        device.write(&mut self.learning_rate, &[learning_rate])?;
        let gradients = list.gradients.iter().map(|gradient| gradient.view([gradient.len()]));
        let gradients = gradients.collect::<warpsmith::Result<Vec<View<'_, D, f32>>>>()?;
        let scalars = Norm {
            norm: self.norm.view_mut([1])?,
            factor: self.factor.view_mut([1])?,
            found_inf: self.found_inf.view_mut([1])?,
            loss_scale: None,
        };
        self.clip.norm(device, &gradients, scalars, self.max_norm)?;
        let scalars = Scalars {
            learning_rate: self.learning_rate.view([1])?,
            gradient_scale: Some(self.factor.view([1])?),
            found_inf: Some(self.found_inf.view([1])?),
        };
        match &mut self.rule {
            Rule::AdamW8bit(optimizer) => optimizer.step(device, &mut tensors_8bit::<D>(list)?, scalars)?,
            Rule::AdamW(optimizer) => optimizer.step(device, &mut tensors::<D>(list)?, scalars)?,
            Rule::Lamb(optimizer) => optimizer.step(device, &mut tensors::<D>(list)?, scalars)?,
            Rule::Lion(optimizer) => optimizer.step(device, &mut tensors::<D>(list)?, scalars)?,
        }
        Ok(())
    }

    /// Steps and states.
    pub fn saved(&self, device: &D) -> Outcome<Saved> {
        Ok(match &self.rule {
            Rule::AdamW8bit(optimizer) => of_adamw8bit(optimizer.checkpoint(device)?),
            Rule::AdamW(optimizer) => of_checkpoint(optimizer.checkpoint(device)?),
            Rule::Lamb(optimizer) => of_checkpoint(optimizer.checkpoint(device)?),
            Rule::Lion(optimizer) => of_checkpoint(optimizer.checkpoint(device)?),
        })
    }
}

/// The whole buffer as a vector.
fn whole<'a, D: Device, B: Buffer<f32, Device = D>>(buffer: &'a mut &mut B) -> warpsmith::Result<ViewMut<'a, D, f32>> {
    let len = [buffer.len()];
    buffer.view_mut(len)
}

/// The list as the optimizer takes it.
fn tensors_8bit<'a, D: Device>(
    list: &'a mut List<'_, D::Buffer<f32>>,
) -> warpsmith::Result<Vec<adamw8bit::Tensors<'a, D, f32>>> {
    let tensors = list.parameters.iter_mut().zip(&list.gradients).map(|(parameter, gradient)| {
        Ok(adamw8bit::Tensors { parameter: whole(parameter)?, gradient: gradient.view([gradient.len()])? })
    });
    tensors.collect()
}

/// The same for the optimizers that may have masters, which parameters in f32 do not need.
fn tensors<'a, D: Device>(list: &'a mut List<'_, D::Buffer<f32>>) -> warpsmith::Result<Vec<Tensors<'a, D, f32>>> {
    let tensors = list.parameters.iter_mut().zip(&list.gradients).map(|(parameter, gradient)| {
        Ok(Tensors { parameter: whole(parameter)?, gradient: gradient.view([gradient.len()])?, master: None })
    });
    tensors.collect()
}

/// AdamW as PyTorch has it, with the decay rates of language models.
pub fn adamw_options() -> adamw::Options {
    adamw::Options { beta1: BETAS[0], beta2: BETAS[1], ..Default::default() }
}

/// LAMB as apex has it, with the same decay rates.
pub fn lamb_options(states: States) -> lamb::Options {
    lamb::Options { beta1: BETAS[0], beta2: BETAS[1], states, ..lamb::Options::apex() }
}

/// Lion with its paper's decay rates.
pub fn lion_options(states: States) -> lion::Options {
    lion::Options { states, ..Default::default() }
}

/// An optimizer of any rule.
fn over<D: Device, R: optimizer::Rule>(
    device: &D,
    list: &mut List<'_, D::Buffer<f32>>,
    options: R::Options,
    saved: Option<&Saved>,
) -> Outcome<optimizer::Optimizer<D, R>> {
    let decays = list.decays.clone();
    let mut tensors = tensors::<D>(list)?;
    Ok(match saved {
        None => optimizer::Optimizer::new(device, &mut tensors, &decays, options)?,
        Some(saved) => {
            let checkpoint = to_checkpoint(saved)?;
            optimizer::Optimizer::restore(device, &mut tensors, &decays, options, &checkpoint)?
        }
    })
}

/// Moments as numbers, or as codes with one absmax for each block.
pub fn of_checkpoint(checkpoint: Checkpoint) -> Saved {
    fn add(states: &mut BTreeMap<String, Data>, name: &str, moment: Moment) {
        match moment {
            Moment::Floats(values) => {
                states.insert(name.to_owned(), Data::Floats(values));
            }
            Moment::Codes { codes, absmax } => {
                states.insert(name.to_owned(), Data::Codes(codes));
                states.insert(format!("{name}_absmax"), Data::Floats(absmax));
            }
        }
    }
    let states = checkpoint.states.into_iter().map(|State { first, second }| {
        let mut states = BTreeMap::new();
        add(&mut states, "first", first);
        second.into_iter().for_each(|second| add(&mut states, "second", second));
        states
    });
    Saved { steps: checkpoint.steps, states: states.collect() }
}

/// The way back.
pub fn to_checkpoint(saved: &Saved) -> Outcome<Checkpoint> {
    let moment = |index, name: &str| {
        Outcome::Ok(match saved.state(index, name)? {
            Data::Floats(values) => Moment::Floats(values.clone()),
            Data::Codes(codes) => {
                Moment::Codes { codes: codes.clone(), absmax: saved.floats(index, &format!("{name}_absmax"))? }
            }
        })
    };
    let state = |index| {
        let second = saved.state(index, "second").is_ok().then(|| moment(index, "second")).transpose()?;
        Ok(State { first: moment(index, "first")?, second })
    };
    let states = (0..saved.states.len()).map(state).collect::<Outcome<_>>()?;
    Ok(Checkpoint { steps: saved.steps, states })
}

/// The states under bitsandbytes' names.
pub fn of_adamw8bit(checkpoint: adamw8bit::Checkpoint) -> Saved {
    let states = checkpoint.states.into_iter().map(|state| {
        BTreeMap::from([
            ("state1".to_owned(), Data::Codes(state.state1)),
            ("state2".to_owned(), Data::Codes(state.state2)),
            ("absmax1".to_owned(), Data::Floats(state.absmax1)),
            ("absmax2".to_owned(), Data::Floats(state.absmax2)),
        ])
    });
    Saved { steps: checkpoint.steps, states: states.collect() }
}

/// The way back.
pub fn to_adamw8bit(saved: &Saved) -> Outcome<adamw8bit::Checkpoint> {
    let state = |index| {
        Ok(adamw8bit::State {
            state1: saved.codes(index, "state1")?,
            state2: saved.codes(index, "state2")?,
            absmax1: saved.floats(index, "absmax1")?,
            absmax2: saved.floats(index, "absmax2")?,
        })
    };
    let states = (0..saved.states.len()).map(state).collect::<Outcome<_>>()?;
    Ok(adamw8bit::Checkpoint { steps: saved.steps, states })
}
