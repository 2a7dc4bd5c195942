//! Which kernels serve an element type.

use crate::element::DType;
use crate::error::{Error, Result};

/// What there is once for each element type that kernels compute in.
pub(super) struct ByType<K> {
    pub(super) f32: K,
    pub(super) f16: K,
    pub(super) bf16: K,
}

impl<K> ByType<K> {
    /// That of one type.
    pub(super) fn of(&self, op: &'static str, dtype: DType) -> Result<&K> {
        match dtype {
            DType::F32 => Ok(&self.f32),
            DType::F16 => Ok(&self.f16),
            DType::Bf16 => Ok(&self.bf16),
            other => {
                Err(Error::Unsupported { op, what: format!("a tensor of {other}"), supported: "f32, f16 and bf16" })
            }
        }
    }
}
