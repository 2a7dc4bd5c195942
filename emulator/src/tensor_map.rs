//! Tensor maps: what `cp.async.bulk.tensor` knows of a tensor. NVIDIA's encoding is not documented, so this is one of our own, behind
//! the rules of `cuTensorMapEncodeTiled` (CUDA driver API, "Tensor Map Object Management").

use std::ops::Range;

/// Bytes of an encoded map.
pub const TENSOR_MAP_BYTES: usize = 128;

/// The type of a tensor's elements. The discriminants are those of `CUtensorMapDataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
#[allow(missing_docs)] // The names say it.
pub enum TensorElement {
    U8,
    U16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
    Bf16,
    F32Ftz,
    Tf32,
    Tf32Ftz,
}

impl TensorElement {
    /// Every type, in the order of the driver's numbers.
    pub const ALL: [Self; 13] = [
        Self::U8,
        Self::U16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::Bf16,
        Self::F32Ftz,
        Self::Tf32,
        Self::Tf32Ftz,
    ];

    /// Bytes of an element.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::U8 => 1,
            Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::U32 | Self::I32 | Self::F32 | Self::F32Ftz | Self::Tf32 | Self::Tf32Ftz => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    const fn is_float(self) -> bool {
        !matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::I32 | Self::U64 | Self::I64)
    }

    /// The bits of the NaN that fills what lies outside.
    const fn nan(self) -> u64 {
        match self {
            Self::F16 => 0x7fff,
            Self::Bf16 => 0x7fff,
            Self::F64 => 0x7fff_ffff_ffff_ffff,
            _ => 0x7fff_ffff,
        }
    }
}

/// How 16-byte chunks are exchanged in shared memory, so that columns meet all banks. The discriminants are those of
/// `CUtensorMapSwizzle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Swizzle {
    /// Not at all.
    #[default]
    None,
    /// Within 32 bytes: bit 4 of the address is exclusive-ored with bit 7.
    B32,
    /// Within 64 bytes: bits 4 and 5 with bits 7 and 8.
    B64,
    /// Within 128 bytes: bits 4 to 6 with bits 7 to 9.
    B128,
}

impl std::fmt::Display for Swizzle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.span() {
            None => f.write_str("none"),
            Some(span) => write!(f, "{span}B"),
        }
    }
}

impl Swizzle {
    /// Every mode, in the order of the driver's numbers.
    pub const ALL: [Self; 4] = [Self::None, Self::B32, Self::B64, Self::B128];

    /// Bytes of the line within which chunks are exchanged; `None` without a swizzle.
    pub const fn span(self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::B32 => Some(32),
            Self::B64 => Some(64),
            Self::B128 => Some(128),
        }
    }

    /// Where in shared memory the byte is that would be at `address` without a swizzle.
    pub const fn apply(self, address: u32) -> u32 {
        let mask = match self {
            Self::None => 0,
            Self::B32 => 1,
            Self::B64 => 3,
            Self::B128 => 7,
        };
        address ^ (address >> 7 & mask) << 4
    }
}

/// What loads write for elements outside the tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OutOfBoundsFill {
    /// Zeros.
    #[default]
    Zero,
    /// NaN, for floating-point elements.
    NaN,
}

/// A tensor in global memory and the box of it that one copy moves. Dimensions go from the innermost to the outermost one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorMap {
    /// The type of the elements.
    pub element: TensorElement,
    /// Address of the first element.
    pub address: u64,
    /// Elements along each of 1 to 5 dimensions.
    pub dims: Vec<u64>,
    /// Bytes from one element to the next along each dimension but the innermost.
    pub strides: Vec<u64>,
    /// Elements that a box spans along each dimension.
    pub box_dims: Vec<u32>,
    /// Of how many elements along each dimension one is taken; the innermost counts as 1.
    pub element_strides: Vec<u32>,
    /// The layout of the box in shared memory.
    pub swizzle: Swizzle,
    /// What is outside the tensor.
    pub fill: OutOfBoundsFill,
}

