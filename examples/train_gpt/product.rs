//! Matrix products, which are not the crate's job: cuBLASLt on a GPU that has it, the example's own kernel on one that has not, the
//! `gemm` crate on the emulated device, where a kernel for every product would take hours.

use cudarc::cublaslt::{CudaBlasLT, Matmul, MatmulConfig};
use gemm::Parallelism;
use warpsmith::{Buffer, CudaDevice, Device};

use crate::Outcome;
use crate::kernels;
use crate::ops::Product;

/// Something that multiplies matrices on a device.
pub trait Products<D: Device> {
    /// `c = a b`.
    fn product(
        &self,
        device: &D,
        product: Product,
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
        product: Product,
        a: &D::Buffer<f32>,
        b: &D::Buffer<f32>,
        c: &mut D::Buffer<f32>,
    ) -> Outcome {
        let mut result = vec![0.0; c.len()];
        on_cpu(product, &device.download(a)?, &device.download(b)?, &mut result);
        Ok(device.write(c, &result)?)
    }
}

/// The example's own kernel.
pub struct Mma;

impl<D: Device> Products<D> for Mma {
    fn product(
        &self,
        device: &D,
        product: Product,
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
        product: Product,
        a: &<CudaDevice as Device>::Buffer<f32>,
        b: &<CudaDevice as Device>::Buffer<f32>,
        c: &mut <CudaDevice as Device>::Buffer<f32>,
    ) -> Outcome {
        let Product { m, n, k, a_transposed, b_transposed } = product;
        check(product, a.len(), b.len(), c.len())?;
        // Its matrices are stored column by column: to it ours are transposed, and `C^T = B^T A^T`.
        let config = MatmulConfig {
            transa: b_transposed,
            transb: a_transposed,
            transc: false,
            m: n as u64,
            n: m as u64,
            k: k as u64,
            alpha: 1.0,
            lda: if b_transposed { k } else { n } as i64,
            ldb: if a_transposed { m } else { k } as i64,
            beta: 0.0,
            ldc: n as i64,
            stride_a: None,
            stride_b: None,
            stride_c: None,
            stride_bias: None,
            batch_size: None,
        };
        // SAFETY: the buffers have the lengths of the three matrices, which are without gaps.
        let result = unsafe { self.0.matmul(config, b, a, c, None, None) };
        result.map_err(|error| format!("cublasLtMatmul: {error:?}").into())
    }
}

/// By the `gemm` crate, over all its threads.
///
/// # Panics
/// Where a slice is not as long as its matrix.
pub fn on_cpu(product: Product, a: &[f32], b: &[f32], c: &mut [f32]) {
    let Product { m, n, k, .. } = product;
    assert_eq!(check(product, a.len(), b.len(), c.len()).map_err(|error| error.to_string()), Ok(()));
    let [[a_row, a_column], [b_row, b_column]] = product.strides().map(|strides| strides.map(|stride| stride as isize));
    let (c, a, b) = (c.as_mut_ptr(), a.as_ptr(), b.as_ptr());
    let (read_c, conjugated, parallelism) = (false, false, Parallelism::Rayon(0));
    // SAFETY: the lengths are those of the three matrices, which the strides do not leave; `c` is borrowed alone and not read.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
            1,
            n as isize,
            read_c,
            a,
            a_column,
            a_row,
            b,
            b_column,
            b_row,
            0.0,
            1.0,
            conjugated,
            conjugated,
            conjugated,
            parallelism,
        );
    }
}

/// Whether three matrices have the elements of a product.
pub fn check(product: Product, a: usize, b: usize, c: usize) -> Outcome {
    let Product { m, n, k, .. } = product;
    if [a, b, c] == [m * k, k * n, m * n] {
        return Ok(());
    }
    Err(format!("{product:?} of {a} and {b} into {c} elements").into())
}
