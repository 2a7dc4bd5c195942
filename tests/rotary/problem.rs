//! One rotary problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::rotary::{self, Frequencies, Operand, Pairing, Positions, Rotate};
use warpsmith::reference::rotary::{Angles, Rotation, naive};
use warpsmith::{Buffer, Device, Float};

use crate::common::compare::Comparison;
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// Where the tensors of a problem lie.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Elements between two heads.
    pub gap: usize,
    /// Elements by which inputs are off a 256-byte boundary.
    pub input_shift: usize,
    /// The same for outputs.
    pub output_shift: usize,
    /// Memory in the order of `[batch, heads, length, head_dim]`.
    pub heads_first: bool,
    /// Outputs are inputs.
    pub in_place: bool,
}

/// How the positions are given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given {
    /// By the first one.
    From(i64),
    /// For each place in a text, as i32.
    Narrow,
    /// For each token, as i64.
    Wide,
}

/// Tables of numbers that stand for cosines and sines.
#[derive(Clone, Debug)]
pub struct Tables<T> {
    /// `[positions]`, or `[batch or 1, length]`.
    pub leading: Vec<usize>,
    pub pairs: usize,
    /// Elements of a row in memory, of which `pairs` are used.
    pub pitch: usize,
    /// Whether they are in f32, whatever the tensors are.
    pub single: bool,
    pub cosines: Vec<T>,
    pub sines: Vec<T>,
}

impl<T: Real> Tables<T> {
    /// Normal numbers: nothing says that their squares add up to one.
    pub fn new(leading: &[usize], pairs: usize) -> Self {
        let (mut rng, count) = (Rng::new(pairs as u64), leading.iter().product::<usize>() * pairs);
        let [cosines, sines] = [rng.normals(count, 0.0, 1.0), rng.normals(count, 0.0, 1.0)];
        Self { leading: leading.to_vec(), pairs, pitch: pairs, single: false, cosines, sines }
    }

    fn name(&self) -> String {
        format!("tables {:?} of {}, f32 {}", self.leading, self.pitch, self.single)
    }

    fn upload<D: Device, C: Float>(&self, device: &D, convert: impl Fn(T) -> C) -> [D::Buffer<C>; 2] {
        [&self.cosines, &self.sines].map(|table| {
            let rows = table.chunks_exact(self.pairs);
            let padded = rows.flat_map(|row| (0..self.pitch).map(|i| *row.get(i).unwrap_or(&T::BLANK)));
            device.upload(&padded.map(&convert).collect::<Vec<_>>()).unwrap()
        })
    }

    fn views<'a, D: Device, C: Float>(
        &self,
        cosines: &'a D::Buffer<C>,
        sines: &'a D::Buffer<C>,
    ) -> rotary::Tables<'a, D, C> {
        let pitch = self.pitch as i64;
        let view = |buffer: &'a D::Buffer<C>| match *self.leading {
            [positions] => buffer.strided(0, [positions, self.pairs], [pitch, 1]).unwrap(),
            [batch, length] => {
                buffer.strided(0, [batch, length, self.pairs], [pitch * length as i64, pitch, 1]).unwrap()
            }
            _ => panic!("tables have one or two leading dimensions"),
        };
        rotary::Tables { cosines: view(cosines), sines: view(sines) }
    }

    /// `[tokens, pairs]`; NaN where there is no such position.
    fn of_tokens(&self, problem: &Problem<T>) -> [Vec<f64>; 2] {
        let row = |token: usize| match *self.leading {
            [positions] => usize::try_from(problem.positions[token]).ok().filter(|&position| position < positions),
            _ => Some(token % self.leading.iter().product::<usize>()),
        };
        let of_token = |table: &Vec<T>, token: usize| -> Vec<f64> {
            match row(token) {
                Some(row) => widen(&table[row * self.pairs..][..self.pairs]),
                None => vec![f64::NAN; self.pairs],
            }
        };
        let tokens = 0..problem.positions.len();
        [&self.cosines, &self.sines].map(|table| tokens.clone().flat_map(|token| of_token(table, token)).collect())
    }
}

/// Queries and keys, rotated and rotated back.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub batch: usize,
    pub length: usize,
    /// Of queries, and of keys; no keys where these are 0.
    pub heads: [usize; 2],
    pub head_dim: usize,
    pub frequencies: Vec<f64>,
    pub factor: f64,
    pub pairing: Pairing,
    pub given: Given,
    /// Of `[batch, length]`.
    pub positions: Vec<i64>,
    pub tensors: [Vec<T>; 2],
    pub layout: Layout,
    /// In place of frequencies.
    pub tables: Option<Tables<T>>,
}

