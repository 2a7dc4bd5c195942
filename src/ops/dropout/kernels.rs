//! The dropout kernels, and which of them serves an element type.

use crate::abi::DropoutFwdParams;
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/dropout_fwd.rs"));
}

/// Both directions.
pub(super) static FORWARD: ByType<Kernel<DropoutFwdParams>> = ByType {
    f32: Kernel::new(&image::DROPOUT_FWD, "dropout_fwd_f32"),
    f16: Kernel::new(&image::DROPOUT_FWD, "dropout_fwd_f16"),
    bf16: Kernel::new(&image::DROPOUT_FWD, "dropout_fwd_bf16"),
};
