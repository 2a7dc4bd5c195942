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
