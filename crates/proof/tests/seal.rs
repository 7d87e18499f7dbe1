//! `seal` refuses every broken rule by name, and counts what a graph costs.
#![allow(clippy::unwrap_used, clippy::panic)]

use quern_proof::{
    DType, Graph, Operand, SealError,
    builder::GraphBuilder,
    graph::{self, MAX_BYTES, MIN_BYTES, Misfit, Place, Sealed},
};

const ROOT: [u8; 32] = [7; 32];

/// A graph with every op: 4 inputs, 7 weights, 8 ops.
fn valid() -> GraphBuilder {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 4, 12); // 1024
    let y = b.input_fixed(DType::I16, 2, 6); // 1025
    let ids = b.input_item(DType::I32, 1, 6); // 1026
    let mask = b.input_item(DType::I8, 1, 3); // 1027
    let w = b.weight_root(DType::I8, 3, 6, &ROOT); // 2048
    let p = b.weight_root(DType::I32, 2, 3, &ROOT); // 2049
    let table = b.weight_root(DType::I16, 1, 256, &ROOT); // 2050
    let gamma = b.weight_root(DType::I32, 2, 4, &ROOT); // 2051
    let rows = b.weight_root(DType::I8, 9, 2, &ROOT); // 2052
    let wide = b.weight_root(DType::I32, 1, 6, &ROOT); // 2053
    let _unused = b.weight_root(DType::I8, 2, 10, &ROOT); // 2054
    b.dot(x, w)
        .scores(4, 2)
        .scaled(p, 20, DType::I8)
        .clamp(0, 127)
        .push(); // 0: 4 x 12
    b.mix(x)
        .plus_product(y, y)
        .times(y)
        .paired()
        .shift(3)
        .push(); // 1: 4 x 12
    b.lut(x, table).push(); // 2
    b.gather(ids, rows, 2).push(); // 3: 2 x 6
    b.norm(x, gamma, 9, DType::I16).groups(3).eps(5).push(); // 4
    b.softmax(x, 9, 4, DType::I16).groups(2).mask(mask).push(); // 5
    b.argmax(Operand::Op(5)).transposed().push(); // 6: 1 x 4
    b.feedback(ids, wide).push(); // 7
    b
}

const INPUTS: usize = 16;
const WEIGHTS: usize = INPUTS + 4 * 12;
const OPS: usize = WEIGHTS + 7 * 44;

fn refuse(change: impl FnOnce(&mut Vec<u8>)) -> SealError {
    let mut bytes = valid().finish().unwrap();
    change(&mut bytes);
    graph::seal(&bytes).unwrap_err()
}

fn op(index: usize, field: usize) -> usize {
    OPS + index * 32 + field
}

/// Where fields of an op's record stand.
const FLAGS: usize = 1;
const DTYPE: usize = 2;
const KIND: usize = 3;
const A: usize = 4;
const B: usize = 6;
const C: usize = 8;
const D: usize = 10;
const ROWS: usize = 12;
const COLS: usize = 16;
const GROUPS: usize = 20;
const SHARE: usize = 22;
const SHIFT: usize = 24;
const CONSTANT: usize = 28;
const NONE: u16 = 65_534;

type Change = Box<dyn FnOnce(&mut Vec<u8>)>;

fn set(at: usize, value: u8) -> Change {
    Box::new(move |bytes| bytes[at] = value)
}

fn put16(at: usize, value: u16) -> Change {
    Box::new(move |bytes| bytes[at..at + 2].copy_from_slice(&value.to_le_bytes()))
}

fn put32(at: usize, value: u32) -> Change {
    Box::new(move |bytes| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes()))
}

fn both(one: Change, other: Change) -> Change {
    Box::new(move |bytes| {
        one(bytes);
        other(bytes);
    })
}

