//! What there is to time of the chunked linear layer and cross-entropy: the kernels between the products, which are the caller's.

use std::marker::PhantomData;

use warpsmith::ops::linear_cross_entropy::{self, Forward, Options, workspace_bytes};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// The mean, and the gradient over the logits of each chunk. The hidden width is that of a chunk of an eighth of the rows.
pub struct Chunks<T> {
    pub element: PhantomData<T>,
}

impl<T: Float> Workload for Chunks<T> {
    fn name(&self) -> String {
        format!("linear_cross_entropy/kernels/{}", T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        2 * rows * width * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, [rows, width]: [usize; 2]) -> impl FnMut() {
        let depth = width.div_ceil(8);
        let mut rng = Rng::new(1);
        let hidden = device.upload(&rng.normals::<T>(rows * depth, 0.0, 1.0)).expect("upload");
        let weight = device.upload(&rng.normals::<T>(width * depth, 0.0, 1.0)).expect("upload");
        let targets: Vec<i32> = (0..rows).map(|_| (rng.next_u64() % width as u64) as i32).collect();
        let targets = device.upload(&targets).expect("upload");
        let mut grad_weight = device.alloc::<f32>(width * depth).expect("alloc");
        let mut loss = device.alloc::<f32>(1).expect("alloc");
        let options = Options::default();
        let bytes = workspace_bytes([rows, depth], width, T::DTYPE, &options);
        // A number near 1 in every type stands for the logits, which no product writes.
        let mut workspace = device.upload(&vec![0x3f_u8; bytes]).expect("upload");
        move || {
            let tensors = Forward {
                hidden: hidden.view([rows, depth]).expect("a view"),
                weight: weight.view([width, depth]).expect("a view"),
                bias: None,
                targets: targets.view([rows]).expect("a view"),
                class_weight: None,
                grad_loss: None,
                grad_hidden: None,
                grad_weight: Some(grad_weight.view_mut([width, depth]).expect("a view")),
                loss: Some(loss.view_mut([1]).expect("a view")),
                lse: None,
                totals: None,
                workspace: workspace.view_mut([bytes]).expect("a view"),
            };
            linear_cross_entropy::forward(device, tensors, &options, |_| Ok(()))
                .expect("linear_cross_entropy::forward");
        }
    }
}
