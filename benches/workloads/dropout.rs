//! What there is to time of dropout.

use std::marker::PhantomData;

use warpsmith::ops::dropout::{self, Forward};
use warpsmith::random::{self, Random};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A pass with or without a residual.
pub struct Dropout<T> {
    pub residual: bool,
    pub element: PhantomData<T>,
}

impl<T: Float> Workload for Dropout<T> {
    fn name(&self) -> String {
        format!("dropout/forward{}/{}", if self.residual { "_residual" } else { "" }, T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        (if self.residual { 3 } else { 2 }) * rows * width * size_of::<T>()
    }

    fn prepare<D: Device>(&self, device: &D, [rows, width]: [usize; 2]) -> impl FnMut() {
        let mut rng = Rng::new(1);
        let mut random = || device.upload(&rng.normals::<T>(rows * width, 0.0, 1.0)).expect("upload");
        let (input, residual) = (random(), self.residual.then(random));
        let mut output = device.alloc::<T>(rows * width).expect("alloc");
        let state = device.upload(&random::state(1, 0)).expect("upload");
        move || {
            let residual = residual.as_ref().map(|residual| residual.view([rows, width]).expect("a view"));
            let (input, output) = (input.view([rows, width]), output.view_mut([rows, width]));
            let tensors = Forward { input: input.expect("a view"), residual, output: output.expect("a view") };
            let random = Random { state: state.view([2]).expect("a view"), offset: 0 };
            dropout::forward(device, tensors, random, 0.1).expect("dropout::forward");
        }
    }
}
