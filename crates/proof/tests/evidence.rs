//! No honest commitment is convicted and every wrong one is: cells of all ops, padding of all trees, tokens.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Job, Noise, every_op, forged::Forged, small, text};
use quern_proof::{
    Charge, DType, Geometry, Hash, NodeId, Op, Operand, Refusal, Tensor, Tree,
    builder::GraphBuilder,
    commit::{ItemTrace, TraceTree},
    hash::{self, LEAF_BYTES, MISSING, Tag},
    verify::first_wrong,
    witness::{Openings, Whole, charge_cell, evidence},
};

/// Every place at which a cell of an op may be charged, over all items.
fn cells(job: &Job, op: u16) -> Vec<Charge> {
    let graph = job.graph();
    let shape = graph.output(op.into()).unwrap();
    let counters = match graph.op(op.into()).unwrap() {
        Op::ArgMax(argmax) => graph.shape(argmax.a).unwrap().cols.min(40),
        _ => 1,
    };
    let mut charges = Vec::new();
    for row in 0..shape.rows * job.items {
        for col in 0..shape.cols {
            charges.extend((0..counters).map(|at| Charge::Cell { op, row, col, at }));
        }
    }
    charges
}

#[test]
fn honest_cells_of_all_ops_are_refused() {
    for items in [1, 3] {
        let job = every_op(items);
        let whole = Whole::compute(&job.batch()).unwrap();
        let root = whole.trace_root().unwrap();
        for op in 0..job.graph().op_count() as u16 {
            // Large results by a sample: a prime step meets every row and leaf.
            let charges = cells(&job, op);
            let step = if charges.len() > 400 { 7 } else { 1 };
            for charge in charges.iter().step_by(step) {
                let bytes = job.evidence(charge, &whole);
                assert_eq!(
                    job.judge(&root, charge, &bytes),
                    Err(Refusal::NothingWrong),
                    "{charge}"
                );
            }
        }
    }
}

/// The job's results with one cell of one item changed by `delta`, committed to as if they were right.
fn corrupted<'a>(
    job: &'a Job,
    honest: &Whole<'a>,
    (op, item): (u16, u32),
    cell: usize,
    delta: i32,
) -> (Whole<'a>, i32, i32) {
    let mut whole = Whole::new(&job.batch()).unwrap();
    let mut roots = Vec::new();
    let (mut right, mut claimed) = (0, 0);
    for at in 0..job.items {
        let mut outputs = honest.item(at).unwrap().outputs().to_vec();
        if at == item {
            let tensor = &mut outputs[usize::from(op)];
            right = tensor.values()[cell];
            let size = tensor.dtype().size() as usize;
            claimed = right.wrapping_add(delta);
            let bytes = &claimed.to_le_bytes()[..size];
            tensor.data_mut()[cell * size..][..size].copy_from_slice(bytes);
            claimed = tensor.values()[cell];
        }
        let trace = ItemTrace::new(outputs).unwrap();
        roots.push(trace.root());
        whole.insert(at, trace).unwrap();
    }
    let trace = job.graph().trace(job.items).unwrap();
    whole.insert_above(TraceTree::new(trace, roots).unwrap());
    (whole, claimed, right)
}

#[test]
fn every_op_is_convicted_of_a_wrong_cell() {
    let mut noise = Noise(9);
    for items in [1, 3] {
        let job = every_op(items);
        let honest = Whole::compute(&job.batch()).unwrap();
        for op in 0..job.graph().op_count() as u16 {
            let shape = job.graph().output(op.into()).unwrap();
            for round in 0..12 {
                let item = noise.below(items);
                let cell = noise.below(shape.rows * shape.cols);
                let delta = match round % 4 {
                    0 => 1,
                    1 => -1,
                    2 => -100,
                    _ => 1 + noise.below(120) as i32,
                };
                let (whole, claimed, right) =
                    corrupted(&job, &honest, (op, item), cell as usize, delta);
                let at = (cell / shape.cols, cell % shape.cols);
                let charge = charge_cell(&job.graph(), (op, item), at, (claimed, right)).unwrap();
                let bytes = job.evidence(&charge, &whole);
                let root = whole.trace_root().unwrap();
                assert_eq!(job.judge(&root, &charge, &bytes), Ok(()), "{charge}");
                // The same evidence says nothing about an honest commitment.
                let honest_root = honest.trace_root().unwrap();
                assert!(job.judge(&honest_root, &charge, &bytes).is_err());
            }
        }
    }
}

