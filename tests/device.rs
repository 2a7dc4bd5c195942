//! What every device promises, shown with one small kernel in hand-written PTX: buffers and views, the choice of an
//! image, limits, and the error for each thing that can be wrong.

mod common;
mod scale;

use common::devices::{Body, on_every_device};
use scale::{IMAGE, PTX, SCALE, SM_80, SM_90A, ScaleParams, scale, scale_by};
use warpsmith::device::{ComputeCapability, CubinImage, Image, Kernel, LaunchShape, LoadedKernel, PtxImage, Queue};
use warpsmith::emulator::{DeviceModel, FaultKind};
use warpsmith::{Args, Buffer, CudaDevice, Device, EmulatedDevice, Error, Result};

/// A launch of `kernel` over 4 elements in this shape.
fn launch_in_shape(device: &EmulatedDevice, kernel: &'static Kernel<ScaleParams>, shape: LaunchShape) -> Result<()> {
    let x = device.upload(&[1.0_f32, 2.0, 3.0, 4.0])?;
    let mut y = device.alloc(4)?;
    scale_by(device, kernel, shape, x.view([4])?, y.view_mut([4])?, 2.0)
}

fn buffers_hold_what_was_uploaded<D: Device>(device: &D) -> Result<()> {
    let floats = [1.0_f32, -0.0, f32::MIN_POSITIVE, f32::INFINITY];
    assert_eq!(device.download(&device.upload(&floats)?)?, floats);
    let halves = [half::f16::from_f32(0.1), half::f16::MAX];
    assert_eq!(device.download(&device.upload(&halves)?)?, halves);
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(device.download(&device.upload(&bytes)?)?, bytes);
    assert_eq!(device.alloc::<half::bf16>(1000)?.len(), 1000);
    let mut written = device.upload(&floats)?;
    device.write(&mut written, &[4.0, 3.0, 2.0, 1.0])?;
    assert_eq!(device.download(&written)?, [4.0, 3.0, 2.0, 1.0]);
    for len in [3, 5] {
        let other = device.write(&mut written, &vec![0.0; len]);
        assert!(matches!(other, Err(Error::Shape { op: "write", argument: "data", .. })), "{len} of 4: {other:?}");
    }
    assert_eq!(device.download(&written)?, [4.0, 3.0, 2.0, 1.0]);
    for len in [0, usize::MAX / 4, usize::MAX] {
        assert!(matches!(device.alloc::<f32>(len), Err(Error::Unsupported { op: "alloc", .. })), "{len} elements");
    }
    Ok(())
}

fn kernels_see_the_addresses_of_views<D: Device>(device: &D) -> Result<()> {
    let x: Vec<f32> = (0..300).map(|i| i as f32).collect();
    let source = device.upload(&x)?;
    let mut target = device.upload(&[-1.0_f32; 300])?;
    scale(device, source.view([3, 100])?, target.view_mut([300])?, 0.5)?;
    assert_eq!(device.download(&target)?, x.iter().map(|x| x * 0.5).collect::<Vec<_>>());

    // From the tenth element on, to the fifth and following, five of them.
    scale(device, source.strided(10, [5], [1])?, target.strided_mut(5, [5], [1])?, -1.0)?;
    let after = device.download(&target)?;
    assert_eq!(after[4..11], [2.0, -10.0, -11.0, -12.0, -13.0, -14.0, 5.0]);
    Ok(())
}

