//! The embedding kernels, and which of them serve an element type.

use crate::abi::{EmbeddingBwdParams, EmbeddingFwdParams, EmbeddingPositionsParams};
use crate::device::Kernel;
use crate::ops::by_type::ByType;

mod image {
    use crate::device::*;
    include!(concat!(env!("OUT_DIR"), "/images/embedding_fwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/embedding_bwd.rs"));
    include!(concat!(env!("OUT_DIR"), "/images/embedding_bwd_sort.rs"));
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
}

/// Forward, by element type.
pub(super) static FORWARD: ByType<Kernel<EmbeddingFwdParams>> = ByType {
    f32: Kernel::new(&image::EMBEDDING_FWD, "embedding_fwd_f32"),
    f16: Kernel::new(&image::EMBEDDING_FWD, "embedding_fwd_f16"),
    bf16: Kernel::new(&image::EMBEDDING_FWD, "embedding_fwd_bf16"),
};

/// Zeroes the counts.
pub(super) static CLEAR: Kernel<EmbeddingBwdParams> = Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_clear");
/// Counts the rows of each table row.
pub(super) static COUNT: Kernel<EmbeddingBwdParams> = Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_count");
/// Gives each table row a bucket and the long ones a place in a queue.
pub(super) static ALLOCATE: Kernel<EmbeddingBwdParams> =
    Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_allocate");
/// Fills the buckets.
pub(super) static FILL: Kernel<EmbeddingBwdParams> = Kernel::new(&image::EMBEDDING_BWD_SORT, "embedding_bwd_fill");

/// Backward, by element type.
pub(super) static BACKWARD: ByType<Backward> = ByType {
    f32: Backward::new(
        "embedding_bwd_f32_few",
        "embedding_bwd_f32_many",
        "embedding_bwd_f32_join",
        "embedding_bwd_f32_positions",
    ),
    f16: Backward::new(
        "embedding_bwd_f16_few",
        "embedding_bwd_f16_many",
        "embedding_bwd_f16_join",
        "embedding_bwd_f16_positions",
    ),
    bf16: Backward::new(
        "embedding_bwd_bf16_few",
        "embedding_bwd_bf16_many",
        "embedding_bwd_bf16_join",
        "embedding_bwd_bf16_positions",
    ),
};
