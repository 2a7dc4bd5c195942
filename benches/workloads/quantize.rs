//! What there is to time of blockwise quantisation.

use std::marker::PhantomData;

use warpsmith::ops::quantize::{self, Dequantize, Options, Quantize, tables, tables_bytes};
use warpsmith::{Buffer, Device, Float};

use crate::Workload;
use crate::data::Rng;

/// A tensor, to codes or back.
pub struct Way<T> {
    pub back: bool,
    pub element: PhantomData<T>,
}

impl<T: Float> Workload for Way<T> {
    fn name(&self) -> String {
        format!("quantize/{}/{}", if self.back { "dequantize" } else { "quantize" }, T::DTYPE)
    }

    fn bytes(&self, [rows, width]: [usize; 2]) -> usize {
        let count = rows * width;
        count * (size_of::<T>() + 1) + 4 * count.div_ceil(Options::default().block)
    }

    fn prepare<D: Device>(&self, device: &D, [rows, width]: [usize; 2]) -> impl FnMut() {
        let (count, options) = (rows * width, Options::default());
        let blocks = count.div_ceil(options.block);
        let mut values = device.upload(&Rng::new(1).normals::<T>(count, 0.0, 1.0)).expect("upload");
        let mut codes = device.upload(&vec![200_u8; count]).expect("upload");
        let mut absmax = device.upload(&vec![1.0_f32; blocks]).expect("upload");
        let tables = device.upload(&tables()).expect("upload");
        move || {
            let tables = tables.view([tables_bytes()]).expect("a view");
            if self.back {
                let (codes, absmax) = (codes.view([count]).expect("a view"), absmax.view([blocks]).expect("a view"));
                let tensors = Dequantize { codes, absmax, values: values.view_mut([count]).expect("a view"), tables };
                return quantize::dequantize(device, tensors, options).expect("queued");
            }
            let (codes, absmax) =
                (codes.view_mut([count]).expect("a view"), absmax.view_mut([blocks]).expect("a view"));
            let tensors = Quantize { values: values.view([count]).expect("a view"), codes, absmax, tables };
            quantize::quantize(device, tensors, options).expect("queued");
        }
    }
}