#[test]
fn buffers_and_views_work_on_every_device() {
    struct BuffersAndViews;

    impl Body for BuffersAndViews {
        fn run<D: Device>(&self, device: &D, name: &str) {
            buffers_hold_what_was_uploaded(device).unwrap_or_else(|error| panic!("{name}: {error}"));
            kernels_see_the_addresses_of_views(device).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    on_every_device(&BuffersAndViews);
}

/// Without a driver cudarc panics, in its functions and when it formats its errors. Nothing here may.
#[test]
fn a_machine_without_a_driver_gives_an_error() {
    let names = if cfg!(windows) { &["nvcuda.dll"][..] } else { &["libcuda.so", "libcuda.so.1"] };
    // SAFETY: loading the driver's library runs no code that asks anything of this process.
    let present = names.iter().any(|name| unsafe { libloading::Library::new(*name) }.is_ok());
    // SAFETY: the null handle means the default stream of the current context.
    let raw = unsafe { warpsmith::raw::Stream::borrow(std::ptr::null_mut()) };
    if present {
        assert!(!matches!(CudaDevice::new(0), Err(Error::DriverUnavailable { .. })));
        assert!(!matches!(raw, Err(Error::DriverUnavailable { .. })));
        return;
    }
    for error in [
        CudaDevice::new(0).map(drop).unwrap_err(),
        CudaDevice::new(7).map(drop).unwrap_err(),
        raw.map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::DriverUnavailable { .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("no CUDA driver: none of {names:?} can be loaded"));
    }
}

#[test]
fn errors_can_be_formatted_without_a_driver() {
    let old = Error::DriverTooOld { version: 11_080, required: 12_000 };
    assert_eq!(old.to_string(), "the CUDA driver supports CUDA 11.8, and 12.0 is needed: install a newer driver");
    let device = ComputeCapability { major: 7, minor: 5 };
    let none = Error::NoKernelImage { kernel: "scale", device, built: vec![SM_80, SM_90A], refused: Some(222) };
    assert_eq!(
        none.to_string(),
        "kernel `scale` was built for sm_80, sm_90a, and none of these runs on compute capability 7.5 \
         (the driver refused the last one with CUresult 222)"
    );
    let driver = Error::Driver { op: "cuLaunchKernelEx", code: 700 };
    assert_eq!(driver.to_string(), "cuLaunchKernelEx failed with CUresult 700 (CUDA_ERROR_ILLEGAL_ADDRESS)");
    assert_eq!(format!("{driver:?}"), "Driver { op: \"cuLaunchKernelEx\", code: 700 }");
}

#[test]
fn memory_of_another_device_is_a_mismatch() -> Result<()> {
    let (here, there) = (EmulatedDevice::new(DeviceModel::Sm80), EmulatedDevice::new(DeviceModel::Sm80));
    let x = here.upload(&[1.0_f32; 4])?;
    let mut y = here.upload(&[7.0_f32; 4])?;
    let foreign = there.upload(&[1.0_f32; 4])?;
    let mut foreign_target = there.upload(&[7.0_f32; 4])?;
    let mismatch = |argument| Err(Error::DeviceMismatch { op: "scale", argument });
    assert_eq!(scale(&here, foreign.view([4])?, y.view_mut([4])?, 2.0), mismatch("x"));
    assert_eq!(scale(&here, x.view([4])?, foreign_target.view_mut([4])?, 2.0), mismatch("y"));
    assert_eq!(here.download(&foreign), Err(Error::DeviceMismatch { op: "download", argument: "buffer" }));
    let written = here.write(&mut foreign_target, &[0.0; 4]);
    assert_eq!(written, Err(Error::DeviceMismatch { op: "write", argument: "buffer" }));
    assert_eq!((here.download(&y)?, there.download(&foreign_target)?), (vec![7.0; 4], vec![7.0; 4]));
    // A clone is the same device.
    assert_eq!(scale(&here.clone(), x.view([4])?, y.view_mut([4])?, 2.0), Ok(()));
    Ok(())
}

#[test]
fn views_lie_inside_their_buffers() -> Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let mut buffer = device.upload(&[0.0_f32; 12])?;
    assert!(buffer.view([3, 4]).is_ok() && buffer.view([12]).is_ok());
    let wrong = buffer.view([3, 5]).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "view: the shape of `shape` is [3, 5], expected one with the 12 elements of the buffer"
    );
    assert!(matches!(buffer.view_mut([11]), Err(Error::Shape { .. })));
    assert!(matches!(buffer.strided(1, [3, 4], [4, 1]), Err(Error::Shape { .. })));
    assert!(matches!(buffer.strided_mut(0, [3, 4], [4]), Err(Error::Stride { .. })));
    Ok(())
}

