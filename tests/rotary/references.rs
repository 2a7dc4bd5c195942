//! The references themselves: by hand, and the way back is the transpose.

use approx::assert_abs_diff_eq;
use warpsmith::reference::rotary::{Angles, Rotation, naive};

use crate::common::data::{Rng, widen};

/// One token at position 2, two pairs with a quarter and a half of a turn at a position.
fn by_hand(interleaved: bool) -> Vec<f64> {
    use std::f64::consts::PI;
    let rotation = Rotation {
        head_dim: 5,
        heads: 1,
        angles: Angles::Turning { positions: &[2], frequencies: &[PI / 4.0, PI / 2.0], factor: 3.0 },
        interleaved,
        inverse: false,
    };
    rotation.apply(&[1.0, 2.0, 3.0, 4.0, 5.0])
}

#[test]
fn pairs_by_hand() {
    // (1, 3) by a quarter and (2, 4) by a half; (1, 2) and (3, 4).
    for (got, expected) in by_hand(false).iter().zip([-9.0, -6.0, 3.0, -12.0, 5.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-14);
    }
    for (got, expected) in by_hand(true).iter().zip([-6.0, 3.0, -9.0, -12.0, 5.0]) {
        assert_abs_diff_eq!(*got, expected, epsilon = 1e-14);
    }
}

/// `<y, R x> = <R' y, x>` for all x and y makes `R'` the gradient; and naive is the oracle in f32.
#[test]
fn the_way_back_is_the_gradient() {
    let mut rng = Rng::new(1);
    let turning = Angles::Turning { positions: &[7, -3, 100], frequencies: &[0.9, 0.05], factor: 1.3 };
    let (cosines, sines) = ([0.5, -2.0, 3.0, 0.25, -1.0, 1.5], [1.0, 0.5, -0.75, 2.0, 0.0, 3.0]);
    let tables = Angles::Tables { cosines: &cosines, sines: &sines, pairs: 2 };
    for (angles, interleaved) in [(turning, false), (turning, true), (tables, false), (tables, true)] {
        let rotation = Rotation { head_dim: 6, heads: 2, angles, interleaved, inverse: false };
        let (x, y): (Vec<f32>, Vec<f32>) = (rng.normals(36, 0.0, 1.0), rng.normals(36, 0.0, 1.0));
        let back = Rotation { inverse: true, ..rotation };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (wide_x, wide_y) = (widen(&x), widen(&y));
        // The factor's square is in neither: both carry it once.
        assert_abs_diff_eq!(
            dot(&wide_y, &rotation.apply(&wide_x)),
            dot(&back.apply(&wide_y), &wide_x),
            epsilon = 1e-12
        );
        for (got, oracle) in naive::apply(&back, &y).iter().zip(back.apply(&wide_y)) {
            assert_abs_diff_eq!(f64::from(*got), oracle, epsilon = 2e-6);
        }
    }
}
