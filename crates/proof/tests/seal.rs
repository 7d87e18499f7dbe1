//! `seal` refuses every broken rule by name, and accepts only what can be run, committed and opened.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Rng, random_data, random_job};
use proptest::prelude::*;
use quern_proof::{
    DType, Graph, Op, Operand, Rows, SealError,
    builder::GraphBuilder,
    commit::Trace,
    eval,
    graph::{self, MAX_BYTES, MIN_BYTES, Macs, Misfit, Place},
};

const ROOT: [u8; 32] = [7; 32];

/// A graph with every op: 2 inputs, 5 weights, 6 ops.
fn valid() -> GraphBuilder {
    let mut b = GraphBuilder::new();
    let x = b.input_batch(DType::I8, 10); // 64
    let f = b.input_fixed(DType::I8, 4, 10); // 65
    let w = b.weight_root(DType::I8, 3, 10, &ROOT); // 128
    let bias = b.weight_root(DType::I32, 1, 3, &ROOT); // 129
    let mult = b.weight_root(DType::I32, 1, 3, &ROOT); // 130
    let table = b.weight_root(DType::I8, 1, 256, &ROOT); // 131
    let _unused = b.weight_root(DType::I8, 2, 10, &ROOT); // 132
    let h = b.qlinear(x, w, bias, mult, 20, 0, 127); // 0
    let t = b.lut(h, table); // 1
    b.add(h, t); // 2
    let m = b.matmul(x, f); // 3
    b.argmax(m); // 4
    b.matmul(f, w); // 5
    b
}

const INPUTS: usize = 8;
const WEIGHTS: usize = INPUTS + 2 * 12;
const OPS: usize = WEIGHTS + 5 * 44;

fn refuse(change: impl FnOnce(&mut Vec<u8>)) -> SealError {
    let mut bytes = valid().finish().unwrap();
    change(&mut bytes);
    graph::seal(&bytes).unwrap_err()
}

fn op(index: usize, field: usize) -> usize {
    OPS + index * 8 + field
}

