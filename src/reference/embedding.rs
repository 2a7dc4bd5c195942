//! Embedding on the CPU: sums of rows of tables, and the gradients of the tables.

/// A table of rows of one width, and the row that each output row takes from it.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a, T> {
    /// `[rows, width]`.
    pub table: &'a [T],
    /// One for each output row; a number that is no row of the table gives NaN.
    pub ids: &'a [i64],
}

/// The place of an id's row in a table of so many elements, where there is such a row.
fn place(id: i64, elements: usize, width: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(id).ok()?.checked_mul(width)?;
    (start < elements).then_some(start..start + width)
}

/// `output[i] = sum over the tables of table[ids[i]]`, `[rows, width]`.
pub fn forward(lookups: &[Lookup<'_, f64>], width: usize) -> Vec<f64> {
    let rows = lookups.first().map_or(0, |lookup| lookup.ids.len());
    let element = |row: usize, column: usize| -> f64 {
        let of = |lookup: &Lookup<'_, f64>| {
            place(lookup.ids[row], lookup.table.len(), width).map_or(f64::NAN, |place| lookup.table[place][column])
        };
        lookups.iter().map(of).sum()
    };
    (0..rows * width).map(|i| element(i / width, i % width)).collect()
}

/// `grad_table[v] = before[v] + sum of grad_output[i] over all i with ids[i] = v`, but for the padding index.
pub fn backward(grad_output: &[f64], ids: &[i64], before: &[f64], width: usize, padding: Option<i64>) -> Vec<f64> {
    let mut gradient = before.to_vec();
    for (row, &id) in grad_output.chunks_exact(width).zip(ids).filter(|&(_, &id)| Some(id) != padding) {
        if let Some(place) = place(id, before.len(), width) {
            gradient[place].iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy);
        }
    }
    gradient
}

/// As an unfused framework computes: every sum of two tables stored in the element type; gradients added up in f32 by pairs, stored,
/// and then added to what is there.
pub mod naive {
    use super::{Lookup, place};
    use crate::element::Float;
    use crate::reference::{pairwise_sum, single, stored};

    /// The sum of the tables' rows.
    pub fn forward<T: Float>(lookups: &[Lookup<'_, T>], width: usize) -> Vec<T> {
        let taken = |lookup: &Lookup<'_, T>| -> Vec<T> {
            let nan = vec![stored(f32::NAN); width];
            let row =
                |&id: &i64| place(id, lookup.table.len(), width).map_or(nan.clone(), |at| lookup.table[at].to_vec());
            lookup.ids.iter().flat_map(row).collect()
        };
        let add = |a: Vec<T>, b: Vec<T>| a.iter().zip(&b).map(|(&a, &b)| stored(single(a) + single(b))).collect();
        lookups.iter().map(taken).reduce(add).unwrap_or_default()
    }

    /// The gradient of a table; `before` is there where it is to be added to.
    pub fn backward<T: Float>(
        grad_output: &[T],
        ids: &[i64],
        before: Option<&[T]>,
        (table_rows, width): (usize, usize),
        padding: Option<i64>,
    ) -> Vec<T> {
        let mut buckets = vec![Vec::new(); table_rows];
        for (row, &id) in ids.iter().enumerate().filter(|&(_, &id)| Some(id) != padding) {
            if let Some(place) = place(id, table_rows * width, width) {
                buckets[place.start / width].push(row);
            }
        }
        let sum = |i: usize| {
            let terms: Vec<f32> =
                buckets[i / width].iter().map(|row| single(grad_output[row * width + i % width])).collect();
            let sum: T = stored(pairwise_sum(&terms));
            before.map_or(sum, |before| stored(single(before[i]) + single(sum)))
        };
        (0..table_rows * width).map(sum).collect()
    }
}
