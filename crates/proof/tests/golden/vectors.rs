//! Commitments, evidence and answers of a few jobs, written down.

use quern_proof::{
    Charge, NodeId, Op, Operand, Tensor, Tree,
    commit::{self, Committer, ItemTrace},
    demand, file,
    hash::{self, Tag},
    witness::{Openings, Whole, answer},
};
use serde_json::{Value, json};

use crate::common::{Job, every_op, small, text};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let digits = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    hex(hash::hash(&[bytes.as_ref()]))
}

pub fn document() -> Value {
    let jobs = [
        ("every op, three items", every_op(3)),
        ("every op, one item", every_op(1)),
        ("generated text, three items", text(3)),
        ("three ops, seven items", small(7, 3, 130)),
    ];
    let jobs = jobs.iter().map(|(name, job)| vector(name, job));
    let zeros = [0, 1, 2, 7, 15, 26, 50].map(|height| {
        json!({
            "height": height,
            "data": hex(hash::zero_subtree(Tag::Data, height)),
            "trace": hex(hash::zero_subtree(Tag::Trace, height)),
        })
    });
    json!({
        "zero_subtrees": zeros,
        "jobs": jobs.collect::<Vec<_>>(),
    })
}

fn files(tensors: &[Tensor]) -> Vec<String> {
    let files = tensors.iter().map(file::encode_tensor);
    files.map(hex).collect()
}

fn vector(name: &str, job: &Job) -> Value {
    let (graph, batch) = (job.graph(), job.batch());
    let whole = Whole::compute(&batch).unwrap();
    let mut committer = Committer::new(&graph, job.items).unwrap();
    let mut items = Vec::new();
    for item in 0..job.items {
        let trace = ItemTrace::new(batch.item(item).unwrap()).unwrap();
        committer.push(&trace).unwrap();
        items.push(json!({
            "item_root": hex(trace.root()),
            "trace_file": hex(file::encode_trace(trace.outputs()).unwrap()),
        }));
    }
    let made = committer.finish().unwrap();
    let charges = charges(job).into_iter().map(|(charge, parts)| {
        let bytes = job.evidence(&charge, &whole);
        json!({
            "charge": charge_of(&charge), "reads": parts,
            "bytes": bytes.len(), "evidence_hash": digest(bytes),
        })
    });
    let answers = demands(job).into_iter().map(|node_id| {
        let bytes = answer(&graph, job.items, &node_id, &whole).unwrap();
        json!({
            "tree": node_id.tree.code(), "level": node_id.level, "index": node_id.index,
            "node": hex(whole.node(node_id).unwrap()), "answer_hash": digest(bytes),
        })
    });
    json!({
        "name": name,
        "graph": hex(&job.bytes),
        "items": job.items,
        "inputs": files(&job.inputs),
        "input_roots": job.inputs.iter().map(|t| hex(commit::data_root(t))).collect::<Vec<_>>(),
        "weights": files(&job.weights),
        "trace": items,
        "trace_root": hex(made.trace_root),
        "roots_file_hash": digest(&made.roots_file),
        "result_file_hash": digest(&made.result_file),
        "charges": charges.collect::<Vec<_>>(),
        "answers": answers.collect::<Vec<_>>(),
    })
}

fn charge_of(charge: &Charge) -> Value {
    match charge {
        Charge::Cell { op, row, col, at } => json!({"op": op, "row": row, "col": col, "at": at}),
        Charge::Padding(NodeId { tree, level, index }) => {
            json!({"tree": tree.code(), "level": level, "index": index})
        }
        Charge::Tokens { item } => json!({"item": item}),
    }
}

/// Charges, and which columns of which row in the item each cell reads behind the claimed leaf, by the table of ops.
fn charges(job: &Job) -> Vec<(Charge, Vec<[u32; 4]>)> {
    let (graph, items) = (job.graph(), job.items);
    let mut charges = Vec::new();
    for op in 0..graph.op_count() as u16 {
        let shape = graph.output(op.into()).unwrap();
        let item = items / 2;
        let (row, col) = (shape.rows - 1, shape.cols * 2 / 3);
        let at = match graph.op(op.into()).unwrap() {
            Op::ArgMax(_) => 3,
            _ => 0,
        };
        let charge = Charge::Cell {
            op,
            row: item * shape.rows + row,
            col,
            at,
        };
        charges.push((charge, reads(job, op, item, (row, col), at)));
    }
    let trace = graph.trace(items).unwrap();
    let last = graph.op_count() as u16 - 1;
    let tree = graph.geometry(Operand::Op(last), items).unwrap();
    let mut padding = vec![NodeId::in_item(last, items - 1, tree.height(), {
        tree.leaf_position(tree.rows() - 1, tree.leaves() - 1)
            .unwrap()
    })];
    for level in 0..=trace.height() {
        let missing = (0..1 << level).find(|index| trace.is_missing(level, *index) == Some(true));
        padding.extend(missing.map(|index| NodeId::new(Tree::Trace, level, index)));
    }
    let tree = graph.geometry(Operand::Op(0), items).unwrap();
    for level in 0..=tree.height() {
        let missing = (0..1 << level).find(|index| tree.is_missing(level, *index) == Some(true));
        padding.extend(missing.map(|index| NodeId::in_item(0, items - 1, level, index)));
    }
    if let Some(tokens) = graph.tokens() {
        let tree = graph.geometry(Operand::Input(tokens), items).unwrap();
        let last = tree.leaf_position(items - 1, tree.leaves() - 1).unwrap();
        padding.push(NodeId::new(
            Tree::Data(Operand::Input(tokens)),
            tree.height(),
            last,
        ));
        charges.push((Charge::Tokens { item: items - 1 }, vec![]));
    }
    charges.extend(
        padding
            .into_iter()
            .map(|node_id| (Charge::Padding(node_id), vec![])),
    );
    charges
}

