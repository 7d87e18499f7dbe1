//! Whole products by tiles and by the other kernels are the same, in every form that a graph can give them.

use std::{vec, vec::Vec};

use crate::{
    DType, Graph, Operand, Scope, Shape, Tensor,
    builder::GraphBuilder,
    eval::Batch,
    kernel::tiles::Tiles,
    ops::Op,
    random::{Rng, with_roots},
};

/// A graph of one product with its inputs and weights.
struct Drawn {
    graph: Vec<u8>,
    inputs: Vec<Tensor>,
    weights: Vec<Tensor>,
}

fn tensor(rng: &mut Rng, dtype: DType, rows: u32, cols: u32) -> Tensor {
    let scope = Scope::Fixed;
    rng.tensor(&Shape {
        dtype,
        scope,
        rows,
        cols,
    })
}

/// `None` for what is not sealed.
fn draw(rng: &mut Rng) -> Option<Drawn> {
    let lengths = [1, 3, 16, 31, 32, 33, 64, 65, 70, 128, 260];
    let (rows, inner, cols) = (rng.pick(&lengths), rng.pick(&lengths), rng.pick(&lengths));
    let shared = rng.pick(&[1u16, 1, 2]);
    let groups = shared * rng.pick(&[1u16, 1, 3]);
    let of_b = u32::from(groups / shared);
    let is_context = rng.is_one_in(2);
    let mut builder = GraphBuilder::new();
    let left_dtype = rng.pick(&[DType::I8, DType::I16]);
    let left = tensor(rng, left_dtype, rows, u32::from(groups) * inner);
    let right = match is_context {
        true => tensor(rng, DType::I8, of_b * cols, inner),
        false => tensor(rng, DType::I8, cols, of_b * inner),
    };
    let (mut inputs, mut weights) = (Vec::new(), Vec::new());
    let a = builder.input_fixed(left.dtype(), left.rows(), left.cols());
    inputs.push(left);
    let b: Operand;
    if rng.is_one_in(2) {
        b = builder.weight(&right);
        weights.push(right);
    } else {
        b = builder.input_fixed(DType::I8, right.rows(), right.cols());
        inputs.push(right);
    }
    let width = u32::from(groups) * cols;
    let parameters = rng.is_one_in(2).then(|| {
        let of = rng.divisor(width);
        let all = tensor(rng, DType::I32, 2, of);
        let operand = builder.weight(&all);
        weights.push(all);
        operand
    });
    let (shift, to) = (
        1 + rng.below(47) as u8,
        rng.pick(&[DType::I8, DType::I16, DType::I32]),
    );
    let is_transposed = rng.is_one_in(3);
    let mut draft = builder.dot(a, b);
    draft = match is_context {
        true => draft.context(groups, shared),
        false => draft.scores(groups, shared),
    };
    if let Some(parameters) = parameters {
        draft = draft.scaled(parameters, shift, to);
    }
    if is_transposed {
        draft = draft.transposed();
    }
    draft.push();
    let graph = with_roots(builder.bytes().ok()?, &weights);
    Some(Drawn {
        graph,
        inputs,
        weights,
    })
}

#[test]
fn products_by_tiles_are_those_of_the_other_kernels() {
    let mut rng = Rng(10);
    let (mut drawn, mut made) = (0, 0);
    while drawn < 400 {
        let Some(one) = draw(&mut rng) else { continue };
        let graph = Graph::parse(&one.graph).unwrap();
        let batch = Batch::new(&graph, 1, &one.inputs, &one.weights, 1 << 30).unwrap();
        drawn += 1;
        let record = graph.record(0).unwrap();
        let op = Op::decode(&record).unwrap();
        let tensors = batch.tensors(0, &[]).unwrap();
        let by_tiles = || op.made(&record, &tensors).unwrap();
        // Which kernel comes first decides how a weight is kept; both must do with either.
        let first = rng.is_one_in(2).then(by_tiles);
        let mut expected = vec![0; graph.output(0).unwrap().bytes() as usize];
        op.whole(&record, &tensors, &mut expected).unwrap();
        for found in [first, Some(by_tiles())].into_iter().flatten().flatten() {
            made += 1;
            assert!(found == expected, "{record:?}");
        }
    }
    if Tiles::get().is_some() {
        assert!(made > 400, "only {made} products went through tiles");
    }
}
