//! Bad input to blockwise quantisation.

use warpsmith::ops::quantize::{Desc, Options, plan_dequantize, plan_quantize, tables_bytes};
use warpsmith::{DType, Queue, TensorDesc};

use crate::{assert_error, at, device, kind, shaped, strided};

const COUNT: usize = 1000;

fn tensor(place: u64, len: usize, dtype: DType) -> TensorDesc {
    TensorDesc::contiguous(place << 20, [len], dtype)
}

fn desc() -> Desc {
    Desc {
        values: tensor(1, COUNT, DType::Bf16),
        codes: tensor(2, COUNT, DType::U8),
        absmax: tensor(3, 4, DType::F32),
        tables: tensor(4, tables_bytes(), DType::U8),
        options: Options::default(),
    }
}

type Case = (&'static str, (&'static str, &'static str), fn(&mut Desc));

#[test]
fn a_bad_tensor_is_named() {
    let caps = *device().caps();
    assert!(plan_quantize(&desc(), &caps).is_ok() && plan_dequantize(&desc(), &caps).is_ok());
    let cases: &[Case] = &[
        ("no elements", ("shape", "values"), |d| d.values = shaped(d.values, [0])),
        ("gaps", ("stride", "values"), |d| d.values = strided(d.values, [2])),
        ("fewer codes", ("shape", "codes"), |d| d.codes = shaped(d.codes, [COUNT - 1])),
        ("codes that are floats", ("dtype", "codes"), |d| d.codes.dtype = DType::F32),
        ("too few absmax", ("shape", "absmax"), |d| d.absmax = shaped(d.absmax, [3])),
        ("absmax of another block", ("shape", "absmax"), |d| d.options.block = 128),
        ("absmax in bf16", ("dtype", "absmax"), |d| d.absmax.dtype = DType::Bf16),
        ("no values", ("null", "values"), |d| d.values = at(d.values, 0)),
        ("an odd address", ("misaligned", "values"), |d| d.values = at(d.values, d.values.address + 1)),
        ("short tables", ("size", "workspace"), |d| d.tables = shaped(d.tables, [tables_bytes() - 1])),
        ("tables off their boundary", ("misaligned", "tables"), |d| d.tables = at(d.tables, d.tables.address + 8)),
        ("a block of 96", ("other", ""), |d| d.options.block = 96),
        ("a block of 8192", ("other", ""), |d| d.options.block = 8192),
        ("values of bytes", ("other", ""), |d| d.values.dtype = DType::U8),
    ];
    for (case, expected, spoil) in cases {
        let mut desc = desc();
        spoil(&mut desc);
        assert_error(case, "quantize::quantize", *expected, plan_quantize(&desc, &caps).map(drop));
        assert_error(case, "quantize::dequantize", *expected, plan_dequantize(&desc, &caps).map(drop));
    }
}

/// Outputs of either way over their inputs.
#[test]
fn outputs_lie_apart() {
    let caps = *device().caps();
    let mut over = desc();
    over.codes = at(over.codes, over.values.address + 10);
    assert_eq!(kind(&plan_quantize(&over, &caps).unwrap_err()), ("aliasing", "codes"));
    assert_eq!(kind(&plan_dequantize(&over, &caps).unwrap_err()), ("aliasing", "values"));
    let mut over = desc();
    over.absmax = at(over.absmax, over.tables.address + 16);
    assert_eq!(kind(&plan_quantize(&over, &caps).unwrap_err()), ("aliasing", "absmax"));
    assert!(plan_dequantize(&over, &caps).is_ok());
}