/// Whatever byte of honest evidence is changed, cut off or added: nobody is convicted.
#[test]
fn changed_evidence_never_convicts_the_honest() {
    let job = every_op(3);
    let whole = Whole::compute(&job.batch()).unwrap();
    let root = whole.trace_root().unwrap();
    for op in 0..job.graph().op_count() as u16 {
        let charges = cells(&job, op);
        let charge = charges[charges.len() * 2 / 3];
        let mut bytes = job.evidence(&charge, &whole);
        for at in 0..bytes.len() {
            for flip in [1, 0x80] {
                bytes[at] ^= flip;
                let verdict = job.judge(&root, &charge, &bytes);
                assert!(verdict.is_err(), "{charge}: byte {at} convicts");
                assert_ne!(verdict, Err(Refusal::NothingWrong), "byte {at} is not used");
                bytes[at] ^= flip;
            }
        }
        for len in (0..bytes.len()).step_by(31) {
            assert!(job.judge(&root, &charge, &bytes[..len]).is_err());
        }
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(job.judge(&root, &charge, cut), Err(Refusal::TooShort));
        bytes.push(0);
        assert_eq!(job.judge(&root, &charge, &bytes), Err(Refusal::TooLong));
    }
}

/// Evidence about one item, op or place says nothing about another.
#[test]
fn evidence_of_another_place_is_refused() {
    let job = every_op(3);
    let whole = Whole::compute(&job.batch()).unwrap();
    let root = whole.trace_root().unwrap();
    let charge = |op, row, col| Charge::Cell {
        op,
        row,
        col,
        at: 0,
    };
    let bytes = job.evidence(&charge(2, 7, 3), &whole);
    assert_eq!(
        job.judge(&root, &charge(2, 7, 3), &bytes),
        Err(Refusal::NothingWrong)
    );
    // The same row of another item; another row; another op of the same shape.
    assert_eq!(
        job.judge(&root, &charge(2, 2, 3), &bytes),
        Err(Refusal::Item)
    );
    assert_eq!(
        job.judge(&root, &charge(2, 8, 3), &bytes),
        Err(Refusal::Claimed)
    );
    assert!(job.judge(&root, &charge(3, 7, 3), &bytes).is_err());
    assert_eq!(
        job.judge(&root, &charge(2, 15, 3), &bytes),
        Err(Refusal::NoSuchCell)
    );
    assert_eq!(
        job.judge(&root, &charge(2, 7, 64), &bytes),
        Err(Refusal::NoSuchCell)
    );
    assert_eq!(
        job.judge(&root, &charge(99, 7, 3), &bytes),
        Err(Refusal::NoSuchOp)
    );
    let counter = Charge::Cell {
        op: 2,
        row: 7,
        col: 3,
        at: 1,
    };
    assert_eq!(
        job.judge(&root, &counter, &bytes),
        Err(Refusal::BadCounterexample)
    );
    // Another job's inputs.
    let mut other = every_op(3);
    other.inputs[2].data_mut()[0] ^= 1;
    let of_position = job.evidence(&charge(1, 7, 3), &whole);
    assert_eq!(
        other.judge(&root, &charge(1, 7, 3), &of_position),
        Err(Refusal::OperandB)
    );
}

