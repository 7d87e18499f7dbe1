//! What sealing costs: records are read as often as ops name them, and no more.
#![allow(clippy::unwrap_used)]

use core::cell::Cell;

use super::{Graph, seal};
use crate::{builder::GraphBuilder, shape::DType};

std::thread_local! {
    static READS: Cell<usize> = const { Cell::new(0) };
}

/// Counts that a record was read.
pub(super) fn count_read() {
    READS.set(READS.get() + 1);
}

/// The graph that costs most to seal: as many ops and weights as there may be, nearly every op with four earlier ops as
/// operands, pairs, and a kind that follows from all of them.
fn dearest() -> GraphBuilder {
    const S: u32 = 4;
    let mut b = GraphBuilder::new();
    let tokens = b.input_item(DType::I32, 1, S);
    let prompt = b.input_item(DType::I32, 1, S);
    let table = b.weight_root(DType::I8, 9, 6, &[7; 32]);
    for _ in 1..1_024 {
        b.weight_root(DType::I8, 1, 6, &[7; 32]);
    }
    let mut last = [b.gather(tokens, table, S).push(); 4];
    for at in 0..1_020 {
        let [a, x, c, d] = last;
        let mixed = b.mix(a).plus_product(x, d).times(c).paired().shift(7);
        last[at % 4] = mixed.push();
    }
    let next = b.argmax(last[3]).transposed().push();
    let fed = b.feedback(prompt, next).push();
    b.generate(tokens, fed);
    b
}

/// On chain it must stay below 1.2M compute units: what decides that is how often a record is read.
#[test]
fn the_dearest_graph_reads_each_operand_once() {
    let bytes = dearest().bytes().unwrap();
    let graph = Graph::parse(&bytes).unwrap();
    assert_eq!((graph.op_count(), graph.weight_count()), (1_023, 1_024));
    assert_eq!(graph.record(1_020).unwrap().kind, 1);
    READS.set(0);
    assert_eq!(seal(&bytes).unwrap().most_rows, 4);
    let (tensors, ops, operands) = (2 + 1_024, 1_023, 2 + 4 * 1_020 + 1 + 2);
    // The tokens' record once more, and FEEDBACK's as an op and as a shape.
    assert_eq!(READS.get(), tensors + ops + operands + 1 + 2);
}