/// Of header, inputs and weights.
fn of_tensors() -> Vec<(SealError, Change)> {
    use SealError as E;
    let input = |index: usize, field: usize| INPUTS + 12 * index + field;
    let weight = |index: usize, field: usize| WEIGHTS + 44 * index + field;
    vec![
        (E::UnknownVersion, set(0, 1)),
        (E::UnknownVersion, set(0, 3)),
        (E::BadLength, Box::new(|b| b.truncate(b.len() - 1))),
        (E::BadLength, Box::new(|b| b.push(0))),
        (E::BadLength, Box::new(|b| b.truncate(15))),
        (E::BadLength, Box::new(Vec::clear)),
        (E::BadLength, put16(2, 8)),
        (E::ReservedNotZero, set(10, 1)),
        (E::ReservedNotZero, set(15, 1)),
        (E::ReservedNotZero, set(input(0, 2), 1)),
        (E::ReservedNotZero, set(input(3, 3), 1)),
        (E::ReservedNotZero, set(weight(0, 1), 1)),
        (E::ReservedNotZero, set(weight(6, 3), 1)),
        (E::ReservedNotZero, set(op(0, 25), 1)),
        (E::ReservedNotZero, set(op(7, 27), 1)),
        (E::TooManyInputs, set(1, 9)),
        (E::TooManyWeights, put16(2, 1_025)),
        (E::TooManyOps, put16(4, 1_025)),
        (E::NoOps, put16(4, 0)),
        (E::UnknownDType, set(input(0, 0), 0)),
        (E::UnknownDType, set(input(0, 0), 4)),
        (E::UnknownDType, set(weight(6, 0), 255)),
        (E::UnknownDType, set(op(3, DTYPE), 0)),
        (E::UnknownScope, set(input(1, 1), 2)),
        (E::EmptyTensor, put32(input(0, 4), 0)),
        (E::EmptyTensor, put32(input(0, 8), 0)),
        (E::EmptyTensor, put32(weight(6, 4), 0)),
        (E::EmptyTensor, put32(weight(6, 8), 0)),
        (E::TensorTooLarge, put32(input(0, 4), (1 << 24) + 1)),
        (E::TensorTooLarge, put32(input(0, 8), (1 << 20) + 1)),
        (E::TensorTooLarge, put32(weight(6, 4), u32::MAX)),
        (E::TensorTooLarge, put32(weight(6, 8), u32::MAX)),
        (E::TokensAlone, put16(6, 1_026)),
        (E::TokensAlone, put16(8, 7)),
        // Tokens of one row, and an op that mixes them in a way that has no kind.
        (E::NoKind, both(put16(6, 1_026), put16(8, 7))),
        (E::IsNoInput, both(put16(6, 0), put16(8, 7))),
        (E::TokensShape, both(put16(6, 1_024), put16(8, 7))),
    ]
}