/// Every error, each from one change to a graph that is accepted.
#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn every_rule_has_its_name() {
    use SealError as E;
    let put_u32 = |bytes: &mut Vec<u8>, at: usize, value: u32| {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes())
    };
    type Change = Box<dyn FnOnce(&mut Vec<u8>)>;
    let set = |at: usize, value: u8| -> Change { Box::new(move |b: &mut Vec<u8>| b[at] = value) };
    let put = |at: usize, value: u32| -> Change {
        Box::new(move |b: &mut Vec<u8>| put_u32(b, at, value))
    };
    let both = |x: Change, y: Change| -> Change {
        Box::new(move |b: &mut Vec<u8>| {
            x(b);
            y(b);
        })
    };
    let cases: Vec<(SealError, Change)> = vec![
        (E::UnknownVersion, set(0, 0)),
        (E::UnknownVersion, set(0, 2)),
        (E::BadLength, Box::new(|b| b.truncate(b.len() - 1))),
        (E::BadLength, Box::new(|b| b.push(0))),
        (E::BadLength, Box::new(|b| b.truncate(7))),
        (E::BadLength, Box::new(Vec::clear)),
        (E::BadLength, set(2, 6)),
        (E::ReservedNotZero, set(4, 1)),
        (E::ReservedNotZero, set(7, 1)),
        (E::ReservedNotZero, set(INPUTS + 2, 1)),
        (E::ReservedNotZero, set(INPUTS + 3, 1)),
        (E::ReservedNotZero, set(WEIGHTS + 1, 1)),
        (E::ReservedNotZero, set(WEIGHTS + 3, 1)),
        (E::TooManyInputs, set(1, 5)),
        (E::TooManyWeights, set(2, 65)),
        (E::TooManyOps, set(3, 65)),
        (E::NoOps, set(3, 0)),
        (E::UnknownDType, set(INPUTS, 0)),
        (E::UnknownDType, set(INPUTS, 3)),
        (E::UnknownDType, set(WEIGHTS, 4)),
        (E::UnknownRowsKind, set(INPUTS + 1, 2)),
        (E::BatchInputHasRows, put(INPUTS + 4, 1)),
        (E::EmptyTensor, put(INPUTS + 8, 0)),
        (E::EmptyTensor, put(INPUTS + 12 + 4, 0)),
        (E::EmptyTensor, put(WEIGHTS + 4, 0)),
        (E::EmptyTensor, put(WEIGHTS + 8, 0)),
        (E::TensorTooLarge, put(INPUTS + 8, (1 << 20) + 1)),
        (E::TensorTooLarge, put(INPUTS + 12 + 4, (1 << 20) + 1)),
        (E::TensorTooLarge, put(WEIGHTS + 4 * 44 + 4, u32::MAX)),
        (E::UnknownOpcode, set(op(0, 0), 0)),
        (E::UnknownOpcode, set(op(0, 0), 6)),
        (E::ForwardReference, set(op(1, 1), 1)),
        (E::ForwardReference, set(op(2, 2), 5)),
        (E::UnknownOperand, set(op(1, 1), 6)),
        (E::UnknownOperand, set(op(0, 1), 66)),
        (E::UnknownOperand, set(op(0, 1), 68)),
        (E::UnknownOperand, set(op(0, 1), 127)),
        (E::UnknownOperand, set(op(0, 2), 133)),
        (E::UnknownOperand, set(op(0, 2), 192)),
        (E::UnknownOperand, set(op(0, 2), 254)),
        (E::MissingOperand, set(op(0, 1), 255)),
        (E::MissingOperand, set(op(0, 4), 255)),
        (E::MissingOperand, set(op(3, 2), 255)),
        (E::UnusedOperand, set(op(4, 2), 0)),
        (E::UnusedOperand, set(op(3, 3), 128)),
        (E::UnusedOperand, set(op(2, 4), 64)),
        (E::UnusedConstant, set(op(1, 5), 1)),
        (E::UnusedConstant, set(op(4, 6), 1)),
        (E::UnusedConstant, set(op(5, 7), 255)),
        (E::WrongDType, set(INPUTS, 2)),
        (E::WrongDType, set(WEIGHTS, 2)),
        (E::WrongDType, set(op(0, 3), 128)),
        (E::WrongDType, set(op(0, 4), 128)),
        (E::WrongDType, set(op(1, 2), 129)),
        (E::WrongDType, set(op(2, 2), 129)),
        (E::InnerMismatch, put(WEIGHTS + 8, 11)),
        (E::InnerMismatch, put(INPUTS + 12 + 8, 9)),
        (
            E::InnerTooLong,
            both(put(INPUTS + 8, 32_769), put(WEIGHTS + 8, 32_769)),
        ),
        (E::MatrixIsComputed, set(op(3, 2), 2)),
        (E::MatrixIsBatch, set(op(3, 2), 64)),
        (E::MatrixIsNoWeight, set(op(0, 2), 65)),
        (E::BiasIsNoWeight, set(op(0, 3), 65)),
        (E::MultIsNoWeight, set(op(0, 4), 65)),
        (E::TableIsNoWeight, set(op(1, 2), 65)),
        (E::BiasShape, put(WEIGHTS + 44 + 8, 4)),
        (E::BiasShape, put(WEIGHTS + 44 + 4, 2)),
        (E::MultShape, put(WEIGHTS + 88 + 8, 2)),
        (E::MultShape, put(WEIGHTS + 88 + 4, 3)),
        (E::TableShape, put(WEIGHTS + 132 + 8, 255)),
        (E::TableShape, put(WEIGHTS + 132 + 4, 2)),
        (E::AddShape, both(set(op(2, 1), 65), set(op(2, 2), 132))),
        (E::AddRowsKind, set(op(2, 2), 65)),
        (E::AddShape, set(op(2, 2), 64)),
        (
            E::ArgmaxTooWide,
            both(set(op(4, 1), 64), put(INPUTS + 8, 8193)),
        ),
        (E::ShiftOutOfRange, set(op(0, 5), 0)),
        (E::ShiftOutOfRange, set(op(0, 5), 48)),
        (E::EmptyClamp, both(set(op(0, 6), 127), set(op(0, 7), 126))),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (number, (expected, change)) in cases.into_iter().enumerate() {
        // The ARGMAX case changes the width of an input that earlier ops read: drop them.
        let found = if expected == E::ArgmaxTooWide {
            let mut b = GraphBuilder::new();
            let x = b.input_batch(DType::I8, 8193);
            b.argmax(x);
            b.finish().unwrap_err().error
        } else {
            refuse(change)
        };
        assert_eq!(found, expected, "case {number}");
        assert!(!found.message().is_empty());
        seen.insert(found as u8);
    }
    let graph = valid().finish().unwrap();
    let batch = [
        (check_batch_rows(&graph, 0), E::NoBatchRows),
        (check_batch_rows(&graph, (1 << 20) + 1), E::TooManyBatchRows),
        (check_batch_rows(&fixed_only(), 1), E::UnusedBatchRows),
    ];
    for (found, expected) in batch {
        assert_eq!(found, Err(expected));
        seen.insert(expected as u8);
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        (1..=38).collect::<Vec<u8>>()
    );
}

