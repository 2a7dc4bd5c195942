//! Arbitrary arguments: handles, addresses, sizes and numbers that make no sense, in any order of calls. The driver may refuse them, and may not panic: a panic
//! inside comes back as `CUDA_ERROR_UNKNOWN`, which nothing else gives. What is written to or read from on the host always has the bytes.

use std::ffi::{CString, c_void};
use std::ptr::null_mut;

use cudarc::driver::CudaContext;
use cudarc::driver::sys::{self, CUresult as Code};
use ptx_emulator_driver_harness::{emulated, execute_launches};

use crate::common::KERNELS;

/// Calls of one process.
const CALLS: usize = 40_000;
/// Bytes of each host buffer, and the most that a copy is asked for.
const HOST: usize = 4096;

/// SplitMix64, and what may stand where something is expected.
struct Draw {
    state: u64,
    handles: Vec<u64>,
    addresses: Vec<u64>,
}

impl Draw {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn number(&mut self) -> u64 {
        const EDGES: [u64; 10] = [0, 1, 2, 7, 255, 1 << 16, u32::MAX as u64, 1 << 31, 1 << 40, u64::MAX];
        let (pick, number) = (self.next(), self.next());
        if pick.is_multiple_of(3) { number >> (pick >> 8 & 63) } else { EDGES[(pick >> 8) as usize % EDGES.len()] }
    }

    fn small(&mut self) -> u32 {
        (self.next() % 5) as u32
    }

    fn from(list: &[u64], number: u64, other: u64) -> u64 {
        if list.is_empty() || number.is_multiple_of(4) { other } else { list[(number >> 8) as usize % list.len()] }
    }

    /// A handle of any kind, null, or none at all.
    fn handle<T>(&mut self) -> *mut T {
        let (number, other) = (self.next(), self.number());
        Self::from(&self.handles, number, other) as *mut T
    }

    /// An address on the device, near one, or none at all.
    fn address(&mut self) -> u64 {
        let (number, other) = (self.next(), self.number());
        Self::from(&self.addresses, number, other).wrapping_add([0, 0, 1, 4, 256][(number >> 40) as usize % 5])
    }

    fn bytes(&mut self) -> usize {
        self.next() as usize % (HOST + 1)
    }
}

