//! The matrix products that a caller supplies.

use crate::view::TensorDesc;

/// A factor of a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operand {
    /// The matrix as it is stored: `[rows, columns]`, the elements of a row side by side.
    pub stored: TensorDesc,
    /// Its transpose is the factor.
    pub transposed: bool,
}

impl Operand {
    pub(super) fn plain(stored: TensorDesc) -> Self {
        Self { stored, transposed: false }
    }

    pub(super) fn transposed(stored: TensorDesc) -> Self {
        Self { stored, transposed: true }
    }

    /// Rows and columns of the factor.
    pub fn extents(&self) -> [usize; 2] {
        let extent = |axis| self.stored.shape.get(axis).copied().unwrap_or(1);
        if self.transposed { [extent(1), extent(0)] } else { [extent(0), extent(1)] }
    }
}

/// `output = a b`, or `output += a b`. Sums are wanted in f32 at least, rounded once to the output's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MatMul {
    /// `[m, k]`.
    pub a: Operand,
    /// `[k, n]`, of the type of `a`.
    pub b: Operand,
    /// `[m, n]`, written: of the type of `a`, or in f32. The elements of a row lie side by side.
    pub output: TensorDesc,
    /// The product is added to what is there: the `beta = 1` of a BLAS.
    pub accumulate: bool,
}

impl MatMul {
    /// `m`, `n` and `k`.
    pub fn extents(&self) -> [usize; 3] {
        let ([m, k], [_, n]) = (self.a.extents(), self.b.extents());
        [m, n, k]
    }
}

#[cfg(feature = "emulator")]
mod on_emulator {
    use half::{bf16, f16};

    use super::{MatMul, Operand};
    use crate::device::EmulatedDevice;
    use crate::element::{DType, Float};
    use crate::error::{Error, Result};
    use crate::view::TensorDesc;

    const OP: &str = "MatMul::on_emulator";

    impl MatMul {
        /// Computes the product on the CPU, in the memory of an emulated device, which has no BLAS: sums in f64, rounded once.
        ///
        /// # Errors
        /// [`Error::Memory`] for addresses that are not in the device's memory, [`Error::Shape`] where the extents do not fit together,
        /// [`Error::Unsupported`] for elements that are not f32, f16 or bf16.
        pub fn on_emulator(&self, device: &EmulatedDevice) -> Result<()> {
            let [m, n, k] = self.extents();
            if self.b.extents()[0] != k {
                let expected = format!("one with {k} rows or, transposed, columns");
                return Err(Error::Shape { op: OP, argument: "b", expected, got: self.b.stored.shape });
            }
            if *self.output.shape != [m, n] {
                let expected = format!("[{m}, {n}]");
                return Err(Error::Shape { op: OP, argument: "output", expected, got: self.output.shape });
            }
            let (a, b) = (factor(device, &self.a)?, factor(device, &self.b)?);
            let mut output = if self.accumulate { load(device, &self.output)? } else { vec![0.0; m * n] };
            for (row, a) in output.chunks_exact_mut(n).zip(a.chunks_exact(k)) {
                for (a, b) in a.iter().zip(b.chunks_exact(n)) {
                    row.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
                }
            }
            store(device, &self.output, &output)
        }
    }

    /// The elements of a factor by rows.
    fn factor(device: &EmulatedDevice, operand: &Operand) -> Result<Vec<f64>> {
        let stored = load(device, &operand.stored)?;
        let [rows, columns] = operand.extents();
        if !operand.transposed {
            return Ok(stored);
        }
        Ok((0..rows * columns).map(|i| stored[i % columns * rows + i / columns]).collect())
    }

    /// The address of each row of a matrix, and the bytes of a row.
    fn rows(matrix: &TensorDesc) -> Result<(impl Iterator<Item = u64>, usize)> {
        let TensorDesc { address, shape, strides, dtype } = *matrix;
        let (&[rows, columns], &[stride, 1]) = (&*shape, &*strides) else {
            let what = format!("a matrix of shape {shape:?} and strides {strides:?}");
            return Err(Error::Unsupported { op: OP, what, supported: "rows whose elements lie side by side" });
        };
        let step = stride.wrapping_mul(dtype.size() as i64);
        let row = move |row: usize| address.wrapping_add_signed(step.wrapping_mul(row as i64));
        Ok(((0..rows).map(row), columns * dtype.size()))
    }

    fn load(device: &EmulatedDevice, matrix: &TensorDesc) -> Result<Vec<f64>> {
        let (addresses, bytes) = rows(matrix)?;
        let (mut row, mut elements) = (vec![0; bytes], Vec::with_capacity(matrix.shape.elements()));
        for address in addresses {
            device.read_at(OP, address, &mut row)?;
            match matrix.dtype {
                DType::F32 => decode(&row, f32::from_le_bytes, &mut elements),
                DType::F16 => decode(&row, f16::from_le_bytes, &mut elements),
                DType::Bf16 => decode(&row, bf16::from_le_bytes, &mut elements),
                other => return Err(not_floats(other)),
            }
        }
        Ok(elements)
    }

    fn decode<T: Float, const N: usize>(bytes: &[u8], element: fn([u8; N]) -> T, elements: &mut Vec<f64>) {
        elements.extend(bytes.as_chunks().0.iter().map(|&bytes| element(bytes).to_f64()));
    }

    fn store(device: &EmulatedDevice, matrix: &TensorDesc, elements: &[f64]) -> Result<()> {
        let (addresses, _) = rows(matrix)?;
        for (address, row) in addresses.zip(elements.chunks_exact(matrix.shape[1])) {
            let bytes: Vec<u8> = match matrix.dtype {
                DType::F32 => row.iter().flat_map(|&x| f32::from_f64(x).to_le_bytes()).collect(),
                DType::F16 => row.iter().flat_map(|&x| <f16 as Float>::from_f64(x).to_le_bytes()).collect(),
                DType::Bf16 => row.iter().flat_map(|&x| <bf16 as Float>::from_f64(x).to_le_bytes()).collect(),
                other => return Err(not_floats(other)),
            };
            device.write_at(OP, address, &bytes)?;
        }
        Ok(())
    }

    fn not_floats(dtype: DType) -> Error {
        Error::Unsupported { op: OP, what: format!("a matrix of {dtype}"), supported: "f32, f16 and bf16" }
    }
}
