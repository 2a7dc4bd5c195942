//! The checks that plans make of their tensors, each with the error that names the operation and the argument.

use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::{MAX_RANK, Shape, TensorDesc};

/// A tensor with the names that errors need. Checks can be chained: each returns the argument again.
#[derive(Clone, Copy)]
pub(crate) struct Arg<'a> {
    pub op: &'static str,
    pub name: &'static str,
    pub tensor: &'a TensorDesc,
}

impl<'a> Arg<'a> {
    pub(crate) const fn new(op: &'static str, name: &'static str, tensor: &'a TensorDesc) -> Self {
        Self { op, name, tensor }
    }

    /// What every tensor has to be: as many strides as dimensions, at least one element and countably many, an address
    /// that is not null and a multiple of the element's size.
    pub(crate) fn sound(self) -> Result<Self> {
        let TensorDesc { address, shape, strides, dtype } = *self.tensor;
        if strides.len() != shape.len() {
            return Err(self.stride(&format!("one for each of the {} dimensions", shape.len())));
        }
        if shape.contains(&0) {
            return Err(self.shape_error("at least one element".into()));
        }
        if shape.checked_elements().is_none_or(|elements| i64::try_from(elements).is_err()) {
            return Err(self.range("the number of elements", i64::MAX as u64, u64::MAX));
        }
        if address == 0 {
            return Err(Error::Null { op: self.op, argument: self.name });
        }
        self.aligned(dtype.size() as u64)
    }

    /// The element type.
    pub(crate) fn dtype(self, expected: DType) -> Result<Self> {
        let got = self.tensor.dtype;
        if got == expected { Ok(self) } else { Err(Error::DType { op: self.op, argument: self.name, expected, got }) }
    }

    /// The number of dimensions.
    pub(crate) fn rank(self, rank: usize) -> Result<Self> {
        if self.tensor.shape.len() == rank { Ok(self) } else { Err(self.shape_error(format!("{rank} dimensions"))) }
    }

    /// The exact shape.
    pub(crate) fn shape(self, shape: impl Into<Shape>) -> Result<Self> {
        let expected = shape.into();
        if self.tensor.shape == expected { Ok(self) } else { Err(self.shape_error(format!("{expected:?}"))) }
    }

    /// No gaps at all, last dimension innermost.
    pub(crate) fn contiguous(self) -> Result<Self> {
        let TensorDesc { shape, strides, .. } = self.tensor;
        let packed = shape.contiguous_strides();
        // The stride of a dimension of one element is never used.
        let fits = shape.iter().zip(strides.iter()).zip(packed.iter()).all(|((&n, a), b)| n == 1 || a == b);
        if fits { Ok(self) } else { Err(self.stride(&format!("{packed:?} (no gaps)"))) }
    }

    /// Neighbours along the last dimension lie side by side.
    pub(crate) fn unit_inner_stride(self) -> Result<Self> {
        let TensorDesc { shape, strides, .. } = self.tensor;
        match (shape.last(), strides.last()) {
            (Some(&n), Some(&stride)) if n > 1 && stride != 1 => Err(self.stride("1 along the last dimension")),
            _ => Ok(self),
        }
    }

    /// Every stride between 0 and `limit` elements.
    pub(crate) fn strides_within(self, limit: i64) -> Result<Self> {
        let fits = self.tensor.strides.iter().all(|stride| (0..=limit).contains(stride));
        if fits { Ok(self) } else { Err(self.stride(&format!("each of them from 0 to {limit}"))) }
    }

    /// An address that is a multiple of `required` bytes.
    pub(crate) fn aligned(self, required: u64) -> Result<Self> {
        let address = self.tensor.address;
        if address.is_multiple_of(required) {
            Ok(self)
        } else {
            Err(Error::Misaligned { op: self.op, argument: self.name, address, required })
        }
    }

    /// At most `limit` elements along dimension `axis`.
    pub(crate) fn extent_at_most(self, axis: usize, what: &'static str, limit: u64) -> Result<Self> {
        let got = self.tensor.shape.get(axis).map_or(0, |&n| n as u64);
        if got <= limit { Ok(self) } else { Err(self.range(what, limit, got)) }
    }

    /// At most `limit` elements.
    pub(crate) fn elements_at_most(self, limit: u64) -> Result<Self> {
        let got = self.tensor.shape.elements() as u64;
        if got <= limit { Ok(self) } else { Err(self.range("the number of elements", limit, got)) }
    }

    /// A workspace of at least `required` bytes, aligned to 16.
    pub(crate) fn workspace(self, required: u64) -> Result<Self> {
        let got = (self.tensor.shape.elements() * self.tensor.dtype.size()) as u64;
        if got < required {
            return Err(Error::WorkspaceTooSmall { op: self.op, required, got });
        }
        self.contiguous()?.aligned(16)
    }

    fn shape_error(self, expected: String) -> Error {
        Error::Shape { op: self.op, argument: self.name, expected, got: self.tensor.shape }
    }

