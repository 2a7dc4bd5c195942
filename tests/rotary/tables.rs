//! Cosines and sines from tables.

use warpsmith::Device;
use warpsmith::ops::rotary::Pairing;

use crate::common::devices::on_one_model;
use crate::problem::{Case, Every, Given, Layout, Problem, Real, Tables};

/// By position and by token, in the element type and in f32, rows with and without gaps, whole vectors of pairs and not.
struct Forms;

impl Case for Forms {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        for pairing in Pairing::ALL {
            for (head_dim, pairs) in [(64, 32), (64, 8), (30, 15), (11, 3), (8, 4)] {
                let problem = Problem::<T>::new([2, 5, 4, 2], head_dim, pairing);
                let in_place = Layout { in_place: true, ..problem.layout };
                for (leading, single, pitch) in [
                    (vec![40], false, pairs),
                    (vec![40], true, 2 * pairs),
                    (vec![2, 5], false, 2 * pairs),
                    (vec![1, 5], true, pairs),
                    (vec![2, 5], true, pairs + 3),
                ] {
                    let tables = Some(Tables { single, pitch, ..Tables::new(&leading, pairs) });
                    Problem { tables, ..problem.clone() }.check(device, name);
                }
                let tables = Some(Tables::new(&[40], pairs));
                let problem = Problem { tables, ..problem };
                problem.clone().at(Given::Narrow, |place| [7, 0, 39, 8, 1][place]).check(device, name);
                let problem = problem.at(Given::Wide, |token| 4 * token as i64);
                Problem { layout: in_place, ..problem }.check(device, name);
            }
        }
    }
}

#[test]
fn every_form() {
    on_one_model(&Every(Forms));
}

/// Tokens at positions beyond the tables become NaN, but for what is not rotated; the others are as they were.
struct Beyond;

impl Case for Beyond {
    fn run<D: Device, T: Real>(&self, device: &D, name: &str) {
        let problem = Problem::<T>::new([2, 3, 2, 1], 24, Pairing::Half);
        let problem = Problem { tables: Some(Tables::new(&[9], 8)), ..problem };
        let positions = [8, 9, 0, -1, i64::MIN, 1 << 32];
        let problem = problem.at(Given::Wide, |token| positions[token]);
        problem.check(device, name);
        let got = &problem.rotate(device, false)[0];
        for (token, position) in positions.iter().enumerate() {
            let head = &got[token * 48..][..24];
            let nan = head.iter().filter(|x| x.to_f64().is_nan()).count();
            assert_eq!(nan, if (0..9).contains(position) { 0 } else { 16 }, "{name}: position {position}");
        }
    }
}

#[test]
fn positions_beyond_the_tables() {
    on_one_model(&Every(Beyond));
}
