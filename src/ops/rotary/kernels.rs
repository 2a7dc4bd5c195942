//! The rotary embedding kernels, and which of them serve an element type.

use crate::abi::RotaryParams;
use crate::device::Kernel;
use crate::element::DType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/rotary_fwd.rs"));
}

/// The kernels of one element type.
pub(super) struct Kernels {
    /// For heads that are made of 16-byte vectors.
    pub(super) plain: Kernel<RotaryParams>,
    /// For all others.
    pub(super) general: Kernel<RotaryParams>,
}

impl Kernels {
    const fn new(plain: &'static str, general: &'static str) -> Self {
        Self { plain: Kernel::new(&image::ROTARY_FWD, plain), general: Kernel::new(&image::ROTARY_FWD, general) }
    }

    /// The kernels for an element type, where there are some.
    pub(super) const fn of(dtype: DType) -> Option<&'static Self> {
        match dtype {
            DType::F32 => Some(&ROTARY_F32),
            DType::F16 => Some(&ROTARY_F16),
            DType::Bf16 => Some(&ROTARY_BF16),
            _ => None,
        }
    }
}

static ROTARY_F32: Kernels = Kernels::new("rotary_fwd_f32", "rotary_fwd_f32_general");
static ROTARY_F16: Kernels = Kernels::new("rotary_fwd_f16", "rotary_fwd_f16_general");
static ROTARY_BF16: Kernels = Kernels::new("rotary_fwd_bf16", "rotary_fwd_bf16_general");