#[test]
fn an_operation_has_a_limited_number_of_tensors() -> Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let buffer = device.upload(&[0.0_f32; 4])?;
    let view = buffer.view([4])?;
    let mut args = Args::new(&device, "many")?;
    let registered = (0..25).map(|_| args.read("x", &view)).take_while(|result| result.is_ok()).count();
    assert_eq!(registered, 24);
    Ok(())
}

/// A shape that asks for exactly the limit runs; one more than that is refused by name.
#[test]
fn launches_stay_within_the_limits_of_the_model() -> Result<()> {
    static TILE: Kernel<ScaleParams> = Kernel::new(&IMAGE, "tile");
    let kib = 1024;
    let limits = [
        (DeviceModel::Sm80, 163 * kib),
        (DeviceModel::Sm86, 99 * kib),
        (DeviceModel::Sm89, 99 * kib),
        (DeviceModel::Sm90, 227 * kib),
        (DeviceModel::Sm120, 99 * kib),
    ];
    for (model, limit) in limits {
        let device = EmulatedDevice::new(model);
        assert_eq!(device.caps().shared_memory_per_block, limit);
        let shape = LaunchShape::linear(1, 32);
        let shared = |kernel, bytes| launch_in_shape(&device, kernel, shape.with_dynamic_shared(bytes));
        let refused = |what, limit, got| Err(Error::LaunchLimit { kernel: "scale", what, limit, got });
        assert_eq!(shared(&SCALE, limit), Ok(()), "{model:?}");
        let what = "the number of bytes of dynamic shared memory";
        assert_eq!(shared(&SCALE, limit + 1), refused(what, limit.into(), u64::from(limit) + 1), "{model:?}");

        // `tile` has 1 KiB of static shared memory, which counts too.
        assert_eq!(shared(&TILE, limit - 1024), Ok(()), "{model:?}");
        let what = "the number of bytes of static and dynamic shared memory";
        let (limit, got) = (u64::from(limit), u64::from(limit) + 1);
        let refusal = Err(Error::LaunchLimit { kernel: "tile", what, limit, got });
        assert_eq!(shared(&TILE, limit as u32 - 1023), refusal, "{model:?}");

        let threads = |block| launch_in_shape(&device, &SCALE, LaunchShape { block, ..shape });
        assert_eq!(threads([1024, 1, 1]), Ok(()));
        assert_eq!(threads([1025, 1, 1]), refused("the number of threads in a block", 1024, 1025));
        assert_eq!(threads([32, 33, 1]), refused("the number of threads in a block", 1024, 1056));
        assert_eq!(threads([1, 1, 65]), refused("the number of threads along z", 64, 65));
        let grid = |grid| launch_in_shape(&device, &SCALE, LaunchShape { grid, ..shape });
        assert_eq!(grid([1, 65_536, 1]), refused("the number of blocks along y", 65_535, 65_536));
        assert_eq!(grid([1 << 31, 1, 1]), refused("the number of blocks along x", (1 << 31) - 1, 1 << 31));

        let clusters = launch_in_shape(&device, &SCALE, LaunchShape { cluster: Some([2, 1, 1]), ..shape });
        match model {
            DeviceModel::Sm90 | DeviceModel::Sm120 => assert!(matches!(clusters, Err(Error::Unsupported { .. }))),
            _ => assert_eq!(clusters, refused("the number of blocks in a cluster", 1, 2)),
        }
    }
    Ok(())
}

