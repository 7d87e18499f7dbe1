//! The golden vectors of the ops are what this crate makes today, and an independent implementation makes the same from the
//! design alone (`tests/golden/cells.py`). Run with `QUERN_WRITE_GOLDEN` set to write them again.

use std::{format, path::Path, path::PathBuf, process::Command, string::String, vec, vec::Vec};

use serde_json::{Value, json};

use super::{kinds::random_text, memory::Job};
use crate::{
    DType, Operand, Shape, Tensor,
    builder::GraphBuilder,
    graph,
    ops::{OP_BYTES, exp2::EXP2},
    random::{Rng, World},
};

const ROOT: [u8; 32] = [0; 32];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_job(name: &str, job: &Job) -> Value {
    let all = |tensors: &[Tensor]| -> Vec<String> {
        tensors.iter().map(|tensor| hex(tensor.data())).collect()
    };
    let sealed = graph::seal(&job.bytes).unwrap();
    let mut claims = Vec::new();
    for (index, output) in job.outputs.iter().enumerate() {
        let last = (output.rows() - 1, output.cols() - 1);
        let is_argmax = job.op(index).0.name() == "ARGMAX";
        for (row, col) in [(0, 0), last] {
            let honest = output.value(row, col).unwrap();
            let mut cases = vec![(honest, 0), (honest.wrapping_add(1), 0), (honest, 1)];
            if is_argmax {
                let cols = job.tensor(job.op(index).0.slots()[0].unwrap()).cols();
                let at = honest as u32;
                let m = cols as i32;
                cases.extend([
                    (-1, 0),
                    (m, 0),
                    (-1, 1),
                    (m, 1),
                    (0, at),
                    (m - 1, at),
                    (honest, at),
                ]);
                cases.extend([(0, cols - 1), (0, cols)]);
            }
            for (claimed, at) in cases {
                let (verdict, reads) = job.judge(index, (row, col), claimed, at);
                let reads: Vec<_> = reads
                    .into_iter()
                    .map(|(of, row, cols, _)| json!([of.code(), row, cols.start, cols.end]))
                    .collect();
                claims.push(json!([index, row, col, claimed, at, verdict.ok(), reads]));
            }
        }
    }
    json!({
        "name": name,
        "graph": hex(&job.bytes),
        "inputs": all(&job.inputs),
        "weights": all(&job.weights),
        "outputs": all(&job.outputs),
        "sealed": [sealed.work, sealed.trace_bytes, sealed.most_rows],
        "claims": claims,
    })
}

/// Random graphs of one op each, then of several.
fn random(graphs: &mut Vec<Value>) {
    let mut rng = Rng(30);
    for opcode in (1..=8).chain([0; 3]) {
        let wanted = if opcode == 3 { 4 } else { 10 };
        let mut found = 0;
        while found < wanted {
            let mut world = World::new(&mut rng);
            let ops = if opcode == 0 { 4 } else { 1 };
            for _ in 0..ops {
                let any = world.rng.pick(&[1, 2, 4, 5, 6, 7, 8]);
                world.op(if opcode == 0 { any } else { opcode });
            }
            let Ok(bytes) = world.builder.finish() else {
                continue;
            };
            let job = Job::new(&bytes, |_, shape| rng.tensor(shape));
            if job
                .outputs
                .iter()
                .map(|output| output.data().len())
                .sum::<usize>()
                > 600
            {
                continue;
            }
            graphs.push(of_job(&format!("random, opcode {opcode}, {found}"), &job));
            found += 1;
        }
    }
}

/// Random graphs with tokens.
fn texts(graphs: &mut Vec<Value>) {
    let mut rng = Rng(31);
    let mut found = 0;
    while found < 12 {
        let (mut b, tokens, len) = random_text(&mut rng);
        let ops = 0..b.op_count() as u16;
        let fits = |op: &u16| {
            let shape = b.shape(Operand::Op(*op)).unwrap();
            shape.rows == len && shape.cols > 1
        };
        let Some(last) = ops.rev().find(fits) else {
            continue;
        };
        let x = b.input_fixed(DType::I32, 1, len);
        let next = b.argmax(Operand::Op(last)).transposed().push();
        let feedback = b.feedback(x, next).push();
        b.generate(tokens, feedback);
        let Ok(bytes) = b.finish() else { continue };
        let wide = |shape: &Shape| shape.cols == 256;
        if (0..b.op_count()).any(|op| {
            let op = crate::Graph::parse(&bytes).unwrap().op(op).unwrap();
            op.operands().any(|of| wide(&b.shape(of).unwrap()))
        }) {
            continue;
        }
        let job = Job::new(&bytes, |_, shape| rng.tensor(shape));
        graphs.push(of_job(&format!("text {found}"), &job));
        found += 1;
    }
}

