//! What there is to time of embedding.

use std::marker::PhantomData;

use warpsmith::ops::embedding::{self, Lookup, Options, Positions};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

const LENGTH: usize = 1024;

/// Tokens and counted positions.
pub struct Forward<T> {
    pub vocabulary: usize,
    pub element: PhantomData<T>,
}

/// The gradient of the token table.
pub struct Backward<T> {
    pub vocabulary: usize,
    pub element: PhantomData<T>,
}

/// Ids of a vocabulary, the smaller the more often, as words are.
fn words(rng: &mut Rng, vocabulary: usize, count: usize) -> Vec<i32> {
    (0..count).map(|_| ((vocabulary as f64).powf(rng.unit()) - 1.0) as i32).collect()
}

impl<T: Float> Workload for Forward<T> {
    fn name(&self) -> String {
        format!("embedding/forward/{}", T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        (2 * rows + LENGTH.min(rows)) * width * size_of::<T>() + 4 * rows
    }

    fn prepare<D: Device>(&self, device: &D, [rows, width]: [usize; 2]) -> impl FnMut() {
        let (mut rng, length, vocabulary) = (Rng::new(1), LENGTH.min(rows), self.vocabulary);
        let mut random = |count| device.upload(&rng.normals::<T>(count, 0.0, 1.0)).expect("upload");
        let (table, positions) = (random(vocabulary * width), random(length * width));
        let ids = device.upload(&words(&mut rng, vocabulary, rows)).expect("upload");
        let mut output = device.alloc::<T>(rows * width).expect("alloc");
        move || {
            let sequences = rows / length;
            let (table, ids) =
                (table.view([vocabulary, width]).expect("a view"), ids.view([sequences, length]).expect("a view"));
            let tensors = embedding::Forward {
                token: Lookup { table, ids },
                position: Some(Positions::Counted {
                    table: positions.view([length, width]).expect("a view"),
                    offset: 0,
                }),
                segment: None,
                output: output.view_mut([sequences, length, width]).expect("a view"),
            };
            embedding::forward(device, tensors).expect("embedding::forward");
        }
    }
}

impl<T: Float> Workload for Backward<T> {
    fn name(&self) -> String {
        format!("embedding/backward/{}", T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        (rows + self.vocabulary) * width * size_of::<T>() + 4 * rows
    }

    fn prepare<D: Device>(&self, device: &D, [rows, width]: [usize; 2]) -> impl FnMut() {
        let (mut rng, vocabulary) = (Rng::new(1), self.vocabulary);
        let grad_output = device.upload(&rng.normals::<T>(rows * width, 0.0, 1.0)).expect("upload");
        let ids = device.upload(&words(&mut rng, vocabulary, rows)).expect("upload");
        let mut grad_table = device.alloc::<T>(vocabulary * width).expect("alloc");
        let bytes = embedding::backward_workspace_bytes([rows], [vocabulary, width]);
        let mut workspace = device.alloc::<u8>(bytes).expect("alloc");
        move || {
            let tensors = embedding::Backward {
                grad_output: grad_output.view([rows, width]).expect("a view"),
                ids: ids.view([rows]).expect("a view"),
                grad_table: grad_table.view_mut([vocabulary, width]).expect("a view"),
                workspace: workspace.view_mut([bytes]).expect("a view"),
            };
            embedding::backward(device, tensors, &Options::default()).expect("embedding::backward");
        }
    }
}