/// No node of one tree passes for one of another, and no leaf for a node.
#[test]
fn tags_keep_trees_apart() {
    let (left, right) = ([1; 32], [2; 32]);
    assert_ne!(
        hash::node(Tag::Data, &left, &right),
        hash::node(Tag::Trace, &left, &right)
    );
    assert_ne!(hash::leaf(&[0; LEAF_BYTES]), MISSING);
    // One op of one item: its data root is the trace root. A provider that hashes data as a trace commits to nothing that
    // can be opened, and a trace of two ops is no data tree of two leaves.
    let job = small(2, 1, 8);
    let whole = Whole::compute(&job.batch()).unwrap();
    let roots: Vec<Hash> = (0..2)
        .map(|item| {
            let roots = whole.item(item).unwrap().roots();
            let pairs = [
                hash::node(Tag::Data, &roots[0], &roots[1]),
                hash::node(Tag::Data, &roots[2], &MISSING),
            ];
            hash::node(Tag::Data, &pairs[0], &pairs[1])
        })
        .collect();
    let root = hash::node(Tag::Data, &roots[0], &roots[1]);
    let charge = Charge::Cell {
        op: 0,
        row: 0,
        col: 0,
        at: 0,
    };
    let mut bytes = job.evidence(&charge, &whole);
    bytes[..32].copy_from_slice(&roots[0]);
    bytes[32..64].copy_from_slice(&roots[1]);
    assert_eq!(job.judge(&root, &charge, &bytes), Err(Refusal::Item));
}

