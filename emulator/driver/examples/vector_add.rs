//! A cudarc program as one writes it for a GPU; nothing in it knows of the emulator. It runs on whatever `libcuda.so.1` the loader finds:
//!
//! ```sh
//! cargo build -p ptx-emulator-driver --example vector_add
//! mkdir -p target/emulated-driver && ln -sf "$PWD/target/debug/libptx_emulator_driver.so" target/emulated-driver/libcuda.so.1
//! LD_LIBRARY_PATH=target/emulated-driver PTX_EMULATOR_MODEL=sm_90 target/debug/examples/vector_add
//! ```

use cudarc::driver::{CudaContext, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;

const KERNEL: &str = "
.version 7.0
.target sm_80
.address_size 64
.visible .entry vector_add(.param .u64 out, .param .u64 a, .param .u64 b, .param .u64 n)
{
    .reg .pred %p;
    .reg .b32 %r<4>;
    .reg .f32 %f<3>;
    .reg .b64 %rd<6>;
    mov.u32 %r0, %ctaid.x;
    mov.u32 %r1, %ntid.x;
    mov.u32 %r2, %tid.x;
    mad.lo.u32 %r3, %r0, %r1, %r2;
    cvt.u64.u32 %rd0, %r3;
    ld.param.u64 %rd1, [n];
    setp.ge.u64 %p, %rd0, %rd1;
    @%p ret;
    shl.b64 %rd0, %rd0, 2;
    ld.param.u64 %rd2, [a];
    ld.param.u64 %rd3, [b];
    ld.param.u64 %rd4, [out];
    add.u64 %rd2, %rd2, %rd0;
    add.u64 %rd3, %rd3, %rd0;
    add.u64 %rd4, %rd4, %rd0;
    ld.global.f32 %f0, [%rd2];
    ld.global.f32 %f1, [%rd3];
    add.f32 %f2, %f0, %f1;
    st.global.f32 [%rd4], %f2;
    ret;
}";

fn vector_add(a: &[f32], b: &[f32]) -> Result<(String, Vec<f32>), DriverError> {
    let context = CudaContext::new(0)?;
    let stream = context.default_stream();
    let kernel = context.load_module(Ptx::from_src(KERNEL))?.load_function("vector_add")?;
    let (a, b) = (stream.clone_htod(a)?, stream.clone_htod(b)?);
    let n = a.len().min(b.len());
    let mut out = stream.alloc_zeros::<f32>(n)?;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut out).arg(&a).arg(&b).arg(&n);
    // SAFETY: the kernel takes three addresses and a length, and touches the first `n` elements of each, which all three have.
    unsafe { launch.launch(LaunchConfig::for_num_elems(n as u32))? };
    Ok((context.name()?, stream.clone_dtoh(&out)?))
}

fn main() -> Result<(), DriverError> {
    let a: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let (name, sums) = vector_add(&a, &[1.0; 1000])?;
    println!("{name}: {:?} ... {:?}", &sums[..3], sums.last());
    Ok(())
}

#[cfg(test)]
mod tests {
    use ptx_emulator_driver_harness::emulated;

    #[test]
    fn it_runs_on_the_drop_in_driver() {
        emulated("tests::it_runs_on_the_drop_in_driver", &[("PTX_EMULATOR_MODEL", "sm_90")], || {
            let (name, sums) = super::vector_add(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]).unwrap();
            assert_eq!((name.contains("emulator"), sums), (true, vec![11.0, 22.0, 33.0]));
            super::main().unwrap();
        });
    }
}