#[test]
fn the_latest_image_that_fits_runs() -> Result<()> {
    // The two architectures are told apart by a factor of their own.
    const PTX_90A: &str = include_str!("scale/scale_sm90a.ptx");
    static BOTH: Image = Image {
        name: "both",
        ptx: &[PtxImage { arch: SM_80, text: PTX }, PtxImage { arch: SM_90A, text: PTX_90A }],
        cubins: &[],
    };
    static EITHER: Kernel<ScaleParams> = Kernel::new(&BOTH, "scale");
    for model in DeviceModel::ALL {
        let device = EmulatedDevice::new(model);
        let x = device.upload(&[1.0_f32; 4])?;
        let mut y = device.alloc(4)?;
        scale_by(&device, &EITHER, LaunchShape::linear(1, 32), x.view([4])?, y.view_mut([4])?, 2.0)?;
        let expected = if model == DeviceModel::Sm90 { 200.0 } else { 2.0 };
        assert_eq!(device.download(&y)?, [expected; 4], "{model:?}");
    }
    Ok(())
}

#[test]
fn images_that_cannot_run_are_refused() {
    static HOPPER: Image = Image { name: "hopper", ptx: &[PtxImage { arch: SM_90A, text: PTX }], cubins: &[] };
    static HOPPER_ONLY: Kernel<ScaleParams> = Kernel::new(&HOPPER, "scale");
    static STUB: Image = Image { name: "stub", ptx: &[], cubins: &[] };
    static NOT_BUILT: Kernel<ScaleParams> = Kernel::new(&STUB, "scale");
    static CODE: Image = Image { name: "code", ptx: &[], cubins: &[CubinImage { arch: SM_80, bytes: b"\x7fELF" }] };
    static MACHINE_CODE: Kernel<ScaleParams> = Kernel::new(&CODE, "scale");
    static BROKEN: Image = Image {
        name: "broken",
        ptx: &[PtxImage { arch: SM_80, text: ".version 7.0\n.target sm_80\n.address_size 64\nnonsense" }],
        cubins: &[],
    };
    static UNREADABLE: Kernel<ScaleParams> = Kernel::new(&BROKEN, "scale");
    static NAMELESS: Kernel<ScaleParams> = Kernel::new(&IMAGE, "no_such_kernel");

    let device = EmulatedDevice::new(DeviceModel::Sm86);
    let capability = ComputeCapability { major: 8, minor: 6 };
    let none = |arch| Error::NoKernelImage { kernel: "scale", device: capability, built: vec![arch], refused: None };
    assert_eq!(device.preload(&HOPPER_ONLY), Err(none(SM_90A)));
    assert_eq!(device.preload(&MACHINE_CODE), Err(none(SM_80)));
    assert_eq!(device.preload(&NOT_BUILT), Err(Error::KernelsNotBuilt { kernel: "scale" }));
    assert!(
        matches!(device.preload(&UNREADABLE), Err(Error::ImageRefused { image: "broken", what }) if what.contains('4'))
    );
    assert!(
        matches!(device.preload(&NAMELESS), Err(Error::ImageRefused { image: "scale", what }) if what.contains("no_such_kernel"))
    );
    assert_eq!(EmulatedDevice::new(DeviceModel::Sm90).preload(&HOPPER_ONLY), Ok(()));
    assert_eq!(launch_in_shape(&device, &HOPPER_ONLY, LaunchShape::linear(1, 32)), Err(none(SM_90A)));
}

#[test]
fn a_planted_bug_can_stand_in_for_an_image() -> Result<()> {
    // The bounds check of `scale` lets one thread too many through.
    let planted = PTX.replace("setp.ge.u32", "setp.gt.u32");
    assert_ne!(planted, PTX);
    let device = EmulatedDevice::builder(DeviceModel::Sm80).substitute_ptx("scale", planted).build();
    let x = device.upload(&[1.0_f32; 4])?;
    let mut y = device.alloc(4)?;
    let result = scale(&device, x.view([4])?, y.view_mut([4])?, 2.0);
    let Err(Error::Fault(faults)) = result else { panic!("expected a fault, got {result:?}") };
    let fault = &faults.faults[0];
    assert_eq!((fault.kernel.as_str(), fault.block, fault.thread), ("scale", [0, 0, 0], [4, 0, 0]));
    assert!(matches!(fault.kind, FaultKind::OutOfBounds { space: "global", bytes: 4, .. }), "{fault}");
    // The device is none the worse for it, and the embedded kernel is untouched.
    assert_eq!(device.download(&x)?, [1.0; 4]);
    assert_eq!(launch_in_shape(&EmulatedDevice::new(DeviceModel::Sm80), &SCALE, LaunchShape::linear(1, 32)), Ok(()));
    Ok(())
}