/// All padding of the honest is refused, in all trees and at all nodes.
#[test]
fn honest_padding_is_refused() {
    let job = every_op(3);
    let whole = Whole::compute(&job.batch()).unwrap();
    let root = whole.trace_root().unwrap();
    let graph = job.graph();
    let trace = graph.trace(job.items).unwrap();
    let mut seen = [0; 3];
    let mut check = |node_id: NodeId, kind: usize| {
        let charge = Charge::Padding(node_id);
        match evidence(&graph, job.items, &charge, &whole) {
            Ok(bytes) => {
                seen[kind] += 1;
                assert_eq!(
                    job.judge(&root, &charge, &bytes),
                    Err(Refusal::NothingWrong),
                    "{charge}"
                );
            }
            Err(error) => {
                assert_eq!(error, Refusal::NotPadding.into(), "{charge}");
                assert!(job.judge(&root, &charge, &[]).is_err());
            }
        }
    };
    for level in 0..=trace.height() {
        (0..1 << level).for_each(|index| check(NodeId::new(Tree::Trace, level, index), 0));
    }
    for op in [0, 6, 12, 13] {
        let tree = graph.geometry(Operand::Op(op), job.items).unwrap();
        for level in 0..=tree.height() {
            for place in 0..1 << level {
                let kind = if level == tree.height() { 2 } else { 1 };
                check(NodeId::in_item(op, 2, level, place), kind);
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    let input = Charge::Padding(NodeId::root(Tree::Data(Operand::Input(0))));
    assert_eq!(job.judge(&root, &input, &[]), Err(Refusal::NoSuchTree));
    let beyond = Charge::Padding(NodeId::in_item(0, 3, 0, 0));
    assert_eq!(job.judge(&root, &beyond, &[]), Err(Refusal::NoSuchNode));
    assert_eq!(
        job.judge(
            &root,
            &Charge::Padding(NodeId::new(Tree::Trace, 200, 0)),
            &[]
        ),
        Err(Refusal::NoSuchNode)
    );
    let deep = Charge::Padding(NodeId::new(Tree::Data(Operand::Op(0)), 200, 0));
    assert!(job.judge(&root, &deep, &[]).is_err());
}

/// Any node that is missing, of an item, of an op, of a row, of a leaf, and bytes beyond a row's end.
#[test]
fn wrong_padding_is_convicted() {
    let job = every_op(3);
    let whole = Whole::compute(&job.batch()).unwrap();
    let graph = job.graph();
    let trace = graph.trace(job.items).unwrap();
    let mut nodes = Vec::new();
    for level in 0..=trace.height() {
        for index in 0..1 << level {
            if trace.is_missing(level, index) == Some(true) {
                nodes.push(NodeId::new(Tree::Trace, level, index));
            }
        }
    }
    for op in [0, 7, 12] {
        let tree = graph.geometry(Operand::Op(op), job.items).unwrap();
        for level in 0..=tree.height() {
            for place in 0..1 << level {
                if tree.is_missing(level, place) == Some(true) {
                    nodes.push(NodeId::in_item(op, 1, level, place));
                }
            }
        }
    }
    assert!(nodes.len() > 60);
    for node_id in nodes {
        let forged = Forged::new(&whole, &[], &[(node_id, [7; 32])]);
        let charge = Charge::Padding(node_id);
        let bytes = job.evidence(&charge, &forged);
        let verdict = job.judge(&forged.trace_root(), &charge, &bytes);
        assert_eq!(verdict, Ok(()), "{charge}");
    }
    // 64 bytes of 128 are used in op 0; 20 i16 in op 7; the last leaf of op 12 in row 4.
    for (op, k, byte) in [(0, 0, 64), (0, 0, 127), (7, 0, 40), (12, 9, 48)] {
        let tree = graph.geometry(Operand::Op(op), job.items).unwrap();
        let position = tree.leaf_position(4, k).unwrap();
        let node_id = NodeId::in_item(op, 2, tree.height(), position);
        let mut leaf = whole.leaf(node_id).unwrap();
        leaf[byte] = 1;
        let forged = Forged::new(&whole, &[(node_id, leaf)], &[]);
        let charge = Charge::Padding(node_id);
        let bytes = job.evidence(&charge, &forged);
        let root = forged.trace_root();
        assert_eq!(job.judge(&root, &charge, &bytes), Ok(()), "{charge}");
        // Beside bad padding, values are still judged as values: right ones stay right, a wrong one convicts.
        let (row, col) = (2 * 5 + 4, k * LEAF_BYTES as u32 / tree.dtype().size());
        let cell = Charge::Cell {
            op,
            row,
            col,
            at: 0,
        };
        let bytes = job.evidence(&cell, &forged);
        assert_eq!(job.judge(&root, &cell, &bytes), Err(Refusal::NothingWrong));
        leaf[0] ^= 1;
        let forged = Forged::new(&whole, &[(node_id, leaf)], &[]);
        let root = forged.trace_root();
        for charge in [charge, cell] {
            let bytes = job.evidence(&charge, &forged);
            assert_eq!(job.judge(&root, &charge, &bytes), Ok(()), "{charge}");
        }
    }
}

#[test]
fn tokens_are_what_feedback_says() {
    for items in [1, 3] {
        let job = text(items);
        let whole = Whole::compute(&job.batch()).unwrap();
        let root = whole.trace_root().unwrap();
        let charge = Charge::Tokens { item: items - 1 };
        let bytes = job.evidence(&charge, &whole);
        assert_eq!(
            job.judge(&root, &charge, &bytes),
            Err(Refusal::NothingWrong)
        );
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            let verdict = job.judge(&root, &charge, &wrong);
            assert!(verdict.is_err_and(|refusal| refusal != Refusal::NothingWrong));
        }
        let beyond = Charge::Tokens { item: items };
        assert_eq!(job.judge(&root, &beyond, &bytes), Err(Refusal::NoSuchCell));

        // Other tokens, and an honest computation from them: consistent but for the text.
        let mut other = text(items);
        let last = other.inputs[1].data().len() - 4;
        other.inputs[1].data_mut()[last] ^= 1;
        let whole = Whole::compute(&other.batch()).unwrap();
        let root = whole.trace_root().unwrap();
        let bytes = other.evidence(&charge, &whole);
        assert_eq!(other.judge(&root, &charge, &bytes), Ok(()));
        // Nothing is read of the tokens' root in the list of inputs: it is the provider's.
        let verdict = job.judge(&root, &charge, &bytes);
        assert_eq!(verdict, Err(Refusal::Tokens));
    }
    let job = every_op(3);
    let root = Whole::compute(&job.batch()).unwrap().trace_root().unwrap();
    let charge = Charge::Tokens { item: 0 };
    assert_eq!(job.judge(&root, &charge, &[]), Err(Refusal::NoTokens));
}

#[test]
fn padding_of_the_tokens_is_convicted() {
    let job = text(3);
    let whole = Whole::compute(&job.batch()).unwrap();
    let tokens = Operand::Input(1);
    let tree = job.graph().geometry(tokens, 3).unwrap();
    // 40 tokens are 160 bytes: 32 of the second leaf. Row 3 of 4 is missing.
    let node_id = |level, place| NodeId::new(Tree::Data(tokens), level, place);
    let last = node_id(tree.height(), tree.leaf_position(1, 1).unwrap());
    let mut leaf = whole.leaf(last).unwrap();
    let honest = Charge::Padding(last);
    let bytes = job.evidence(&honest, &whole);
    let root = whole.trace_root().unwrap();
    assert_eq!(
        job.judge(&root, &honest, &bytes),
        Err(Refusal::NothingWrong)
    );
    leaf[32] = 1;
    let missing = node_id(2, 3);
    for (leaves, nodes, charged) in [
        (vec![(last, leaf)], vec![], last),
        (vec![], vec![(missing, [9; 32])], missing),
    ] {
        let forged = Forged::new(&whole, &leaves, &nodes);
        let charge = Charge::Padding(charged);
        let bytes = job.evidence(&charge, &forged);
        let verdict = job.judge_with(&forged.trace_root(), &forged.tokens_root(), &charge, &bytes);
        assert_eq!(verdict, Ok(()), "{charge}");
    }
}

/// Somebody who computed one item of a thousand convicts it, from its data and the published item roots alone.
#[test]
fn one_wrong_item_of_a_thousand() {
    let job = small(1_000, 3, 200);
    let batch = job.batch();
    let honest = Whole::compute(&batch).unwrap();
    let (published, _, _) = corrupted(&job, &honest, (1, 617), 450, 5);
    let root = published.trace_root().unwrap();
    let trace = job.graph().trace(1_000).unwrap();
    let roots = (0..1_000).map(|item| published.item(item).unwrap().root());
    let above = TraceTree::new(trace, roots.collect()).unwrap();
    assert_eq!(above.root(), root);

    let mut whole = Whole::new(&batch).unwrap();
    let outputs = published.item(617).unwrap().outputs().to_vec();
    let charge = first_wrong(&batch, 617, &outputs).unwrap().unwrap();
    assert_eq!(
        charge,
        Charge::Cell {
            op: 1,
            row: 617 * 3 + 2,
            col: 50,
            at: 0
        }
    );
    whole.insert(617, ItemTrace::new(outputs).unwrap()).unwrap();
    whole.insert_above(above);
    let bytes = job.evidence(&charge, &whole);
    assert_eq!(job.judge(&root, &charge, &bytes), Ok(()));
}

/// A tensor of which all rows are zero, of any height: no tree is kept.
struct Uniform {
    tree: Geometry,
    table: Tensor,
    claimed: u8,
}

impl Uniform {
    fn nodes(&self, value: u8) -> impl Iterator<Item = Hash> {
        let mut leaf = [0; LEAF_BYTES];
        leaf[0] = value;
        std::iter::successors(Some(hash::leaf(&leaf)), |node| {
            Some(hash::node(Tag::Data, node, node))
        })
    }

    fn root(&self, value: u8) -> Hash {
        let height = usize::from(self.tree.height());
        self.nodes(value).nth(height).unwrap()
    }
}

impl Openings for Uniform {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        let height = usize::from(self.tree.height() - node_id.level);
        match node_id.tree {
            Tree::Data(Operand::Input(_)) => self.nodes(0).nth(height),
            Tree::Data(Operand::Weight(_)) => {
                let tree = quern_proof::commit::TensorTree::new(&self.table);
                tree.node(node_id.level, node_id.index)
            }
            _ => self.nodes(self.claimed).nth(height),
        }
    }

    fn leaf(&self, node_id: NodeId) -> Option<[u8; LEAF_BYTES]> {
        let mut leaf = [0; LEAF_BYTES];
        match node_id.tree {
            Tree::Data(Operand::Weight(_)) => return self.table.leaf(0, node_id.index as u32),
            Tree::Data(Operand::Op(_)) => leaf[0] = self.claimed,
            _ => {}
        }
        Some(leaf)
    }
}

/// The most rows that any tensor may have: the last cell is judged by 24 levels, and nothing is dropped on the way.
#[test]
fn the_last_of_the_most_rows_is_judged() {
    const ROWS: u32 = 1 << 24;
    let table: Vec<i8> = (0..=255u8).map(|byte| byte.wrapping_add(3) as i8).collect();
    let table = Tensor::from_i8(1, 256, &table).unwrap();
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, ROWS, 1);
    let t = b.weight(&table);
    b.lut(x, t).push();
    let bytes = b.finish().unwrap();
    let graph = quern_proof::Graph::parse(&bytes).unwrap();
    let tree = graph.geometry(Operand::Op(0), 1).unwrap();
    assert_eq!((tree.height(), tree.rows_height()), (24, 24));
    assert_eq!(tree.is_missing(24, (1 << 24) - 1), Some(false));
    assert!(Geometry::new(DType::I8, ROWS + 1, 1).is_none());
    // t[0 + 128] is 128 + 3 as a byte.
    for (claimed, verdict) in [(131, Err(Refusal::NothingWrong)), (5, Ok(()))] {
        let uniform = Uniform {
            tree,
            table: table.clone(),
            claimed,
        };
        for row in [0, 5, ROWS - 1] {
            let charge = Charge::Cell {
                op: 0,
                row,
                col: 0,
                at: 0,
            };
            let evidence = evidence(&graph, 1, &charge, &uniform).unwrap();
            let case = quern_proof::Case {
                graph,
                items: 1,
                input_roots: &[uniform.root(0)],
                tokens_root: &[0; 32],
                trace_root: &uniform.root(claimed),
            };
            assert_eq!(quern_proof::judge(&case, &charge, &evidence), verdict);
        }
    }
}

