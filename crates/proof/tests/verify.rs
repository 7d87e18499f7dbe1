//! Checking the published trace of an item finds its first wrong cell, with hints, without and with wrong ones.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Job, Noise, every_op};
use quern_proof::{
    Charge, DType, Op, Tensor,
    builder::GraphBuilder,
    commit::{ItemTrace, TraceTree},
    freivalds::{Coins, ProductTest},
    verify::{self, Finding, Hints},
    witness::Whole,
};

/// Products of all sorts, tall enough for Freivalds' test: i8 and i16, groups on both sides, stored transposed, unscaled and
/// scaled.
fn products() -> Job {
    let mut noise = Noise(12);
    let mut b = GraphBuilder::new();
    let inputs = vec![
        noise.tensor(DType::I8, 2 * 12, 24),
        noise.tensor(DType::I16, 2 * 12, 24),
    ];
    let weights = vec![
        noise.tensor(DType::I8, 12, 24),
        noise.parameters(12, (-999, 999), (-(1 << 12), 1 << 12)),
        noise.tensor(DType::I8, 12, 12),
        noise.parameters(24, (-999, 999), (-(1 << 12), 1 << 12)),
    ];
    let x = b.input_item(DType::I8, 12, 24);
    let wide = b.input_item(DType::I16, 12, 24);
    let of: Vec<_> = weights.iter().map(|weight| b.weight(weight)).collect();
    b.dot(x, of[0]).push();
    b.dot(wide, of[0]).push();
    b.dot(x, of[0]).scaled(of[1], 20, DType::I8).push();
    b.dot(wide, of[0])
        .scaled(of[1], 20, DType::I16)
        .transposed()
        .push();
    b.dot(wide, of[2])
        .scores(4, 2)
        .scaled(of[1], 18, DType::I8)
        .push();
    let v = b
        .dot(x, of[0])
        .scaled(of[1], 20, DType::I8)
        .transposed()
        .push();
    b.dot(wide, v)
        .context(2, 1)
        .scaled(of[1], 24, DType::I8)
        .push();
    b.dot(x, of[0]).transposed().push();
    Job {
        bytes: b.finish().unwrap(),
        items: 2,
        inputs,
        weights,
    }
}

fn coins(at: usize) -> Coins {
    Coins::new([at as u8 + 1; 32])
}

#[test]
fn the_first_wrong_cell_is_found_and_convicts() {
    for job in [products(), every_op(2)] {
        let batch = job.batch();
        let graph = job.graph();
        let honest = batch.item(1).unwrap();
        let right_sums = Hints::encode(&batch, 1, &honest).unwrap();
        assert_eq!(Some(right_sums.len() as u64), Hints::file_len(&graph));
        let mut wrong_sums = right_sums.clone();
        wrong_sums.iter_mut().step_by(5).for_each(|byte| *byte ^= 1);
        let hints = [
            Hints::none(),
            Hints::from_file(&graph, &right_sums),
            Hints::from_file(&graph, &wrong_sums),
            Hints::from_file(&graph, &right_sums[1..]),
        ];
        for hints in &hints {
            let found = verify::item(&batch, 1, &honest, hints, &mut coins(0)).unwrap();
            assert_eq!(found, Finding::Consistent);
        }
        let mut noise = Noise(8);
        for op in 0..graph.op_count() {
            let record = graph.record(op).unwrap();
            let mut outputs = honest.clone();
            let size = record.dtype.size();
            let cell = noise.below(record.rows * record.cols);
            outputs[op].data_mut()[(cell * size) as usize] ^= 1;
            let mut charges = Vec::new();
            for hints in &hints {
                let found = verify::item(&batch, 1, &outputs, hints, &mut coins(op)).unwrap();
                let Finding::Wrong(charge) = found else {
                    panic!("op {op}: nothing found");
                };
                charges.push(charge);
            }
            let Charge::Cell {
                op: found,
                row,
                col,
                ..
            } = charges[0]
            else {
                panic!("{}", charges[0]);
            };
            assert_eq!(usize::from(found), op);
            assert_eq!(
                (row, col),
                (record.rows + cell / record.cols, cell % record.cols)
            );
            assert!(charges.iter().all(|charge| *charge == charges[0]));
            convict(&job, outputs, &charges[0]);
        }
    }
}

