//! The references themselves, by hand and against each other.

use warpsmith::reference::embedding::{Lookup, backward, forward, naive};

use crate::common::data::{Rng, widen};

#[test]
fn sums_of_rows_by_hand() {
    let (token, position) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [10.0, 20.0, 30.0, 40.0]);
    let lookups = [Lookup { table: &token, ids: &[2, 0, 3] }, Lookup { table: &position, ids: &[0, 1, 1] }];
    let got = forward(&lookups, 2);
    assert_eq!(got[..4], [15.0, 26.0, 31.0, 42.0]);
    assert!(got[4..].iter().all(|value| value.is_nan()), "{got:?}");
}

#[test]
fn gradients_by_hand() {
    let grad_output = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let ids = [1, 0, 1, 9];
    assert_eq!(backward(&grad_output, &ids, &[0.0; 6], 2, None), [3.0, 4.0, 6.0, 8.0, 0.0, 0.0]);
    assert_eq!(backward(&grad_output, &ids, &[0.5; 6], 2, Some(1)), [3.5, 4.5, 0.5, 0.5, 0.5, 0.5]);
}

#[test]
fn naive_is_the_oracle_in_f32() {
    let mut rng = Rng::new(4);
    let (table, dy): (Vec<f32>, Vec<f32>) = (rng.normals(20, 0.0, 1.0), rng.normals(200, 0.0, 1.0));
    let ids: Vec<i64> = (0..50).map(|row| row * row % 7 - 1).collect();
    let (wide, wide_dy) = (widen(&table), widen(&dy));
    let close = |got: Vec<f32>, oracle: Vec<f64>| {
        assert_eq!(got.len(), oracle.len());
        for (got, oracle) in got.iter().zip(&oracle) {
            let both_nan = got.is_nan() && oracle.is_nan();
            assert!(both_nan || (f64::from(*got) - oracle).abs() < 1e-5, "{got} and {oracle}");
        }
    };
    let lookup = Lookup { table: &wide[..], ids: &ids };
    close(naive::forward(&[Lookup { table: &table[..], ids: &ids }; 2], 4), forward(&[lookup, lookup], 4));
    for padding in [None, Some(2)] {
        close(naive::backward(&dy, &ids, Some(&table), (5, 4), padding), backward(&wide_dy, &ids, &wide, 4, padding));
        close(naive::backward(&dy, &ids, None, (5, 4), padding), backward(&wide_dy, &ids, &[0.0; 20], 4, padding));
    }
}
