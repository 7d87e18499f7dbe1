//! Makes the golden vectors. A change of these vectors is a change of what accounts, proofs and files mean.

use std::error::Error;

use quern_proof::{
    DType, Graph, Operand, SealError, Tensor,
    builder::GraphBuilder,
    commit::{self, TensorTree, Trace},
    eval, file, graph,
    hash::{self, Tag},
};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The file's text: one vector a line, so that a change shows up as a small difference.
pub fn text() -> Result<String> {
    let document = [
        ("hashes", hashes()?),
        ("tensors", tensors()?),
        ("graphs", graphs()?),
        ("refused", refused()?),
        ("batch_rows", batch_rows()?),
    ];
    let mut text = String::from("{\n");
    for (number, (key, vectors)) in document.iter().enumerate() {
        let lines: Vec<String> = vectors.iter().map(|v| format!("    {v}")).collect();
        let comma = if number + 1 < document.len() { "," } else { "" };
        text += &format!("  \"{key}\": [\n{}\n  ]{comma}\n", lines.join(",\n"));
    }
    text += "}\n";
    Ok(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hexes(nodes: &[[u8; 32]]) -> Vec<String> {
    nodes.iter().map(|node| hex(node)).collect()
}

/// Bytes without a pattern: the top bytes of a linear congruential generator (Knuth's MMIX constants).
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    fn tensor(&mut self, dtype: DType, rows: u32, cols: u32) -> Result<Tensor> {
        let count = rows * cols * dtype.size();
        let data = (0..count).map(|_| self.byte()).collect();
        Ok(Tensor::from_bytes(dtype, rows, cols, data)?)
    }
}

fn hashes() -> Result<Vec<Value>> {
    let mut leaf = [0; 128];
    let mut noise = Noise(1);
    leaf.fill_with(|| noise.byte());
    let (left, right) = (hash::leaf(&leaf), [0x11; 32]);
    let mut vectors = vec![
        json!({"what": "leaf", "bytes": hex(&leaf), "hash": hex(&left)}),
        json!({"what": "data node", "left": hex(&left), "right": hex(&right), "hash": hex(&hash::node(Tag::Data, &left, &right))}),
        json!({"what": "trace node", "left": hex(&left), "right": hex(&right), "hash": hex(&hash::node(Tag::Trace, &left, &right))}),
    ];
    for height in [0, 1, 2, 7, 35] {
        vectors.push(json!({
            "what": "zero subtree", "height": height,
            "data": hex(&hash::zero_subtree(Tag::Data, height)),
            "trace": hex(&hash::zero_subtree(Tag::Trace, height)),
        }));
    }
    Ok(vectors)
}

fn tensors() -> Result<Vec<Value>> {
    let mut noise = Noise(2);
    let mut vectors = Vec::new();
    let shapes = [
        (DType::I8, 1, 1),
        (DType::I8, 1, 128),
        (DType::I8, 1, 129),
        (DType::I8, 3, 5),
        (DType::I8, 2, 300),
        (DType::I8, 5, 128),
        (DType::I32, 1, 1),
        (DType::I32, 4, 32),
        (DType::I32, 3, 33),
        (DType::I32, 7, 70),
    ];
    for (dtype, rows, cols) in shapes {
        let tensor = noise.tensor(dtype, rows, cols)?;
        let tree = TensorTree::new(&tensor);
        let height = tree.geometry().height();
        let mut nodes = Vec::new();
        for level in 0..=height {
            for index in 0..1u64 << level {
                nodes.push(tree.node(level, index).ok_or("no such node")?);
            }
        }
        vectors.push(json!({
            "file": hex(&file::encode_tensor(&tensor)),
            "root": hex(&commit::data_root(&tensor)),
            "height": height,
            // All nodes, level by level from the root, as one hash: the same tree has the same hash.
            "all_nodes_hash": hex(&hash::hash(&[nodes.as_flattened()])),
        }));
    }
    Ok(vectors)
}

/// A graph with its data.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    batch_rows: u32,
    inputs: Vec<Tensor>,
    weights: Vec<Tensor>,
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm a kind; what is longer has a function of its own"
)]
fn cases() -> Result<Vec<Case>> {
    let mut noise = Noise(3);
    let mut cases = Vec::new();

    let mut b = GraphBuilder::new();
    let inputs = vec![
        noise.tensor(DType::I8, 3, 130)?,
        noise.tensor(DType::I8, 4, 12)?,
        noise.tensor(DType::I32, 3, 9)?,
    ];
    let x = b.input_batch(DType::I8, 130);
    let f = b.input_fixed(DType::I8, 4, 12);
    let z = b.input_batch(DType::I32, 9);
    // Multipliers that bring sums of this size back into i8, of both signs.
    let mult: Vec<i32> = (0..12)
        .map(|j| (1 << 12) + 97 * j)
        .map(|m: i32| if m % 2 == 0 { m } else { -m })
        .collect();
    let weights = vec![
        noise.tensor(DType::I8, 12, 130)?,
        Tensor::from_i32(1, 12, &(0..12).map(|j| 5000 * (j - 6)).collect::<Vec<_>>())?,
        Tensor::from_i32(1, 12, &mult)?,
        noise.tensor(DType::I8, 1, 256)?,
    ];
    let w: Vec<Operand> = weights.iter().map(|weight| b.weight(weight)).collect();
    let [w, bias, mult, table] = w[..] else {
        return Err("four weights".into());
    };
    let h = b.qlinear(x, w, bias, mult, 24, -128, 127);
    let t = b.lut(h, table);
    let s = b.add(h, t);
    let m = b.matmul(s, f);
    b.argmax(m);
    b.argmax(z);
    let r = b.qlinear(x, w, bias, mult, 25, 0, 100);
    b.argmax(r);
    b.matmul(f, f);
    cases.push(Case {
        name: "every op, batch and fixed rows",
        bytes: b.finish()?,
        batch_rows: 3,
        inputs,
        weights,
    });

    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 2, 33);
    b.matmul(x, x);
    cases.push(Case {
        name: "one op: the trace root is its data root",
        bytes: b.finish()?,
        batch_rows: 0,
        inputs: vec![noise.tensor(DType::I8, 2, 33)?],
        weights: vec![],
    });

    // The ends of every range: sums of -128 x -128 and -128 x 127, extreme bias and mult, the least and the greatest shift.
    let ends = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX];
    let pairs: Vec<(i32, i32)> = ends
        .iter()
        .flat_map(|bias| ends.iter().map(|mult| (*bias, *mult)))
        .collect();
    let n = pairs.len() as u32;
    let k = 40;
    let rows = [
        vec![-128i8; k as usize],
        vec![127; k as usize],
        vec![-1; k as usize],
    ];
    let x = Tensor::from_i8(3, k, &rows.concat())?;
    let alternating: Vec<i8> = (0..n * k)
        .map(|i| if (i / k) % 2 == 0 { -128 } else { 127 })
        .collect();
    let weights = vec![
        Tensor::from_i8(n, k, &alternating)?,
        Tensor::from_i32(1, n, &pairs.iter().map(|p| p.0).collect::<Vec<_>>())?,
        Tensor::from_i32(1, n, &pairs.iter().map(|p| p.1).collect::<Vec<_>>())?,
    ];
    let mut b = GraphBuilder::new();
    let input = b.input_batch(DType::I8, k);
    let w: Vec<Operand> = weights.iter().map(|weight| b.weight(weight)).collect();
    let [w, bias, mult] = w[..] else {
        return Err("three weights".into());
    };
    for shift in [1, 2, 20, 31, 32, 46, 47] {
        b.qlinear(input, w, bias, mult, shift, -128, 127);
    }
    b.qlinear(input, w, bias, mult, 47, -3, 2);
    b.qlinear(input, w, bias, mult, 47, 5, 5);
    cases.push(Case {
        name: "ends of the ranges of QLINEAR",
        bytes: b.finish()?,
        batch_rows: 3,
        inputs: vec![x],
        weights,
    });

    let all: Vec<i8> = (-128..=127).collect();
    let a: Vec<i8> = all.iter().flat_map(|a| [*a; 7]).collect();
    let other: Vec<i8> = [-128, -127, -1, 0, 1, 126, 127].repeat(256);
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 7, 256);
    let y = b.input_fixed(DType::I8, 7, 256);
    let s = b.add(x, y);
    let reversed = Tensor::from_i8(1, 256, &all.iter().rev().copied().collect::<Vec<_>>())?;
    let table = b.weight(&reversed);
    b.lut(s, table);
    cases.push(Case {
        name: "ADD saturates, LUT over all values",
        bytes: b.finish()?,
        batch_rows: 0,
        inputs: vec![
            Tensor::from_i8(7, 256, &a)?,
            Tensor::from_i8(7, 256, &other)?,
        ],
        weights: vec![reversed],
    });

    let (low, high) = (i32::MIN, i32::MAX);
    let wide = [
        [low, low, low, low, low],
        [low, high, high, low, high],
        [3, -4, 3, 3, 2],
        [-9, -8, -7, -8, -7],
        [0, 0, 0, 0, 1],
    ];
    let mut b = GraphBuilder::new();
    let x = b.input_batch(DType::I32, 5);
    let y = b.input_batch(DType::I8, 5);
    b.argmax(x);
    b.argmax(y);
    cases.push(Case {
        name: "ARGMAX takes the first of equals",
        bytes: b.finish()?,
        batch_rows: 5,
        inputs: vec![
            Tensor::from_i32(5, 5, wide.as_flattened())?,
            Tensor::from_i8(
                5,
                5,
                &wide
                    .as_flattened()
                    .iter()
                    .map(|v| (*v >> 24) as i8)
                    .collect::<Vec<_>>(),
            )?,
        ],
        weights: vec![],
    });

    let mut b = GraphBuilder::new();
    let x = b.input_batch(DType::I8, 3);
    let mut last = x;
    for _ in 0..64 {
        last = b.add(last, x);
    }
    cases.push(Case {
        name: "64 ops",
        bytes: b.finish()?,
        batch_rows: 1,
        inputs: vec![Tensor::from_i8(1, 3, &[1, -3, 127])?],
        weights: vec![],
    });
    Ok(cases)
}