/// Bytes of the evidence of the last cell of a graph's only op, which is judged right and, with its value changed, wrong.
fn longest(b: &GraphBuilder, inputs: Vec<Tensor>, weights: Vec<Tensor>) -> usize {
    let job = Job {
        bytes: b.finish().unwrap(),
        items: 1,
        inputs,
        weights,
    };
    let honest = Whole::compute(&job.batch()).unwrap();
    let shape = job.graph().output(0).unwrap();
    let cell = shape.rows * shape.cols - 1;
    let charge = Charge::Cell {
        op: 0,
        row: shape.rows - 1,
        col: shape.cols - 1,
        at: 0,
    };
    let bytes = job.evidence(&charge, &honest);
    let verdict = job.judge(&honest.trace_root().unwrap(), &charge, &bytes);
    assert_eq!(verdict, Err(Refusal::NothingWrong));
    let (wrong, _, _) = corrupted(&job, &honest, (0, 0), cell as usize, 1);
    let bytes = job.evidence(&charge, &wrong);
    let verdict = job.judge(&wrong.trace_root().unwrap(), &charge, &bytes);
    assert_eq!(verdict, Ok(()));
    bytes.len()
}

/// The dearest cells that the limits allow.
#[test]
fn the_longest_evidence_is_judged() {
    let mut noise = Noise(6);
    // The last of 31 groups of K = 32,760: both runs begin in the middle of a leaf.
    let (inner, groups) = (32_760, 31);
    let inputs = vec![noise.tensor(DType::I16, 1, inner * groups)];
    let weights = vec![
        noise.tensor(DType::I8, 1, inner * groups),
        noise.parameters(1, (0, 9), (1, 9)),
    ];
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 1, inner * groups);
    let [w, p] = [0, 1].map(|at: usize| b.weight(&weights[at]));
    b.dot(x, w)
        .scores(groups as u16, 1)
        .scaled(p, 20, DType::I16)
        .push();
    let bytes = longest(&b, inputs, weights);
    assert!((98_000..107_000).contains(&bytes), "{bytes}");

    let inputs = vec![
        noise.tensor(DType::I32, 3, 8_192),
        Tensor::from_i8(3, 8_192, &[1; 3 * 8_192]).unwrap(),
    ];
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 3, 8_192);
    let mask = b.input_item(DType::I8, 3, 8_192);
    b.softmax(x, (1 << 30) - 1, 47, DType::I16)
        .mask(mask)
        .push();
    let bytes = longest(&b, inputs, vec![]);
    assert!((40_960..42_000).contains(&bytes), "{bytes}");

    let inputs = vec![noise.tensor(DType::I32, 3, 8_192)];
    let weights = vec![noise.tensor(DType::I32, 2, 8_192)];
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 3, 8_192);
    let p = b.weight(&weights[0]);
    b.norm(x, p, 20, DType::I16).push();
    let bytes = longest(&b, inputs, weights);
    assert!((32_768..34_500).contains(&bytes), "{bytes}");
}
