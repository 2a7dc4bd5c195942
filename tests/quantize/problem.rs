//! A tensor, how it is quantised, and how the result is judged.

use warpsmith::ops::quantize::{self, Dequantize, Options, Quantize, tables};
use warpsmith::reference::quantize as reference;
use warpsmith::{Buffer, Device, Float};

use crate::common::compare::assert_bits_equal;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub values: Vec<T>,
    pub options: Options,
    /// Elements after a 256-byte boundary at which values and codes lie.
    pub shifts: [usize; 2],
}

impl<T: Real> Problem<T> {
    /// On boundaries.
    pub fn new(values: Vec<T>, options: Options) -> Self {
        Self { values, options, shifts: [0; 2] }
    }

    /// Both ways, bit by bit.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let len = self.values.len();
        let (expected, expected_absmax) = reference::quantize(&self.values, &self.options);
        let tables = device.upload(&tables()).expect("upload");
        let view = || tables.view([tables.len()]).expect("a view");
        let [of_values, of_codes] = self.shifts.map(|shift| Place::vector(len).shifted(shift));
        let values = Guarded::input(device, of_values, &self.values);
        let mut codes = Guarded::<D, u8>::output(device, of_codes);
        let mut absmax = Guarded::<D, f32>::output(device, Place::vector(expected_absmax.len()));
        let tensors =
            Quantize { values: values.view(), codes: codes.view_mut(), absmax: absmax.view_mut(), tables: view() };
        quantize::quantize(device, tensors, self.options).expect("quantised");
        let name = format!("{name}, {} {:?}, {len} elements", T::DTYPE, self.options);
        let (got, got_absmax) = (codes.read(device), absmax.read(device));
        assert_bits_equal(&format!("{name}: absmax"), 1, &got_absmax, &expected_absmax);
        let place = got.iter().zip(&expected).position(|(got, expected)| got != expected);
        assert_eq!(place.map(|at| (at, self.values[at], got[at], expected[at])), None, "{name}: codes");

        let back: Vec<T> = reference::dequantize(&expected, &expected_absmax, &self.options);
        let mut values = Guarded::<D, T>::output(device, of_values);
        let tensors =
            Dequantize { codes: codes.view(), absmax: absmax.view(), values: values.view_mut(), tables: view() };
        quantize::dequantize(device, tensors, self.options).expect("and back");
        assert_bits_equal(&format!("{name}: back"), 1, &values.read(device), &back);
    }
}
