//! One embedding problem: its data, where they lie, how it is run and how it is judged.

use half::{bf16, f16};
use warpsmith::ops::embedding::{self, Lookup, Options, Positions, backward_workspace_bytes};
use warpsmith::reference::embedding::{self as reference, Lookup as Taken};
use warpsmith::{Device, Float, Index};

use crate::common::compare::{Comparison, assert_bits_equal};
use crate::common::data::{Rng, widen};
use crate::common::devices::Body;
use crate::common::guard::{Guarded, Place, Sample};

/// What a problem's element types offer.
pub trait Real: Float + Sample {}
impl<T: Float + Sample> Real for T {}

/// A table and ids of its rows.
#[derive(Clone, Debug)]
pub struct Table<T> {
    pub rows: usize,
    pub values: Vec<T>,
    pub ids: Vec<i64>,
}

/// Tokens of sequences, with positions and segments.
#[derive(Clone, Debug)]
pub struct Problem<T> {
    pub batch: usize,
    pub length: usize,
    pub width: usize,
    pub token: Table<T>,
    /// Its ids are counted from the offset; or given.
    pub position: Option<Table<T>>,
    pub counted_from: Option<i64>,
    pub segment: Option<Table<T>>,
    pub grad_output: Vec<T>,
    pub options: Options,
    pub wide_ids: bool,
    pub gap: usize,
    pub shift: usize,
}

impl<T: Real> Table<T> {
    fn new(rng: &mut Rng, rows: usize, width: usize, ids: Vec<i64>) -> Self {
        Self { rows, values: rng.normals(rows * width, 0.0, 1.0), ids }
    }
}

/// `count` ids below `rows`: the smaller the more often, as words are.
pub fn words(rng: &mut Rng, count: usize, rows: usize) -> Vec<i64> {
    (0..count).map(|_| ((rows as f64 + 1.0).powf(rng.unit()) - 1.0) as i64).collect()
}

impl<T: Real> Problem<T> {
    /// Tokens alone.
    pub fn new(batch: usize, length: usize, vocabulary: usize, width: usize, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let ids = words(&mut rng, batch * length, vocabulary);
        Self {
            batch,
            length,
            width,
            token: Table::new(&mut rng, vocabulary, width, ids),
            position: None,
            counted_from: None,
            segment: None,
            grad_output: rng.normals(batch * length * width, 0.0, 1.0),
            options: Options::default(),
            wide_ids: false,
            gap: 0,
            shift: 0,
        }
    }

    /// With positions counted from `offset`, in a table of three rows more than are needed.
    pub fn counted(self, offset: usize) -> Self {
        let mut rng = Rng::new(self.width as u64);
        let ids = (0..self.batch * self.length).map(|row| (offset + row % self.length) as i64).collect();
        let position = Some(Table::new(&mut rng, offset + self.length + 3, self.width, ids));
        Self { position, counted_from: Some(offset as i64), ..self }
    }

    /// With positions by ids, and segments.
    pub fn with_all(self) -> Self {
        let mut rng = Rng::new(!(self.width as u64));
        let rows = self.batch * self.length;
        let positions = (0..rows).map(|row| ((self.length - 1 - row % self.length) / 2) as i64).collect();
        let position = Some(Table::new(&mut rng, self.length, self.width, positions));
        let segments = (0..rows).map(|row| i64::from(row % 7 > 3)).collect();
        let segment = Some(Table::new(&mut rng, 2, self.width, segments));
        Self { position, segment, wide_ids: true, ..self }
    }

    fn matrix(&self, rows: usize) -> Place {
        Place::matrix(rows, self.width).with_gap(self.gap).shifted(self.shift)
    }

    fn rows(&self) -> usize {
        self.batch * self.length
    }

    /// Runs the forward pass between guards.
    pub fn forward<D: Device>(&self, device: &D) -> Vec<T> {
        if self.wide_ids { self.forward_with(device, |ids| ids.to_vec()) } else { self.forward_with(device, narrow) }
    }

    fn forward_with<D: Device, I: Index + Sample>(&self, device: &D, convert: impl Fn(&[i64]) -> Vec<I>) -> Vec<T> {
        let upload = |table: &Table<T>| {
            let values = Guarded::<D, T>::input(device, self.matrix(table.rows), &table.values);
            (values, Guarded::<D, I>::input(device, Place::vector(self.rows()), &convert(&table.ids)))
        };
        let (token, position) = (upload(&self.token), self.position.as_ref().map(upload));
        let segment = self.segment.as_ref().map(upload);
        // Counted positions ask for sequences; otherwise the output may have gaps.
        let gap = if self.counted_from.is_some() { 0 } else { self.gap };
        let place = Place::matrix(self.rows(), self.width).with_gap(gap).shifted(self.shift);
        let mut output = Guarded::<D, T>::output(device, place);
        let sequences = self.counted_from.map(|_| [self.batch, self.length]);
        let tensors = embedding::Forward {
            token: lookup(&token, sequences),
            position: position.as_ref().map(|pair| match self.counted_from {
                Some(offset) => Positions::Counted { table: pair.0.view(), offset },
                None => Positions::Given(lookup(pair, sequences)),
            }),
            segment: segment.as_ref().map(|pair| lookup(pair, sequences)),
            output: match self.counted_from {
                Some(_) => output.view_mut_as([self.batch, self.length, self.width]),
                None => output.view_mut(),
            },
        };
        embedding::forward(device, tensors).expect("embedding::forward");
        output.read(device)
    }

