//! The checks that plans make of their tensors, each with the error that names the operation and the argument.

use crate::element::DType;
use crate::error::{Error, Result};
use crate::view::{MAX_RANK, Shape, TensorDesc};

/// A tensor as rows of neighbouring elements, all leading dimensions taken as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// The number of rows.
    pub rows: i64,
    /// Elements of a row.
    pub width: u64,
    /// The distance between two rows, in elements; the width where there is only one.
    pub stride: i64,
}

impl Rows {
    /// Whether the rows follow one another without gaps.
    pub(crate) fn is_contiguous(&self) -> bool {
        u64::try_from(self.stride) == Ok(self.width)
    }
}

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

    /// The number of dimensions is as it should be.
    pub(crate) fn rank(self, rank: usize) -> Result<Self> {
        if self.tensor.shape.len() == rank { Ok(self) } else { Err(self.shape_error(format!("{rank} dimensions"))) }
    }

    /// The exact shape.
    pub(crate) fn shape(self, shape: impl Into<Shape>) -> Result<Self> {
        let expected = shape.into();
        if self.tensor.shape == expected { Ok(self) } else { Err(self.shape_error(format!("{expected:?}"))) }
    }

    /// The two halves of each row.
    pub(crate) fn halves(self) -> Result<[TensorDesc; 2]> {
        self.sound()?.unit_inner_stride()?;
        let TensorDesc { address, mut shape, strides, dtype } = *self.tensor;
        match shape.last_mut() {
            Some(width) if width.is_multiple_of(2) => {
                *width /= 2;
                let second = address + (*width * dtype.size()) as u64;
                Ok([address, second].map(|address| TensorDesc { address, shape, strides, dtype }))
            }
            _ => Err(self.shape_error("an even number of elements along the last dimension".into())),
        }
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

    /// The tensor as rows at one distance, which must not be negative. A sound tensor without gaps always is, of any rank.
    pub(crate) fn rows(self) -> Result<Rows> {
        self.unit_inner_stride()?;
        let TensorDesc { shape, strides, dtype, .. } = self.tensor;
        let (width, leading) = shape.split_last().map_or((1, &[][..]), |(&width, leading)| (width as u64, leading));
        let mut rows = Rows { rows: 1, width, stride: width as i64 };
        for (&n, &stride) in leading.iter().zip(strides.iter()).rev().filter(|&(&n, _)| n > 1) {
            if rows.rows == 1 {
                rows.stride = stride;
            } else if Some(stride) != rows.stride.checked_mul(rows.rows) {
                return Err(self.stride("such that all leading dimensions together are rows at one distance"));
            }
            rows.rows *= n as i64;
        }
        if rows.stride < 0 {
            return Err(self.stride("no negative one"));
        }
        let reach = i128::from(rows.rows - 1) * i128::from(rows.stride) + i128::from(width);
        let limit = i64::MAX / dtype.size() as i64;
        if reach > i128::from(limit) {
            let got = u64::try_from(reach).unwrap_or(u64::MAX);
            return Err(self.range("the distance from the first element to the last", limit as u64, got));
        }
        Ok(rows)
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

    /// Strides that are multiples of `required` bytes, along every dimension but the last that has more than one element.
    pub(crate) fn strides_aligned(self, required: u64) -> Result<Self> {
        let TensorDesc { address, shape, strides, dtype } = *self.tensor;
        let outer = shape.len().saturating_sub(1);
        let bytes = |stride: i64| i128::from(stride) * dtype.size() as i128;
        let wrong = |&(&n, &stride): &(&usize, &i64)| n > 1 && bytes(stride) % i128::from(required) != 0;
        match shape.iter().zip(strides.iter()).take(outer).find(wrong) {
            Some((_, &stride)) => {
                let address = (i128::from(address) + bytes(stride)) as u64;
                Err(Error::Misaligned { op: self.op, argument: self.name, address, required })
            }
            None => Ok(self),
        }
    }

    /// Offsets in bytes that 64 bits hold, whatever the signs of the strides.
    pub(crate) fn reachable(self) -> Result<Self> {
        let limit = i64::MAX / self.tensor.dtype.size() as i64;
        let reach: i128 = dims_of(self.tensor).iter().map(|(stride, n)| stride * (n - 1)).sum();
        let elements = reach / self.tensor.dtype.size() as i128;
        if elements < i128::from(limit) {
            return Ok(self);
        }
        let got = u64::try_from(elements).unwrap_or(u64::MAX);
        Err(self.range("the distance from the first element to the last", limit as u64, got))
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
    apart(outputs.iter().copied(), inputs.iter().copied())
}

/// The same for those tensors that there are.
pub(crate) fn disjoint_present(outputs: &[Option<Arg<'_>>], inputs: &[Option<Arg<'_>>]) -> Result<()> {
    apart(outputs.iter().flatten().copied(), inputs.iter().flatten().copied())
}

fn apart<'a>(
    outputs: impl Iterator<Item = Arg<'a>> + Clone,
    inputs: impl Iterator<Item = Arg<'a>> + Clone,
) -> Result<()> {
    for (i, output) in outputs.clone().enumerate() {
        let aliasing = |other: Arg<'_>| Error::Aliasing { op: output.op, argument: output.name, other: other.name };
        if overlaps_itself(output.tensor) {
            return Err(aliasing(output));
        }
        let mut others = inputs.clone().chain(outputs.clone().take(i));
        if let Some(other) = others.find(|other| overlap(output.tensor, other.tensor)) {
            return Err(aliasing(other));
        }
    }
    Ok(())
}

/// The address of an optional tensor as kernels take it: 0 where there is none.
pub(crate) fn address(tensor: Option<Arg<'_>>) -> u64 {
    tensor.map_or(0, |tensor| tensor.tensor.address)
}

/// The same, where an output may be exactly the memory of the input beside it: an operation in place.
pub(crate) fn disjoint_or_in_place(pairs: &[(Arg<'_>, Arg<'_>)], others: &[Option<Arg<'_>>]) -> Result<()> {
    for (i, (output, input)) in pairs.iter().enumerate() {
        let inputs = pairs.iter().enumerate().map(|(j, (_, other))| (*other, i == j && output.tensor == input.tensor));
        for (other, in_place) in inputs.chain(others.iter().flatten().map(|other| (*other, false))) {
            if !in_place {
                disjoint(&[*output], &[other])?;
            }
        }
        for (earlier, _) in &pairs[..i] {
            disjoint(&[*output], &[*earlier])?;
        }
        disjoint(&[*output], &[])?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{Dims, Strides};

    fn tensor(address: u64, shape: &[usize], strides: &[i64], dtype: DType) -> TensorDesc {
        let (Ok(shape), Ok(strides)) = (Shape::try_from(shape), Strides::try_from(strides)) else {
            panic!("test tensors have a rank within bounds");
        };
        TensorDesc { address, shape, strides, dtype }
    }

    fn rows(address: u64, shape: [usize; 2], pitch: i64) -> TensorDesc {
        tensor(address, &shape, &[pitch, 1], DType::F32)
    }

    /// The address of every byte, in any order.
    fn bytes(tensor: &TensorDesc) -> Vec<i128> {
        let mut addresses = vec![i128::from(tensor.address)];
        for (&n, &stride) in tensor.shape.iter().zip(tensor.strides.iter()) {
            let step = i128::from(stride) * tensor.dtype.size() as i128;
            addresses = addresses.iter().flat_map(|a| (0..n as i128).map(move |i| a + i * step)).collect();
        }
        addresses.iter().flat_map(|a| (0..tensor.dtype.size() as i128).map(move |i| a + i)).collect()
    }

    fn share(a: &TensorDesc, b: &TensorDesc) -> bool {
        let of_b: std::collections::HashSet<_> = bytes(b).into_iter().collect();
        bytes(a).iter().any(|byte| of_b.contains(byte))
    }

    #[test]
    fn interleaved_tensors_do_not_overlap() {
        // The two halves of the columns of one matrix.
        assert!(!overlap(&rows(4096, [8, 16], 32), &rows(4096 + 64, [8, 16], 32)));
        assert!(overlap(&rows(4096, [8, 17], 32), &rows(4096 + 64, [8, 16], 32)));
        // Q, K and V of one packed [batch 2, length 3, 3, heads 2, dim 4] tensor, as [batch, length, heads, dim].
        let part = |i: u64| tensor(4096 + i * 32, &[2, 3, 2, 4], &[72, 24, 4, 1], DType::F32);
        assert!(!overlap(&part(0), &part(1)) && !overlap(&part(2), &part(0)) && overlap(&part(1), &part(1)));
        // The same with the rows of one of them upside down.
        let upside_down = tensor(4096 + 64 + 7 * 128, &[8, 16], &[-32, 1], DType::F32);
        assert!(!overlap(&rows(4096, [8, 16], 32), &upside_down));
        assert!(overlap(&rows(4096, [8, 17], 32), &upside_down));
    }

    /// Every pair of small tensors over a few strides and offsets, against the sets of their bytes. A pair that shares
    /// memory is always found; a pair that does not is never called shared where the strides nest.
    #[test]
    fn overlap_agrees_with_the_sets_of_bytes() {
        let (mut shared, mut apart) = (0, 0);
        for strides in [[8, 1], [8, -1], [-8, 2], [12, 4], [1, 8]] {
            for shape in [[1, 1], [3, 2], [2, 4], [4, 1]] {
                for offset in 0..40 {
                    let a = tensor(1024, &[3, 2], &[8, 1], DType::F32);
                    let b = tensor(1024 - 80 + 4 * offset, &shape, &strides, DType::F32);
                    let c = TensorDesc { address: b.address + 2, dtype: DType::F16, ..b };
                    for b in [b, c] {
                        let truth = share(&a, &b);
                        assert!(!truth || overlap(&a, &b), "{a:?} and {b:?} share bytes");
                        assert_eq!(overlap(&a, &b), overlap(&b, &a), "{a:?} and {b:?}");
                        if strides[0] != 12 {
                            assert_eq!(overlap(&a, &b), truth, "{a:?} and {b:?}");
                        }
                        *(if truth { &mut shared } else { &mut apart }) += 1;
                    }
                }
            }
        }
        assert!(shared > 100 && apart > 100, "{shared} shared, {apart} apart: the cases are one-sided");
    }

    #[test]
    fn an_output_may_be_its_own_input() {
        let (x, y, z) = (rows(4096, [4, 8], 8), rows(8192, [4, 8], 8), rows(4096, [4, 8], 9));
        let arg = |name, tensor| Arg::new("op", name, tensor);
        let aliasing = |argument, other| Err(Error::Aliasing { op: "op", argument, other });
        let (x_in, x_out, y_in, y_out) = (arg("x", &x), arg("x_out", &x), arg("y", &y), arg("y_out", &y));
        assert_eq!(disjoint_or_in_place(&[(x_out, x_in), (y_out, y_in)], &[]), Ok(()));
        assert_eq!(disjoint_or_in_place(&[(y_out, x_in)], &[]), Ok(()));
        // The memory of another input, of an output, of what is only read, of its own input in another layout, of itself.
        assert_eq!(disjoint_or_in_place(&[(y_out, x_in), (x_out, y_in)], &[]), aliasing("y_out", "y"));
        assert_eq!(disjoint_or_in_place(&[(x_out, x_in), (arg("z", &x), y_in)], &[]), aliasing("z", "x"));
        assert_eq!(disjoint_or_in_place(&[(x_out, x_in)], &[None, Some(arg("w", &x))]), aliasing("x_out", "w"));
        assert_eq!(disjoint_or_in_place(&[(arg("z", &z), x_in)], &[]), aliasing("z", "x"));
        let broadcast = rows(8192, [4, 8], 0);
        assert_eq!(disjoint_or_in_place(&[(arg("b", &broadcast), x_in)], &[]), aliasing("b", "b"));
    }

    #[test]
    fn outputs_may_overlap_nothing() {
        let (x, y) = (rows(4096, [4, 8], 8), rows(8192, [4, 8], 8));
        let (broadcast, beside) = (rows(8192, [4, 8], 0), rows(8192 + 127, [4, 8], 8));
        let arg = |name, tensor| Arg::new("op", name, tensor);
        assert_eq!(disjoint(&[arg("y", &y)], &[arg("x", &x)]), Ok(()));
        let aliasing = |argument, other| Err(Error::Aliasing { op: "op", argument, other });
        assert_eq!(disjoint(&[arg("y", &x)], &[arg("x", &x)]), aliasing("y", "x"));
        assert_eq!(disjoint(&[arg("y", &y), arg("z", &beside)], &[arg("x", &x)]), aliasing("z", "y"));
        assert_eq!(disjoint(&[arg("y", &broadcast)], &[]), aliasing("y", "y"));
        assert_eq!(disjoint(&[arg("y", &x)], &[arg("x", &broadcast)]), Ok(()));
    }

    #[test]
    fn every_check_names_operation_argument_and_both_sides() {
        let good = rows(4096, [4, 8], 8);
        let arg = |tensor: &TensorDesc, f: fn(Arg<'_>) -> Result<Arg<'_>>| f(Arg::new("op", "x", tensor)).map(drop);
        let text = |tensor: TensorDesc, f: fn(Arg<'_>) -> Result<Arg<'_>>| arg(&tensor, f).unwrap_err().to_string();
        let pitch = TensorDesc { strides: Dims::from([9, 1]), ..good };

        assert_eq!(arg(&good, |x| x.sound()?.shape([4, 8])?.dtype(DType::F32)?.contiguous()?.aligned(16)), Ok(()));
        assert_eq!(arg(&pitch, |x| x.sound()?.unit_inner_stride()), Ok(()));
        // One row: its pitch is never used.
        assert_eq!(arg(&rows(4096, [1, 8], 77), |x| x.contiguous()), Ok(()));

        for (text, expected) in [
            (text(good, |x| x.shape([8, 4])), "op: the shape of `x` is [4, 8], expected [8, 4]"),
            (text(good, |x| x.dtype(DType::Bf16)), "op: `x` holds f32, expected bf16"),
            (text(pitch, |x| x.contiguous()), "op: the strides of `x` are [9, 1], expected [8, 1] (no gaps)"),
            (
                text(tensor(4096, &[4, 8], &[8, 2], DType::F32), |x| x.unit_inner_stride()),
                "op: the strides of `x` are [8, 2], expected 1 along the last dimension",
            ),
            (text(rows(4098, [4, 8], 8), |x| x.sound()), "op: the address 0x1002 of `x` is not a multiple of 4"),
            (text(rows(4104, [4, 8], 8), |x| x.aligned(16)), "op: the address 0x1008 of `x` is not a multiple of 16"),
            (text(rows(0, [4, 8], 8), |x| x.sound()), "op: `x` has elements but a null address"),
            (
                text(rows(4096, [4, 0], 8), |x| x.sound()),
                "op: the shape of `x` is [4, 0], expected at least one element",
            ),
            (
                text(tensor(4096, &[4, 8], &[1], DType::F32), |x| x.sound()),
                "op: the strides of `x` are [1], expected one for each of the 2 dimensions",
            ),
            (
                text(rows(4096, [usize::MAX, 2], 2), |x| x.sound()),
                "op: the number of elements of `x` is 18446744073709551615, and at most 9223372036854775807 can be indexed",
            ),
            (
                text(good, |x| x.elements_at_most(31)),
                "op: the number of elements of `x` is 32, and at most 31 can be indexed",
            ),
            (
                text(good, |x| x.extent_at_most(1, "the width", 7)),
                "op: the width of `x` is 8, and at most 7 can be indexed",
            ),
            (text(good, |x| x.workspace(129)), "op: the workspace has 128 bytes and 129 are needed"),
        ] {
            assert_eq!(text, expected);
        }
    }
}
