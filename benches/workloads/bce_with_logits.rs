//! What there is to time of binary cross-entropy with logits.

use std::marker::PhantomData;

use warpsmith::ops::bce_with_logits::{self, Forward, Logits, Options, Reduction, workspace_bytes};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// The mean of replaced-token detection: targets of i64, the gradient over the logits.
pub struct Replaced<T> {
    pub element: PhantomData<T>,
}

impl<T: Float> Workload for Replaced<T> {
    fn name(&self) -> String {
        format!("bce_with_logits/forward/{}", T::DTYPE)
    }

    /// Targets are read twice: they are counted first.
    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        rows * width * (2 * size_of::<T>() + 2 * size_of::<i64>())
    }

    fn prepare<D: Device>(&self, device: &D, shape: [usize; 2]) -> impl FnMut() {
        let count = shape[0] * shape[1];
        let mut logits = device.upload(&Rng::new(1).normals::<T>(count, 0.0, 1.0)).expect("upload");
        let targets: Vec<i64> = (0..count as i64).map(|i| i64::from(i % 7 == 0)).collect();
        let targets = device.upload(&targets).expect("upload");
        let bytes = workspace_bytes(count, T::DTYPE, Reduction::Mean);
        let (mut loss, mut workspace) = (device.alloc(1).expect("alloc"), device.alloc(bytes).expect("alloc"));
        move || {
            let tensors = Forward {
                logits: Logits::InPlace(logits.view_mut(shape).expect("a view")),
                targets: targets.view(shape).expect("a view"),
                mask: None,
                loss: Some(loss.view_mut([1]).expect("a view")),
                grad_loss: None,
                workspace: Some(workspace.view_mut([bytes]).expect("a view")),
            };
            bce_with_logits::forward(device, tensors, &Options::default()).expect("bce_with_logits::forward");
        }
    }
}