fn convict(job: &Job, outputs: Vec<Tensor>, charge: &Charge) {
    let batch = job.batch();
    let trace = ItemTrace::new(outputs).unwrap();
    let other = ItemTrace::new(batch.item(0).unwrap()).unwrap();
    let geometry = job.graph().trace(2).unwrap();
    let above = TraceTree::new(geometry, vec![other.root(), trace.root()]).unwrap();
    let root = above.root();
    let mut whole = Whole::new(&batch).unwrap();
    whole.insert(1, trace).unwrap();
    whole.insert_above(above);
    let bytes = job.evidence(charge, &whole);
    assert_eq!(job.judge(&root, charge, &bytes), Ok(()), "{charge}");
}

/// A result that saturates i32 is no sum of products; it is right all the same.
#[test]
fn a_saturated_sum_is_consistent() {
    let inner = 32_768;
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 9, inner);
    let weight = Tensor::from_i8(2, inner, &vec![-128; 2 * inner as usize]).unwrap();
    let w = b.weight(&weight);
    b.dot(x, w).push();
    let data = vec![i16::MIN; 9 * inner as usize];
    let job = Job {
        bytes: b.finish().unwrap(),
        items: 1,
        inputs: vec![Tensor::from_i16(9, inner, &data).unwrap()],
        weights: vec![weight],
    };
    let batch = job.batch();
    let mut outputs = batch.item(0).unwrap();
    assert_eq!(outputs[0].value(8, 1), Some(i32::MAX));
    let none = Hints::none();
    let found = verify::item(&batch, 0, &outputs, &none, &mut coins(0)).unwrap();
    assert_eq!(found, Finding::Consistent);
    outputs[0].data_mut()[0] ^= 1;
    let found = verify::item(&batch, 0, &outputs, &none, &mut coins(0)).unwrap();
    assert!(matches!(found, Finding::Wrong(_)));
}

/// Sums and the result that follows from them, both wrong: the sums are tested before they are used.
#[test]
fn sums_that_fit_a_wrong_result_are_no_excuse() {
    let job = products();
    let (batch, graph) = (job.batch(), job.graph());
    let mut outputs = batch.item(0).unwrap();
    let mut sums = Hints::encode(&batch, 0, &outputs).unwrap();
    // The first sum of op 2, the first scaled product, and its result.
    let Ok(Op::Dot(dot)) = graph.op(2) else {
        panic!("op 2 is a DOT");
    };
    let (bias, mult) = (job.weights[1].values()[0], job.weights[1].values()[12]);
    let right = i64::from_le_bytes(*sums.first_chunk().unwrap());
    let (lie, result) = (1..)
        .map(|more| right + more)
        .map(|sum| (sum, dot.scale(sum, bias.into(), mult.into())))
        .find(|(_, result)| *result as u8 != outputs[2].data()[0])
        .unwrap();
    sums[..8].copy_from_slice(&lie.to_le_bytes());
    outputs[2].data_mut()[0] = result as u8;
    let hints = Hints::from_file(&graph, &sums);
    let found = verify::item(&batch, 0, &outputs, &hints, &mut coins(1)).unwrap();
    let charge = Charge::Cell {
        op: 2,
        row: 0,
        col: 0,
        at: 0,
    };
    assert_eq!(found, Finding::Wrong(charge));
}

/// A sum that is wrong by 2^63 would pass a test modulo 2^64 wherever its coefficients are even: no product reaches it.
#[test]
fn sums_beyond_every_product_are_not_right() {
    let mut noise = Noise(2);
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 9, 16);
    let weight = noise.tensor(DType::I8, 1, 16);
    let w = b.weight(&weight);
    b.dot(x, w).push();
    let job = Job {
        bytes: b.finish().unwrap(),
        items: 1,
        inputs: vec![noise.tensor(DType::I8, 9, 16)],
        weights: vec![weight],
    };
    let batch = job.batch();
    let outputs = batch.item(0).unwrap();
    let tensors = batch.tensors(0, &outputs).unwrap();
    let product = job.graph().op(0).unwrap().product().unwrap();
    for seed in 0..64 {
        let test = ProductTest::new(&product, &tensors, &mut coins(seed)).unwrap();
        let right = i64::from(outputs[0].values()[4]);
        assert!(test.is_right(4, &[right]));
        assert!(!test.is_right(4, &[right + 1]));
        assert!(!test.is_right(4, &[right.wrapping_add(i64::MIN)]));
        assert!(!test.is_right(4, &[right, right]));
        assert!(!test.is_right(9, &[right]));
    }
}