impl<T: Real> Problem<T> {
    /// Normal data, positions from 5 on, the plain frequencies of all pairs, tensors without gaps.
    pub fn new([batch, length, queries, keys]: [usize; 4], head_dim: usize, pairing: Pairing) -> Self {
        let mut rng = Rng::new((batch + 7 * length + 31 * queries + head_dim) as u64);
        let mut normal = |heads: usize| rng.normals(batch * length * heads * head_dim, 0.0, 1.0);
        let problem = Self {
            batch,
            length,
            heads: [queries, keys],
            head_dim,
            frequencies: Vec::new(),
            factor: 1.0,
            pairing,
            given: Given::From(5),
            positions: (0..batch * length).map(|token| 5 + (token % length) as i64).collect(),
            tensors: [normal(queries), normal(keys)],
            layout: Layout { gap: 0, input_shift: 0, output_shift: 0, heads_first: false, in_place: false },
            tables: None,
        };
        problem.rotating(head_dim - head_dim % 2)
    }

    /// With so many rotated elements a head.
    pub fn rotating(self, rotated: usize) -> Self {
        let frequencies = (0..rotated / 2).map(|i| 10_000_f64.powf(-2.0 * i as f64 / rotated as f64)).collect();
        Self { frequencies, ..self }
    }

    /// With other positions: one for each place in a text, or one for each token.
    pub fn at(self, given: Given, position: impl Fn(usize) -> i64) -> Self {
        let place = |token: usize| if given == Given::Wide { token } else { token % self.length };
        let positions = (0..self.batch * self.length).map(|token| position(place(token))).collect();
        Self { given, positions, ..self }
    }

    fn place(&self, heads: usize, shift: usize) -> Place {
        let rows = self.batch * self.length * heads;
        Place::matrix(rows, self.head_dim).with_gap(self.layout.gap).shifted(shift)
    }

    /// Extents and steps in rows of `[batch, length, heads]`.
    fn rows(&self, heads: usize) -> [[usize; 3]; 2] {
        let (length, extents) = (self.length, [self.batch, self.length, heads]);
        let steps = if self.layout.heads_first { [heads * length, 1, length] } else { [length * heads, heads, 1] };
        [extents, steps]
    }

    /// From `[batch, length, heads]` to the order in memory, or back.
    fn permuted(&self, values: &[T], heads: usize, to_memory: bool) -> Vec<T> {
        let [[batch, length, _], steps] = self.rows(heads);
        let mut result = values.to_vec();
        for row in 0..batch * length * heads {
            let [b, s, h] = [row / heads / length, row / heads % length, row % heads];
            let memory = b * steps[0] + s * steps[1] + h * steps[2];
            let (from, to) = if to_memory { (row, memory) } else { (memory, row) };
            let dim = self.head_dim;
            result[to * dim..(to + 1) * dim].copy_from_slice(&values[from * dim..(from + 1) * dim]);
        }
        result
    }

