//! What each op reads of its operands, in which order and as which part: that is its evidence.

use std::{vec, vec::Vec};

use super::memory::{Job, Read};
use crate::{
    DType, Operand, Shape, Tensor,
    builder::GraphBuilder,
    refusal::Refusal::{OperandA, OperandB, OperandC, OperandD},
};

const ROOT: [u8; 32] = [0; 32];

/// What the one cell at (row, col), as stored, reads; all values of the operands are these.
fn reads(b: &GraphBuilder, fill: i32, (row, col): (u32, u32), claimed: i32, at: u32) -> Vec<Read> {
    let data = |_, shape: &Shape| {
        let count = (shape.rows * shape.cols) as usize;
        let bytes = fill.to_le_bytes()[..shape.dtype.size() as usize].repeat(count);
        Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, bytes).unwrap()
    };
    let job = Job::new(&b.finish().unwrap(), data);
    let (verdict, reads) = job.judge(job.outputs.len() - 1, (row, col), claimed, at);
    verdict.unwrap();
    reads
}

/// 6 groups of K = 4, of which 2 share one of b.
#[test]
fn dot_reads_two_runs_and_two_parameters() {
    for is_context in [false, true] {
        for is_transposed in [false, true] {
            let mut b = GraphBuilder::new();
            let x = b.input_item(DType::I16, 2, 24);
            let w = match is_context {
                false => b.weight_root(DType::I8, 5, 12, &ROOT),
                true => b.weight_root(DType::I8, 15, 4, &ROOT),
            };
            let p = b.weight_root(DType::I32, 2, 10, &ROOT);
            let draft = b.dot(x, w);
            let draft = match is_context {
                false => draft.scores(6, 2),
                true => draft.context(6, 2),
            };
            let draft = draft.scaled(p, 1, DType::I8);
            match is_transposed {
                false => draft.push(),
                true => draft.transposed().push(),
            };
            // Column 23 is n = 3 of group 4, which uses group 2 of b.
            let place = if is_transposed { (23, 1) } else { (1, 23) };
            let of_b = match is_context {
                false => (w, 3, 8..12, OperandB),
                true => (w, 13, 0..4, OperandB),
            };
            assert_eq!(
                reads(&b, 1, place, 0, 0),
                [
                    (x, 1, 16..20, OperandA),
                    of_b,
                    (p, 0, 3..4, OperandC),
                    (p, 1, 3..4, OperandC),
                ]
            );
        }
    }
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 2, 24);
    let w = b.weight_root(DType::I8, 5, 24, &ROOT);
    b.dot(x, w).push();
    let both = [(x, 1, 0..24, OperandA), (w, 4, 0..24, OperandB)];
    assert_eq!(reads(&b, 1, (1, 4), 0, 0), both);
}

#[test]
fn mix_reads_what_there_is_in_the_order_of_slots() {
    let mut b = GraphBuilder::new();
    let [a, of_b] = [(4, 6), (2, 2)].map(|(rows, cols)| b.input_item(DType::I8, rows, cols));
    let [c, d] = [(1, 3), (4, 1)].map(|(rows, cols)| b.input_item(DType::I8, rows, cols));
    b.mix(a).times(c).plus_product(of_b, d).paired().push();
    assert_eq!(
        reads(&b, 1, (3, 4), 0, 0),
        [
            (a, 3, 4..5, OperandA),
            (of_b, 1, 1..2, OperandB),
            (c, 0, 1..2, OperandC),
            (d, 3, 0..1, OperandD),
        ]
    );
    b.mix(a).times(c).push();
    assert_eq!(
        reads(&b, 1, (3, 5), 0, 0),
        [(a, 3, 5..6, OperandA), (c, 0, 2..3, OperandC)]
    );
}

