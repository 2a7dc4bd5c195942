//! Buffers that show what a kernel did outside of its tensor: guard elements before it, after it and between its rows must come
//! back as they were, and a result that was never written comes back as NaN.

use half::{bf16, f16};
use warpsmith::{Buffer, Device, Element, EmulatedDevice, TensorDesc, View, ViewMut};

/// Elements whose bits can be compared and that have two patterns of their own, both NaN where the type has one.
pub trait Sample: Element + std::fmt::Debug {
    /// Stands outside of tensors.
    const GUARD: Self;
    /// Stands in an output before it is written.
    const BLANK: Self;
    /// The value's bits.
    fn bits(self) -> u32;
}

impl Sample for f32 {
    const GUARD: Self = f32::from_bits(0xffa5_a5a5);
    const BLANK: Self = f32::from_bits(0x7fc0_0000);

    fn bits(self) -> u32 {
        self.to_bits()
    }
}

impl Sample for f16 {
    const GUARD: Self = f16::from_bits(0xffa5);
    const BLANK: Self = f16::from_bits(0x7e00);

    fn bits(self) -> u32 {
        self.to_bits().into()
    }
}

impl Sample for bf16 {
    const GUARD: Self = bf16::from_bits(0xffa5);
    const BLANK: Self = bf16::from_bits(0x7fc0);

    fn bits(self) -> u32 {
        self.to_bits().into()
    }
}

impl Sample for u8 {
    const GUARD: Self = 0xa5;
    const BLANK: Self = 0xff;

    fn bits(self) -> u32 {
        self.into()
    }
}

impl Sample for i32 {
    const GUARD: Self = 0x5a5a_a5a5;
    const BLANK: Self = -1;

    fn bits(self) -> u32 {
        self as u32
    }
}

impl Sample for i64 {
    const GUARD: Self = 0x5a5a_a5a5;
    const BLANK: Self = -1;

    /// Both halves are one for every value that fits an i32.
    fn bits(self) -> u32 {
        (self >> 32) as u32 ^ self as u32 ^ (self as i32 >> 31) as u32
    }
}

/// How a tensor lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    rows: usize,
    width: usize,
    stride: usize,
    /// Elements after a 256-byte boundary at which the tensor begins.
    shift: usize,
    /// A vector has one dimension, everything else two.
    vector: bool,
}

/// Guard elements on either side of a tensor: a multiple of every alignment, and wider than any access.
const GUARDS: usize = 256;

impl Place {
    /// `[rows, width]` without gaps, on a 256-byte boundary.
    pub fn matrix(rows: usize, width: usize) -> Self {
        Self { rows, width, stride: width, shift: 0, vector: false }
    }

    /// `[len]` on a 256-byte boundary.
    pub fn vector(len: usize) -> Self {
        Self { vector: true, ..Self::matrix(1, len) }
    }

    /// The same with `gap` guard elements between the rows.
    pub fn with_gap(self, gap: usize) -> Self {
        Self { stride: self.width + gap, ..self }
    }

    /// The same, `shift` elements further on.
    pub fn shifted(self, shift: usize) -> Self {
        Self { shift, ..self }
    }

    /// Shape and strides of the rows as heads.
    fn heads(&self, [a, b, c]: [usize; 3], steps: [usize; 3]) -> [[usize; 4]; 2] {
        let [x, y, z] = steps.map(|step| step * self.stride);
        [[a, b, c, self.width], [x, y, z, 1]]
    }

    /// Strides of another shape, in row-major order.
    fn strides<const RANK: usize>(&self, shape: [usize; RANK]) -> [i64; RANK] {
        let steps = warpsmith::Shape::from(shape).contiguous_strides();
        let has_gaps = self.stride != self.width;
        assert!(!has_gaps || shape.last() == Some(&self.width), "rows of {self:?} are cut");
        let step = |at: usize| steps[at] / self.width as i64 * self.stride as i64;
        std::array::from_fn(|at| if has_gaps && at + 1 < RANK { step(at) } else { steps[at] })
    }

    fn start(&self) -> usize {
        GUARDS + self.shift
    }

    fn buffer_len(&self) -> usize {
        self.start() + (self.rows - 1) * self.stride + self.width + GUARDS
    }

    /// The place in the row-major tensor of each element of the buffer, `None` for guards.
    fn inside(&self, index: usize) -> Option<usize> {
        let (row, col) = (index.checked_sub(self.start())? / self.stride, (index - self.start()) % self.stride);
        (row < self.rows && col < self.width).then_some(row * self.width + col)
    }
}

/// A tensor between guards.
pub struct Guarded<D: Device, T: Sample> {
    buffer: D::Buffer<T>,
    place: Place,
}