/// Operand, row in the item, first column and end: what graph.md's table says an op opens for one cell.
#[expect(clippy::too_many_lines, reason = "one arm an op")]
fn reads(job: &Job, op: u16, item: u32, (row, col): (u32, u32), at: u32) -> Vec<[u32; 4]> {
    let graph = job.graph();
    let record = graph.record(op.into()).unwrap();
    let (i, j) = match record.has(quern_proof::ops::flag::TRANSPOSED) {
        true => (col, row),
        false => (row, col),
    };
    let outputs = job.batch().item(item).unwrap();
    let shape = |operand: Operand| graph.shape(operand).unwrap();
    let one = |operand: Operand, row: u32, col: u32| [operand.code().into(), row, col, col + 1];
    let repeated =
        |operand: Operand, j: u32| one(operand, i % shape(operand).rows, j % shape(operand).cols);
    let value = |operand: Operand, row: u32, col: u32| -> i32 {
        let shape = shape(operand);
        let tensor = match operand {
            Operand::Op(index) => return outputs[usize::from(index)].value(row, col).unwrap(),
            Operand::Input(index) => &job.inputs[usize::from(index)],
            Operand::Weight(index) => &job.weights[usize::from(index)],
        };
        tensor.view(&shape, item).unwrap().value(row, col).unwrap()
    };
    let slots = graph.op(op.into()).unwrap().slots();
    let [a, b, c, d] = slots;
    let a = a.unwrap();
    let g = |n: u32| j / n;
    let (groups, share) = (u32::from(record.groups), u32::from(record.share));
    match record.opcode {
        1 => {
            let b = b.unwrap();
            let k = shape(a).cols / groups;
            let mut parts = Vec::new();
            if record.has(quern_proof::ops::flag::SIDE) {
                let n = shape(b).rows / (groups / share);
                parts.push([a.code().into(), i, g(n) * k, (g(n) + 1) * k]);
                let row = g(n) / share * n + j % n;
                parts.push([b.code().into(), row, 0, k]);
            } else {
                let n = shape(b).rows;
                parts.push([a.code().into(), i, g(n) * k, (g(n) + 1) * k]);
                let of_b = g(n) / share * k;
                parts.push([b.code().into(), j % n, of_b, of_b + k]);
            }
            let parameters = c.map(|c| (0..2).map(move |row| (c, row)));
            for (c, row) in parameters.into_iter().flatten() {
                parts.push(one(c, row, j % shape(c).cols));
            }
            parts
        }
        2 => {
            let of_b = match record.has(quern_proof::ops::flag::PAIR) {
                true => b.map(|b| one(b, i % shape(b).rows, (j % shape(b).cols) ^ 1)),
                false => b.map(|b| repeated(b, j)),
            };
            let others = [c, d].map(|operand| operand.map(|operand| repeated(operand, j)));
            [Some(one(a, i, j)), of_b]
                .into_iter()
                .chain(others)
                .flatten()
                .collect()
        }
        3 => {
            let place = value(a, i, j) + 128;
            vec![one(a, i, j), one(b.unwrap(), 0, place as u32)]
        }
        4 => {
            let b = b.unwrap();
            let m = shape(a).cols / record.logical().0;
            let at = i * m + j / shape(b).cols;
            let row = value(a, 0, at);
            let found = (0..shape(b).rows as i32).contains(&row);
            let of_table = found.then(|| one(b, row as u32, j % shape(b).cols));
            [Some(one(a, 0, at)), of_table]
                .into_iter()
                .flatten()
                .collect()
        }
        5 => {
            let n = shape(a).cols / groups;
            let p = b.unwrap();
            let start = j / n * n;
            let of_p = j % n % shape(p).cols;
            vec![
                [a.code().into(), i, start, start + n],
                one(p, 0, of_p),
                one(p, 1, of_p),
            ]
        }
        6 => {
            let t = shape(a).cols / groups;
            let start = j / t * t;
            let mask = b.map(|b| [b.code().into(), i % shape(b).rows, 0, shape(b).cols]);
            let group = [a.code().into(), i, start, start + t];
            [Some(group), mask].into_iter().flatten().collect()
        }
        7 => {
            let mine = outputs[usize::from(op)].value(row, col).unwrap();
            vec![one(a, i, mine as u32), one(a, i, at)]
        }
        _ => {
            let x = value(a, 0, j);
            let last = (x < 0 && j > 0).then(|| one(b.unwrap(), 0, j - 1));
            [Some(one(a, 0, j)), last].into_iter().flatten().collect()
        }
    }
}

/// The last demand of each level of some trees.
fn demands(job: &Job) -> Vec<NodeId> {
    let graph = job.graph();
    let last = job.items - 1;
    let mut trees = vec![(Tree::Trace, 0)];
    for op in [0, graph.op_count() as u16 / 2, graph.op_count() as u16 - 1] {
        trees.push((Tree::Data(Operand::Op(op)), last));
    }
    let inputs = 0..graph.input_count() as u16;
    trees.extend(inputs.map(|input| (Tree::Data(Operand::Input(input)), 0)));
    let weights = 0..graph.weight_count() as u16;
    trees.extend(weights.map(|weight| (Tree::Data(Operand::Weight(weight)), 0)));
    let mut nodes = Vec::new();
    for (tree, item) in trees {
        for level in 0..25 {
            let ids = (0..1u64 << level.min(12))
                .map(|place| NodeId::new(tree, level, (u64::from(item) << level) + place));
            let may_be = ids
                .rev()
                .find(|node_id| demand::plan(&graph, job.items, node_id).is_ok());
            nodes.extend(may_be);
        }
    }
    nodes
}
