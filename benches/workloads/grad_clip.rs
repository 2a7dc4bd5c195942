//! What there is to time of gradient clipping.

use std::marker::PhantomData;

use warpsmith::ops::grad_clip::{GradClip, Norm};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// The norm of a list, or its clamping.
pub struct Clip<T> {
    pub by_value: bool,
    pub element: PhantomData<T>,
}

impl<T: Float> Workload for Clip<T> {
    fn name(&self) -> String {
        format!("grad_clip/{}/{}", if self.by_value { "value" } else { "norm" }, T::DTYPE)
    }

    fn bytes(&self, [gradients, elements]: [usize; 2]) -> usize {
        (1 + usize::from(self.by_value)) * gradients * elements * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, [gradients, elements]: [usize; 2]) -> impl FnMut() {
        let mut rng = Rng::new(1);
        let mut list: Vec<_> =
            (0..gradients).map(|_| device.upload(&rng.normals::<T>(elements, 0.0, 1.0)).expect("upload")).collect();
        let mut scalars = [0.0_f32; 3].map(|value| device.upload(&[value]).expect("upload"));
        let mut views: Vec<_> =
            list.iter_mut().map(|gradient| gradient.view_mut([elements]).expect("a view")).collect();
        let mut clip = GradClip::new(device, &mut views).expect("a list");
        drop(views);
        move || {
            if self.by_value {
                let views = list.iter_mut().map(|gradient| gradient.view_mut([elements]).expect("a view"));
                clip.value(device, &mut views.collect::<Vec<_>>(), 1.0).expect("clamped");
                return;
            }
            let views = list.iter().map(|gradient| gradient.view([elements]).expect("a view"));
            let [norm, factor, found_inf] = scalars.each_mut().map(|scalar| scalar.view_mut([1]).expect("a view"));
            let scalars = Norm { norm, factor, found_inf, loss_scale: None };
            clip.norm(device, &views.collect::<Vec<_>>(), scalars, 1.0).expect("a norm");
        }
    }
}
