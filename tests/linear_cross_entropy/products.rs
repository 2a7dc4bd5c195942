//! The products on the emulated device, by hand.

use half::bf16;
use warpsmith::device::EmulatedBuffer;
use warpsmith::emulator::DeviceModel;
use warpsmith::ops::linear_cross_entropy::{MatMul, Operand};
use warpsmith::{DType, Device, Element, EmulatedDevice, Error, TensorDesc};

fn matrix<T: Element>(buffer: &EmulatedBuffer<T>, shape: [usize; 2], stride: i64) -> TensorDesc {
    TensorDesc { address: buffer.address(), shape: shape.into(), strides: [stride, 1].into(), dtype: T::DTYPE }
}

fn plain(stored: TensorDesc) -> Operand {
    Operand { stored, transposed: false }
}

fn transposed(stored: TensorDesc) -> Operand {
    Operand { stored, transposed: true }
}

#[test]
fn factors_are_transposed_and_outputs_added_to() -> warpsmith::Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    // [1 2 3; 4 5 6] with a gap, and [1 -1].
    let a = device.upload(&[1.0_f32, 2.0, 3.0, 99.0, 4.0, 5.0, 6.0, 99.0])?;
    let b = device.upload(&[1.0_f32, -1.0])?;
    let c = device.upload(&[10.0_f32; 6])?;
    let stored = matrix(&a, [2, 3], 4);
    let (row, column) = (matrix(&b, [1, 2], 2), matrix(&b, [2, 1], 1));
    let mut product =
        MatMul { a: transposed(stored), b: transposed(row), output: matrix(&c, [3, 1], 2), accumulate: false };
    assert_eq!(product.extents(), [3, 1, 2]);
    product.on_emulator(&device)?;
    assert_eq!(device.download(&c)?, [-3.0, 10.0, -3.0, 10.0, -3.0, 10.0]);
    product = MatMul { b: plain(column), accumulate: true, ..product };
    product.on_emulator(&device)?;
    assert_eq!(device.download(&c)?, [-6.0, 10.0, -6.0, 10.0, -6.0, 10.0]);
    product = MatMul { a: plain(row), b: plain(stored), output: matrix(&c, [1, 3], 3), accumulate: false };
    product.on_emulator(&device)?;
    assert_eq!(device.download(&c)?, [-3.0, -3.0, -3.0, 10.0, -6.0, 10.0]);
    Ok(())
}

#[test]
fn sums_are_rounded_once() -> warpsmith::Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    // 256 + 0.5 + 0.5 is a tie in bf16 that goes to 256, and above it by a little.
    let a = device.upload(&[256.0, 0.5, 0.5, 0.0078125].map(bf16::from_f32))?;
    let b = device.upload(&[bf16::ONE; 4])?;
    let c = device.upload(&[bf16::ZERO; 1])?;
    let (a, b) = (plain(matrix(&a, [1, 4], 4)), plain(matrix(&b, [4, 1], 1)));
    MatMul { a, b, output: matrix(&c, [1, 1], 1), accumulate: false }.on_emulator(&device)?;
    assert_eq!(device.download(&c)?, [bf16::from_f32(258.0)]);
    Ok(())
}

#[test]
fn products_that_make_no_sense_are_refused() -> warpsmith::Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let buffer = device.upload(&[1.0_f32; 6])?;
    let of = |rows, columns| matrix(&buffer, [rows, columns], columns as i64);
    let good = MatMul { a: plain(of(2, 3)), b: transposed(of(2, 3)), output: of(2, 2), accumulate: false };
    good.on_emulator(&device)?;
    let refused = |product: MatMul| product.on_emulator(&device).expect_err("a product that makes no sense");
    assert!(matches!(refused(MatMul { b: plain(of(2, 3)), ..good }), Error::Shape { argument: "b", .. }));
    assert!(matches!(refused(MatMul { output: of(2, 3), ..good }), Error::Shape { argument: "output", .. }));
    let columns = TensorDesc { strides: [1, 2].into(), ..of(2, 3) };
    assert!(matches!(refused(MatMul { a: plain(columns), ..good }), Error::Unsupported { .. }));
    let integers = TensorDesc { dtype: DType::I32, ..of(2, 3) };
    assert!(matches!(refused(MatMul { a: plain(integers), ..good }), Error::Unsupported { .. }));
    assert!(matches!(refused(MatMul { a: plain(of(2, 300)), b: plain(of(300, 2)), ..good }), Error::Memory { .. }));
    Ok(())
}
