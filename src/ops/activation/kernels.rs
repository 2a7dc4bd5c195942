//! The activation kernels, and which of them serves an element type.

use crate::abi::{ActivationBwdParams, ActivationFwdParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/activation_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/activation_bwd.rs"));
}

/// Forward.
pub(super) static FORWARD: ByType<Kernel<ActivationFwdParams>> = ByType {
    f32: Kernel::new(&image::ACTIVATION_FWD, "activation_fwd_f32"),
    f16: Kernel::new(&image::ACTIVATION_FWD, "activation_fwd_f16"),
    bf16: Kernel::new(&image::ACTIVATION_FWD, "activation_fwd_bf16"),
};
/// Backward.
pub(super) static BACKWARD: ByType<Kernel<ActivationBwdParams>> = ByType {
    f32: Kernel::new(&image::ACTIVATION_BWD, "activation_bwd_f32"),
    f16: Kernel::new(&image::ACTIVATION_BWD, "activation_bwd_f16"),
    bf16: Kernel::new(&image::ACTIVATION_BWD, "activation_bwd_bf16"),
};
