//! Tensor maps and clusters through the driver API, on a model that has them.

use std::ffi::{CString, c_void};
use std::ptr::null_mut;

use cudarc::driver::CudaContext;
use cudarc::driver::DevicePtr;
use cudarc::driver::sys::{self, CUresult as Code};
use ptx_emulator_driver_harness::emulated;

/// Each of two blocks of a cluster loads its row of 32 words by tensor map and stores the other one's.
const KERNEL: &str = "
.version 8.6
.target sm_90a
.address_size 64
.visible .entry rows(.param .align 64 .b8 map[128], .param .u64 out)
{
    .reg .b32 %r<8>;
    .reg .b64 %rd<4>;
    .reg .pred %p<3>;
    .shared .align 128 .b8 row[128];
    .shared .align 8 .b64 full;
    mov.u32 %r0, %tid.x;
    mov.u32 %r1, %ctaid.x;
    setp.eq.u32 %p0, %r0, 0;
    mov.b64 %rd0, map;
    cvta.param.u64 %rd0, %rd0;
    @%p0 mbarrier.init.shared.b64 [full], 1;
    @%p0 fence.mbarrier_init.release.cluster;
    bar.sync 0;
    @%p0 mbarrier.arrive.expect_tx.shared.b64 _, [full], 128;
    @%p0 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [row], [%rd0, {0, %r1}], [full];
WAIT:
    mbarrier.try_wait.parity.shared.b64 %p1, [full], 0;
    @!%p1 bra WAIT;
    barrier.cluster.arrive.aligned;
    barrier.cluster.wait.aligned;
    mov.u32 %r2, row;
    xor.b32 %r3, %r1, 1;
    mapa.shared::cluster.u32 %r4, %r2, %r3;
    shl.b32 %r5, %r0, 2;
    add.u32 %r4, %r4, %r5;
    ld.shared::cluster.u32 %r6, [%r4];
    barrier.cluster.arrive.aligned;
    barrier.cluster.wait.aligned;
    ld.param.u64 %rd1, [out];
    mad.lo.u32 %r7, %r1, 32, %r0;
    mul.wide.u32 %rd2, %r7, 4;
    add.u64 %rd1, %rd1, %rd2;
    st.global.u32 [%rd1], %r6;
    ret;
}";

#[repr(C, align(64))]
struct Aligned(sys::CUtensorMap);

/// Encodes a map of two rows of 32 words, with these strides and this layout.
fn encode(map: *mut sys::CUtensorMap, address: u64, stride: u64, interleave: sys::CUtensorMapInterleave) -> Code {
    let (dims, strides, sides, steps) = ([32u64, 2], [stride], [32u32, 1], [1u32, 1]);
    // SAFETY: the map can be written, and the arrays have two elements each, the strides one.
    unsafe {
        sys::cuTensorMapEncodeTiled(
            map,
            sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_UINT32,
            2,
            address as *mut c_void,
            dims.as_ptr(),
            strides.as_ptr(),
            sides.as_ptr(),
            steps.as_ptr(),
            interleave,
            sys::CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
            sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
            sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
        )
    }
}

#[test]
fn tensor_maps_and_clusters() {
    emulated("hopper::tensor_maps_and_clusters", &[("PTX_EMULATOR_MODEL", "sm_90")], || {
        use sys::CUtensorMapInterleave::{
            CU_TENSOR_MAP_INTERLEAVE_16B as LAYERS, CU_TENSOR_MAP_INTERLEAVE_NONE as NONE,
        };
        let context = CudaContext::new(0).unwrap();
        let stream = context.new_stream().unwrap();
        let data = stream.clone_htod(&(0..64).collect::<Vec<u32>>()).unwrap();
        let out = stream.clone_htod(&[0u32; 64]).unwrap();
        let (from, to) = (data.device_ptr(&stream).0, out.device_ptr(&stream).0);
        // SAFETY: a map is bytes, and all zeros are some.
        let mut map = Aligned(unsafe { std::mem::zeroed() });
        assert_eq!(encode(&mut map.0, from + 4, 128, NONE), Code::CUDA_ERROR_INVALID_VALUE);
        assert_eq!(encode(&mut map.0, from, 120, NONE), Code::CUDA_ERROR_INVALID_VALUE);
        assert_eq!(encode(&mut map.0, from, 128, LAYERS), Code::CUDA_ERROR_NOT_SUPPORTED);
        assert_eq!(encode(null_mut(), from, 128, NONE), Code::CUDA_ERROR_INVALID_VALUE);
        assert_eq!(encode(&mut map.0, from, 128, NONE), Code::CUDA_SUCCESS);

        let image = CString::new(KERNEL).unwrap();
        let (mut module, mut function) = (null_mut(), null_mut());
        // SAFETY: the results can be written, the image and the name end with a NUL.
        unsafe {
            sys::cuModuleLoadData(&mut module, image.as_ptr().cast()).result().unwrap();
            sys::cuModuleGetFunction(&mut function, module, c"rows".as_ptr()).result().unwrap();
        }
        let mut params: [*mut c_void; 2] = [(&raw mut map).cast(), (&raw const to).cast_mut().cast()];
        let mut launch = |grid: u32, blocks: u32| {
            let mut attribute = sys::CUlaunchAttribute {
                id: sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
                pad: [0; 4],
                value: sys::CUlaunchAttributeValue {
                    clusterDim: sys::CUlaunchAttributeValue_union__bindgen_ty_1 { x: blocks, y: 1, z: 1 },
                },
            };
            let config = sys::CUlaunchConfig {
                gridDimX: grid,
                gridDimY: 1,
                gridDimZ: 1,
                blockDimX: 32,
                blockDimY: 1,
                blockDimZ: 1,
                sharedMemBytes: 0,
                hStream: stream.cu_stream(),
                attrs: &mut attribute,
                numAttrs: 1,
            };
            // SAFETY: the configuration has one attribute, and there is a pointer for each of the two parameters.
            unsafe { sys::cuLaunchKernelEx(&config, function, params.as_mut_ptr(), null_mut()) }
        };
        assert_eq!(launch(3, 2), Code::CUDA_ERROR_INVALID_CLUSTER_SIZE);
        assert_eq!(launch(2, 2), Code::CUDA_SUCCESS);
        assert_eq!(stream.clone_dtoh(&out).unwrap(), (32..64).chain(0..32).collect::<Vec<u32>>());
    });
}
