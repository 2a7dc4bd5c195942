//! Tensors over borrowed memory: a shape, strides in elements, and where the first element lies.
//!
//! A [`View`] borrows a buffer of one device and is what the typed operations take. A [`TensorDesc`] is the same as plain
//! data, with an address in place of the borrow: it is what plans check, and what a host that owns its memory writes
//! itself.

use std::fmt;

use crate::device::Device;
use crate::element::{DType, Element};
use crate::error::{Error, Result};

/// The most dimensions that a tensor may have.
pub const MAX_RANK: usize = 5;

/// One number for each dimension, outermost first, stored inline.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dims<T> {
    rank: usize,
    values: [T; MAX_RANK],
}

/// Elements along each dimension, outermost first.
pub type Shape = Dims<usize>;

/// The distance between neighbours along each dimension, in elements, outermost first.
pub type Strides = Dims<i64>;

impl<T: Copy + Default> Dims<T> {
    fn of_rank(rank: usize) -> Self {
        Self { rank, values: [T::default(); MAX_RANK] }
    }
}

impl Shape {
    /// The number of elements; `None` where a `usize` cannot hold it.
    pub fn checked_elements(&self) -> Option<usize> {
        if self.contains(&0) { Some(0) } else { self.iter().try_fold(1, |product: usize, &n| product.checked_mul(n)) }
    }

    /// The number of elements. A view always has one; a description of a host's own memory has it after its checks.
    pub fn elements(&self) -> usize {
        self.checked_elements().unwrap_or(usize::MAX)
    }

    /// The strides of a tensor of this shape that is stored without gaps, last dimension innermost.
    pub fn contiguous_strides(&self) -> Strides {
        let mut strides = Strides::of_rank(self.rank);
        let mut next = 1_i64;
        for (stride, &n) in strides.values[..self.rank].iter_mut().zip(self.iter()).rev() {
            *stride = next;
            next = next.saturating_mul(i64::try_from(n.max(1)).unwrap_or(i64::MAX));
        }
        strides
    }
}

impl<T> std::ops::Deref for Dims<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[..self.rank]
    }
}

impl<T> std::ops::DerefMut for Dims<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[..self.rank]
    }
}

impl<T: Copy + Default, const RANK: usize> From<[T; RANK]> for Dims<T> {
    fn from(values: [T; RANK]) -> Self {
        const { assert!(RANK <= MAX_RANK, "a tensor has at most MAX_RANK dimensions") };
        let mut dims = Self::of_rank(RANK);
        dims.values[..RANK].copy_from_slice(&values);
        dims
    }
}

impl<T: Copy + Default> TryFrom<&[T]> for Dims<T> {
    type Error = Error;

    fn try_from(values: &[T]) -> Result<Self> {
        if values.len() > MAX_RANK {
            return Err(Error::Unsupported {
                op: "view",
                what: format!("a tensor of {} dimensions", values.len()),
                supported: "up to 5 dimensions",
            });
        }
        let mut dims = Self::of_rank(values.len());
        dims.values[..values.len()].copy_from_slice(values);
        Ok(dims)
    }
}

impl<T: fmt::Debug> fmt::Debug for Dims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A tensor in device memory as plain data. Nothing is owned or borrowed, so a launch with it is unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorDesc {
    /// The device address of element `[0, 0, ...]`.
    pub address: u64,
    /// Elements along each dimension.
    pub shape: Shape,
    /// Distances between neighbours, in elements. Must have as many entries as the shape.
    pub strides: Strides,
    /// The type of the elements.
    pub dtype: DType,
}

impl TensorDesc {
    /// A tensor without gaps.
    pub fn contiguous(address: u64, shape: impl Into<Shape>, dtype: DType) -> Self {
        let shape = shape.into();
        Self { address, shape, strides: shape.contiguous_strides(), dtype }
    }

    /// The offsets of the lowest element and of the end of the highest one, in bytes from `address`; `None` where there
    /// are no elements.
    pub(crate) fn span(&self) -> Option<(i128, i128)> {
        let (low, high) = element_span(&self.shape, &self.strides)?;
        let size = self.dtype.size() as i128;
        Some((low * size, (high + 1) * size))
    }
}

/// The offsets of the lowest and highest element; `None` where there are none.
fn element_span(shape: &Shape, strides: &Strides) -> Option<(i128, i128)> {
    if shape.contains(&0) {
        return None;
    }
    let reach = shape.iter().zip(strides.iter()).map(|(&n, &stride)| (n as i128 - 1) * i128::from(stride));
    Some(reach.fold((0, 0), |(low, high), reach| (low + reach.min(0), high + reach.max(0))))
}

/// Where a tensor lies in a buffer, checked to lie inside it.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub offset: usize,
    pub shape: Shape,
    pub strides: Strides,
}

impl Layout {
    /// The whole of a buffer of `len` elements, without gaps.
    pub(crate) fn whole(len: usize, shape: Shape) -> Result<Self> {
        if shape.checked_elements() != Some(len) {
            let expected = format!("one with the {len} elements of the buffer");
            return Err(Error::Shape { op: "view", argument: "shape", expected, got: shape });
        }
        Ok(Self { offset: 0, shape, strides: shape.contiguous_strides() })
    }

