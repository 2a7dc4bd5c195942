//! Matrix products, which are not the crate's job: cuBLASLt on a GPU that has it, the example's own kernel on one that has not, the
//! `gemm` crate on the emulated device, where a kernel for every product would take hours.

use cudarc::cublaslt::{CudaBlasLT, Matmul, MatmulConfig};
use gemm::Parallelism;
use warpsmith::{Buffer, CudaDevice, Device};

use super::{Outcome, kernels};

/// A matrix in memory: a whole tensor, or some of its columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matrix {
    /// Its first element.
    pub first: usize,
    /// From a row to the next, as it is stored.
    pub stride: usize,
    /// Its rows are stored as columns.
    pub transposed: bool,
}

impl Matrix {
    fn new(stride: usize, transposed: bool) -> Self {
        Self { first: 0, stride, transposed }
    }

    /// Distances between neighbours: down a column, along a row.
    pub fn strides(&self) -> [usize; 2] {
        if self.transposed { [1, self.stride] } else { [self.stride, 1] }
    }

    /// The end of its last element.
    fn end(&self, rows: usize, columns: usize) -> usize {
        let [down, along] = self.strides();
        self.first + (rows - 1) * down + (columns - 1) * along + 1
    }
}

/// A matrix product `C[m, n] = scale A B`, or `C += scale A B`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Product {
    /// Rows of C.
    pub m: usize,
    /// Columns of C.
    pub n: usize,
    /// The dimension that is summed over.
    pub k: usize,
    /// `[m, k]`.
    pub a: Matrix,
    /// `[k, n]`.
    pub b: Matrix,
    /// `[m, n]`, stored by rows.
    pub c: Matrix,
    /// The factor.
    pub scale: f32,
    /// Whether the product is added to what is there.
    pub add: bool,
}

impl Product {
    fn new([m, n, k]: [usize; 3], a: Matrix, b: Matrix) -> Self {
        Self { m, n, k, a, b, c: Matrix::new(n, false), scale: 1.0, add: false }
    }

    /// `y[rows, out] = x[rows, in] W[in, out]`.
    pub fn forward(rows: usize, [inside, out]: [usize; 2]) -> Self {
        Self::new([rows, out, inside], Matrix::new(inside, false), Matrix::new(out, false))
    }

    /// `dx[rows, in] = dy[rows, out] W^T`.
    pub fn input_gradient(rows: usize, [inside, out]: [usize; 2]) -> Self {
        Self::new([rows, inside, out], Matrix::new(out, false), Matrix::new(out, true))
    }

    /// `dW[in, out] = x^T dy`.
    pub fn weight_gradient(rows: usize, [inside, out]: [usize; 2]) -> Self {
        Self::new([inside, out, rows], Matrix::new(inside, true), Matrix::new(out, false))
    }