fn check_batch_rows(bytes: &[u8], batch_rows: u32) -> Result<(), SealError> {
    Graph::parse(bytes)?.check_batch_rows(batch_rows)
}

fn fixed_only() -> Vec<u8> {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 2, 3);
    b.add(x, x);
    b.finish().unwrap()
}

#[test]
fn what_the_valid_graph_says_of_itself() {
    let bytes = valid().finish().unwrap();
    assert_eq!(bytes.len(), graph::len(2, 5, 6));
    let macs = graph::seal(&bytes).unwrap();
    assert_eq!((macs.per_row, macs.fixed), (3 * 10 + 4 * 10, 4 * 3 * 10));
    assert_eq!(macs.total(5), Some(70 * 5 + 120));
    let graph = Graph::parse(&bytes).unwrap();
    assert_eq!(
        (graph.input_count(), graph.weight_count(), graph.op_count()),
        (2, 5, 6)
    );
    assert!(graph.is_input_batch(0) && !graph.is_input_batch(1) && !graph.is_input_batch(2));
    assert!(graph.uses_batch());
    assert_eq!(graph.weight(3).unwrap().root, ROOT);
    let shapes: Vec<_> = (0..6)
        .map(|i| graph.output(i).unwrap())
        .map(|s| (s.dtype, s.rows, s.cols))
        .collect();
    assert_eq!(
        shapes,
        [
            (DType::I8, Rows::Batch, 3),
            (DType::I8, Rows::Batch, 3),
            (DType::I8, Rows::Batch, 3),
            (DType::I32, Rows::Batch, 4),
            (DType::I32, Rows::Batch, 1),
            (DType::I32, Rows::Fixed(4), 3),
        ]
    );
    for batch_rows in [1, 1 << 20] {
        assert_eq!(check_batch_rows(&bytes, batch_rows), Ok(()));
    }
    assert_eq!(check_batch_rows(&fixed_only(), 0), Ok(()));
    assert!(graph.output(6).is_err() && graph.input(2).is_err() && graph.weight(5).is_err());
}

