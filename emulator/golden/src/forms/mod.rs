//! Every form, a family a file.

mod convert;
mod float;
mod integer;
mod matrix;
mod memory;
mod tile;
mod warp;
mod wgmma;

use crate::form::{Check, Form, Shape};
use crate::input::Kind;

/// Every form, in the order of a file.
pub fn all() -> Vec<Form> {
    let mut all = Vec::new();
    convert::add(&mut all);
    float::add(&mut all);
    integer::add(&mut all);
    warp::add(&mut all);
    memory::add(&mut all);
    matrix::add(&mut all);
    wgmma::add(&mut all);
    tile::add(&mut all);
    all
}

/// Threads that see every combination of special values of two words, and some hundreds of random ones.
const DENSE: usize = 2048;
/// Threads that see every 16-bit value.
const EVERY: usize = 1 << 16;

/// Adds instructions of a lane that leave their result in `hd`, `d`, `D` or `p`, whichever is their first operand.
fn lanes(all: &mut Vec<Form>, needs: u32, inputs: ([Kind; 3], usize), check: &Check, codes: &[&str]) {
    for code in codes {
        let result = code.split([' ', ',']).map(str::trim).find(|word| ["hd", "d", "D", "p"].contains(word));
        let (store, bytes) = match result {
            Some("hd") => ("cvt.u64.u16 D, hd;", 2),
            Some("d") => ("cvt.u64.u32 D, d;", 4),
            Some("p") => ("selp.b64 D, 1, 0, p;", 1),
            _ => ("", 8),
        };
        let shape = Shape::Lanes(inputs.0, inputs.1, bytes);
        all.push(Form { code: format!("{code}; {store}").trim_end().to_owned(), needs, shape, check: check.clone() });
    }
}

/// Adds instructions of a warp.
fn warps(all: &mut Vec<Form>, needs: u32, words: &[(usize, Kind)], check: &Check, codes: &[&str]) {
    for code in codes {
        let shape = Shape::Warp(words.to_vec(), 16);
        all.push(Form { code: (*code).to_owned(), needs, shape, check: check.clone() });
    }
}
