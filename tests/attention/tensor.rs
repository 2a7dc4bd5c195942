//! Tensors of four dimensions between guards, in every way that they may lie in memory.

use warpsmith::{Buffer, Device, View, ViewMut};

use crate::common::guard::Sample;

/// How the positions and heads of `[batch, length, heads, head_dim]` are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// In that order without gaps.
    Contiguous,
    /// One of three parts of each position, as a matrix product writes Q, K and V.
    Packed,
    /// `[batch, heads, length, head_dim]`.
    HeadsFirst,
    /// Gaps of different sizes after heads, positions and entries of the batch, and before the first.
    Gaps,
    /// The last position first, the last head first.
    Backwards,
}

impl Layout {
    pub const ALL: [Self; 5] = [Self::Contiguous, Self::Packed, Self::HeadsFirst, Self::Gaps, Self::Backwards];
}

/// Elements on either side of a tensor, more than an access takes, and a multiple of every alignment.
const GUARDS: usize = 64;

/// A shape with its strides and its first element in a buffer of so many elements.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    shape: [usize; 4],
    strides: [i64; 4],
    start: usize,
    buffer_len: usize,
}

impl Place {
    pub fn new(layout: Layout, shape: [usize; 4]) -> Self {
        let [batch, length, heads, dim] = shape;
        let mut place = Self { shape, strides: [0, 0, 0, 1], start: GUARDS, buffer_len: 0 };
        let strides = match layout {
            Layout::Contiguous => [length * heads * dim, heads * dim, dim],
            Layout::Packed => [3 * length * heads * dim, 3 * heads * dim, dim],
            Layout::HeadsFirst => [heads * length * dim, dim, length * dim],
            Layout::Gaps => [length * (heads * (dim + 8) + 24) + 40, heads * (dim + 8) + 24, dim + 8],
            Layout::Backwards => [length * heads * dim, heads * dim, dim],
        };
        place.strides[..3].copy_from_slice(&strides.map(|stride| stride as i64));
        place.start += match layout {
            Layout::Packed => heads * dim,
            Layout::Gaps => 8,
            _ => 0,
        };
        place.buffer_len = place.index(batch - 1, length - 1, heads - 1) + dim + GUARDS;
        if layout == Layout::Backwards {
            place.start += (length * heads - 1) * dim;
            place.strides[1] *= -1;
            place.strides[2] *= -1;
        }
        place
    }

    fn index(&self, batch: usize, position: usize, head: usize) -> usize {
        let steps = [batch, position, head].into_iter().zip(self.strides).map(|(i, stride)| i as i64 * stride);
        (self.start as i64 + steps.sum::<i64>()) as usize
    }

    /// The first element of every head of every position, in the order of the shape.
    fn heads(&self) -> impl Iterator<Item = usize> {
        let [batch, length, heads, _] = self.shape;
        (0..batch * length * heads).map(move |i| self.index(i / heads / length, i / heads % length, i % heads))
    }
}

/// A tensor in a buffer that holds guards elsewhere. They are NaN: what is read from them shows in the result.
pub struct Placed<D: Device, T: Sample> {
    buffer: D::Buffer<T>,
    place: Place,
}

impl<D: Device, T: Sample> Placed<D, T> {
    /// A tensor with these values, in the order of the shape.
    pub fn input(device: &D, place: Place, values: &[T]) -> Self {
        let dim = place.shape[3];
        let mut data = vec![T::GUARD; place.buffer_len];
        assert_eq!(values.len(), place.shape.iter().product::<usize>(), "values do not fill {place:?}");
        place.heads().zip(values.chunks(dim)).for_each(|(at, row)| data[at..at + dim].copy_from_slice(row));
        Self { buffer: device.upload(&data).expect("upload"), place }
    }

    /// A tensor yet to be written.
    pub fn output(device: &D, place: Place) -> Self {
        Self::input(device, place, &vec![T::BLANK; place.shape.iter().product()])
    }

    pub fn view(&self) -> View<'_, D, T> {
        self.buffer.strided(self.place.start, self.place.shape, self.place.strides).expect("it lies in its buffer")
    }

    pub fn view_mut(&mut self) -> ViewMut<'_, D, T> {
        self.buffer.strided_mut(self.place.start, self.place.shape, self.place.strides).expect("it lies in its buffer")
    }

    /// The values in the order of the shape, after everything that was queued; every guard must be as it was.
    pub fn read(&self, device: &D) -> Vec<T> {
        let mut data = device.download(&self.buffer).expect("download");
        let (dim, mut values) = (self.place.shape[3], Vec::new());
        for at in self.place.heads() {
            values.extend_from_slice(&data[at..at + dim]);
            data[at..at + dim].fill(T::GUARD);
        }
        if let Some(at) = data.iter().position(|value| value.bits() != T::GUARD.bits()) {
            panic!("a guard was overwritten: element {at} of the buffer of {:?}", self.place);
        }
        values
    }
}

/// A f32 for each row of scores, `[batch, heads, queries]`, between guards.
pub struct RowValues<D: Device> {
    buffer: D::Buffer<f32>,
    shape: [usize; 3],
}

impl<D: Device> RowValues<D> {
    /// A tensor with these values.
    pub fn input(device: &D, shape: [usize; 3], values: &[f32]) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values do not fill {shape:?}");
        let guards = [f32::GUARD; GUARDS];
        Self { buffer: device.upload(&[&guards, values, &guards].concat()).expect("upload"), shape }
    }

    /// A tensor yet to be written.
    pub fn output(device: &D, shape: [usize; 3]) -> Self {
        Self::input(device, shape, &vec![f32::BLANK; shape.iter().product()])
    }

    fn strides(&self) -> [i64; 3] {
        let [_, heads, queries] = self.shape;
        [(heads * queries) as i64, queries as i64, 1]
    }

    pub fn view(&self) -> View<'_, D, f32> {
        self.buffer.strided(GUARDS, self.shape, self.strides()).expect("it lies in its buffer")
    }

    pub fn view_mut(&mut self) -> ViewMut<'_, D, f32> {
        self.buffer.strided_mut(GUARDS, self.shape, self.strides()).expect("it lies in its buffer")
    }

    /// The values; every guard must be as it was.
    pub fn read(&self, device: &D) -> Vec<f32> {
        let data = device.download(&self.buffer).expect("download");
        let (values, end) = data[GUARDS..].split_at(data.len() - 2 * GUARDS);
        let guards = data[..GUARDS].iter().chain(end);
        assert!(guards.into_iter().all(|value| value.bits() == f32::GUARD.bits()), "a guard was overwritten");
        values.to_vec()
    }
}