    fn stride(self, expected: &str) -> Error {
        Error::Stride { op: self.op, argument: self.name, expected: expected.into(), got: self.tensor.strides }
    }

    fn range(self, what: &'static str, limit: u64, got: u64) -> Error {
        Error::IndexRange { op: self.op, argument: self.name, what, limit, got }
    }
}

/// Every output apart from every input, from every other output, and from itself.
pub(crate) fn disjoint(outputs: &[Arg<'_>], inputs: &[Arg<'_>]) -> Result<()> {
    for (i, output) in outputs.iter().enumerate() {
        let aliasing = |other: &Arg<'_>| Error::Aliasing { op: output.op, argument: output.name, other: other.name };
        if overlaps_itself(output.tensor) {
            return Err(aliasing(output));
        }
        if let Some(other) = inputs.iter().chain(&outputs[..i]).find(|other| overlap(output.tensor, other.tensor)) {
            return Err(aliasing(other));
        }
    }
    Ok(())
}

/// Whether two elements of one tensor may share memory: a stride that is not beyond all that the smaller ones reach.
fn overlaps_itself(tensor: &TensorDesc) -> bool {
    let mut dims = dims_of(tensor);
    dims.sort_unstable_by_key(|&(stride, _)| stride);
    let mut reach = 0;
    dims.iter().filter(|&&(_, n)| n > 1).any(|&(stride, n)| {
        let overlaps = stride <= reach;
        reach += stride * (n - 1);
        overlaps
    })
}

/// Whether two tensors share memory. Exact for tensors that lie beside or between one another with strides that nest (two
/// column ranges of one matrix, the three parts of a packed QKV); a doubtful case counts as shared.
fn overlap(a: &TensorDesc, b: &TensorDesc) -> bool {
    let (Some(span_a), Some(span_b)) = (a.span(), b.span()) else {
        return false;
    };
    let low = |tensor: &TensorDesc, span: (i128, i128)| i128::from(tensor.address) + span.0;
    let (start_a, start_b) = (low(a, span_a), low(b, span_b));
    let (end_a, end_b) = (start_a + span_a.1 - span_a.0, start_b + span_b.1 - span_b.0);
    if end_a <= start_b || end_b <= start_a {
        return false;
    }
    // Both as sets of start addresses over the same strides: a stride that one of them lacks has one position in it.
    let positions =
        |from: [(i128, i128); MAX_RANK], side: fn(i128) -> (i128, i128)| from.map(|(stride, n)| (stride, side(n - 1)));
    let (in_a, in_b) = (positions(dims_of(a), |reach| (reach, 0)), positions(dims_of(b), |reach| (0, reach)));
    let mut dims = [(0, (0, 0)); 2 * MAX_RANK];
    dims[..MAX_RANK].copy_from_slice(&in_a);
    dims[MAX_RANK..].copy_from_slice(&in_b);
    let size = (a.dtype.size() as i128, b.dtype.size() as i128);
    dims.sort_unstable_by_key(|&(stride, _)| std::cmp::Reverse(stride));
    for i in 1..dims.len() {
        if dims[i].0 == dims[i - 1].0 {
            let (ahead, behind) = std::mem::take(&mut dims[i - 1].1);
            dims[i].1 = (dims[i].1.0 + ahead, dims[i].1.1 + behind);
        }
    }
    meets(start_a - start_b, &dims, size)
}

/// Whether `distance + sum of k[i] * stride[i]`, for some `-behind[i] <= k[i] <= ahead[i]`, lies less than an element from 0:
/// less than the first's size below it, or less than the second's above it.
fn meets(distance: i128, dims: &[(i128, (i128, i128))], size: (i128, i128)) -> bool {
    let Some((&(stride, (ahead, behind)), inner)) = dims.split_first() else {
        return -size.0 < distance && distance < size.1;
    };
    if stride == 0 || (ahead == 0 && behind == 0) {
        return meets(distance, inner, size);
    }
    let reach = |side: fn(&(i128, i128)) -> i128| inner.iter().map(|(stride, k)| stride * side(k)).sum::<i128>();
    let (up, down) = (reach(|k| k.0), reach(|k| k.1));
    let first = (-(size.0 - 1 + up + distance).div_euclid(stride)).max(-behind);
    let last = (size.1 - 1 + down - distance).div_euclid(stride).min(ahead);
    // Nested strides leave two or three candidates. More are not worth the search: such tensors count as shared.
    const MOST: i128 = 4;
    last - first >= MOST || (first..=last).any(|k| meets(distance + k * stride, inner, size))
}

/// Strides in bytes, without their signs, and extents; unused places have one element.
fn dims_of(tensor: &TensorDesc) -> [(i128, i128); MAX_RANK] {
    let mut dims = [(0, 1); MAX_RANK];
    let size = tensor.dtype.size() as i128;
    for (dim, (&n, &stride)) in dims.iter_mut().zip(tensor.shape.iter().zip(tensor.strides.iter())) {
        *dim = (i128::from(stride).abs() * size, n as i128);
    }
    dims
}
