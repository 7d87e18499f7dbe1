//! The golden vectors of the ops on bytecode. `tests/golden/cells.py` makes them in Python from the design alone, and
//! `quern-proof` natively: so all three say the same of every op, its extremes included.

use {
    super::{bytecode::Probe, common::*},
    quern_proof::random,
    serde_json::Value,
    std::{collections::BTreeMap, fs, path::PathBuf},
};

fn graphs() -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/ops.json");
    let text = fs::read_to_string(path).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(graphs) = document["graphs"].take() else {
        panic!("ops.json has no graphs")
    };
    graphs
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn all(list: &Value) -> impl Iterator<Item = Vec<u8>> {
    list.as_array().unwrap().iter().map(bytes)
}

/// A commitment to the results that stand in the file; nothing is computed here.
fn committed(vector: &Value) -> Claim {
    let graph = bytes(&vector["graph"]);
    let parsed = Graph::parse(&graph).unwrap();
    let tensor = |of: Operand, data| {
        let shape = parsed.shape(of).unwrap();
        Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, data).unwrap()
    };
    let read = |list: &Value, name: fn(u16) -> Operand| -> Vec<Tensor> {
        let all = (0..).zip(all(list));
        all.map(|(at, data)| tensor(name(at), data)).collect()
    };
    let inputs = read(&vector["inputs"], Operand::Input);
    let weights = read(&vector["weights"], Operand::Weight);
    let outputs = read(&vector["outputs"], Operand::Op);
    let graph = random::with_roots(graph.clone(), &weights);
    Claim::of(graph, 1, inputs, weights, vec![outputs])
}

/// Whether a tensor of this type can hold the value: the file also has claims that nobody can commit to.
fn fits(dtype: DType, value: i32) -> bool {
    let (least, greatest) = dtype.range();
    (least..=greatest).contains(&value)
}

#[test]
fn python_native_and_bytecode_judge_alike() {
    let mut probe = Probe::new();
    // Claims by opcode and verdict.
    let mut counts: BTreeMap<(u8, Option<bool>), usize> = BTreeMap::new();
    let mut count = 0;
    for vector in graphs() {
        let mut claim = committed(&vector);
        for one in vector["claims"].as_array().unwrap() {
            let number = |at: usize| one[at].as_i64().unwrap();
            let (op, row, col) = (number(0) as u16, number(1) as u32, number(2) as u32);
            let (value, at, expected) = (number(3) as i32, number(4) as u32, one[5].as_bool());
            if !fits(claim.geometry(Operand::Op(op)).dtype(), value) {
                continue;
            }
            let committed = claim.value(Operand::Op(op), 0, row, col);
            claim.set_value(op, row, col, value);
            let verdict = probe.add_judgement(&claim, &Charge::Cell { op, row, col, at });
            claim.set_value(op, row, col, committed);
            let found = match verdict {
                Ok(()) => Some(true),
                Err(Refusal::NothingWrong) => Some(false),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::BadCounterexample, "{one}");
                    None
                }
            };
            assert_eq!(found, expected, "{}: {one}", vector["name"]);
            let opcode = claim.parsed().record(op.into()).unwrap().opcode;
            *counts.entry((opcode, expected)).or_default() += 1;
            count += 1;
        }
    }
    println!("{counts:?}");
    for opcode in 1..=8 {
        for verdict in [Some(true), Some(false), None] {
            let found = counts.get(&(opcode, verdict)).copied().unwrap_or(0);
            assert!(found >= 8, "opcode {opcode}, {verdict:?}: {found} vectors");
        }
    }
    probe.finish("golden vectors", count);
}