/// Of the ops' records.
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn of_ops() -> Vec<(SealError, Change)> {
    use SealError as E;
    let weight = |index: usize, field: usize| WEIGHTS + 44 * index + field;
    vec![
        (E::UnknownOpcode, set(op(0, 0), 0)),
        (E::UnknownOpcode, set(op(0, 0), 9)),
        (E::UnknownFlag, set(op(0, FLAGS), 32)),
        (E::ForwardReference, put16(op(2, A), 2)),
        (E::ForwardReference, put16(op(2, A), 7)),
        (E::UnknownOperand, put16(op(2, A), 8)),
        (E::UnknownOperand, put16(op(2, A), 1_028)),
        (E::UnknownOperand, put16(op(2, A), 1_032)),
        (E::UnknownOperand, put16(op(2, A), 2_055)),
        (E::UnknownOperand, put16(op(2, A), 3_072)),
        (E::UnknownOperand, put16(op(2, A), 65_535)),
        (E::MissingOperand, put16(op(0, A), NONE)),
        (E::MissingOperand, put16(op(0, B), NONE)),
        (E::MissingOperand, put16(op(4, B), NONE)),
        (E::MissingOperand, put16(op(7, B), NONE)),
        (E::UnusedOperand, put16(op(0, D), 1_024)),
        (E::UnusedOperand, put16(op(2, C), 1_024)),
        (E::UnusedOperand, put16(op(3, C), 0)),
        (E::UnusedOperand, put16(op(4, C), 0)),
        (E::UnusedOperand, put16(op(5, C), 0)),
        (E::UnusedOperand, put16(op(6, B), 0)),
        (E::UnusedOperand, put16(op(7, C), 0)),
        // d, and pairs, only with b.
        (E::UnusedOperand, put16(op(1, B), NONE)),
        (
            E::UnusedConstant,
            both(put16(op(1, B), NONE), put16(op(1, D), NONE)),
        ),
        (E::UnusedConstant, set(op(0, FLAGS), 2)),
        (E::UnusedConstant, set(op(1, FLAGS), 4)),
        (E::UnusedConstant, set(op(2, FLAGS), 2)),
        (E::UnusedConstant, set(op(3, FLAGS), 16)),
        (E::UnusedConstant, set(op(4, FLAGS), 8)),
        (E::UnusedConstant, set(op(5, FLAGS), 4)),
        (E::UnusedConstant, set(op(6, FLAGS), 8)),
        (E::UnusedConstant, set(op(7, FLAGS), 16)),
        (E::UnusedConstant, set(op(2, SHIFT), 1)),
        (E::UnusedConstant, set(op(3, SHIFT), 1)),
        (E::UnusedConstant, set(op(6, SHIFT), 1)),
        (E::UnusedConstant, set(op(7, SHIFT), 1)),
        (E::UnusedConstant, put32(op(2, CONSTANT), 1)),
        (E::UnusedConstant, put32(op(3, CONSTANT), 1)),
        (E::UnusedConstant, put32(op(6, CONSTANT), 1)),
        (E::UnusedConstant, put32(op(7, CONSTANT), 1)),
        (E::UnusedConstant, put16(op(1, GROUPS), 2)),
        (E::UnusedConstant, put16(op(2, GROUPS), 2)),
        (E::UnusedConstant, put16(op(3, GROUPS), 2)),
        (E::UnusedConstant, put16(op(6, GROUPS), 2)),
        (E::UnusedConstant, put16(op(7, SHARE), 2)),
        (E::UnusedConstant, put16(op(4, SHARE), 2)),
        (E::UnusedConstant, put16(op(5, SHARE), 2)),
        // Without p a DOT has no shift; an i32 no bounds.
        (E::UnusedConstant, put16(op(0, C), NONE)),
        (E::UnusedConstant, set(op(0, DTYPE), 2)),
        (E::UnusedConstant, set(op(1, DTYPE), 2)),
        (E::NoGroups, put16(op(0, GROUPS), 0)),
        (E::NoGroups, put16(op(7, SHARE), 0)),
        (E::GroupsDontDivide, put16(op(0, GROUPS), 5)),
        (E::GroupsDontDivide, put16(op(0, SHARE), 3)),
        (E::GroupsDontDivide, put16(op(4, GROUPS), 5)),
        (E::GroupsDontDivide, put16(op(5, GROUPS), 24)),
        (
            E::GroupsDontDivide,
            both(set(op(0, FLAGS), 16), put16(op(0, SHARE), 1)),
        ),
        (E::InnerMismatch, put16(op(0, SHARE), 1)),
        (E::InnerMismatch, put32(weight(0, 8), 7)),
        (
            E::InnerMismatch,
            both(set(op(0, FLAGS), 16), put16(op(0, SHARE), 4)),
        ),
        (E::WrongDType, put16(op(0, A), 1_026)),
        (E::WrongDType, put16(op(0, B), 1_025)),
        (E::WrongDType, put16(op(0, C), 2_048)),
        (E::WrongDType, put16(op(1, D), 2_053)),
        (E::WrongDType, put16(op(1, C), 2_053)),
        (E::WrongDType, put16(op(2, A), 1_026)),
        (E::WrongDType, set(op(2, DTYPE), 1)),
        (E::WrongDType, put16(op(3, A), 1_027)),
        (E::WrongDType, set(op(3, DTYPE), 2)),
        (E::WrongDType, put16(op(4, B), 2_048)),
        (E::WrongDType, set(op(5, DTYPE), 2)),
        (E::WrongDType, put16(op(5, B), 1_025)),
        (E::WrongDType, set(op(6, DTYPE), 3)),
        (E::WrongDType, put16(op(7, A), 1_027)),
        (E::WrongDType, put16(op(7, B), 1_027)),
        (E::WrongDType, set(op(7, DTYPE), 1)),
        (E::WrongShape, put32(op(0, ROWS), 5)),
        (E::WrongShape, put32(op(0, COLS), 11)),
        (E::WrongShape, set(op(0, FLAGS), 1)),
        (E::WrongShape, set(op(6, FLAGS), 0)),
        (E::WrongShape, put32(op(7, ROWS), 2)),
        (E::WrongShape, put32(op(3, COLS), 2)),
        (E::NoRepeat, put16(op(1, B), 2_052)),
        (E::NoRepeat, put16(op(1, D), 2_052)),
        (E::NoRepeat, put16(op(1, C), 2_050)),
        (E::NoRepeat, put16(op(5, B), 2_048)),
        (E::ParametersShape, put32(weight(1, 4), 1)),
        (E::ParametersShape, put32(weight(1, 4), 3)),
        (E::ParametersShape, put32(weight(1, 8), 5)),
        (E::ParametersShape, put32(weight(3, 8), 2)),
        (E::ParametersShape, put32(weight(3, 4), 1)),
        (E::IsNoWeight, put16(op(0, C), 1_026)),
        (E::IsNoWeight, put16(op(2, B), 1_025)),
        (E::IsNoWeight, put16(op(4, B), 1_026)),
        (E::IsNoInput, put16(op(7, A), 2_053)),
        (E::TableShape, put32(weight(2, 8), 255)),
        (E::TableShape, put32(weight(2, 4), 2)),
        (E::TableShape, put16(op(2, A), 1_025)),
        (E::IndexShape, put32(op(3, ROWS), 4)),
        (E::IndexShape, put32(op(3, ROWS), 0)),
        (E::IndexShape, put16(op(3, A), 2_049)),
        (E::TokensShape, put16(op(7, B), 2_049)),
        (E::ShiftOutOfRange, set(op(0, SHIFT), 0)),
        (E::ShiftOutOfRange, set(op(0, SHIFT), 48)),
        (E::ShiftOutOfRange, set(op(1, SHIFT), 48)),
        (E::ShiftOutOfRange, set(op(4, SHIFT), 0)),
        (E::ShiftOutOfRange, set(op(4, SHIFT), 48)),
        (E::ShiftOutOfRange, set(op(5, SHIFT), 48)),
        (E::ConstantOutOfRange, put32(op(4, CONSTANT), 1 << 31)),
        (E::ConstantOutOfRange, put32(op(5, CONSTANT), 1 << 30)),
        (E::EmptyClamp, put16(op(0, CONSTANT), 128)),
        (E::ClampOutsideType, put16(op(0, CONSTANT + 2), 128)),
        (E::ClampOutsideType, put16(op(1, CONSTANT), 0xff7f)),
        // 12 columns in threes.
        (
            E::PairsUneven,
            both(put16(op(1, B), 1_027), put16(op(1, D), NONE)),
        ),
        (E::WrongKind, set(op(0, KIND), 1)),
        (E::WrongKind, set(op(7, KIND), 2)),
    ]
}

