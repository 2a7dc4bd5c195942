//! The token masking kernels.

use crate::abi::MaskTokensFwdParams;
use crate::device::Kernel;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/mask_tokens_fwd.rs"));
}

/// For ids of 32 bits.
pub(super) static FWD_I32: Kernel<MaskTokensFwdParams> = Kernel::new(&image::MASK_TOKENS_FWD, "mask_tokens_fwd_i32");
/// For ids of 64 bits.
pub(super) static FWD_I64: Kernel<MaskTokensFwdParams> = Kernel::new(&image::MASK_TOKENS_FWD, "mask_tokens_fwd_i64");
