//! What there is to time of cross-entropy.

use std::marker::PhantomData;

use warpsmith::ops::cross_entropy::{self, Logits, Options, Reduction, workspace_bytes};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// The mean and the gradient over the logits.
pub struct Fused<T> {
    pub options: Options,
    pub name: &'static str,
    pub element: PhantomData<T>,
}

impl<T: Float> Workload for Fused<T> {
    fn name(&self) -> String {
        format!("cross_entropy/{}/{}", self.name, T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        2 * rows * width * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let [rows, width] = shape;
        let mut rng = Rng::new(1);
        let mut logits = device.upload(&rng.normals::<T>(rows * width, 0.0, 1.0)).expect("upload");
        let targets: Vec<i32> = (0..rows).map(|_| (rng.next_u64() % width as u64) as i32).collect();
        let targets = device.upload(&targets).expect("upload");
        let mut loss = device.alloc::<f32>(1).expect("alloc");
        let bytes = workspace_bytes(shape, Reduction::Mean);
        let mut workspace = device.alloc::<u8>(bytes).expect("alloc");
        move || {
            let tensors = cross_entropy::Forward {
                logits: Logits::InPlace(logits.view_mut(shape).expect("a view")),
                targets: targets.view([rows]).expect("a view"),
                weight: None,
                loss: Some(loss.view_mut([1]).expect("a view")),
                lse: None,
                totals: None,
                grad_loss: None,
                workspace: Some(workspace.view_mut([bytes]).expect("a view")),
            };
            cross_entropy::forward(device, tensors, &self.options).expect("cross_entropy::forward");
        }
    }
}