/// A job that runs the graph must fit it; a reviewed one that doesn't has no MACs.
#[test]
fn jobs_are_admitted_with_their_macs() {
    let bytes = valid().finish().unwrap();
    let (graph, macs) = (Graph::parse(&bytes).unwrap(), graph::seal(&bytes).unwrap());
    let both = |batch_rows, inputs| {
        (
            graph.admit(&macs, batch_rows, inputs),
            graph.admit_reviewed(&macs, batch_rows, inputs),
        )
    };
    assert_eq!(both(5, 2), (Ok(470), Ok(470)));
    assert_eq!(both(5, 1), (Err(Misfit::InputCount), Ok(0)));
    assert_eq!(both(5, 3), (Err(Misfit::InputCount), Ok(0)));
    let no_rows = Misfit::BatchRows(SealError::NoBatchRows);
    assert_eq!(both(0, 2), (Err(no_rows), Ok(0)));
    let too_many = Misfit::BatchRows(SealError::TooManyBatchRows);
    assert_eq!(both((1 << 20) + 1, 2), (Err(too_many), Ok(0)));
    let others = Macs {
        fixed: 1,
        per_row: u64::MAX,
    };
    let overflow = Err(Misfit::MacsOverflow);
    assert_eq!(graph.admit(&others, 1, 2), overflow);
    assert_eq!(graph.admit_reviewed(&others, 1, 2), overflow);
}

#[test]
fn a_fault_says_where() {
    let mut bytes = valid().finish().unwrap();
    bytes[op(2, 2)] = 65;
    let fault = Graph::parse(&bytes).unwrap().check().unwrap_err();
    assert_eq!(fault.place, Place::Op(2));
    assert!(fault.to_string().starts_with("op 2: "), "{fault}");
}

/// The smallest and the largest graph, and MACs at the ends of all bounds.
#[test]
fn the_ends_of_all_bounds() {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1, 1);
    b.argmax(x);
    assert_eq!(b.finish().unwrap().len(), MIN_BYTES);

    let mut b = GraphBuilder::new();
    let inputs: Vec<Operand> = (0..4).map(|_| b.input_batch(DType::I8, 32_768)).collect();
    let weights: Vec<Operand> = (0..64)
        .map(|_| b.weight_root(DType::I8, 1 << 20, 32_768, &ROOT))
        .collect();
    for i in 0..64 {
        b.matmul(inputs[i % 4], weights[i]);
    }
    let bytes = b.finish().unwrap();
    assert_eq!(bytes.len(), MAX_BYTES);
    let macs = graph::seal(&bytes).unwrap();
    assert_eq!(macs.per_row, 64 << 35);
    assert_eq!(macs.total(1 << 20), Some(1 << 61));

    let mut b = GraphBuilder::new();
    let w = b.weight_root(DType::I8, 1 << 20, 32_768, &ROOT);
    for _ in 0..64 {
        b.matmul(w, w);
    }
    assert_eq!(graph::seal(&b.finish().unwrap()).unwrap().fixed, 1 << 61);
}

/// The builder refuses counts that the header can't hold.
#[test]
fn the_builder_refuses_too_much() {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1, 1);
    for _ in 0..300 {
        b.add(x, x);
    }
    assert_eq!(b.finish().unwrap_err().error, SealError::TooManyOps);
    let mut b = GraphBuilder::new();
    for _ in 0..5 {
        b.input_fixed(DType::I8, 1, 1);
    }
    assert_eq!(b.finish().unwrap_err().error, SealError::TooManyInputs);
    let mut b = GraphBuilder::new();
    for _ in 0..65 {
        b.weight_root(DType::I8, 1, 1, &ROOT);
    }
    assert_eq!(b.finish().unwrap_err().error, SealError::TooManyWeights);
}

#[test]
fn operand_codes_are_the_tree_codes() {
    for code in 0..=255u8 {
        match Operand::from_code(code) {
            Some(operand) => assert_eq!(operand.code(), code),
            None => assert!(matches!(code, 68..=127 | 192..=255)),
        }
    }
    assert_eq!(Operand::Input(4).code(), 255);
    assert_eq!(Operand::Op(64).code(), 255);
}

