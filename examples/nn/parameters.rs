//! Parameter tensors: how they are called, where their first values come from, and whether they are trained.

use std::collections::BTreeMap;

use super::Outcome;
use super::data::Rng;
use super::ops::Ops;

/// A parameter tensor on a device.
pub struct Parameter<F> {
    /// Such as `layer0.up`.
    pub name: String,
    /// One or two dimensions.
    pub shape: Vec<usize>,
    /// The values.
    pub value: F,
    /// Memory for the gradient of a tensor that is trained; one that is not has none, and none is computed.
    pub gradient: Option<F>,
}

impl<F> Parameter<F> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it is trained.
    pub fn trained(&self) -> bool {
        self.gradient.is_some()
    }
}

/// A tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The extents.
    pub shape: Vec<usize>,
    /// The elements, the last dimension innermost.
    pub values: Vec<f32>,
}

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Where the values of a model come from.
pub enum Values<'a> {
    /// They are drawn, in the order in which the model asks for them.
    Drawn(Rng),
    /// Another model had them.
    Saved(&'a Tensors),
}

/// Makes parameters that are not trained yet.
pub struct Maker<'a, O> {
    /// Where they go.
    pub ops: &'a O,
    /// Where they come from.
    pub values: Values<'a>,
}

impl<O: Ops> Maker<'_, O> {
    /// Normal values of a deviation.
    pub fn matrix(&mut self, name: &str, shape: [usize; 2], deviation: f64) -> Outcome<Parameter<O::Floats>> {
        self.parameter(name, &shape, |rng, len| rng.normals(len, 0.0, deviation))
    }

    /// The same value everywhere.
    pub fn vector(&mut self, name: &str, len: usize, value: f32) -> Outcome<Parameter<O::Floats>> {
        self.parameter(name, &[len], |_, len| vec![value; len])
    }

    fn parameter(
        &mut self,
        name: &str,
        shape: &[usize],
        start: impl Fn(&mut Rng, usize) -> Vec<f32>,
    ) -> Outcome<Parameter<O::Floats>> {
        let value = match &mut self.values {
            Values::Drawn(rng) => self.ops.upload(&start(rng, shape.iter().product()))?,
            Values::Saved(tensors) => match tensors.get(name) {
                Some(tensor) if tensor.shape == shape => self.ops.upload(&tensor.values)?,
                Some(tensor) => return Err(format!("{name} is {:?}, not {shape:?}", tensor.shape).into()),
                None => return Err(format!("there is no {name}").into()),
            },
        };
        Ok(Parameter { name: name.to_owned(), shape: shape.to_vec(), value, gradient: None })
    }
}
