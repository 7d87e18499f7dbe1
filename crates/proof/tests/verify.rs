//! Checking the published trace of an item finds its first wrong cell, and what is found convicts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Job, Noise, every_op};
use quern_proof::{
    Charge, DType, Error, Tensor,
    builder::GraphBuilder,
    commit::{ItemTrace, TraceTree},
    verify::first_wrong,
    witness::Whole,
};

/// Products of all sorts: i8 and i16, groups on both sides, stored transposed, unscaled and scaled.
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

#[test]
fn the_first_wrong_cell_is_found_and_convicts() {
    for job in [products(), every_op(2)] {
        let batch = job.batch();
        let graph = job.graph();
        let honest = batch.item(1).unwrap();
        assert_eq!(first_wrong(&batch, 1, &honest), Ok(None));
        let mut noise = Noise(8);
        for op in 0..graph.op_count() {
            let record = graph.record(op).unwrap();
            let size = record.dtype.size();
            let cell = noise.below(record.rows * record.cols);
            // The last byte of the last cell is wrong, too, and of a later op: the first one counts.
            let mut outputs = honest.clone();
            outputs[op].data_mut()[(cell * size) as usize] ^= 1;
            let later = outputs.len() - 1;
            for wrong in [op, later] {
                *outputs[wrong].data_mut().last_mut().unwrap() ^= 0x40;
            }
            let charge = first_wrong(&batch, 1, &outputs).unwrap().unwrap();
            let Charge::Cell {
                op: found,
                row,
                col,
                ..
            } = charge
            else {
                panic!("{charge}");
            };
            assert_eq!(usize::from(found), op);
            assert_eq!(
                (row, col),
                (record.rows + cell / record.cols, cell % record.cols)
            );
            convict(&job, outputs, &charge);
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
    assert_eq!(first_wrong(&batch, 0, &outputs), Ok(None));
    outputs[0].data_mut()[0] ^= 1;
    assert!(first_wrong(&batch, 0, &outputs).unwrap().is_some());
}

/// Results of strangers: other counts and shapes, and items that there are not, are errors.
#[test]
fn what_is_no_result_of_the_item_is_refused() {
    let job = products();
    let batch = job.batch();
    let honest = batch.item(0).unwrap();
    assert!(matches!(
        first_wrong(&batch, 2, &honest),
        Err(Error::NoSuchItem { item: 2, items: 2 })
    ));
    assert!(first_wrong(&batch, 0, &honest[1..]).is_err());
    let mut reshaped = honest;
    let (rows, cols) = (reshaped[0].cols(), reshaped[0].rows());
    let data = reshaped[0].data()[..].to_vec();
    reshaped[0] = Tensor::from_bytes(DType::I16, rows, 2 * cols, data).unwrap();
    assert!(first_wrong(&batch, 0, &reshaped).is_err());
}