/// If `seal` takes it, it can be run, committed and opened; if not, `run` refuses it too.
fn sealed_means_runnable(bytes: &[u8], rng: &mut Rng) -> bool {
    let sealed = graph::seal(bytes);
    let Ok(graph) = Graph::parse(bytes) else {
        assert!(sealed.is_err());
        return false;
    };
    // Accessors never panic, sealed or not.
    for index in 0..65 {
        let _ = (
            graph.input(index),
            graph.weight(index),
            graph.op(index),
            graph.output(index),
        );
    }
    let _ = graph.trace_bytes(u32::MAX);
    if sealed.is_err() {
        assert!(eval::run(&graph, 1, &[], &[]).is_err());
        return false;
    }
    for index in 0..graph.op_count() {
        let op = graph.op(index).unwrap();
        assert_eq!(Op::decode(&op.encode()), Ok(op));
    }
    let batch_rows = if graph.uses_batch() {
        rng.range(1, 3)
    } else {
        0
    };
    let bytes_of = |shape: quern_proof::Shape| shape.bytes(batch_rows);
    let data: u64 = (0..graph.input_count())
        .map(|i| bytes_of(graph.input(i).unwrap()))
        .chain((0..graph.weight_count()).map(|i| bytes_of(graph.weight(i).unwrap().shape)))
        .sum();
    let macs = graph::seal(bytes).unwrap().total(batch_rows).unwrap();
    if data > 1 << 18 || graph.trace_bytes(batch_rows).unwrap() > 1 << 18 || macs > 1 << 24 {
        return true;
    }
    let (inputs, weights) = random_data(rng, &graph, batch_rows);
    let outputs = eval::run(&graph, batch_rows, &inputs, &weights).unwrap();
    eval::check_output_shapes(&graph, batch_rows, &outputs).unwrap();
    let trace = Trace::new(outputs).unwrap();
    let root = trace.root();
    for op in 0..graph.op_count() as u32 {
        let g = *trace.outputs()[op as usize].geometry();
        let (row, k) = (rng.range(0, g.rows() - 1), rng.range(0, g.leaves() - 1));
        let opening = trace.open(op, row, k).unwrap();
        opening
            .verify(trace.geometry(), &g, op, row, k, &root)
            .unwrap();
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn generated_graphs_are_sealed_and_run(seed: u64) {
        let mut rng = Rng(seed);
        let job = random_job(&mut rng, 20);
        prop_assert!(sealed_means_runnable(&job.bytes, &mut rng));
    }

    #[test]
    fn mutated_graphs_are_refused_or_run(seed: u64, changes in 1usize..4) {
        let mut rng = Rng(seed);
        let mut bytes = random_job(&mut rng, 6).bytes;
        for _ in 0..40 {
            let mut mutant = bytes.clone();
            for _ in 0..changes {
                let at = rng.below(mutant.len() as u64) as usize;
                mutant[at] = match rng.below(3) {
                    0 => rng.next() as u8,
                    1 => rng.pick(&[0, 1, 2, 63, 64, 67, 128, 191, 255]),
                    _ => mutant[at] ^ (1 << rng.below(8)),
                };
            }
            if sealed_means_runnable(&mutant, &mut rng) {
                // Walk on from what is still a graph.
                bytes = mutant;
            }
        }
    }

    #[test]
    fn noise_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), seed: u64) {
        let mut rng = Rng(seed);
        sealed_means_runnable(&bytes, &mut rng);
        if bytes.len() >= 8 {
            bytes[..8].copy_from_slice(&[1, (seed % 5) as u8, (seed >> 8) as u8 % 4, 1 + (seed >> 16) as u8 % 8, 0, 0, 0, 0]);
            bytes.resize(graph::len(bytes[1], bytes[2], bytes[3]), 1);
            sealed_means_runnable(&bytes, &mut rng);
        }
    }
}

/// `output` (which walks a chain) and `check` (which keeps an array) agree: `run` compares every shape with the first and
/// computes with the second's rules, so a random graph that runs is enough; here the longest chain as well.
#[test]
fn the_longest_chain() {
    let mut b = GraphBuilder::new();
    let x = b.input_batch(DType::I8, 5);
    let mut last = x;
    for _ in 0..64 {
        last = b.add(last, x);
    }
    let bytes = b.finish().unwrap();
    let graph = Graph::parse(&bytes).unwrap();
    assert_eq!(graph.output(63).unwrap(), graph.input(0).unwrap());
}
