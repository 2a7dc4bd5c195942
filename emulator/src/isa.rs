//! Run-time choice of the host's instruction set: each lane operation is compiled for every level and picked once, at load.

use crate::exec::{Env, Warp};

/// What one instruction does to the lanes of a mask.
pub(crate) type Action = Box<dyn Fn(&mut Warp, &mut Env<'_>, u32) + Send + Sync>;

/// A level of the x86-64 instruction set. On other hosts there is only the baseline. A third level, AVX-512, would make kernels
/// a few percent faster and the compilation of this crate half as long again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isa {
    /// What the crate was compiled for.
    Baseline,
    /// x86-64-v3: AVX2, FMA, F16C.
    V3,
}

impl Isa {
    /// The fastest level of this machine.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            let vectors = has!("avx2") && has!("fma") && has!("f16c");
            if vectors && has!("bmi1") && has!("bmi2") && has!("lzcnt") && has!("popcnt") && has!("movbe") {
                return Self::V3;
            }
        }
        Self::Baseline
    }

    /// Compiles `f` for this level. `f` must be `#[inline(always)]` all the way down, or its inside stays baseline code.
    pub fn compile<F>(self, f: F) -> Action
    where
        F: Fn(&mut Warp, &mut Env<'_>, u32) + Send + Sync + 'static,
    {
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: only `detect` makes V3, after it has seen every feature that `run_v3` enables.
            Self::V3 => Box::new(move |warp, env, mask| unsafe { run_v3(&f, warp, env, mask) }),
            _ => Box::new(f),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,movbe")]
fn run_v3<F: Fn(&mut Warp, &mut Env<'_>, u32)>(f: &F, warp: &mut Warp, env: &mut Env<'_>, mask: u32) {
    f(warp, env, mask);
}

#[cfg(test)]
mod tests {
    use super::Isa;
    use crate::{Approximation, Config, DeviceModel, Emulator, Launch, Module};

    /// Runs a kernel of one pointer parameter on 64 words, compiled for a level.
    fn run(ptx: &str, kernel: &str, isa: Isa, approximation: Approximation) -> Vec<u8> {
        let module = Module::load_for(ptx, isa).unwrap();
        let kernel = module.kernel(kernel).unwrap();
        let device = Emulator::new(Config { approximation, ..Config::new(DeviceModel::Sm80) });
        let data = device.alloc(64 * 1024, "data").unwrap();
        // Every exponent and sign, subnormals, infinities and NaN.
        let input: Vec<u8> = (0..64u32).flat_map(|i| (i.wrapping_mul(0x0410_1011) ^ i << 24).to_le_bytes()).collect();
        device.write(data, &input).unwrap();
        let params = data.to_le_bytes();
        let (grid, block) = ([1, 1, 1], [64, 1, 1]);
        let launch = Launch { kernel: &kernel, grid, block, dynamic_shared: 0, params: &params, config: None };
        device.launch(&launch).unwrap();
        let mut out = vec![0; 64 * 1024];
        device.read(data, &mut out).unwrap();
        out
    }

    /// Stores the result of each instruction on the inputs of this thread and of its neighbours.
    fn kernel(instructions: &[&str]) -> String {
        let mut body = String::new();
        for (at, instruction) in instructions.iter().enumerate() {
            body += &format!("{instruction};\nst.global.b32 [%rd2+{}], %d;\n", 256 * (at + 1));
        }
        format!(
            ".version 7.8\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p) {{
            .reg .b32 %r<4>, %a, %b, %c, %d;\n.reg .b64 %rd<4>;\n.reg .pred %p;
            ld.param.u64 %rd0, [p];\nmov.u32 %r0, %tid.x;\nmul.wide.u32 %rd1, %r0, 4;\nadd.u64 %rd2, %rd0, %rd1;
            ld.global.b32 %a, [%rd2];
            shfl.sync.bfly.b32 %b, %a, 5, 31, -1;\nshfl.sync.idx.b32 %c, %a, 9, 31, -1;
            {body}ret;\n}}"
        )
    }

    #[test]
    fn levels_agree_bit_for_bit() {
        let forms = [
            "add.f32 %d, %a, %b",
            "add.ftz.sat.f32 %d, %a, %b",
            "mul.f32 %d, %a, %b",
            "fma.rn.f32 %d, %a, %b, %c",
            "fma.rm.f32 %d, %a, %b, %c",
            "div.rn.f32 %d, %a, %b",
            "min.f32 %d, %a, %b",
            "max.NaN.f32 %d, %a, %b",
            "fma.rn.f16x2 %d, %a, %b, %c",
            "mul.bf16x2 %d, %a, %b",
            "cvt.rn.f16x2.f32 %d, %a, %b",
            "cvt.rn.bf16x2.f32 %d, %a, %b",
            "cvt.rni.s32.f32 %d, %a",
            "cvt.rn.f32.u32 %d, %a",
            "cvt.sat.f32.f32 %d, %a",
            "ex2.approx.ftz.f32 %d, %a",
            "lg2.approx.f32 %d, %a",
            "rcp.approx.ftz.f32 %d, %a",
            "rsqrt.approx.f32 %d, %a",
            "sqrt.rn.f32 %d, %a",
            "tanh.approx.f32 %d, %a",
            "div.full.f32 %d, %a, %b",
            "mad.lo.s32 %d, %a, %b, %c",
            "mul.hi.u32 %d, %a, %b",
            "prmt.b32 %d, %a, %b, %c",
            "lop3.b32 %d, %a, %b, %c, 0x96",
            "shf.l.wrap.b32 %d, %a, %b, %c",
            "setp.lt.f32 %p, %a, %b;\nselp.b32 %d, %a, %c, %p",
            "@%p sub.f32 %d, %a, %c",
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%d, %r1, %r2, %r3}, {%a, %b, %c, %a}, {%b, %c}, {%a, %a, %a, %a}",
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%d, %r1, %r2, %r3}, {%a, %b, %c, %a}, {%b, %c}, {%a, %a, %a, %a}",
        ];
        let ptx = kernel(&forms);
        for approximation in [Approximation::Exact, Approximation::Perturbed] {
            let [baseline, best] = [Isa::Baseline, Isa::detect()].map(|isa| run(&ptx, "k", isa, approximation));
            for (at, form) in forms.iter().enumerate() {
                let rows = 256 * (at + 1)..256 * (at + 2);
                assert_eq!(baseline[rows.clone()], best[rows], "{form}, {approximation:?}");
            }
        }
    }
}