/// Why the driver would refuse a tensor map.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TensorMapError {
    /// Not 1 to 5 dimensions, or lists of different lengths.
    #[error("{what}: {got}, where {expected} are needed")]
    Rank {
        /// What there are too many or too few of.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many there have to be.
        expected: &'static str,
    },
    /// The tensor does not start at a multiple of 16.
    #[error("the address {address:#x} is not a multiple of 16")]
    Address {
        /// Its address.
        address: u64,
    },
    /// A dimension that is 0 or beyond 2^32.
    #[error("dimension {axis} has {got} elements; 1 to 2^32 are allowed")]
    Dimension {
        /// The dimension, 0 being the innermost.
        axis: usize,
        /// Its elements.
        got: u64,
    },
    /// A stride that is not a multiple of 16, or is 2^40 or more.
    #[error("the stride of dimension {axis} is {got} bytes; multiples of 16 below 2^40 are allowed")]
    Stride {
        /// The dimension, 0 being the innermost.
        axis: usize,
        /// Its stride.
        got: u64,
    },
    /// A side of the box that is 0 or beyond 256.
    #[error("the box has {got} elements along dimension {axis}; 1 to 256 are allowed")]
    Box {
        /// The dimension, 0 being the innermost.
        axis: usize,
        /// The elements.
        got: u32,
    },
    /// Rows of the box that are not a multiple of 16 bytes.
    #[error("a row of the box has {bytes} bytes, which is not a multiple of 16")]
    Row {
        /// Bytes of a row.
        bytes: u32,
    },
    /// Rows of the box that are longer than the swizzle's line.
    #[error("a row of the box has {bytes} bytes, more than the {span} that the swizzle allows")]
    Span {
        /// Bytes of a row.
        bytes: u32,
        /// Bytes of the swizzle's line.
        span: u32,
    },
    /// An element stride that is 0 or beyond 8.
    #[error("the element stride of dimension {axis} is {got}; 1 to 8 are allowed")]
    ElementStride {
        /// The dimension, 0 being the innermost.
        axis: usize,
        /// Its element stride.
        got: u32,
    },
    /// A NaN fill for integers.
    #[error("elements of type {element:?} cannot be filled with NaN")]
    Fill {
        /// The type.
        element: TensorElement,
    },
}

const MAGIC: [u8; 8] = *b"ptxemuTM";

impl TensorMap {
    /// A dense row-major tensor without swizzle, zeros outside, in boxes of `box_dims`. Strides are those of `dims`.
    pub fn dense(element: TensorElement, address: u64, dims: &[u64], box_dims: &[u32]) -> Self {
        let mut strides = Vec::new();
        let mut bytes = u64::from(element.bytes());
        for dim in dims.iter().take(dims.len().saturating_sub(1)) {
            bytes = bytes.saturating_mul(*dim);
            strides.push(bytes);
        }
        Self {
            element,
            address,
            dims: dims.to_vec(),
            strides,
            box_dims: box_dims.to_vec(),
            element_strides: vec![1; dims.len()],
            swizzle: Swizzle::None,
            fill: OutOfBoundsFill::Zero,
        }
    }

    /// The same with a swizzle.
    #[must_use]
    pub fn swizzled(self, swizzle: Swizzle) -> Self {
        Self { swizzle, ..self }
    }

    /// The map as the 128 bytes that a kernel takes, which have to lie at a multiple of 64.
    ///
    /// # Errors
    /// What `cuTensorMapEncodeTiled` refuses. (Interleaved layouts do not exist here.)
    pub fn encode(&self) -> Result<[u8; TENSOR_MAP_BYTES], TensorMapError> {
        self.check()?;
        let mut bytes = Vec::with_capacity(TENSOR_MAP_BYTES);
        bytes.extend(MAGIC);
        bytes.extend([self.dims.len() as u8, self.element as u8, self.swizzle as u8, self.fill as u8]);
        bytes.extend(self.address.to_le_bytes());
        let list = |list: Vec<u32>| (0..5).flat_map(move |at| list.get(at).copied().unwrap_or(0).to_le_bytes());
        bytes.extend(list(self.dims.iter().map(|dim| (dim - 1) as u32).collect()));
        bytes.extend(list(self.box_dims.clone()));
        bytes.extend(list(self.element_strides.clone()));
        // Multiples of 16 below 2^40: 36 bits would do.
        bytes.extend((0..4).flat_map(|at| self.strides.get(at).copied().unwrap_or(0).to_le_bytes()));
        bytes.resize(TENSOR_MAP_BYTES - 4, 0);
        let sum = checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        let mut encoded = [0; TENSOR_MAP_BYTES];
        encoded.copy_from_slice(&bytes);
        Ok(encoded)
    }