/// The values of a tensor, whatever its type.
fn filled(shape: &Shape, values: &[i32]) -> Tensor {
    let size = shape.dtype.size() as usize;
    let count = (shape.rows * shape.cols) as usize;
    let bytes = values.iter().cycle().take(count);
    let data = bytes.flat_map(|value| value.to_le_bytes()[..size].to_vec());
    Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, data.collect()).unwrap()
}

/// Ends of i32.
const ENDS: [i32; 7] = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX];

/// A graph whose tensors hold these values, in order.
fn named(graphs: &mut Vec<Value>, name: &str, b: &GraphBuilder, data: &[&[i32]]) {
    let mut next = data.iter();
    let values = |_, shape: &Shape| filled(shape, next.next().unwrap());
    graphs.push(of_job(name, &Job::new(&b.finish().unwrap(), values)));
}

/// Halves of the mean, eps at its end, bits that are taken off.
fn norms(graphs: &mut Vec<Value>) {
    for (row, eps) in [
        (&[-1, 0][..], 0),
        (&[-3, -2], 0),
        (&[-128, 127], 1),
        (&[1, -1], i32::MAX as u32),
        (&[0, 0], i32::MAX as u32),
        (&[i32::MIN, i32::MAX], i32::MAX as u32),
        (&[1 << 23, -(1 << 23) - 1, 0], 1 << 20),
        (&[i32::MIN, i32::MIN, 5], 0),
    ] {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I32, 1, row.len() as u32);
        let p = b.weight_root(DType::I32, 2, row.len() as u32, &ROOT);
        for (shift, to) in [(1, DType::I32), (15, DType::I16), (47, DType::I8)] {
            b.norm(x, p, shift, to).eps(eps).push();
            b.norm(x, p, shift, to).eps(eps).rms().push();
        }
        let n = row.len();
        for (gamma, beta) in [(i32::MIN, i32::MIN), (i32::MAX, i32::MAX), (77, -3)] {
            let p = [vec![gamma; n], vec![beta; n]].concat();
            named(
                graphs,
                &format!("norm of {row:?}, eps {eps}"),
                &b,
                &[row, &p],
            );
        }
    }
}

/// Octaves and distances at their ends.
fn softmaxes(graphs: &mut Vec<Value>) {
    for octaves in [30, 31, 62, 64] {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I32, 1, 6);
        b.softmax(x, 1, 0, DType::I16).push();
        b.softmax(x, 1 << 8, 8, DType::I8).causal().push();
        let down = -256 * octaves;
        let row = [0, down, down - 1, down + 1, down - 255, -255];
        named(
            graphs,
            &format!("softmax at {octaves} octaves"),
            &b,
            &[&row],
        );
    }
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 2, 7);
    for (mult, shift) in [
        ((1 << 30) - 1, 0),
        ((1 << 30) - 1, 47),
        (0, 0),
        (1, 1),
        (300, 24),
    ] {
        b.softmax(x, mult, shift, DType::I16).push();
    }
    named(graphs, "softmax at the ends of i32", &b, &[&ENDS]);
}

/// ARGMAX of equal values, of every type.
fn ties(graphs: &mut Vec<Value>) {
    for dtype in [DType::I8, DType::I16, DType::I32] {
        let (least, greatest) = dtype.range();
        let mut b = GraphBuilder::new();
        let x = b.input_item(dtype, 5, 4);
        b.argmax(x).push();
        b.argmax(x).transposed().push();
        let rows = [
            [least; 4],
            [greatest; 4],
            [least, greatest, greatest, least],
            [-1, -2, -1, -1],
            [-1, 0, 0, -1],
        ];
        named(graphs, &format!("ties of {dtype:?}"), &b, &[&rows.concat()]);
    }
}