#[test]
fn lut_reads_two_leaves() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 2, 6);
    let t = b.weight_root(DType::I8, 1, 256, &ROOT);
    b.lut(x, t).transposed().push();
    let both = [(x, 1, 4..5, OperandA), (t, 0, 121..122, OperandB)];
    assert_eq!(reads(&b, -7, (4, 1), 0, 0), both);
}

/// The table only where the index names a row of it.
#[test]
fn gather_reads_the_index_first() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, 6);
    let t = b.weight_root(DType::I8, 4, 5, &ROOT);
    b.gather(x, t, 2).push();
    let index = (x, 0, 4..5, OperandA);
    // Column 7 is k = 2 of q = 1.
    let both = [index.clone(), (t, 3, 2..3, OperandB)];
    assert_eq!(reads(&b, 3, (1, 7), 0, 0), both);
    for outside in [4, -1] {
        let alone = std::slice::from_ref(&index);
        assert_eq!(reads(&b, outside, (1, 7), 0, 0), alone);
    }
}

#[test]
fn norm_reads_its_group_and_two_parameters() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 2, 12);
    let p = b.weight_root(DType::I32, 2, 4, &ROOT);
    b.norm(x, p, 1, DType::I8).groups(3).push();
    let all = [
        (x, 1, 4..8, OperandA),
        (p, 0, 2..3, OperandB),
        (p, 1, 2..3, OperandB),
    ];
    assert_eq!(reads(&b, 1, (1, 6), 0, 0), all);
}

/// The whole group and the whole row of the mask, whatever is valid.
#[test]
fn softmax_reads_its_group_and_a_row_of_the_mask() {
    for fill in [0, 1] {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I16, 4, 12);
        let mask = b.input_item(DType::I8, 2, 3);
        b.softmax(x, 1, 0, DType::I8)
            .groups(2)
            .mask(mask)
            .causal()
            .push();
        for row in [1, 3] {
            let all = [(x, row, 6..12, OperandA), (mask, 1, 0..3, OperandB)];
            assert_eq!(reads(&b, fill, (row, 8), 0, 0), all);
        }
    }
}

#[test]
fn argmax_reads_two_leaves_or_none() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 2, 6);
    b.argmax(x).push();
    let both = [(x, 1, 4..5, OperandA), (x, 1, 2..3, OperandA)];
    assert_eq!(reads(&b, 1, (1, 0), 4, 2), both);
    let twice = vec![(x, 1, 4..5, OperandA); 2];
    assert_eq!(reads(&b, 1, (1, 0), 4, 4), twice);
    for no_column in [-1, 6] {
        assert_eq!(reads(&b, 1, (1, 0), no_column, 0), []);
    }
}

/// L only where nothing was asked, and never before the first token.
#[test]
fn feedback_reads_the_prompt_first() {
    let mut b = GraphBuilder::new();
    let [x, next] = [(); 2].map(|()| b.input_item(DType::I32, 1, 4));
    b.feedback(x, next).push();
    let given = |col| (x, 0, col..col + 1, OperandA);
    assert_eq!(reads(&b, 0, (0, 2), 0, 0), [given(2)]);
    assert_eq!(reads(&b, -1, (0, 0), 0, 0), [given(0)]);
    let both = [given(2), (next, 0, 1..2, OperandB)];
    assert_eq!(reads(&b, -1, (0, 2), 0, 0), both);
}

/// Every operand is named once, by slot.
#[test]
fn slots_say_what_is_read() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 1, 4);
    let p = b.weight_root(DType::I32, 2, 1, &ROOT);
    b.dot(x, x).scaled(p, 1, DType::I8).push();
    let bytes = b.finish().unwrap();
    let op = crate::Graph::parse(&bytes).unwrap().op(0).unwrap();
    assert_eq!(op.slots(), [Some(x), Some(x), Some(p), None]);
    assert_eq!(op.operands().collect::<Vec<Operand>>(), [x, x, p]);
    assert_eq!(op.product().map(|product| product.groups), Some(1));
}
