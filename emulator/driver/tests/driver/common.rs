//! Kernels by hand, for tests of the driver.

use std::sync::Arc;

use cudarc::driver::sys::{CUresult, cudaError_enum};
use cudarc::driver::{CudaContext, CudaFunction, CudaModule, DriverError};
use cudarc::nvrtc::Ptx;

/// `data[threadIdx.x] += step`, for u32; and kernels that fail.
pub const KERNELS: &str = r"
.version 8.0
.target sm_80
.address_size 64

.extern .shared .align 16 .b8 scratch[];

.visible .entry add_step(
    .param .u64 data,
    .param .u32 step
)
{
    .reg .b32 %r<4>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [data];
    ld.param.u32 %r1, [step];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r2, %tid.x;
    mul.wide.u32 %rd3, %r2, 4;
    add.s64 %rd2, %rd2, %rd3;
    ld.global.u32 %r3, [%rd2];
    add.s32 %r3, %r3, %r1;
    st.global.u32 [%rd2], %r3;
    ret;
}

.visible .entry stray(
    .param .u64 data,
    .param .u64 offset
)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [data];
    ld.param.u64 %rd2, [offset];
    add.s64 %rd3, %rd1, %rd2;
    mov.u32 %r1, 1;
    st.global.u32 [%rd3], %r1;
    ret;
}

.visible .entry dynamic(
    .param .u64 data
)
.maxntid 64, 1, 1
{
    .reg .b32 %r<3>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [data];
    mov.u32 %r1, 7;
    st.shared.u32 [scratch+65532], %r1;
    ld.shared.u32 %r2, [scratch+65532];
    st.global.u32 [%rd1], %r2;
    ret;
}
";

/// The module of [`KERNELS`].
pub fn module(context: &Arc<CudaContext>) -> Arc<CudaModule> {
    context.load_module(Ptx::from_src(KERNELS)).expect("the kernels load")
}

/// One of [`KERNELS`].
pub fn kernel(context: &Arc<CudaContext>, name: &str) -> CudaFunction {
    module(context).load_function(name).expect("the kernel is there")
}

/// The code of an error.
pub fn code<T>(result: Result<T, DriverError>) -> CUresult {
    result.map_or_else(|error| error.0, |_| cudaError_enum::CUDA_SUCCESS)
}
