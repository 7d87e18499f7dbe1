//! Each op on 100,000 cells: the judge, the whole op and the naive form say the same.

use std::{format, vec::Vec};

use super::{memory::Job, naive};
use crate::{
    DType, graph,
    random::{Rng, World},
    refusal::Refusal,
};

/// Cells of one result that are looked at; of a larger one, as many, evenly spread, its first and last column among them.
const MOST_CELLS: usize = 1_000;

/// Every cell of every op: the whole op is what the naive form says, the judge finds nothing wrong with it, and finds wrong
/// values wrong. Returns how many cells there are by opcode.
pub fn check(job: &Job) -> [u32; 9] {
    let mut counts = [0; 9];
    for index in 0..job.outputs.len() {
        let (op, record) = job.op(index);
        let output = &job.outputs[index];
        let places =
            (0..output.rows()).flat_map(|row| (0..output.cols()).map(move |col| (row, col)));
        let step = (output.rows() * output.cols()) as usize / MOST_CELLS + 1;
        let is_last = |col: u32| col + 1 == output.cols();
        for (at, (row, col)) in places.enumerate() {
            if at % step != 0 && !is_last(col) {
                continue;
            }
            let value = output.value(row, col).unwrap();
            let what = || format!("{} {record:?} at {row}, {col}", op.name());
            assert_eq!(
                i128::from(value),
                naive::cell(job, index, row, col),
                "{}",
                what()
            );
            let judge = |claimed: i32| {
                let at = job.counterexample(index, claimed, value);
                job.judge(index, (row, col), claimed, at).0
            };
            assert_eq!(judge(value), Ok(false), "{}", what());
            let (least, greatest) = record.dtype.range();
            for wrong in [
                value.wrapping_add(1),
                value.wrapping_sub(1),
                least,
                greatest,
                0,
            ] {
                if wrong != value {
                    assert_eq!(judge(wrong), Ok(true), "{wrong}: {}", what());
                }
            }
            let refused = match op.name() {
                "ARGMAX" => Ok(false),
                _ => Err(Refusal::BadCounterexample),
            };
            let at = job.judge(index, (row, col), value, 1).0;
            assert!(
                at == refused || at == Err(Refusal::BadCounterexample),
                "{}",
                what()
            );
            counts[usize::from(op.opcode())] += 1;
        }
    }
    counts
}

fn random_cells(opcode: u8, at_least: u32) {
    let mut rng = Rng(u64::from(opcode));
    let (mut cells, mut sealed, mut graphs) = (0, 0, 0);
    while cells < at_least {
        let mut world = World::new(&mut rng);
        world.has_wide_tables = opcode == 3 && graphs % 50 == 0;
        world.op(opcode);
        graphs += 1;
        let Ok(bytes) = world.builder.finish() else {
            continue;
        };
        sealed += 1;
        assert!(graph::seal(&bytes).is_ok());
        let job = Job::new(&bytes, |_, shape| rng.tensor(shape));
        cells += check(&job)[usize::from(opcode)];
    }
    assert!(
        2 * sealed > graphs,
        "{sealed} of {graphs} graphs are sealed"
    );
}

#[test]
fn dot() {
    random_cells(1, 100_000);
}

#[test]
fn mix() {
    random_cells(2, 100_000);
}

#[test]
fn lut() {
    random_cells(3, 100_000);
}

#[test]
fn gather() {
    random_cells(4, 100_000);
}

#[test]
fn norm() {
    random_cells(5, 100_000);
}

#[test]
fn softmax() {
    random_cells(6, 100_000);
}

#[test]
fn argmax() {
    random_cells(7, 100_000);
}

#[test]
fn feedback() {
    random_cells(8, 100_000);
}

/// Long groups and long rows, beyond one leaf and one block of a kernel.
#[test]
fn long_rows() {
    use crate::builder::GraphBuilder;
    let mut rng = Rng(77);
    for dtype in [DType::I8, DType::I16, DType::I32] {
        let mut b = GraphBuilder::new();
        let x = b.input_item(dtype, 3, 1_302);
        let mask = b.input_item(DType::I8, 3, 651);
        let p = b.weight_root(DType::I32, 2, 651, &[0; 32]);
        b.norm(x, p, 17, DType::I16).groups(2).eps(9).push();
        b.softmax(x, 1 << 12, 9, DType::I16)
            .groups(2)
            .mask(mask)
            .push();
        b.softmax(x, 1 << 12, 9, DType::I8)
            .causal()
            .transposed()
            .push();
        b.argmax(x).push();
        if dtype != DType::I32 {
            let w = b.weight_root(DType::I8, 37, 1_302, &[0; 32]);
            let p = b.weight_root(DType::I32, 2, 37, &[0; 32]);
            b.dot(x, w).scaled(p, 30, DType::I16).transposed().push();
            let w = b.weight_root(DType::I8, 5, 651, &[0; 32]);
            b.dot(x, w).scores(2, 2).push();
        }
        let bytes = b.finish().unwrap();
        for _ in 0..4 {
            check(&Job::new(&bytes, |_, shape| rng.tensor(shape)));
        }
    }
}

/// Products as wide as they may be, and more rows than a block of a kernel has.
#[test]
fn longest_products() {
    use crate::builder::GraphBuilder;
    let mut rng = Rng(78);
    for dtype in [DType::I8, DType::I16] {
        let mut b = GraphBuilder::new();
        let x = b.input_item(dtype, 2, 32_768);
        let w = b.weight_root(DType::I8, 2, 32_768, &[0; 32]);
        b.dot(x, w).push();
        let tall = b.input_item(dtype, 40, 3);
        let w = b.weight_root(DType::I8, 2, 3, &[0; 32]);
        b.dot(tall, w).push();
        let bytes = b.finish().unwrap();
        check(&Job::new(&bytes, |_, shape| rng.tensor(shape)));
        let least = |_, shape: &crate::Shape| {
            let value: &[u8] = match shape.dtype {
                DType::I8 => &[0x80],
                _ => &[0, 0x80],
            };
            let count = (shape.rows * shape.cols) as usize;
            let data: Vec<u8> = value.repeat(count);
            crate::Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, data).unwrap()
        };
        check(&Job::new(&bytes, least));
    }
}
