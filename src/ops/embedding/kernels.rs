//! The embedding kernels, and which of them serve an element type.

use crate::abi::{EmbeddingBwdParams, EmbeddingFwdParams, EmbeddingPositionsParams};
use crate::device::Kernel;
use crate::element::DType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/embedding_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/embedding_bwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/embedding_bwd_sort.rs"));
}

/// The forward kernel of an element type, where there is one.
pub(super) const fn forward(dtype: DType) -> Option<&'static Kernel<EmbeddingFwdParams>> {
    match dtype {
        DType::F32 => Some(&EMBEDDING_FWD_F32),
        DType::F16 => Some(&EMBEDDING_FWD_F16),
        DType::Bf16 => Some(&EMBEDDING_FWD_BF16),
        _ => None,
    }
}

/// The kernels that add up gradients of one element type.
pub(super) struct Backward {
    /// For table rows that few rows name.
    pub(super) few: Kernel<EmbeddingBwdParams>,
    /// For those that many name.
    pub(super) many: Kernel<EmbeddingBwdParams>,
    /// For those that were split.
    pub(super) join: Kernel<EmbeddingBwdParams>,
    /// For counted positions.
    pub(super) positions: Kernel<EmbeddingPositionsParams>,
}

impl Backward {
    const fn new(few: &'static str, many: &'static str, join: &'static str, positions: &'static str) -> Self {
        Self {
            few: Kernel::new(&image::EMBEDDING_BWD, few),
            many: Kernel::new(&image::EMBEDDING_BWD, many),
            join: Kernel::new(&image::EMBEDDING_BWD, join),
            positions: Kernel::new(&image::EMBEDDING_BWD, positions),
        }
    }

    /// The kernels for an element type, where there are some.
    pub(super) const fn of(dtype: DType) -> Option<&'static Self> {
        match dtype {
            DType::F32 => Some(&EMBEDDING_BWD_F32),
            DType::F16 => Some(&EMBEDDING_BWD_F16),
            DType::Bf16 => Some(&EMBEDDING_BWD_BF16),
            _ => None,
        }
    }
}

static EMBEDDING_FWD_F32: Kernel<EmbeddingFwdParams> = Kernel::new(&image::EMBEDDING_FWD, "embedding_fwd_f32");
static EMBEDDING_FWD_F16: Kernel<EmbeddingFwdParams> = Kernel::new(&image::EMBEDDING_FWD, "embedding_fwd_f16");
static EMBEDDING_FWD_BF16: Kernel<EmbeddingFwdParams> = Kernel::new(&image::EMBEDDING_FWD, "embedding_fwd_bf16");

/// Zeroes the counts.
pub(super) static CLEAR: Kernel<EmbeddingBwdParams> = Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_clear");
/// Counts the rows of each table row.
pub(super) static COUNT: Kernel<EmbeddingBwdParams> = Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_count");
/// Gives each table row a bucket and the long ones a place in a queue.
pub(super) static ALLOCATE: Kernel<EmbeddingBwdParams> =
    Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_allocate");
/// Fills the buckets.
pub(super) static FILL: Kernel<EmbeddingBwdParams> = Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_fill");

static EMBEDDING_BWD_F32: Backward = Backward::new(
    "embedding_bwd_f32_few",
    "embedding_bwd_f32_many",
    "embedding_bwd_f32_join",
    "embedding_bwd_f32_positions",
);
static EMBEDDING_BWD_F16: Backward = Backward::new(
    "embedding_bwd_f16_few",
    "embedding_bwd_f16_many",
    "embedding_bwd_f16_join",
    "embedding_bwd_f16_positions",
);
static EMBEDDING_BWD_BF16: Backward = Backward::new(
    "embedding_bwd_bf16_few",
    "embedding_bwd_bf16_many",
    "embedding_bwd_bf16_join",
    "embedding_bwd_bf16_positions",
);
