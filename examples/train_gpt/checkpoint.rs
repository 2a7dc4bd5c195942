//! Checkpoints: everything that a run needs to go on, in one safetensors file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};
use warpsmith::ops::adamw8bit::{self, State};

use crate::Outcome;
use crate::model::{Parameters, Size};
use crate::optimizer::{Moments, Saved, States};
use crate::train::Config;

/// A run on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What the run depends on.
    pub config: Config,
    /// One vector for each parameter tensor.
    pub parameters: Vec<Vec<f32>>,
    /// The optimizer's states.
    pub states: Saved,
    /// The loss of each step so far.
    pub losses: Vec<f32>,
    /// The held-out loss after so many steps.
    pub held_out: Vec<(usize, f32)>,
}

/// A tensor of a file.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn floats(values: &[f32], shape: &[usize]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    fn codes(values: &[u8], shape: &[usize]) -> Self {
        Self { dtype: Dtype::U8, shape: shape.to_vec(), bytes: values.to_vec() }
    }
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Checkpoint {
    /// Writes the file, all of it or nothing: an older one stays until the new one is complete.
    pub fn save(&self, path: &Path) -> Outcome {
        let partial = path.with_extension("partial");
        safetensors::serialize_to_file(self.tensors(), Some(self.metadata()), &partial)
            .map_err(|error| format!("{}: {error}", partial.display()))?;
        std::fs::rename(&partial, path).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let specs = Parameters::specs(self.config.size);
        let mut tensors = Vec::new();
        for (i, spec) in specs.list().into_iter().enumerate() {
            let mut add = |kind: &str, tensor| tensors.push((format!("{kind}{}", spec.name), tensor));
            add("", Tensor::floats(&self.parameters[i], &spec.shape));
            match &self.states {
                Saved::Eight(checkpoint) => {
                    let State { state1, state2, absmax1, absmax2 } = &checkpoint.states[i];
                    add("state1/", Tensor::codes(state1, &spec.shape));
                    add("state2/", Tensor::codes(state2, &spec.shape));
                    add("absmax1/", Tensor::floats(absmax1, &[absmax1.len()]));
                    add("absmax2/", Tensor::floats(absmax2, &[absmax2.len()]));
                }
                Saved::ThirtyTwo(moments) => {
                    add("exp_avg/", Tensor::floats(&moments.first[i], &spec.shape));
                    add("exp_avg_sq/", Tensor::floats(&moments.second[i], &spec.shape));
                }
            }
        }
        tensors.push(("losses".into(), Tensor::floats(&self.losses, &[self.losses.len()])));
        let held_out: Vec<f32> = self.held_out.iter().flat_map(|&(step, loss)| [step as f32, loss]).collect();
        tensors.push(("held_out".into(), Tensor::floats(&held_out, &[self.held_out.len(), 2])));
        tensors
    }

    fn metadata(&self) -> HashMap<String, String> {
        let Config { size: Size { layers, heads, context }, batch, steps, seed, learning_rate, states, attention } =
            self.config;
        let states = if states == States::Eight { "8" } else { "32" };
        let pairs = [
            ("layers", layers.to_string()),
            ("heads", heads.to_string()),
            ("context", context.to_string()),
            ("batch", batch.to_string()),
            ("steps", steps.to_string()),
            ("seed", seed.to_string()),
            ("learning_rate", learning_rate.to_string()),
            ("states", states.to_owned()),
            ("attention", attention.to_string()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Reads a file that [`Checkpoint::save`] wrote.
    pub fn load(path: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&bytes).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn parse(bytes: &[u8]) -> Outcome<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let config = config(metadata.metadata().as_ref().ok_or("it has no metadata")?)?;
        let file = SafeTensors::deserialize(bytes)?;
        let codes = |name: &str, len: usize| {
            let tensor = file.tensor(name)?;
            match tensor.dtype() {
                Dtype::U8 if tensor.data().len() == len => Outcome::Ok(tensor.data().to_vec()),
                _ => Err(format!("{name} is not {len} bytes").into()),
            }
        };
        let floats = |name: &str, len: Option<usize>| {
            let tensor = file.tensor(name)?;
            let values: Vec<f32> =
                tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            match tensor.dtype() {
                Dtype::F32 if len.is_none_or(|len| len == values.len()) => Outcome::Ok(values),
                _ => Err(format!("{name} is not {len:?} f32").into()),
            }
        };
        let losses = floats("losses", None)?;
        let pairs = floats("held_out", None)?;
        let held_out = pairs.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1])).collect();

        let specs = Parameters::specs(config.size);
        let specs = specs.list();
        let each = |kind: &str| {
            specs
                .iter()
                .map(|spec| floats(&format!("{kind}{}", spec.name), Some(spec.len())))
                .collect::<Outcome<Vec<_>>>()
        };
        let steps = losses.len() as u64;
        let states = match config.states {
            States::Eight => {
                let state = |name: &str, len: usize| {
                    let blocks = Some(len.div_ceil(adamw8bit::BLOCK));
                    Ok(State {
                        state1: codes(&format!("state1/{name}"), len)?,
                        state2: codes(&format!("state2/{name}"), len)?,
                        absmax1: floats(&format!("absmax1/{name}"), blocks)?,
                        absmax2: floats(&format!("absmax2/{name}"), blocks)?,
                    })
                };
                let states = specs.iter().map(|spec| state(&spec.name, spec.len())).collect::<Outcome<_>>()?;
                Saved::Eight(adamw8bit::Checkpoint { steps, states })
            }
            States::ThirtyTwo => {
                Saved::ThirtyTwo(Moments { steps, first: each("exp_avg/")?, second: each("exp_avg_sq/")? })
            }
        };
        Ok(Self { config, parameters: each("")?, states, losses, held_out })
    }
}

/// The configuration that a file's metadata tells.
fn config(metadata: &HashMap<String, String>) -> Outcome<Config> {
    fn number<T: std::str::FromStr>(metadata: &HashMap<String, String>, name: &str) -> Outcome<T> {
        let text = metadata.get(name).ok_or_else(|| format!("its metadata has no {name}"))?;
        text.parse().map_err(|_| format!("its metadata has {name} = {text}").into())
    }
    let states = match number::<u32>(metadata, "states")? {
        8 => States::Eight,
        32 => States::ThirtyTwo,
        other => return Err(format!("its states have {other} bits").into()),
    };
    Ok(Config {
        size: Size {
            layers: number(metadata, "layers")?,
            heads: number(metadata, "heads")?,
            context: number(metadata, "context")?,
        },
        batch: number(metadata, "batch")?,
        steps: number(metadata, "steps")?,
        seed: number(metadata, "seed")?,
        learning_rate: number(metadata, "learning_rate")?,
        states,
        attention: number(metadata, "attention")?,
    })
}