#[test]
fn launches_are_counted_until_the_counts_are_taken() -> Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let x = device.upload(&[1.0_f32; 100])?;
    let mut y = device.alloc(100)?;
    scale(&device, x.view([100])?, y.view_mut([100])?, 2.0)?;
    scale(&device, x.view([100])?, y.view_mut([100])?, 3.0)?;
    let counters = device.take_counters();
    // Two launches that each read and write 100 floats: 400 bytes, from an address on a 256-byte boundary, are 13 sectors.
    assert_eq!((counters.global_load_bytes, counters.global_store_bytes), (800, 800));
    assert_eq!((counters.global_load_sectors, counters.global_store_sectors), (26, 26));
    assert_eq!(device.take_counters(), Default::default());
    Ok(())
}

#[test]
fn a_device_names_the_kernels_that_it_has_loaded() -> Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    assert_eq!(device.loaded_kernels(), []);
    let loaded = LoadedKernel { kernel: "scale", image: "scale", ptx: PTX };
    device.preload(&SCALE)?;
    assert_eq!(device.loaded_kernels(), [loaded]);
    assert_eq!(launch_in_shape(&device, &SCALE, LaunchShape::linear(1, 32)), Ok(()));
    assert_eq!(device.loaded_kernels(), [loaded]);
    Ok(())
}

/// A host that owns its memory uses the device as a plain queue, with addresses.
#[test]
fn raw_addresses_go_the_same_way() -> Result<()> {
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let (x, y) = (device.upload(&[1.5_f32; 8])?, device.alloc::<f32>(8)?);
    let params = ScaleParams { x: x.address(), y: y.address(), count: 8, factor: 4.0 };
    device.preload(&SCALE)?;
    // SAFETY: both buffers have 8 elements and outlive the launch, which is over when it returns.
    unsafe { device.launch(&SCALE, &LaunchShape::linear(1, 32), &params) }?;
    assert_eq!(device.download(&y)?, [6.0; 8]);
    Ok(())
}

/// Everything that a program keeps can be kept anywhere and used from any thread.
#[test]
fn everything_is_send_and_sync() -> Result<()> {
    const fn shareable<T: Send + Sync + 'static>() {}
    const {
        shareable::<CudaDevice>();
        shareable::<EmulatedDevice>();
        shareable::<<CudaDevice as Device>::Buffer<half::bf16>>();
        shareable::<<EmulatedDevice as Device>::Buffer<half::bf16>>();
        shareable::<Kernel<ScaleParams>>();
        shareable::<warpsmith::device::Launch<ScaleParams>>();
        shareable::<warpsmith::raw::Stream>();
        shareable::<warpsmith::TensorDesc>();
        shareable::<Error>();
    }
    // And it is used from several threads at once: each of them has its buffers, all share the device and the kernel.
    let device = EmulatedDevice::new(DeviceModel::Sm80);
    let results: Vec<Result<Vec<f32>>> = std::thread::scope(|scope| {
        let run = |factor: f32| {
            let x = device.upload(&[1.0_f32; 64])?;
            let mut y = device.alloc(64)?;
            scale(&device, x.view([64])?, y.view_mut([64])?, factor)?;
            device.download(&y)
        };
        let threads: Vec<_> = (0..4).map(|i| scope.spawn(move || run(i as f32))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    for (i, result) in results.into_iter().enumerate() {
        assert_eq!(result?, [i as f32; 64]);
    }
    Ok(())
}