/// DOT at the edges of saturation, and runs that begin in a leaf.
fn products(graphs: &mut Vec<Value>) {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 1, 7);
    let w = b.weight_root(DType::I8, 49, 7, &ROOT);
    let p = b.weight_root(DType::I32, 2, 49, &ROOT);
    for (shift, to) in [
        (1, DType::I32),
        (47, DType::I32),
        (31, DType::I16),
        (46, DType::I8),
    ] {
        b.dot(x, w).scaled(p, shift, to).push();
    }
    b.dot(x, w).push();
    let p = [ENDS.map(|bias| [bias; 7]).concat(), ENDS.repeat(7)].concat();
    for (x, w) in [
        (-32_768, -128),
        (-32_768, 127),
        (32_767, 127),
        (0, 0),
        (1, -1),
    ] {
        named(graphs, "dot at the edges of sat32", &b, &[&[x], &[w], &p]);
    }
    // K = 40 of i16 begins in the middle of a leaf.
    let mut rng = Rng(32);
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I16, 2, 120);
    let w = b.weight_root(DType::I8, 3, 120, &ROOT);
    b.dot(x, w).scores(3, 1).push();
    let mut values = |count: usize| -> Vec<i32> { (0..count).map(|_| rng.next() as i32).collect() };
    let (x, w) = (values(240), values(360));
    named(graphs, "runs that begin in a leaf", &b, &[&x, &w]);
}

/// MIX at its ends.
fn mixes(graphs: &mut Vec<Value>) {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 7, 7);
    let y = b.input_fixed(DType::I32, 1, 7);
    for (shift, to) in [(0, DType::I32), (1, DType::I16), (47, DType::I32)] {
        b.mix(x).times(y).shift(shift).to(to).push();
        b.mix(x).plus(y).shift(shift).to(to).push();
    }
    named(
        graphs,
        "mix at its ends",
        &b,
        &[&ENDS.map(|end| [end; 7]).concat(), &ENDS],
    );
}

/// Graphs with a changed byte, and what `seal` says of each: the index of the graph, the byte's place and value, the refusal.
fn changed(graphs: &[Value]) -> Vec<Value> {
    let mut rng = Rng(33);
    let mut changed = Vec::new();
    for (index, graph) in graphs.iter().enumerate() {
        let hex = graph["graph"].as_str().unwrap();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let parsed = crate::Graph::parse(&bytes).unwrap();
        let ops = OP_BYTES * parsed.op_count();
        for _ in 0..24 {
            // Any value of a weight's root is sealed: ops are looked at twice as often as the rest.
            let offset = match rng.below(3) {
                0 => rng.below(bytes.len() as u32) as usize,
                _ => bytes.len() - 1 - rng.below(ops as u32) as usize,
            };
            let byte = match rng.below(3) {
                0 => rng.below(256) as u8,
                1 => bytes[offset] ^ 1 << rng.below(8),
                _ => rng.below(4) as u8,
            };
            let mut other = bytes.clone();
            other[offset] = byte;
            let refused = graph::seal(&other).err().map(|error| format!("{error:?}"));
            changed.push(json!([index, offset, byte, refused]));
        }
    }
    changed
}

fn text() -> Value {
    let mut graphs = Vec::new();
    for add in [norms, softmaxes, ties, products, mixes] {
        add(&mut graphs);
    }
    random(&mut graphs);
    texts(&mut graphs);
    let changed = changed(&graphs);
    json!({ "exp2": EXP2.to_vec(), "graphs": graphs, "changed": changed })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

/// One graph a line.
fn lines(document: &Value) -> String {
    let graphs = document["graphs"].as_array().unwrap();
    let graphs: Vec<String> = graphs.iter().map(|graph| format!("{graph}")).collect();
    format!(
        "{{\"exp2\":{},\n\"changed\":{},\n\"graphs\":[\n{}\n]}}\n",
        document["exp2"],
        document["changed"],
        graphs.join(",\n")
    )
}

#[test]
fn vectors_are_not_stale() {
    let file = folder().join("ops.json");
    let now = text();
    if std::env::var_os("QUERN_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, lines(&now)).unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(
        committed == now,
        "tests/golden/ops.json is stale: if the change is meant, run this test with QUERN_WRITE_GOLDEN set"
    );
}

#[test]
fn an_independent_implementation_agrees() {
    let Ok(output) = Command::new("python3")
        .arg(folder().join("cells.py"))
        .output()
    else {
        std::println!("not checked: there is no python3 on this machine");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    std::println!("{said}");
}