    fn check(&self) -> Result<(), TensorMapError> {
        let rank = self.dims.len();
        if !(1..=5).contains(&rank) {
            return Err(TensorMapError::Rank { what: "dimensions", got: rank, expected: "1 to 5" });
        }
        let lists = [
            ("sides of the box", self.box_dims.len(), rank),
            ("element strides", self.element_strides.len(), rank),
            ("strides", self.strides.len(), rank - 1),
        ];
        if let Some((what, got, _)) = lists.into_iter().find(|(_, got, expected)| got != expected) {
            let expected = if what == "strides" { "one less than dimensions" } else { "as many as dimensions" };
            return Err(TensorMapError::Rank { what, got, expected });
        }
        if !self.address.is_multiple_of(16) {
            return Err(TensorMapError::Address { address: self.address });
        }
        if let Some((axis, got)) = self.dims.iter().enumerate().find(|(_, dim)| !(1..=1 << 32).contains(*dim)) {
            return Err(TensorMapError::Dimension { axis, got: *got });
        }
        let is_wrong = |(_, stride): &(usize, &u64)| **stride >= 1 << 40 || !stride.is_multiple_of(16);
        if let Some((at, got)) = self.strides.iter().enumerate().find(is_wrong) {
            return Err(TensorMapError::Stride { axis: at + 1, got: *got });
        }
        if let Some((axis, got)) = self.box_dims.iter().enumerate().find(|(_, side)| !(1..=256).contains(*side)) {
            return Err(TensorMapError::Box { axis, got: *got });
        }
        let bytes = self.row_bytes();
        if !bytes.is_multiple_of(16) {
            return Err(TensorMapError::Row { bytes });
        }
        if let Some(span) = self.swizzle.span().filter(|span| bytes > *span) {
            return Err(TensorMapError::Span { bytes, span });
        }
        let is_wrong = |(_, stride): &(usize, &u32)| !(1..=8).contains(*stride);
        if let Some((axis, got)) = self.element_strides.iter().enumerate().find(is_wrong) {
            return Err(TensorMapError::ElementStride { axis, got: *got });
        }
        if self.fill == OutOfBoundsFill::NaN && !self.element.is_float() {
            return Err(TensorMapError::Fill { element: self.element });
        }
        Ok(())
    }

    /// The map in 128 bytes, if they hold one.
    pub(crate) fn decode(bytes: &[u8; TENSOR_MAP_BYTES]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let wide = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if bytes[..8] != MAGIC || word(TENSOR_MAP_BYTES - 4) != checksum(&bytes[..TENSOR_MAP_BYTES - 4]) {
            return None;
        }
        let rank = usize::from(bytes[8]);
        let list = |from: usize| (0..rank).map(move |at| word(from + 4 * at));
        Some(Self {
            element: *TensorElement::ALL.get(usize::from(bytes[9]))?,
            address: wide(12),
            dims: list(20).map(|dim| u64::from(dim) + 1).collect(),
            box_dims: list(40).collect(),
            element_strides: list(60).collect(),
            strides: (1..rank).map(|at| wide(80 + 8 * (at - 1))).collect(),
            swizzle: *Swizzle::ALL.get(usize::from(bytes[10]))?,
            fill: if bytes[11] == 0 { OutOfBoundsFill::Zero } else { OutOfBoundsFill::NaN },
        })
    }

    pub(crate) fn rank(&self) -> usize {
        self.dims.len()
    }

    fn row_bytes(&self) -> u32 {
        self.box_dims[0] * self.element.bytes()
    }

    /// From the start of one row of the box to the next in shared memory.
    fn pitch(&self) -> u32 {
        self.swizzle.span().unwrap_or(self.row_bytes())
    }

