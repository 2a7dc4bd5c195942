//! The comparator must fail where a result is wrong, and the guards where a kernel writes elsewhere: each case plants one fault in
//! something that passes.

mod common;

use approx::assert_relative_eq;
use common::compare::{Comparison, Mismatch, Rule, assert_bits_equal, tiny, ulp};
use common::guard::{Guarded, Place};
use half::{bf16, f16};
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::gelu::{Form, ForwardDesc, plan_forward};
use warpsmith::{DType, EmulatedDevice, Queue};

/// A 2 x 4 tensor whose naive result is off by 1e-3 in the second row only.
const ORACLE: [f64; 8] = [1.0, -2.0, 3.0, 4.0, 0.5, -0.25, 0.125, 1.5];

fn naive() -> [f32; 8] {
    let mut naive = ORACLE.map(|v| v as f32);
    naive[5] += 1e-3;
    naive
}

fn check(got: &[f32], oracle: &[f64], naive: &[f32]) -> Result<(), Mismatch> {
    Comparison { name: "planted", cols: 4, got, oracle, naive }.check().map(|_| ())
}

/// The report of a result that must not pass.
fn refused(got: &[f32], oracle: &[f64], naive: &[f32]) -> Mismatch {
    check(got, oracle, naive).expect_err("the comparator let a wrong result pass")
}

#[test]
fn an_exact_result_passes() {
    let got = ORACLE.map(|v| v as f32);
    assert_eq!(check(&got, &ORACLE, &naive()), Ok(()));
}

#[test]
fn twice_the_naive_error_passes_and_three_times_fails() {
    let mut got = ORACLE.map(|v| v as f32);
    got[4] += 2e-3;
    assert_eq!(check(&got, &ORACLE, &naive()), Ok(()));
    got[4] += 1e-3;
    let mismatch = refused(&got, &ORACLE, &naive());
    assert_eq!((mismatch.rule, mismatch.row, mismatch.col), (Rule::Row, 1, 0));
    assert_relative_eq!(mismatch.error, 3e-3, max_relative = 1e-4);
    assert_relative_eq!(mismatch.bound, 2e-3, max_relative = 1e-3);
    let report = mismatch.to_string();
    assert!(report.contains("[1, 0]") && report.contains("5.02") && report.contains("5e-1"), "{report}");
}

#[test]
fn the_naive_error_of_one_row_grants_nothing_to_another() {
    let mut got = ORACLE.map(|v| v as f32);
    got[2] += 1e-3;
    assert_eq!(refused(&got, &ORACLE, &naive()).rule, Rule::Row);
}

#[test]
fn an_error_spread_over_the_tensor_fails_though_every_row_has_one_bad_naive_element() {
    // Each row is granted 2e-3 by its one bad naive element; a kernel that is off by that much everywhere has four times the
    // root mean square error of naive.
    let oracle = vec![1.0; 1024];
    let mut naive = vec![1.0f32; 1024];
    naive.iter_mut().step_by(16).for_each(|v| *v += 1e-3);
    let got = vec![1.001_9f32; 1024];
    let result = Comparison { name: "spread", cols: 16, got: &got, oracle: &oracle, naive: &naive }.check();
    assert_eq!(result.expect_err("a spread error passed").rule, Rule::Tensor);
}

#[test]
fn not_a_number_fails_on_either_side() {
    let mut got = ORACLE.map(|v| v as f32);
    got[6] = f32::NAN;
    let mismatch = refused(&got, &ORACLE, &naive());
    assert_eq!((mismatch.rule, mismatch.row, mismatch.col), (Rule::Class, 1, 2));
    assert!(mismatch.got.is_nan());

    let mut oracle = ORACLE;
    oracle[6] = f64::NAN;
    let number = ORACLE.map(|v| v as f32);
    assert_eq!(refused(&number, &oracle, &naive()).rule, Rule::Class);
    assert_eq!(check(&got, &oracle, &naive()), Ok(()), "NaN where the oracle has NaN is right");
}

