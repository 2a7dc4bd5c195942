//! Copies of boxes of tensors: ranks, edges, steps, swizzles, fills, reductions.

use ptx_emulator::{OutOfBoundsFill, Swizzle, TensorElement};

use crate::form::{Check::Exact, Form, Shape};
use crate::tile::Tile;

pub(super) fn add(all: &mut Vec<Form>) {
    use TensorElement::{Bf16, F32, U8, U32};
    // Inside, across the upper ends, across the lower ends.
    for rank in 1..=5 {
        let (dims, sides) = ([8, 4, 4, 4, 2], [8, 2, 2, 2, 2]);
        for at in [[0, 1, 2, 1, 0], [4, 3, 3, 3, 1], [-4, -1, -1, -1, -1]] {
            push(all, Tile { at: at[..rank].to_vec(), ..Tile::new(U32, &dims[..rank], &sides[..rank]) }, "");
        }
    }
    push(all, Tile { steps: vec![1, 3], at: vec![0, 1], ..Tile::new(U32, &[16, 20], &[16, 8]) }, "");
    push(all, Tile { steps: vec![1, 2], at: vec![-4, -2], ..Tile::new(U8, &[64, 20], &[32, 8]) }, "");
    for (element, fill) in [(F32, OutOfBoundsFill::NaN), (Bf16, OutOfBoundsFill::NaN), (F32, OutOfBoundsFill::Zero)] {
        push(all, Tile { fill, at: vec![12, 6], ..Tile::new(element, &[16, 8], &[16, 4]) }, "");
    }
    // Rows as long as the swizzle's line, and shorter ones, whose layout the documents leave open; in part outside.
    for swizzle in [Swizzle::B32, Swizzle::B64, Swizzle::B128] {
        for row in [16, 32, 48, 64, 96, 128] {
            if swizzle.span().is_some_and(|span| row <= span) {
                for at in [[0, 0], [4, 5]] {
                    let tile = Tile::new(U32, &[32, 16], &[row / 4, 16]);
                    push(all, Tile { swizzle, at: at.to_vec(), ..tile.clone() }, "");
                    push(all, Tile { swizzle, at: at.to_vec(), stores: true, ..tile }, "");
                }
            }
        }
    }
    // Three dimensions, of which the swizzle sees one line after the other.
    push(all, Tile { swizzle: Swizzle::B128, at: vec![0, 1, 1], ..Tile::new(Bf16, &[64, 5, 3], &[64, 3, 2]) }, "");
    for reduction in ["add", "min", "max", "and", "or", "xor", "inc", "dec"] {
        push(all, Tile { at: vec![4, 5], stores: true, ..Tile::new(U32, &[32, 16], &[16, 8]) }, reduction);
    }
    // The tensor starts as zeros, to which a sum adds without rounding.
    push(all, Tile { at: vec![4, 5], stores: true, ..Tile::new(F32, &[32, 16], &[16, 8]) }, "add");
    push(all, Tile { at: vec![8, 5], stores: true, ..Tile::new(Bf16, &[64, 16], &[16, 8]) }, "add");
}

fn push(all: &mut Vec<Form>, tile: Tile, reduction: &str) {
    let rank = tile.dims.len();
    let at = tile.at.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
    let copy = if tile.stores {
        let (op, kind) =
            if reduction.is_empty() { ("cp", String::new()) } else { ("cp.reduce", format!(".{reduction}")) };
        format!(
            "{op}.async.bulk.tensor.{rank}d.global.shared::cta{kind}.tile.bulk_group [M, {{{at}}}], [s]; \
             cp.async.bulk.commit_group; cp.async.bulk.wait_group 0;"
        )
    } else {
        // A wait that ends whatever happens: a wrong count of bytes must not hang a GPU.
        format!(
            "mbarrier.init.shared.b64 [bar], 1; fence.proxy.async; mbarrier.arrive.expect_tx.shared.b64 _, [bar], {}; \
             cp.async.bulk.tensor.{rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [s], [M, {{{at}}}], [bar]; \
             .reg .b32 tries; mov.b32 tries, 0; WAIT: add.u32 tries, tries, 1; setp.gt.u32 p, tries, 100000; @p bra DONE; \
             mbarrier.try_wait.parity.shared.b64 p, [bar], 0; @!p bra WAIT; DONE:",
            tile.bytes()
        )
    };
    let Tile { element, dims, sides, steps, swizzle, fill, .. } = &tile;
    let kind = match (tile.stores, reduction) {
        (false, _) => "load",
        (true, "") => "store",
        (true, reduction) => reduction,
    };
    let title = format!(
        "// tile {kind} {element:?} {dims:?} at {at}, box {sides:?}, steps {steps:?}, swizzle {swizzle:?}, fill {fill:?}"
    );
    all.push(Form { code: format!("{title}\n{copy}"), needs: 900, shape: Shape::Tile(tile), check: Exact });
}