    fn side(&self, axis: usize) -> u32 {
        if axis == 0 { self.box_dims[0] } else { self.box_dims[axis].div_ceil(self.element_strides[axis]) }
    }

    fn row_count(&self) -> u32 {
        (1..self.rank()).map(|axis| self.side(axis)).product()
    }

    /// Bytes that a copy of the box moves: what it adds to the transaction count.
    pub(crate) fn box_bytes(&self) -> u32 {
        self.row_bytes() * self.row_count()
    }

    /// Bytes of shared memory from the first to the last byte of a box.
    pub(crate) fn footprint(&self) -> u32 {
        self.pitch() * (self.row_count() - 1)
            + if self.swizzle == Swizzle::None { self.row_bytes() } else { self.pitch() }
    }

    /// The bytes that fill one element outside the tensor.
    pub(crate) fn filler(&self) -> u64 {
        if self.fill == OutOfBoundsFill::NaN { self.element.nan() } else { 0 }
    }

    /// The rows of the box whose first element has these coordinates.
    pub(crate) fn rows(&self, origin: [i32; 5]) -> impl Iterator<Item = Row> + '_ {
        let size = u64::from(self.element.bytes());
        (0..self.row_count()).map(move |number| {
            let mut rest = number;
            let (mut is_inside, mut address) = (true, self.address);
            for (axis, origin) in origin.iter().enumerate().take(self.rank()).skip(1) {
                let side = self.side(axis);
                let step = i64::from(rest % side * self.element_strides[axis]);
                rest /= side;
                let at = i64::from(*origin) + step;
                is_inside &= at >= 0 && (at as u64) < self.dims[axis];
                address = address.wrapping_add((at as u64).wrapping_mul(self.strides[axis - 1]));
            }
            let first = i64::from(origin[0]);
            let last = (first + i64::from(self.box_dims[0])).min(self.dims[0] as i64);
            let inside = if is_inside { first.max(0)..last.max(first.max(0)) } else { 0..0 };
            let bytes = (inside.start - first).max(0) as u32 * size as u32;
            let length = (inside.end - inside.start) as u32 * size as u32;
            Row {
                shared: number * self.pitch(),
                bytes: self.row_bytes(),
                inside: if length == 0 { 0..0 } else { bytes..bytes + length },
                global: address.wrapping_add((inside.start as u64).wrapping_mul(size)),
            }
        })
    }
}