impl<D: Device, T: Sample> Guarded<D, T> {
    /// A tensor with these values, row-major.
    pub fn input(device: &D, place: Place, values: &[T]) -> Self {
        assert_eq!(values.len(), place.rows * place.width, "values do not fill {place:?}");
        let data: Vec<T> =
            (0..place.buffer_len()).map(|i| place.inside(i).map_or(T::GUARD, |element| values[element])).collect();
        Self { buffer: device.upload(&data).expect("upload"), place }
    }

    /// A tensor yet to be written.
    pub fn output(device: &D, place: Place) -> Self {
        Self::input(device, place, &vec![T::BLANK; place.rows * place.width])
    }

    /// The tensor.
    pub fn view(&self) -> View<'_, D, T> {
        let Place { rows, width, stride, vector, .. } = self.place;
        let view = match vector {
            true => self.buffer.strided(self.place.start(), [width], [1]),
            false => self.buffer.strided(self.place.start(), [rows, width], [stride as i64, 1]),
        };
        view.expect("a guarded tensor lies in its buffer")
    }

    /// A tensor of another shape; if it has gaps, only its rows are dealt out.
    pub fn view_as<const RANK: usize>(&self, shape: [usize; RANK]) -> View<'_, D, T> {
        self.buffer
            .strided(self.place.start(), shape, self.place.strides(shape))
            .expect("a guarded tensor lies in its buffer")
    }

    /// The same, to be written.
    pub fn view_mut_as<const RANK: usize>(&mut self, shape: [usize; RANK]) -> ViewMut<'_, D, T> {
        self.buffer
            .strided_mut(self.place.start(), shape, self.place.strides(shape))
            .expect("a guarded tensor lies in its buffer")
    }

    /// The tensor, to be written.
    pub fn view_mut(&mut self) -> ViewMut<'_, D, T> {
        let Place { rows, width, stride, vector, .. } = self.place;
        let view = match vector {
            true => self.buffer.strided_mut(self.place.start(), [width], [1]),
            false => self.buffer.strided_mut(self.place.start(), [rows, width], [stride as i64, 1]),
        };
        view.expect("a guarded tensor lies in its buffer")
    }

    /// The rows as the heads of a tensor of four dimensions: leading dimensions of these extents, whose neighbours lie so many rows apart.
    pub fn heads(&self, extents: [usize; 3], steps: [usize; 3]) -> View<'_, D, T> {
        let [shape, strides] = self.place.heads(extents, steps);
        let view = self.buffer.strided(self.place.start(), shape, strides.map(|stride| stride as i64));
        view.expect("a guarded tensor lies in its buffer")
    }

    /// The same, to be written.
    pub fn heads_mut(&mut self, extents: [usize; 3], steps: [usize; 3]) -> ViewMut<'_, D, T> {
        let [shape, strides] = self.place.heads(extents, steps);
        let view = self.buffer.strided_mut(self.place.start(), shape, strides.map(|stride| stride as i64));
        view.expect("a guarded tensor lies in its buffer")
    }

    /// The tensor's values, row-major, after everything that was queued; every guard must be as it was.
    pub fn read(&self, device: &D) -> Vec<T> {
        let data = device.download(&self.buffer).expect("download");
        let mut values = Vec::with_capacity(self.place.rows * self.place.width);
        for (i, &value) in data.iter().enumerate() {
            match self.place.inside(i) {
                Some(_) => values.push(value),
                None => assert_eq!(
                    value.bits(),
                    T::GUARD.bits(),
                    "a guard was overwritten, {} elements after the start of {:?}",
                    i as i64 - self.place.start() as i64,
                    self.place
                ),
            }
        }
        values
    }

    /// Asserts that the tensor, never written, and its guards are as they were.
    pub fn assert_untouched(&self, device: &D) {
        let written = self.read(device).into_iter().position(|value| value.bits() != T::BLANK.bits());
        assert_eq!(written, None, "an output was touched although the call failed: {:?}", self.place);
    }
}

impl<T: Sample> Guarded<EmulatedDevice, T> {
    /// The tensor as plain data, for operations that are described by hand.
    pub fn desc(&self) -> TensorDesc {
        let Place { rows, width, stride, vector, .. } = self.place;
        let address = self.buffer.address() + (self.place.start() * size_of::<T>()) as u64;
        let matrix =
            TensorDesc { address, shape: [rows, width].into(), strides: [stride as i64, 1].into(), dtype: T::DTYPE };
        if vector { TensorDesc::contiguous(address, [width], T::DTYPE) } else { matrix }
    }
}