fn product(inner: u32) -> Result<(), SealError> {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 1, 2 * inner);
    let w = b.weight_root(DType::I8, 1, 2 * inner, &ROOT);
    b.dot(x, w).scores(2, 1).push();
    b.finish().map(drop).map_err(|fault| fault.error)
}

fn norm(width: u32) -> Result<(), SealError> {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, 2 * width);
    let p = b.weight_root(DType::I32, 2, width, &ROOT);
    b.norm(x, p, 1, DType::I8).groups(2).push();
    b.finish().map(drop).map_err(|fault| fault.error)
}

/// 2^44 values of K + 256 each: 2^59 and a little, so that the 32nd op overflows.
fn tall(ops: usize) -> Result<(), SealError> {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 1 << 24, 32_768);
    let w = b.weight_root(DType::I8, 1 << 20, 32_768, &ROOT);
    for _ in 0..ops {
        b.dot(x, w).push();
    }
    b.finish().map(drop).map_err(|fault| fault.error)
}

/// The header names an op that is another.
fn no_feedback() -> Result<(), SealError> {
    let mut b = GraphBuilder::new();
    let tokens = b.input_item(DType::I32, 1, 4);
    let other = b.input_item(DType::I8, 1, 4);
    let free = b.argmax(other).push();
    b.generate(tokens, free);
    b.finish().map(drop).map_err(|fault| fault.error)
}

fn fixed_only() -> Vec<u8> {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 5, 3);
    b.mix(x).push();
    b.finish().unwrap()
}

/// Every error, each from one change to a graph that is accepted.
#[test]
fn every_rule_has_its_name() {
    let mut seen = std::collections::BTreeSet::new();
    for (of, cases) in [("tensors", of_tensors()), ("ops", of_ops())] {
        for (number, (expected, change)) in cases.into_iter().enumerate() {
            assert_eq!(refuse(change), expected, "of {of}, case {number}");
            assert!(!expected.message().is_empty());
            seen.insert(expected as u8);
        }
    }
    // What needs a graph of its own.
    let valid = valid().finish().unwrap();
    let items = |bytes: &[u8], items: u32| {
        let graph = Graph::parse(bytes).unwrap();
        graph.check_items(&graph::seal(bytes).unwrap(), items)
    };
    for (found, expected) in [
        (product(32_769), SealError::InnerTooLong),
        (norm(8_193), SealError::TooWide),
        (tall(32), SealError::WorkOverflow),
        (no_feedback(), SealError::IsNoFeedback),
        (items(&valid, 0), SealError::NoItems),
        (items(&valid, u32::MAX), SealError::TooManyItems),
        (items(&fixed_only(), 2), SealError::OneItemOnly),
    ] {
        assert_eq!(found, Err(expected));
        assert!(!expected.message().is_empty());
        seen.insert(expected as u8);
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        (1..=45).collect::<Vec<u8>>()
    );
}