#[test]
fn an_infinity_must_have_the_right_sign_and_place() {
    let mut oracle = ORACLE;
    oracle[0] = f64::INFINITY;
    let mut got = oracle.map(|v| v as f32);
    assert_eq!(check(&got, &oracle, &naive()), Ok(()));
    got[0] = f32::NEG_INFINITY;
    assert_eq!(refused(&got, &oracle, &naive()).rule, Rule::Class);
    got[0] = f32::MAX;
    assert_eq!(refused(&got, &oracle, &naive()).rule, Rule::Class);
    let mut elsewhere = ORACLE.map(|v| v as f32);
    elsewhere[3] = f32::INFINITY;
    assert_eq!(refused(&elsewhere, &ORACLE, &naive()).rule, Rule::Class);
}

#[test]
fn a_naive_result_that_overflows_grants_nothing() {
    let mut overflowing = naive();
    overflowing[0] = f32::INFINITY;
    overflowing[1] = f32::NAN;
    let mut got = ORACLE.map(|v| v as f32);
    assert_eq!(check(&got, &ORACLE, &overflowing), Ok(()));
    got[1] += 1e-3;
    assert_eq!(refused(&got, &ORACLE, &overflowing).rule, Rule::Row);
}

#[test]
fn units_in_the_last_place() {
    assert_eq!(ulp(DType::F32, 1.0), f64::from(f32::EPSILON));
    assert_eq!(ulp(DType::F32, 1.999), f64::from(f32::EPSILON));
    assert_eq!(ulp(DType::F16, 1.0), f64::from(f16::EPSILON));
    assert_eq!(ulp(DType::Bf16, 3.0), 2.0 * f64::from(bf16::EPSILON));
    assert_eq!(ulp(DType::F32, 0.0), f64::from(f32::from_bits(1)));
    assert_eq!(ulp(DType::F16, 1e-9), f64::from(f16::from_bits(1)));
    assert_eq!(ulp(DType::Bf16, 1e-45), f64::from(bf16::from_bits(1)));
    assert_eq!(tiny(DType::F16, 2.5), 4.0 * f64::from(f16::EPSILON));
}

#[test]
#[should_panic(expected = "bits differ at [1, 2]: got 4.0, expected 5.0")]
fn different_bits_are_reported_by_coordinate() {
    assert_bits_equal("planted", 3, &[0.0f32, 1.0, 2.0, 3.0, f32::NAN, 4.0], &[0.0f32, 1.0, 2.0, 3.0, f32::NAN, 5.0]);
}

#[test]
#[should_panic(expected = "bits differ at [0, 0]")]
fn the_two_zeros_have_different_bits() {
    assert_bits_equal("zeros", 1, &[0.0f32], &[-0.0f32]);
}

/// Runs GELU into a guarded tensor whose description was moved by some elements.
fn write_moved_by(elements: i64) -> Vec<f32> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let place = Place::matrix(2, 4).with_gap(3).shifted(1);
    let input = Guarded::input(&device, place, &[1.0f32; 8]);
    let output = Guarded::<_, f32>::output(&device, place);
    let mut desc = ForwardDesc { form: Form::Erf, input: input.desc(), bias: None, output: output.desc() };
    desc.output.address = desc.output.address.wrapping_add_signed(4 * elements);
    let plan = plan_forward(&desc, device.caps()).unwrap();
    // SAFETY: a few elements before and after the output lie in its buffer, which outlives the launch.
    unsafe { plan.launch(&device) }.unwrap();
    output.read(&device)
}

#[test]
fn a_tensor_between_guards_comes_back() {
    assert!(write_moved_by(0).iter().all(|y| *y > 0.8));
}

#[test]
#[should_panic(expected = "a guard was overwritten, 4 elements after the start")]
fn an_element_too_far_is_found() {
    write_moved_by(1);
}

#[test]
#[should_panic(expected = "a guard was overwritten, -1 elements after the start")]
fn an_element_too_early_is_found() {
    write_moved_by(-1);
}

#[test]
#[should_panic(expected = "Class rule broken, worst at [0, 1]")]
fn what_was_never_written_is_found() {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let output = Guarded::<_, bf16>::output(&device, Place::matrix(1, 2)).read(&device);
    let got = [bf16::ONE, output[1]];
    Comparison { name: "unwritten", cols: 2, got: &got, oracle: &[1.0; 2], naive: &[bf16::ONE; 2] }.assert();
}