    /// A part of a buffer of `len` elements.
    pub(crate) fn strided(len: usize, offset: usize, shape: Shape, strides: Strides) -> Result<Self> {
        if strides.len() != shape.len() {
            let expected = format!("one stride for each of the {} dimensions", shape.len());
            return Err(Error::Stride { op: "view", argument: "strides", expected, got: strides });
        }
        if let Some((low, high)) = element_span(&shape, &strides) {
            let (low, high) = (low + offset as i128, high + offset as i128);
            if low < 0 || high >= len as i128 {
                let expected =
                    format!("one inside the {len} elements of the buffer, and it reaches from {low} to {high}");
                return Err(Error::Shape { op: "view", argument: "shape", expected, got: shape });
            }
        }
        Ok(Self { offset, shape, strides })
    }

    /// The description, once the buffer's address is known.
    pub(crate) fn describe<T: Element>(&self, base: u64) -> TensorDesc {
        let address = base + (self.offset * size_of::<T>()) as u64;
        TensorDesc { address, shape: self.shape, strides: self.strides, dtype: T::DTYPE }
    }
}

/// A tensor that is only read: a borrow of memory on device `D`.
pub struct View<'a, D: Device, T: Element> {
    pub(crate) memory: &'a D::Source<T>,
    pub(crate) layout: Layout,
}

/// A tensor that is written: an exclusive borrow of memory on device `D`.
pub struct ViewMut<'a, D: Device, T: Element> {
    pub(crate) memory: &'a mut D::Target<T>,
    pub(crate) layout: Layout,
}

impl<D: Device, T: Element> Clone for View<'_, D, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Device, T: Element> Copy for View<'_, D, T> {}

impl<D: Device, T: Element> View<'_, D, T> {
    /// Elements along each dimension.
    pub fn shape(&self) -> &Shape {
        &self.layout.shape
    }

    /// Distances between neighbours, in elements.
    pub fn strides(&self) -> &Strides {
        &self.layout.strides
    }
}

impl<D: Device, T: Element> ViewMut<'_, D, T> {
    /// Elements along each dimension.
    pub fn shape(&self) -> &Shape {
        &self.layout.shape
    }

    /// Distances between neighbours, in elements.
    pub fn strides(&self) -> &Strides {
        &self.layout.strides
    }
}

impl<D: Device, T: Element> fmt::Debug for View<'_, D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View<{}>{:?} by {:?}", T::DTYPE, self.shape(), self.strides())
    }
}

impl<D: Device, T: Element> fmt::Debug for ViewMut<'_, D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewMut<{}>{:?} by {:?}", T::DTYPE, self.shape(), self.strides())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_strides_count_from_the_innermost_dimension() {
        assert_eq!(*Shape::from([2, 3, 4]).contiguous_strides(), [12, 4, 1]);
        assert_eq!(*Shape::from([]).contiguous_strides(), []);
        assert_eq!(Shape::from([]).elements(), 1);
        assert_eq!(Shape::from([2, 0, usize::MAX]).elements(), 0);
        assert_eq!(Shape::from([2, usize::MAX]).checked_elements(), None);
        assert!(Shape::try_from([1; MAX_RANK + 1].as_slice()).is_err());
    }

    #[test]
    fn a_layout_lies_inside_its_buffer() {
        let strided =
            |offset, shape: [usize; 2], strides: [i64; 2]| Layout::strided(100, offset, shape.into(), strides.into());
        assert!(Layout::whole(24, [2, 3, 4].into()).is_ok());
        assert!(matches!(Layout::whole(25, [2, 3, 4].into()), Err(Error::Shape { .. })));
        // The last element of 10 rows of 4, 10 apart, from 6 on, is 6 + 90 + 3 = 99.
        assert!(strided(6, [10, 4], [10, 1]).is_ok());
        assert!(matches!(strided(7, [10, 4], [10, 1]), Err(Error::Shape { .. })));
        // Backwards from 99, the last is 99 - 90 - 3 = 6; from 92 on it would be -1.
        assert!(strided(99, [10, 4], [-10, -1]).is_ok());
        assert!(matches!(strided(92, [10, 4], [-10, -1]), Err(Error::Shape { .. })));
        // Neither the products nor the offset can wrap round.
        assert!(strided(0, [usize::MAX, 2], [i64::MAX, 1]).is_err());
        assert!(strided(usize::MAX, [1, 1], [1, 1]).is_err());
        // Nothing is read through a tensor without elements.
        assert!(strided(0, [0, 4], [i64::MAX, 1]).is_ok());
        assert!(matches!(Layout::strided(9, 0, [3].into(), [1, 1].into()), Err(Error::Stride { .. })));
    }

    #[test]
    fn a_description_adds_the_offset_in_bytes() {
        let layout = Layout { offset: 3, shape: [2, 2].into(), strides: [-4, 1].into() };
        let tensor = layout.describe::<half::bf16>(1000);
        assert_eq!((tensor.address, tensor.dtype, tensor.span()), (1006, DType::Bf16, Some((-8, 4))));
    }
}