/// Makes one call. Gives its name and code, and keeps the handle or the address that it gave.
fn call(draw: &mut Draw, host: &mut [u8; HOST], map: &mut [u64; 16]) -> (&'static str, Code) {
    let (mut made, mut value) = (null_mut::<c_void>(), 0u64);
    let data = host.as_mut_ptr().cast::<c_void>();
    let names = [c"add_step", c"stray", c"dynamic", c"nothing", c""];
    let name = names[draw.small() as usize];
    let mut parameters = [data; 16];
    // SAFETY: every pointer to the host is null or has the bytes that the function may touch, and every other argument is a plain number to a driver
    // that looks up its handles and checks its addresses.
    let (function, code) = unsafe {
        match draw.next() % 30 {
            0 => (
                "cuMemAlloc_v2",
                sys::cuMemAlloc_v2(
                    &mut value,
                    if draw.small() == 0 { draw.number() as usize | 1 << 50 } else { draw.bytes() },
                ),
            ),
            1 => ("cuMemFree_v2", sys::cuMemFree_v2(draw.address())),
            2 => ("cuMemcpyHtoD_v2", sys::cuMemcpyHtoD_v2(draw.address(), data, draw.bytes())),
            3 => ("cuMemcpyDtoH_v2", sys::cuMemcpyDtoH_v2(data, draw.address(), draw.bytes())),
            4 => (
                "cuMemcpyDtoDAsync_v2",
                sys::cuMemcpyDtoDAsync_v2(draw.address(), draw.address(), draw.number() as usize, draw.handle()),
            ),
            5 => ("cuMemsetD8Async", sys::cuMemsetD8Async(draw.address(), 7, draw.number() as usize, draw.handle())),
            6 => ("cuMemsetD16Async", sys::cuMemsetD16Async(draw.address(), 7, draw.number() as usize, draw.handle())),
            7 => ("cuMemsetD32_v2", sys::cuMemsetD32_v2(draw.address(), 7, draw.number() as usize)),
            8 => ("cuStreamCreate", sys::cuStreamCreate((&raw mut made).cast(), draw.number() as u32)),
            9 => ("cuStreamDestroy_v2", sys::cuStreamDestroy_v2(draw.handle())),
            10 => ("cuStreamWaitEvent", sys::cuStreamWaitEvent(draw.handle(), draw.handle(), draw.number() as u32)),
            11 => ("cuStreamSynchronize", sys::cuStreamSynchronize(draw.handle())),
            12 => ("cuEventCreate", sys::cuEventCreate((&raw mut made).cast(), draw.number() as u32)),
            13 => ("cuEventRecord", sys::cuEventRecord(draw.handle(), draw.handle())),
            14 => ("cuEventDestroy_v2", sys::cuEventDestroy_v2(draw.handle())),
            15 => (
                "cuEventElapsedTime_v2",
                sys::cuEventElapsedTime_v2((&raw mut value).cast(), draw.handle(), draw.handle()),
            ),
            16 => {
                let cut = draw.next() as usize % (2 * KERNELS.len());
                let text = CString::new(KERNELS.get(..cut).unwrap_or(KERNELS)).expect("the text has no NUL");
                ("cuModuleLoadData", sys::cuModuleLoadData((&raw mut made).cast(), text.as_ptr().cast()))
            }
            17 => ("cuModuleUnload", sys::cuModuleUnload(draw.handle())),
            18 | 19 => {
                ("cuModuleGetFunction", sys::cuModuleGetFunction((&raw mut made).cast(), draw.handle(), name.as_ptr()))
            }
            20 | 21 => {
                let [x, y, z, across, down, deep] =
                    std::array::from_fn(|_| if draw.small() > 1 { 1 + draw.small() } else { draw.number() as u32 });
                // The drop-in driver runs nothing here (`execute_launches`), so grids may have any size.
                let shared = draw.number() as u32;
                (
                    "cuLaunchKernel",
                    sys::cuLaunchKernel(
                        draw.handle(),
                        x,
                        y,
                        z,
                        across,
                        down,
                        deep,
                        shared,
                        draw.handle(),
                        parameters.as_mut_ptr(),
                        null_mut(),
                    ),
                )
            }
            22 => {
                let attribute = [
                    sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                    sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS,
                ][draw.next() as usize % 2];
                ("cuFuncSetAttribute", sys::cuFuncSetAttribute(draw.handle(), attribute, draw.number() as i32))
            }
            23 => {
                let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
                ("cuStreamBeginCapture_v2", sys::cuStreamBeginCapture_v2(draw.handle(), mode))
            }
            24 => ("cuStreamEndCapture", sys::cuStreamEndCapture(draw.handle(), (&raw mut made).cast())),
            25 => (
                "cuGraphInstantiateWithFlags",
                sys::cuGraphInstantiateWithFlags((&raw mut made).cast(), draw.handle(), draw.number()),
            ),
            26 => ("cuGraphLaunch", sys::cuGraphLaunch(draw.handle(), draw.handle())),
            27 => ("cuGraphDestroy", sys::cuGraphDestroy(draw.handle())),
            28 => {
                let (dims, strides): ([u64; 5], [u64; 5]) =
                    (std::array::from_fn(|_| draw.number()), std::array::from_fn(|_| draw.number() & !15));
                let (sides, steps): ([u32; 5], [u32; 5]) =
                    (std::array::from_fn(|_| draw.number() as u32), std::array::from_fn(|_| draw.small()));
                let code = sys::cuTensorMapEncodeTiled(
                    map.as_mut_ptr().cast(),
                    sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
                    draw.number() as u32,
                    draw.address() as *mut c_void,
                    dims.as_ptr(),
                    strides.as_ptr(),
                    sides.as_ptr(),
                    steps.as_ptr(),
                    sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                    sys::CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
                    sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_NONE,
                    sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
                );
                ("cuTensorMapEncodeTiled", code)
            }
            _ => ("cuCtxSetLimit", sys::cuCtxSetLimit(sys::CUlimit::CU_LIMIT_STACK_SIZE, draw.number() as usize)),
        }
    };
    if code == Code::CUDA_SUCCESS {
        draw.handles.extend((!made.is_null()).then_some(made as u64));
        draw.addresses.extend((function == "cuMemAlloc_v2").then_some(value));
    }
    (function, code)
}

#[test]
fn no_argument_panics() {
    emulated("fuzz::no_argument_panics", &[("PTX_EMULATOR_MODEL", "sm_90")], || {
        let context = CudaContext::new(0).unwrap();
        let mut draw = Draw { state: 1, handles: Vec::new(), addresses: Vec::new() };
        let (mut host, mut map) = ([0; HOST], [0; 16]);
        let mut good = 0;
        execute_launches(false);
        for number in 0..CALLS {
            let (function, code) = call(&mut draw, &mut host, &mut map);
            assert_ne!(code, Code::CUDA_ERROR_UNKNOWN, "call {number} of {function} panicked");
            good += u32::from(code == Code::CUDA_SUCCESS);
        }
        execute_launches(true);
        assert!(good as usize > CALLS / 50, "only {good} of {CALLS} calls did anything");
        drop(context);
    });
}
