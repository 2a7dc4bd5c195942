//! Checkpoints: everything that a run needs to go on, in one safetensors file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

use super::Outcome;
use super::config::Config;
use super::optimizer::{Data, Saved};
use super::parameters::{Tensor, Tensors};

/// What comes before the name of a parameter tensor in that of its optimizer state: `first/layer0.up`.
const OF: char = '/';

/// A run on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What the run depends on.
    pub config: Config,
    /// The model's parameters.
    pub parameters: Tensors,
    /// The optimizer's states by the names of the parameters that are trained, in the optimizer's order.
    pub optimizer: Option<(Vec<String>, Saved)>,
    /// The loss of each step so far.
    pub losses: Vec<f32>,
    /// The held-out loss after so many steps.
    pub held_out: Vec<(usize, f32)>,
}

/// A tensor of a file.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    fn floats(values: &[f32], shape: &[usize]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }

    /// A state has the shape of its parameter if it has as many elements.
    fn state(data: &Data, parameter: &Tensor) -> Self {
        let shape = |len| if len == parameter.values.len() { parameter.shape.clone() } else { vec![len] };
        match data {
            Data::Codes(codes) => Self { dtype: Dtype::U8, shape: shape(codes.len()), bytes: codes.clone() },
            Data::Floats(values) => Self::floats(values, &shape(values.len())),
        }
    }
}

impl View for Stored {
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
        safetensors::serialize_to_file(self.tensors()?, Some(self.metadata()), &partial)
            .map_err(|error| format!("{}: {error}", partial.display()))?;
        std::fs::rename(&partial, path).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn tensors(&self) -> Outcome<Vec<(String, Stored)>> {
        let mut tensors = Vec::new();
        for (name, tensor) in &self.parameters {
            tensors.push((name.clone(), Stored::floats(&tensor.values, &tensor.shape)));
        }
        if let Some((names, saved)) = &self.optimizer {
            for (name, states) in names.iter().zip(&saved.states) {
                let parameter =
                    self.parameters.get(name).ok_or_else(|| format!("a state of {name}, which is not there"))?;
                let state = |(kind, data)| (format!("{kind}{OF}{name}"), Stored::state(data, parameter));
                tensors.extend(states.iter().map(state));
            }
        }
        tensors.push(("losses".into(), Stored::floats(&self.losses, &[self.losses.len()])));
        let held_out: Vec<f32> = self.held_out.iter().flat_map(|&(step, loss)| [step as f32, loss]).collect();
        tensors.push(("held_out".into(), Stored::floats(&held_out, &[self.held_out.len(), 2])));
        Ok(tensors)
    }

    fn metadata(&self) -> HashMap<String, String> {
        let mut metadata: HashMap<String, String> = self.config.words().into_iter().collect();
        if let Some((names, saved)) = &self.optimizer {
            metadata.insert("optimizer_steps".into(), saved.steps.to_string());
            metadata.insert("trained".into(), names.join(" "));
        }
        metadata
    }

    /// Reads a file that [`Checkpoint::save`] wrote.
    pub fn load(path: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&bytes).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    fn parse(bytes: &[u8]) -> Outcome<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let metadata = metadata.metadata().as_ref().ok_or("it has no metadata")?;
        let file = SafeTensors::deserialize(bytes)?;
        let (mut parameters, mut states) = (Tensors::new(), BTreeMap::<&str, BTreeMap<String, Data>>::new());
        let tensors = file.iter().collect::<BTreeMap<_, _>>();
        for (name, view) in &tensors {
            match name.split_once(OF) {
                Some((kind, parameter)) => {
                    states.entry(parameter).or_default().insert(kind.to_owned(), data(name, view)?);
                }
                None if ["losses", "held_out"].contains(name) => {}
                None => {
                    let tensor = Tensor { shape: view.shape().to_vec(), values: floats(name, view)? };
                    parameters.insert((*name).to_owned(), tensor);
                }
            }
        }
        let optimizer = match metadata.get("optimizer_steps").zip(metadata.get("trained")) {
            Some((steps, names)) => {
                let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
                let states = names.iter().map(|name| states.remove(name.as_str()).unwrap_or_default()).collect();
                let steps = steps.parse().map_err(|_| format!("its metadata has optimizer_steps = {steps}"))?;
                Some((names, Saved { steps, states }))
            }
            None => None,
        };
        let curve = |name: &str| floats(name, tensors.get(name).ok_or_else(|| format!("there is no {name}"))?);
        let held_out = curve("held_out")?.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1])).collect();
        Ok(Self { config: Config::read(metadata)?, parameters, optimizer, losses: curve("losses")?, held_out })
    }
}

fn floats(name: &str, view: &TensorView<'_>) -> Outcome<Vec<f32>> {
    match data(name, view)? {
        Data::Floats(values) => Ok(values),
        Data::Codes(_) => Err(format!("{name} is not f32").into()),
    }
}

fn data(name: &str, view: &TensorView<'_>) -> Outcome<Data> {
    match view.dtype() {
        Dtype::F32 => {
            let words = view.data().chunks_exact(4);
            Ok(Data::Floats(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()))
        }
        Dtype::U8 => Ok(Data::Codes(view.data().to_vec())),
        other => Err(format!("{name} is {other:?}").into()),
    }
}
