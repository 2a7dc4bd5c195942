//! The RMS norm kernels, and which of them serve an element type.

use crate::abi::{RmsNormBwdParams, RmsNormBwdReduceParams, RmsNormFwdParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;
use crate::ops::norms;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_fwd_general.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_bwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_bwd_general.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/rms_norm_bwd_reduce.rs"));
}

type Forward = norms::Forward<RmsNormFwdParams>;
type Backward = norms::Backward<RmsNormBwdParams, RmsNormBwdReduceParams>;

const fn fwd(plain: &'static str, general: &'static str) -> Forward {
    Forward {
        plain: Kernel::new(&image::RMS_NORM_FWD, plain),
        general: Kernel::new(&image::RMS_NORM_FWD_GENERAL, general),
    }
}

const fn bwd(plain: &'static str, dx: &'static str, columns: &'static str, reduce: &'static str) -> Backward {
    Backward {
        plain: Kernel::new(&image::RMS_NORM_BWD, plain),
        dx: Kernel::new(&image::RMS_NORM_BWD_GENERAL, dx),
        columns: Kernel::new(&image::RMS_NORM_BWD_GENERAL, columns),
        reduce: Kernel::new(&image::RMS_NORM_BWD_REDUCE, reduce),
    }
}

/// Forward, by element type.
pub(super) static FORWARD: ByType<Forward> = ByType {
    f32: fwd("rms_norm_fwd_f32", "rms_norm_fwd_f32_general"),
    f16: fwd("rms_norm_fwd_f16", "rms_norm_fwd_f16_general"),
    bf16: fwd("rms_norm_fwd_bf16", "rms_norm_fwd_bf16_general"),
};
/// Backward, by element type.
pub(super) static BACKWARD: ByType<Backward> = ByType {
    f32: bwd("rms_norm_bwd_f32", "rms_norm_bwd_f32_dx", "rms_norm_bwd_f32_columns", "rms_norm_bwd_f32_reduce"),
    f16: bwd("rms_norm_bwd_f16", "rms_norm_bwd_f16_dx", "rms_norm_bwd_f16_columns", "rms_norm_bwd_f16_reduce"),
    bf16: bwd("rms_norm_bwd_bf16", "rms_norm_bwd_bf16_dx", "rms_norm_bwd_bf16_columns", "rms_norm_bwd_bf16_reduce"),
};