/// One row of a box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where it starts in shared memory, from the start of the box, before the swizzle.
    pub shared: u32,
    pub bytes: u32,
    /// Those of its bytes that lie inside the tensor.
    pub inside: Range<u32>,
    /// The address of the first of them.
    pub global: u64,
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> TensorMap {
        TensorMap::dense(TensorElement::Bf16, 0x1000, &[96, 10, 3], &[64, 4, 2]).swizzled(Swizzle::B128)
    }

    #[test]
    fn maps_survive_their_encoding() {
        let map = map();
        assert_eq!(map.strides, [192, 1920]);
        let mut bytes = map.encode().unwrap();
        assert_eq!(TensorMap::decode(&bytes), Some(map));
        bytes[40] ^= 1;
        assert_eq!(TensorMap::decode(&bytes), None);
        assert_eq!(TensorMap::decode(&[0; TENSOR_MAP_BYTES]), None);
        let widest = TensorMap {
            dims: vec![1 << 32, 1],
            strides: vec![(1 << 40) - 16],
            box_dims: vec![8, 256],
            element_strides: vec![1, 8],
            fill: OutOfBoundsFill::NaN,
            ..TensorMap::dense(TensorElement::F16, 16, &[1, 1], &[8, 8])
        };
        assert_eq!(TensorMap::decode(&widest.encode().unwrap()), Some(widest));
    }

    #[test]
    fn rules_of_the_driver() {
        let refuse = |change: &dyn Fn(&mut TensorMap)| {
            let mut map = map();
            change(&mut map);
            map.encode().unwrap_err()
        };
        type E = TensorMapError;
        assert!(matches!(refuse(&|m| m.dims.clear()), E::Rank { got: 0, .. }));
        assert!(matches!(refuse(&|m| m.dims = vec![1; 6]), E::Rank { got: 6, .. }));
        assert!(matches!(refuse(&|m| m.strides.truncate(1)), E::Rank { what: "strides", .. }));
        assert_eq!(refuse(&|m| m.address = 8), E::Address { address: 8 });
        assert_eq!(refuse(&|m| m.dims[1] = 0), E::Dimension { axis: 1, got: 0 });
        assert_eq!(refuse(&|m| m.dims[1] = (1 << 32) + 1), E::Dimension { axis: 1, got: (1 << 32) + 1 });
        assert_eq!(refuse(&|m| m.strides[0] = 200), E::Stride { axis: 1, got: 200 });
        assert_eq!(refuse(&|m| m.strides[1] = 1 << 40), E::Stride { axis: 2, got: 1 << 40 });
        assert_eq!(refuse(&|m| m.box_dims[2] = 257), E::Box { axis: 2, got: 257 });
        assert_eq!(refuse(&|m| m.box_dims[2] = 0), E::Box { axis: 2, got: 0 });
        assert_eq!(refuse(&|m| m.box_dims[0] = 12), E::Row { bytes: 24 });
        assert_eq!(refuse(&|m| m.box_dims[0] = 72), E::Span { bytes: 144, span: 128 });
        assert_eq!(refuse(&|m| m.swizzle = Swizzle::B64), E::Span { bytes: 128, span: 64 });
        assert_eq!(refuse(&|m| m.element_strides[1] = 9), E::ElementStride { axis: 1, got: 9 });
        assert_eq!(
            refuse(&|m| (m.element, m.fill, m.swizzle) = (TensorElement::U16, OutOfBoundsFill::NaN, Swizzle::None)),
            E::Fill { element: TensorElement::U16 }
        );
    }

    #[test]
    fn boxes_walk_by_rows() {
        // 4 rows of one plane, then 4 of the next; the plane after the last is outside, and so are columns from 96 on.
        let map = map();
        assert_eq!((map.box_bytes(), map.footprint()), (1024, 1024));
        let rows: Vec<Row> = map.rows([48, 8, 2, 0, 0]).collect();
        assert_eq!(rows.len(), 8);
        let row = |shared, inside, global| Row { shared, bytes: 128, inside, global };
        let start = 0x1000 + 2 * 1920 + 8 * 192 + 96;
        assert_eq!(rows[0], row(0, 0..96, start));
        assert_eq!(rows[1], row(128, 0..96, start + 192));
        assert!(rows[2..].iter().all(|row| row.inside == (0..0)), "rows 10 and 11, and plane 3");
        let before: Vec<Row> = map.rows([-16, -1, 0, 0, 0]).collect();
        assert_eq!(before[0].inside, 0..0);
        assert_eq!(before[1], row(128, 32..128, 0x1000));
        // Every second row: 2 of them from 4.
        let sparse = TensorMap { element_strides: vec![1, 2, 1], ..map };
        let rows: Vec<Row> = sparse.rows([0, 1, 0, 0, 0]).collect();
        assert_eq!(rows.iter().map(|row| row.global - 0x1000).collect::<Vec<_>>(), [192, 576, 2112, 2496]);
    }

    #[test]
    fn swizzles_exchange_chunks() {
        // Row r of a 128-byte swizzle has chunk c at c ^ (r % 8).
        for row in 0..16 {
            for chunk in 0..8 {
                assert_eq!(Swizzle::B128.apply(128 * row + 16 * chunk), 128 * row + 16 * (chunk ^ (row % 8)));
                assert_eq!(Swizzle::None.apply(128 * row + 16 * chunk), 128 * row + 16 * chunk);
            }
            // Two 64-byte rows, or four of 32 bytes, share their pattern.
            for chunk in 0..4 {
                assert_eq!(Swizzle::B64.apply(64 * row + 16 * chunk), 64 * row + 16 * (chunk ^ (row / 2 % 4)));
            }
            for chunk in 0..2 {
                assert_eq!(Swizzle::B32.apply(32 * row + 16 * chunk), 32 * row + 16 * (chunk ^ (row / 4 % 2)));
            }
        }
    }
}