fn graphs() -> Result<Vec<Value>> {
    cases()?.iter().map(graph_vector).collect()
}

fn graph_vector(case: &Case) -> Result<Value> {
    let graph = Graph::parse(&case.bytes)?;
    let macs = graph.check()?;
    eval::check_weights(&graph, &case.weights)?;
    let outputs = eval::run(&graph, case.batch_rows, &case.inputs, &case.weights)?;
    let trace_file = file::encode_trace(&outputs)?;
    let trace = Trace::new(outputs)?;
    let files = |tensors: &[Tensor]| -> Vec<String> {
        tensors
            .iter()
            .map(|tensor| hex(&file::encode_tensor(tensor)))
            .collect()
    };

    let (mut leaves, mut rows, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    let codes = (0..graph.op_count() as u8)
        .map(Operand::Op)
        .chain((0..case.inputs.len() as u8).map(Operand::Input))
        .chain((0..case.weights.len() as u8).map(Operand::Weight));
    for operand in codes {
        let tensor = match operand {
            Operand::Op(i) => trace.outputs().get(i as usize),
            Operand::Input(i) => case.inputs.get(i as usize),
            Operand::Weight(i) => case.weights.get(i as usize),
        }
        .ok_or("no such tensor")?;
        let tree = TensorTree::new(tensor);
        let g = *tree.geometry();
        // The last leaf of the last row: it has padding after it, beside it and below it.
        let (row, leaf) = (g.rows() - 1, g.leaves() - 1);
        let trace_path = match operand {
            Operand::Op(op) => trace.open_op(u32::from(op))?,
            _ => vec![],
        };
        leaves.push(json!({
            "tree": operand.code(), "row": row, "leaf": leaf,
            "bytes": hex(&tensor.leaf(row, leaf).ok_or("no such leaf")?),
            "path": hexes(&tree.open_leaf(row, leaf)?),
            "trace_path": hexes(&trace_path),
        }));
        rows.push(json!({
            "tree": operand.code(), "row": row,
            "bytes": hex(tensor.row(row).ok_or("no such row")?),
            "path": hexes(&tree.open_row(row)?),
        }));
        for level in (0..g.height()).step_by(4) {
            // The rightmost demand that may be opened at this level.
            let asked =
                (0..1u64 << level).rfind(|index| g.is_missing(level, *index) == Some(false));
            let index = asked.ok_or("a level has nodes")?;
            answers.push(json!({
                "tree": operand.code(), "level": level, "index": index,
                "nodes": hexes(&tree.answer(level, index)?),
            }));
        }
    }
    for level in (0..trace.geometry().height()).step_by(4) {
        answers.push(json!({"tree": 255, "level": level, "index": 0, "nodes": hexes(&trace.answer(level, 0)?)}));
    }
    Ok(json!({
        "name": case.name,
        "graph": hex(&case.bytes),
        "batch_rows": case.batch_rows,
        "macs_fixed": macs.fixed, "macs_per_row": macs.per_row,
        "macs": macs.total(case.batch_rows),
        "inputs": files(&case.inputs),
        "weights": files(&case.weights),
        "outputs": files(trace.outputs()),
        "roots": hexes(trace.roots()),
        "trace_root": hex(&trace.root()),
        "trace_file_hash": hex(&hash::hash(&[&trace_file])),
        "leaves": leaves, "rows": rows, "answers": answers,
    }))
}

/// One graph for each way to be refused.
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn refused() -> Result<Vec<Value>> {
    let root = [7; 32];
    let mut b = GraphBuilder::new();
    let x = b.input_batch(DType::I8, 10);
    let f = b.input_fixed(DType::I8, 4, 10);
    let w = b.weight_root(DType::I8, 3, 10, &root);
    let bias = b.weight_root(DType::I32, 1, 3, &root);
    let mult = b.weight_root(DType::I32, 1, 3, &root);
    let table = b.weight_root(DType::I8, 1, 256, &root);
    let h = b.qlinear(x, w, bias, mult, 20, 0, 127);
    let t = b.lut(h, table);
    b.add(h, t);
    let m = b.matmul(x, f);
    b.argmax(m);
    let good = b.finish()?;
    let (inputs, weights) = (graph::HEADER_BYTES, graph::len(2, 0, 0));
    let ops = graph::len(2, 4, 0);

    // Offset and new byte; each makes exactly one rule fail.
    let changes = [
        (0, 2),
        (2, 5),
        (4, 1),
        (1, 5),
        (2, 65),
        (3, 65),
        (3, 0),
        (inputs, 3),
        (inputs + 1, 2),
        (inputs + 4, 1),
        (inputs + 12 + 4, 0),
        (inputs + 10, 17),
        (ops, 6),
        (ops + 8 + 1, 1),
        (ops + 8 + 1, 5),
        (ops + 1, 68),
        (ops + 1, 66),
        (ops + 1, 255),
        (ops + 4 * 8 + 2, 0),
        (ops + 8 + 5, 1),
        (ops + 2 * 8 + 7, 1),
        (inputs, 2),
        (weights + 8, 11),
        (ops + 3 * 8 + 2, 2),
        (ops + 3 * 8 + 2, 64),
        (ops + 2, 65),
        (ops + 3, 65),
        (ops + 4, 65),
        (ops + 8 + 2, 65),
        (weights + 44 + 8, 4),
        (weights + 2 * 44 + 4, 2),
        (weights + 3 * 44 + 8, 255),
        (ops + 2 * 8 + 2, 64),
        (ops + 2 * 8 + 2, 65),
        (ops + 5, 0),
        (ops + 5, 48),
        (ops + 6, 128 - 1),
    ];
    let mut vectors = Vec::new();
    let mut add = |bytes: &[u8]| -> Result<()> {
        let error = graph::seal(bytes).err().ok_or("a bad graph was accepted")?;
        vectors.push(
            json!({"graph": hex(bytes), "error": format!("{error:?}"), "number": error as u8}),
        );
        Ok(())
    };
    for (at, byte) in changes {
        let mut bytes = good.clone();
        *bytes.get_mut(at).ok_or("beyond the end")? = byte;
        if at == ops + 6 {
            // lo = 127 needs hi below it.
            *bytes.get_mut(at + 1).ok_or("beyond the end")? = 126;
        }
        add(&bytes)?;
    }
    add(good.get(..good.len() - 1).ok_or("too short")?)?;
    add(&[&good[..], &[0]].concat())?;
    add(&[])?;
    let mut b = GraphBuilder::new();
    let x = b.input_batch(DType::I32, 8193);
    b.argmax(x);
    add(&b.bytes()?)?;
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1, 32_769);
    b.matmul(x, x);
    add(&b.bytes()?)?;
    Ok(vectors)
}

fn batch_rows() -> Result<Vec<Value>> {
    let mut b = GraphBuilder::new();
    let x = b.input_batch(DType::I8, 1);
    b.add(x, x);
    let batch = b.finish()?;
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1, 1);
    b.add(x, x);
    let fixed = b.finish()?;
    let mut vectors = Vec::new();
    for (bytes, rows) in [
        (&batch, 0),
        (&batch, 1),
        (&batch, 1 << 20),
        (&batch, (1 << 20) + 1),
        (&fixed, 0),
        (&fixed, 1),
    ] {
        let error: Option<SealError> = Graph::parse(bytes)?.check_batch_rows(rows).err();
        vectors.push(json!({
            "graph": hex(bytes), "batch_rows": rows,
            "error": error.map(|error| format!("{error:?}")),
        }));
    }
    Ok(vectors)
}