    pub fn rotate<D: Device>(&self, device: &D, inverse: bool) -> [Vec<T>; 2] {
        let narrow: Vec<i32> = self.positions[..self.length].iter().map(|&position| position as i32).collect();
        let (narrow, wide) = (device.upload(&narrow).unwrap(), device.upload(&self.positions).unwrap());
        let positions = match self.given {
            Given::From(first) => Positions::From(first),
            Given::Narrow => Positions::I32(narrow.view([self.length]).unwrap()),
            Given::Wide => Positions::I64(wide.view([self.batch, self.length]).unwrap()),
        };
        let upload = |i: usize| {
            let heads = self.heads[i].max(1);
            let blank = vec![T::BLANK; self.batch * self.length * heads * self.head_dim];
            let values = if self.heads[i] == 0 { &blank } else { &self.tensors[i] };
            Guarded::input(device, self.place(heads, self.layout.input_shift), &self.permuted(values, heads, true))
        };
        let mut inputs = [upload(0), upload(1)];
        let mut outputs =
            [0, 1].map(|i| Guarded::output(device, self.place(self.heads[i].max(1), self.layout.output_shift)));
        let [queries, keys] = self.heads;
        {
            let [q_in, k_in] = &mut inputs;
            let [q_out, k_out] = &mut outputs;
            let operand = |input, output, heads| self.operand(input, output, heads);
            let tensors = Rotate {
                queries: operand(q_in, q_out, queries),
                keys: (keys > 0).then(|| operand(k_in, k_out, keys)),
                positions,
            };
            match &self.tables {
                None => {
                    let frequencies = Frequencies::from_inverse(&self.frequencies, self.factor).unwrap();
                    self.run(device, tensors, &frequencies, inverse);
                }
                Some(tables) if tables.single => {
                    let [cosines, sines] = tables.upload(device, |x| x.to_f64() as f32);
                    self.run(device, tensors, &tables.views(&cosines, &sines), inverse);
                }
                Some(tables) => {
                    let [cosines, sines] = tables.upload(device, |x| x);
                    self.run(device, tensors, &tables.views(&cosines, &sines), inverse);
                }
            }
        }
        [0, 1].map(|i| {
            let result = if self.layout.in_place { &inputs[i] } else { &outputs[i] };
            if self.heads[i] == 0 {
                result.assert_untouched(device);
                return Vec::new();
            }
            if !self.layout.in_place {
                let kept: Vec<u64> = inputs[i].read(device).iter().map(|value| value.to_f64().to_bits()).collect();
                let given = self.permuted(&self.tensors[i], self.heads[i], true);
                let given: Vec<u64> = given.iter().map(|value| value.to_f64().to_bits()).collect();
                assert_eq!(kept, given, "an input was overwritten");
            }
            self.permuted(&result.read(device), self.heads[i], false)
        })
    }

    fn run<D: Device>(&self, device: &D, tensors: Rotate<'_, D, T>, angles: &impl rotary::Angles<D>, inverse: bool) {
        let run = if inverse { rotary::backward } else { rotary::forward };
        run(device, tensors, angles, self.pairing).expect("rotary");
    }

    /// Pairs that are rotated.
    pub fn pairs(&self) -> usize {
        self.tables.as_ref().map_or(self.frequencies.len(), |tables| tables.pairs)
    }

    fn operand<'a, D: Device>(
        &self,
        input: &'a mut Guarded<D, T>,
        output: &'a mut Guarded<D, T>,
        heads: usize,
    ) -> Operand<'a, D, T> {
        let [extents, steps] = self.rows(heads);
        if self.layout.in_place {
            Operand::InPlace(input.heads_mut(extents, steps))
        } else {
            Operand::Into { input: input.heads(extents, steps), output: output.heads_mut(extents, steps) }
        }
    }

    /// Rotates, and rotates back, and judges both head by head.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let tables = self.tables.as_ref().map(|tables| tables.of_tokens(self));
        let angles = match &tables {
            Some([cosines, sines]) => Angles::Tables { cosines, sines, pairs: self.pairs() },
            None => Angles::Turning { positions: &self.positions, frequencies: &self.frequencies, factor: self.factor },
        };
        for inverse in [false, true] {
            let results = self.rotate(device, inverse);
            for (i, got) in results.iter().enumerate().filter(|&(i, _)| self.heads[i] > 0) {
                let rotation = Rotation {
                    head_dim: self.head_dim,
                    heads: self.heads[i],
                    angles,
                    interleaved: self.pairing == Pairing::Interleaved,
                    inverse,
                };
                let oracle = rotation.apply(&widen(&self.tensors[i]));
                let naive = naive::apply(&rotation, &self.tensors[i]);
                let name = format!(
                    "{name}: rotary {} of [{}, {}, {}, {}], {:?}, {:?}, {} rotated, inverse {inverse}, {}",
                    T::DTYPE,
                    self.batch,
                    self.length,
                    self.heads[i],
                    self.head_dim,
                    self.pairing,
                    self.given,
                    2 * self.pairs(),
                    self.tables.as_ref().map_or_else(String::new, Tables::name),
                );
                Comparison { name: &name, cols: self.head_dim, got, oracle: &oracle, naive: &naive }.assert();
            }
        }
    }
}

/// A test that is written once for all devices and element types.
pub trait Case {
    /// Runs on one of each.
    fn run<D: Device, T: Real>(&self, device: &D, name: &str);
}

/// A case as one test body for a device.
pub struct Every<C>(pub C);

impl<C: Case> Body for Every<C> {
    fn run<D: Device>(&self, device: &D, name: &str) {
        self.0.run::<D, f32>(device, name);
        self.0.run::<D, f16>(device, name);
        self.0.run::<D, bf16>(device, name);
    }
}