    /// Times a factor.
    pub fn times(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// Added to what is there.
    pub fn added(self) -> Self {
        Self { add: true, ..self }
    }

    /// Whether three tensors of these lengths hold the matrices.
    pub fn check(&self, [a, b, c]: [usize; 3]) -> Outcome {
        let Self { m, n, k, .. } = *self;
        if [self.a.end(m, k) <= a, self.b.end(k, n) <= b, self.c.end(m, n) <= c] == [true; 3] {
            return Ok(());
        }
        Err(format!("{self:?} of {a} and {b} into {c} elements").into())
    }
}

/// Something that multiplies matrices on a device.
pub trait Products<D: Device> {
    /// `c = scale a b`, or `c += scale a b`.
    fn product(
        &self,
        device: &D,
        product: &Product,
        a: &D::Buffer<f32>,
        b: &D::Buffer<f32>,
        c: &mut D::Buffer<f32>,
    ) -> Outcome;
}

/// The `gemm` crate, on copies in the host's memory.
pub struct OnCpu;

impl<D: Device> Products<D> for OnCpu {
    fn product(
        &self,
        device: &D,
        product: &Product,
        a: &D::Buffer<f32>,
        b: &D::Buffer<f32>,
        c: &mut D::Buffer<f32>,
    ) -> Outcome {
        // What the product does not write stays.
        let all = !product.add && product.m * product.n == c.len();
        let mut result = if all { vec![0.0; c.len()] } else { device.download(c)? };
        on_cpu(product, &device.download(a)?, &device.download(b)?, &mut result)?;
        Ok(device.write(c, &result)?)
    }
}

/// The example's own kernel.
pub struct Mma;

impl<D: Device> Products<D> for Mma {
    fn product(
        &self,
        device: &D,
        product: &Product,
        a: &D::Buffer<f32>,
        b: &D::Buffer<f32>,
        c: &mut D::Buffer<f32>,
    ) -> Outcome {
        let len = [c.len()];
        kernels::gemm(device, product, a.view([a.len()])?, b.view([b.len()])?, c.view_mut(len)?)
    }
}

/// cuBLASLt, whose factors are rounded to tf32.
pub struct CublasLt(CudaBlasLT);

impl CublasLt {
    /// cuBLASLt on the device's stream, or why it cannot be had. cudarc panics where the library is missing, so it is looked for first.
    pub fn find(device: &CudaDevice) -> Result<Self, String> {
        let names = cudarc::get_lib_name_candidates("cublasLt");
        // SAFETY: loading NVIDIA's library runs none but its own initialisation.
        let found = names.iter().any(|name| unsafe { libloading::Library::new(name) }.is_ok());
        if !found {
            return Err(format!("the library cublasLt cannot be loaded, under none of {} names", names.len()));
        }
        CudaBlasLT::new(device.stream().clone()).map(Self).map_err(|error| format!("cublasLtCreate: {error:?}"))
    }
}

impl Products<CudaDevice> for CublasLt {
    fn product(
        &self,
        _device: &CudaDevice,
        product: &Product,
        a: &<CudaDevice as Device>::Buffer<f32>,
        b: &<CudaDevice as Device>::Buffer<f32>,
        c: &mut <CudaDevice as Device>::Buffer<f32>,
    ) -> Outcome {
        product.check([a.len(), b.len(), c.len()])?;
        // Its matrices are stored column by column: to it ours are transposed, and `C^T = B^T A^T`.
        let config = MatmulConfig {
            transa: product.b.transposed,
            transb: product.a.transposed,
            transc: false,
            m: product.n as u64,
            n: product.m as u64,
            k: product.k as u64,
            alpha: product.scale,
            lda: product.b.stride as i64,
            ldb: product.a.stride as i64,
            beta: if product.add { 1.0 } else { 0.0 },
            ldc: product.c.stride as i64,
            stride_a: None,
            stride_b: None,
            stride_c: None,
            stride_bias: None,
            batch_size: None,
        };
        let (a, b) = (a.slice(product.a.first..), b.slice(product.b.first..));
        let mut c = c.slice_mut(product.c.first..);
        // SAFETY: the buffers hold the three matrices, which was checked.
        let result = unsafe { self.0.matmul(config, &b, &a, &mut c, None, None) };
        result.map_err(|error| format!("cublasLtMatmul: {error:?}").into())
    }
}

/// By the `gemm` crate, over all its threads.
pub fn on_cpu(product: &Product, a: &[f32], b: &[f32], c: &mut [f32]) -> Outcome {
    product.check([a.len(), b.len(), c.len()])?;
    let strides = |matrix: &Matrix| matrix.strides().map(|stride| stride as isize);
    let ([a_row, a_column], [b_row, b_column]) = (strides(&product.a), strides(&product.b));
    let (a, b) = (a[product.a.first..].as_ptr(), b[product.b.first..].as_ptr());
    let (c, c_row) = (c[product.c.first..].as_mut_ptr(), product.c.stride as isize);
    let (before, conjugated, parallelism) = (if product.add { 1.0 } else { 0.0 }, false, Parallelism::Rayon(0));
    // SAFETY: the slices hold the three matrices, which was checked; `c` is borrowed alone.
    unsafe {
        gemm::gemm(
            product.m,
            product.n,
            product.k,
            c,
            1,
            c_row,
            product.add,
            a,
            a_column,
            a_row,
            b,
            b_column,
            b_row,
            before,
            product.scale,
            conjugated,
            conjugated,
            conjugated,
            parallelism,
        );
    }
    Ok(())
}