/// One op over operands of these columns is accepted at the limit and refused beyond it.
#[test]
fn widths_have_limits() {
    assert_eq!(product(32_768), Ok(()));
    assert_eq!(product(32_769), Err(SealError::InnerTooLong));
    let softmax = |width: u32| {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I32, 1, 2 * width);
        b.softmax(x, 1, 1, DType::I8).groups(2).push();
        b.finish().map(drop).map_err(|fault| fault.error)
    };
    let feedback = |width: u32| {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I32, 1, width);
        b.feedback(x, x).push();
        b.finish().map(drop).map_err(|fault| fault.error)
    };
    for op in [norm, softmax, feedback] {
        assert_eq!(op(8_192), Ok(()));
        assert_eq!(op(8_193), Err(SealError::TooWide));
    }
    // Results have the limits of tensors.
    let wide = |rows: u32| {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I8, 1, 4);
        let w = b.weight_root(DType::I8, rows, 1, &ROOT);
        b.dot(x, w).scores(4, 4).push();
        b.finish().map(drop).map_err(|fault| fault.error)
    };
    assert_eq!(wide(1 << 18), Ok(()));
    assert_eq!(wide((1 << 18) + 1), Err(SealError::TensorTooLarge));
    assert_eq!(wide(1 << 24), Err(SealError::TensorTooLarge));
    let gather = |cols: u32| {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I32, 1, cols);
        let t = b.weight_root(DType::I8, 1, 1 << 20, &ROOT);
        b.gather(x, t, 1).push();
        b.finish().map(drop).map_err(|fault| fault.error)
    };
    assert_eq!(gather(1), Ok(()));
    assert_eq!(gather(2), Err(SealError::TensorTooLarge));
    assert_eq!(gather(1 << 20), Err(SealError::TensorTooLarge));
    // T makes columns of rows: 2^21 rows are fine, as many columns are not.
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 1 << 21, 1);
    b.mix(x).push();
    assert!(b.finish().is_ok());
    b.mix(x).transposed().push();
    assert_eq!(b.finish().unwrap_err().error, SealError::TensorTooLarge);
}

#[test]
fn what_the_valid_graph_costs() {
    let bytes = valid().finish().unwrap();
    assert_eq!(bytes.len(), graph::len(4, 7, 8));
    // Every row of a result and of an item input is one leaf; DOT reads 3 values for one, ARGMAX 12.
    let leaves = (3 * 4 + 2 + 2 * 4 + 1 + 1) + (4 + 1 + 1);
    let work = 4 * 12 * 3 + 4 * 12 + leaves * graph::LEAF_WORK;
    let trace_bytes = 48 + 48 + 96 + 12 + 96 + 96 + 16 + 24;
    let sealed = Sealed {
        work,
        trace_bytes,
        most_rows: 4,
    };
    assert_eq!(graph::seal(&bytes), Ok(sealed));
}

/// Items x the tallest item tensor is at most 2^24; weights and fixed inputs do not count.
#[test]
fn jobs_are_admitted_with_their_work() {
    let bytes = valid().finish().unwrap();
    let (graph, sealed) = (Graph::parse(&bytes).unwrap(), graph::seal(&bytes).unwrap());
    assert_eq!(graph.admit(&sealed, 5, 4), Ok(5 * sealed.work));
    assert_eq!(graph.admit(&sealed, 5, 3), Err(Misfit::InputCount));
    let items = |items: u32| graph.check_items(&sealed, items);
    assert_eq!(items(0), Err(SealError::NoItems));
    assert_eq!(items(1 << 22), Ok(()));
    assert_eq!(items((1 << 22) + 1), Err(SealError::TooManyItems));
    assert_eq!(items(u32::MAX), Err(SealError::TooManyItems));
    let dear = Sealed {
        work: u64::MAX,
        ..sealed
    };
    assert_eq!(graph.admit(&dear, 2, 4), Err(Misfit::WorkOverflow));

    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1 << 20, 3);
    let w = b.weight_root(DType::I8, 1 << 24, 1, &ROOT);
    b.mix(x).push();
    let y = b.input_item(DType::I32, 1, 2);
    b.gather(y, w, 2).push();
    let bytes = b.finish().unwrap();
    let sealed = graph::seal(&bytes).unwrap();
    assert_eq!(sealed.most_rows, 1 << 20, "a result is of each item");
    let bytes = fixed_only();
    let (graph, sealed) = (Graph::parse(&bytes).unwrap(), graph::seal(&bytes).unwrap());
    assert_eq!(graph.check_items(&sealed, 1), Ok(()));
    assert_eq!(graph.check_items(&sealed, 2), Err(SealError::OneItemOnly));
}

