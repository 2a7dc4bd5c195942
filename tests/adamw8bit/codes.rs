//! The kernel's way from a number to a code, at every place where the code changes.

use warpsmith::Device;
use warpsmith::ops::adamw8bit::{BLOCK, Options, signed_map, unsigned_map};

use crate::common::devices::{Body, on_one_model};
use crate::problem::{Parameter, Problem};

/// The numbers next to a number.
fn around(value: f32, reach: i32) -> impl Iterator<Item = f32> {
    (-reach..=reach).filter_map(move |step| Some(f32::from_bits(value.to_bits().checked_add_signed(step)?)))
}

/// With decay rates of 0 the moments are `g` and `g^2`. Each block holds a 1, so that its absmax is 1 and x is the moment itself.
struct EveryMidpoint;

impl Body for EveryMidpoint {
    fn run<D: Device>(&self, device: &D, name: &str) {
        let midpoints = |map: &[f32]| map.windows(2).map(|pair| (pair[0] + pair[1]) * 0.5).collect::<Vec<_>>();
        let signed = midpoints(&signed_map()[127..]).into_iter().flat_map(|midpoint| around(midpoint, 2));
        let signed = signed.flat_map(|x| [x, -x]);
        let unsigned = midpoints(&unsigned_map()).into_iter().flat_map(|midpoint| around(midpoint.sqrt(), 2));
        let values: Vec<f32> = signed.chain(unsigned).filter(|x| x.abs() <= 1.0).collect();
        let gradient: Vec<f32> =
            values.chunks(BLOCK - 1).flat_map(|values| std::iter::once(1.0).chain(values.iter().copied())).collect();
        let mut parameter = Parameter::new(1, gradient.len(), 0, |_, _, _| 0.0);
        parameter.gradients = vec![gradient; 2];
        let mut problem = Problem::new(vec![parameter]);
        problem.options = Options { beta1: 0.0, beta2: 0.0, epsilon: 1e-8 };
        problem.check(device, name);
    }
}

#[test]
fn the_code_changes_at_the_midpoint() {
    on_one_model(&EveryMidpoint);
}
