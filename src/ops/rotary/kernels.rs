//! The rotary embedding kernels, and which of them serve an element type.

use crate::abi::RotaryParams;
use crate::device::Kernel;
use crate::ops::by_type::ByType;

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
}

/// All of them, by element type.
pub(super) static KERNELS: ByType<Kernels> = ByType {
    f32: Kernels::new("rotary_fwd_f32", "rotary_fwd_f32_general"),
    f16: Kernels::new("rotary_fwd_f16", "rotary_fwd_f16_general"),
    bf16: Kernels::new("rotary_fwd_bf16", "rotary_fwd_bf16_general"),
};
