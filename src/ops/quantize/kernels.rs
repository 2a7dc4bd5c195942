//! The kernels, and which of them serves an element type.

use crate::abi::QuantizeParams;
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/quantize_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/quantize_bwd.rs"));
}

/// From values to codes.
pub(super) static ENCODE: ByType<Kernel<QuantizeParams>> = ByType {
    f32: Kernel::new(&image::QUANTIZE_FWD, "quantize_fwd_f32"),
    f16: Kernel::new(&image::QUANTIZE_FWD, "quantize_fwd_f16"),
    bf16: Kernel::new(&image::QUANTIZE_FWD, "quantize_fwd_bf16"),
};

/// From codes to values.
pub(super) static DECODE: ByType<Kernel<QuantizeParams>> = ByType {
    f32: Kernel::new(&image::QUANTIZE_BWD, "quantize_bwd_f32"),
    f16: Kernel::new(&image::QUANTIZE_BWD, "quantize_bwd_f16"),
    bf16: Kernel::new(&image::QUANTIZE_BWD, "quantize_bwd_bf16"),
};