    /// The gradient of a table between guards; with `accumulate`, added to the table's own values.
    pub fn backward<D: Device>(&self, device: &D, table: &Table<T>) -> Vec<T> {
        if self.wide_ids {
            self.backward_with(device, table, &table.ids)
        } else {
            self.backward_with(device, table, &narrow(&table.ids))
        }
    }

    fn target<D: Device>(&self, device: &D, table: &Table<T>) -> Guarded<D, T> {
        let place = self.matrix(table.rows);
        if self.options.accumulate {
            Guarded::input(device, place, &table.values)
        } else {
            Guarded::output(device, place)
        }
    }

    fn backward_with<D: Device, I: Index + Sample>(&self, device: &D, table: &Table<T>, ids: &[I]) -> Vec<T> {
        let grad_output = Guarded::<D, T>::input(device, self.matrix(self.rows()), &self.grad_output);
        let ids = Guarded::<D, I>::input(device, Place::vector(self.rows()), ids);
        let mut grad_table = self.target(device, table);
        let bytes = backward_workspace_bytes([self.rows()], [table.rows, self.width]);
        let mut workspace = Guarded::<D, u8>::output(device, Place::vector(bytes));
        let tensors = embedding::Backward {
            grad_output: grad_output.view(),
            ids: ids.view(),
            grad_table: grad_table.view_mut(),
            workspace: workspace.view_mut(),
        };
        embedding::backward(device, tensors, &self.options).expect("embedding::backward");
        workspace.read(device);
        grad_table.read(device)
    }

    /// The gradient of counted positions between guards. The sequences are one after the other.
    pub fn backward_positions<D: Device>(&self, device: &D, table: &Table<T>, offset: i64) -> Vec<T> {
        let place = Place::matrix(self.rows(), self.width).shifted(self.shift);
        let grad_output = Guarded::<D, T>::input(device, place, &self.grad_output);
        let mut grad_table = self.target(device, table);
        let tensors = embedding::PositionsBackward {
            grad_output: grad_output.view_as([self.batch, self.length, self.width]),
            grad_table: grad_table.view_mut(),
        };
        embedding::backward_positions(device, tensors, offset, self.options.accumulate)
            .expect("embedding::backward_positions");
        grad_table.read(device)
    }

    /// The name of a comparison.
    fn name(&self, device: &str, what: &str) -> String {
        let Self { batch, length, width, options, gap, shift, wide_ids, .. } = self;
        let vocabulary = self.token.rows;
        format!(
            "{device}: embedding {} of [{batch}, {length}], table [{vocabulary}, {width}], gap {gap}, shift {shift}, i64 {wide_ids}, \
             {options:?}: {what}",
            T::DTYPE
        )
    }

    fn judge(&self, device: &str, what: &str, got: &[T], oracle: &[f64], naive: &[T]) {
        Comparison { name: &self.name(device, what), cols: self.width, got, oracle, naive }.assert();
    }

    fn judge_gradient(&self, device: &str, what: &str, got: &[T], table: &Table<T>, padding: Option<i64>) {
        let before = self.options.accumulate.then_some(&table.values[..]);
        let start = before.map_or(vec![0.0; table.values.len()], widen);
        let oracle = reference::backward(&widen(&self.grad_output), &table.ids, &start, self.width, padding);
        let shape = (table.rows, self.width);
        let naive = reference::naive::backward(&self.grad_output, &table.ids, before, shape, padding);
        self.judge(device, what, got, &oracle, &naive);
    }

    /// Runs all passes and judges them row by row.
    pub fn check<D: Device>(&self, device: &D, name: &str) {
        let tables: Vec<&Table<T>> =
            [Some(&self.token), self.position.as_ref(), self.segment.as_ref()].into_iter().flatten().collect();
        let output = self.forward(device);
        let wide: Vec<Vec<f64>> = tables.iter().map(|table| widen(&table.values)).collect();
        let taken: Vec<_> =
            tables.iter().zip(&wide).map(|(table, values)| Taken { table: &values[..], ids: &table.ids }).collect();
        let oracle = reference::forward(&taken, self.width);
        let taken: Vec<_> = tables.iter().map(|table| Taken { table: &table.values[..], ids: &table.ids }).collect();
        let naive = reference::naive::forward(&taken, self.width);
        self.judge(name, "output", &output, &oracle, &naive);
        if tables.len() == 1 {
            assert_bits_equal(&self.name(name, "a copy"), self.width, &output, &naive);
        }

        let got = self.backward(device, &self.token);
        self.judge_gradient(name, "grad of token", &got, &self.token, self.options.padding_index);
        if let Some(position) = &self.position {
            match self.counted_from {
                Some(offset) => {
                    let got = self.backward_positions(device, position, offset);
                    self.judge_gradient(name, "grad of counted positions", &got, position, None);
                }
                None => {
                    let got = self.backward(device, position);
                    self.judge_gradient(name, "grad of positions", &got, position, self.options.padding_index);
                }
            }
        }
        if let Some(segment) = &self.segment {
            let got = self.backward(device, segment);
            self.judge_gradient(name, "grad of segments", &got, segment, self.options.padding_index);
        }
    }
}

/// A table and its ids, as one sequence or as several.
fn lookup<D: Device, T: Real, I: Index + Sample>(
    (table, ids): &(Guarded<D, T>, Guarded<D, I>),
    sequences: Option<[usize; 2]>,
) -> Lookup<'_, D, T, I> {
    Lookup { table: table.view(), ids: sequences.map_or_else(|| ids.view(), |shape| ids.view_as(shape)) }
}

fn narrow(ids: &[i64]) -> Vec<i32> {
    ids.iter().map(|&id| id as i32).collect()
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