#[test]
fn a_fault_says_where() {
    let mut bytes = valid().finish().unwrap();
    bytes[op(2, SHIFT)] = 1;
    let fault = Graph::parse(&bytes).unwrap().check().unwrap_err();
    assert_eq!(fault.place, Place::Op(2));
    assert!(fault.to_string().starts_with("op 2: "), "{fault}");
    let mut b = valid();
    let x = Operand::Input(0);
    b.norm(x, x, 1, DType::I8).push();
    b.lut(x, x).push();
    let fault = b.finish().unwrap_err();
    assert_eq!(
        (fault.place, fault.error),
        (Place::Op(8), SealError::IsNoWeight)
    );
}

/// The smallest and the largest graph; work that one item may have, and work that overflows.
#[test]
fn the_ends_of_all_bounds() {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1, 1);
    b.argmax(x).push();
    assert_eq!(b.finish().unwrap().len(), MIN_BYTES);

    let mut b = GraphBuilder::new();
    let inputs: Vec<Operand> = (0..8)
        .map(|_| b.input_item(DType::I16, 1, 32_768))
        .collect();
    let weights: Vec<Operand> = (0..1_024)
        .map(|_| b.weight_root(DType::I8, 1 << 20, 32_768, &ROOT))
        .collect();
    for (at, weight) in weights.into_iter().enumerate() {
        b.dot(inputs[at % 8], weight).push();
    }
    let bytes = b.finish().unwrap();
    assert_eq!(bytes.len(), MAX_BYTES);
    assert_eq!(bytes.len(), 77_936);
    let sealed = graph::seal(&bytes).unwrap();
    let of_inputs = 8 * 512 * graph::LEAF_WORK;
    assert_eq!(sealed.work, 1_024 * (1 << 20) * (32_768 + 256) + of_inputs);

    assert!(tall(31).is_ok());
    assert_eq!(tall(32), Err(SealError::WorkOverflow));
}

/// The builder refuses counts that the header can't hold.
#[test]
fn the_builder_refuses_too_much() {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1, 1);
    for _ in 0..1_025 {
        b.argmax(x).push();
    }
    assert_eq!(b.finish().unwrap_err().error, SealError::TooManyOps);
    let mut b = GraphBuilder::new();
    for _ in 0..9 {
        b.input_fixed(DType::I8, 1, 1);
    }
    assert_eq!(b.finish().unwrap_err().error, SealError::TooManyInputs);
    let mut b = GraphBuilder::new();
    for _ in 0..1_025 {
        b.weight_root(DType::I8, 1, 1, &ROOT);
    }
    assert_eq!(b.finish().unwrap_err().error, SealError::TooManyWeights);
}

/// Nothing that takes time is free: whole rows that are searched, leaves that are hashed however little is in them, inputs of
/// an item, ops of one value.
#[test]
fn work_counts_what_is_read_and_hashed() {
    let work = |build: &dyn Fn(&mut GraphBuilder)| {
        let mut b = GraphBuilder::new();
        build(&mut b);
        graph::seal(&b.finish().unwrap()).unwrap().work
    };
    // An input of an item and one result, a leaf each; then a fixed input, which a job has once.
    let item = work(&|b| {
        let x = b.input_item(DType::I8, 1, 1);
        b.mix(x).push();
    });
    assert_eq!(item, 2 * 8_192);
    let fixed = work(&|b| {
        let x = b.input_fixed(DType::I8, 1, 1);
        b.mix(x).push();
    });
    assert_eq!(fixed, 8_192);
    // 129 bytes are two leaves, in each of three rows.
    let wide = work(&|b| {
        let x = b.input_fixed(DType::I8, 3, 129);
        b.mix(x).push();
    });
    assert_eq!(wide, 3 * 2 * 8_192);
    let searched = work(&|b| {
        let x = b.input_fixed(DType::I8, 2, 1 << 20);
        b.argmax(x).push();
    });
    assert_eq!(searched, 2 * (8_192 + (1 << 20)));
}
