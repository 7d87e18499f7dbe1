//! No escape: every corruption of every output, in values and in padding, is convicted, whether the data are published or
//! revealed on demand only.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
mod forged;

use common::{Job, Rng, random_job};
use forged::{Forged, Forgery};
use quern_proof::{
    Graph, Operand, Tensor,
    demand::{NodeId, Tree},
    eval,
    evidence::{Case, Charge, judge},
    hash::{self, LEAF_BYTES, MISSING, Tag},
    shape::TraceGeometry,
    witness::{Openings, Patched, Step, Whole, evidence},
};

/// Graphs a test goes through; `PROPTEST_CASES` widens it.
fn graphs(default: u64) -> u64 {
    match std::env::var("PROPTEST_CASES") {
        Ok(cases) => cases.parse().unwrap(),
        Err(_) => default,
    }
}

fn run(job: &Job) -> (Graph<'_>, Vec<Tensor>) {
    let graph = Graph::parse(&job.bytes).unwrap();
    let outputs = eval::run(&graph, job.batch_rows, &job.inputs, &job.weights).unwrap();
    (graph, outputs)
}

/// How a provider that answers nothing but demands ends.
#[derive(Debug, PartialEq)]
enum End {
    Convicted(Charge),
    /// It can't answer: time convicts it.
    Silent,
    Consistent,
}

/// Demands along the first difference until there is a charge; then it must convict.
fn withheld(own: &Whole<'_>, forged: &Forged<'_>) -> End {
    let mut patched = Patched::new(own, forged.root());
    for _ in 0..40 {
        match patched.step().unwrap() {
            Step::Same => return End::Consistent,
            Step::Demand(node_id) => match forged.answer(&node_id) {
                Some(answer) => patched.reveal(&node_id, &answer).unwrap(),
                None => return End::Silent,
            },
            Step::Charge(charge) => {
                let bytes = evidence(own.graph(), own.batch_rows(), &charge, &patched).unwrap();
                assert_eq!(forged.judge(&charge, &bytes), Ok(()), "{charge:?}");
                return End::Convicted(charge);
            }
        }
    }
    panic!("the search does not end");
}

/// The lie and what an accomplice makes of it: the later ops recomputed from the wrong value.
fn carried_on(job: &Job, graph: &Graph<'_>, wrong: &[Tensor], op: usize) -> Vec<Tensor> {
    let mut outputs = wrong[..=op].to_vec();
    for index in op + 1..graph.op_count() {
        let next = eval::run_op(
            graph,
            index,
            job.batch_rows,
            &job.inputs,
            &job.weights,
            &outputs,
        );
        outputs.push(next.unwrap());
    }
    outputs
}

#[test]
fn every_wrong_cell_is_convicted() {
    let mut rng = Rng(0xe5c);
    let mut cells = [0u64; 6];
    for round in 0..graphs(24) {
        let job = random_job(&mut rng, 5);
        let (graph, outputs) = run(&job);
        let own = Whole::new(&graph, job.batch_rows, &job.inputs, &job.weights, &outputs).unwrap();
        for (op, output) in outputs.iter().enumerate() {
            let opcode = graph.op(op).unwrap().opcode();
            let size = output.dtype().size() as usize;
            for cell in 0..output.data().len() / size {
                let (row, col) = (cell as u32 / output.cols(), cell as u32 % output.cols());
                let mut wrong = outputs.clone();
                // One byte of the value, by any amount.
                let byte = cell * size + rng.below(size as u64) as usize;
                wrong[op].data_mut()[byte] ^= rng.range(1, 255) as u8;
                if rng.below(2) == 0 {
                    wrong = carried_on(&job, &graph, &wrong, op);
                }
                let op = op as u8;
                let charge = Charge::Cell { op, row, col };
                // Published: the evidence is built from the provider's own data.
                let theirs =
                    Whole::new(&graph, job.batch_rows, &job.inputs, &job.weights, &wrong).unwrap();
                let bytes = evidence(&graph, job.batch_rows, &charge, &theirs).unwrap();
                let input_roots: Vec<_> = (0..job.inputs.len() as u8)
                    .map(|i| {
                        let tree = Tree::Data(Operand::Input(i));
                        theirs.node(NodeId::root(tree)).unwrap()
                    })
                    .collect();
                let case = Case {
                    graph,
                    batch_rows: job.batch_rows,
                    input_roots: &input_roots,
                    trace_root: &theirs.trace_root(),
                };
                assert_eq!(
                    judge(&case, &charge, &bytes),
                    Ok(()),
                    "{charge:?} of {round}"
                );
                cells[usize::from(opcode)] += 1;
                // Withheld: a sample, because each walks down the whole tree.
                if rng.below(8) == 0 {
                    let forged = Forged::new(
                        &graph,
                        job.batch_rows,
                        &job.inputs,
                        &job.weights,
                        &wrong,
                        &Forgery::default(),
                    );
                    assert_eq!(forged.root(), theirs.trace_root());
                    assert_eq!(withheld(&own, &forged), End::Convicted(charge));
                }
            }
        }
    }
    assert!(cells[1..].iter().all(|count| *count > 10), "{cells:?}");
}

#[test]
fn every_padding_byte_is_convicted() {
    let mut rng = Rng(0xbad);
    let mut bytes_seen = 0;
    for _ in 0..graphs(20) {
        let job = random_job(&mut rng, 4);
        let (graph, outputs) = run(&job);
        let own = Whole::new(&graph, job.batch_rows, &job.inputs, &job.weights, &outputs).unwrap();
        for (op, output) in outputs.iter().enumerate() {
            let op = op as u8;
            let g = output.geometry();
            let k = g.leaves() - 1;
            for row in 0..g.rows() {
                let index = g.leaf_position(row, k).unwrap();
                for byte in g.used_bytes(k)..LEAF_BYTES {
                    if rng.below(8) != 0 && byte != LEAF_BYTES - 1 && byte != g.used_bytes(k) {
                        continue;
                    }
                    let mut leaf = output.leaf(row, k).unwrap();
                    leaf[byte] = rng.range(1, 255) as u8;
                    let forged = Forged::new(
                        &graph,
                        job.batch_rows,
                        &job.inputs,
                        &job.weights,
                        &outputs,
                        &Forgery::leaf(op, index, leaf),
                    );
                    let tree = Tree::Data(Operand::Op(op));
                    let charge = Charge::Padding(NodeId::new(tree, g.height(), index));
                    let found = evidence(&graph, job.batch_rows, &charge, &forged).unwrap();
                    assert_eq!(forged.judge(&charge, &found), Ok(()));
                    assert_eq!(withheld(&own, &forged), End::Convicted(charge));
                    bytes_seen += 1;
                }
            }
        }
    }
    assert!(bytes_seen > 100, "{bytes_seen}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one property at every place")]
fn every_missing_node_is_convicted() {
    let mut rng = Rng(0x0);
    let (mut nodes, mut silent) = (0, 0);
    for _ in 0..graphs(20) {
        let job = random_job(&mut rng, 5);
        let (graph, outputs) = run(&job);
        let own = Whole::new(&graph, job.batch_rows, &job.inputs, &job.weights, &outputs).unwrap();
        let trace = TraceGeometry::new(outputs.len()).unwrap();
        let mut missing = Vec::new();
        for level in 0..=trace.height() {
            for index in 0..1u64 << level {
                if trace.is_missing(level, index) == Some(true) {
                    missing.push((Tree::Trace, trace.height(), level, index));
                }
            }
        }
        for (op, output) in outputs.iter().enumerate() {
            let g = output.geometry();
            for level in 0..=g.height() {
                for index in 0..1u64 << level {
                    if g.is_missing(level, index) == Some(true) {
                        let tree = Tree::Data(Operand::Op(op as u8));
                        missing.push((tree, g.height(), level, index));
                    }
                }
            }
        }
        for (tree, height, level, index) in missing {
            let zero = hash::zero_subtree(tree.tag(), height - level);
            // Anything; nothing at the wrong height; the zero subtree of the other tree; a real node put there too.
            let other = match tree.tag() {
                Tag::Data => Tag::Trace,
                Tag::Trace => Tag::Data,
            };
            let node_id = NodeId::new(tree, level, index);
            let sibling = own.node(NodeId::new(tree, level, index ^ 1)).unwrap();
            let forgeries = [
                [rng.next() as u8; 32],
                if level == height {
                    hash::leaf(&[0; LEAF_BYTES])
                } else {
                    MISSING
                },
                hash::zero_subtree(other, height - level),
                hash::zero_subtree(tree.tag(), height - level + 1),
                sibling,
            ];
            for node in forgeries.into_iter().filter(|node| *node != zero) {
                let forged = Forged::new(
                    &graph,
                    job.batch_rows,
                    &job.inputs,
                    &job.weights,
                    &outputs,
                    &Forgery::node(node_id, node),
                );
                let charge = Charge::Padding(node_id);
                let found = evidence(&graph, job.batch_rows, &charge, &forged).unwrap();
                assert_eq!(forged.judge(&charge, &found), Ok(()), "{charge:?}");
                nodes += 1;
                // Demanded, it is a wrong padding node above this one, or one that nobody can open.
                match withheld(&own, &forged) {
                    End::Convicted(Charge::Padding(found)) => {
                        assert_eq!(found.tree, tree);
                        assert_eq!(index >> (level - found.level), found.index);
                    }
                    End::Silent => silent += 1,
                    end => panic!("{end:?}"),
                }
            }
        }
    }
    assert!(
        nodes > 300 && silent > 0 && silent < nodes / 2,
        "{nodes} {silent}"
    );
    assert_eq!(Tree::Trace.code(), 255);
}

/// Lies in several places, in values and in padding, end in one conviction.
#[test]
fn many_lies_at_once() {
    let mut rng = Rng(77);
    for _ in 0..graphs(60) {
        let job = random_job(&mut rng, 6);
        let (graph, outputs) = run(&job);
        let own = Whole::new(&graph, job.batch_rows, &job.inputs, &job.weights, &outputs).unwrap();
        let mut wrong = outputs.clone();
        let mut forgery = Forgery::default();
        let mut lies = 0;
        for (op, output) in wrong.iter_mut().enumerate() {
            for _ in 0..rng.below(3) {
                let at = rng.below(output.data().len() as u64) as usize;
                output.data_mut()[at] ^= rng.range(1, 255) as u8;
                lies += u32::from(output.data()[at] != outputs[op].data()[at]);
            }
            let g = *output.geometry();
            let index = rng.below(1 << g.height());
            if g.is_missing(g.height(), index) == Some(true) {
                let tree = Tree::Data(Operand::Op(op as u8));
                let node = [rng.range(1, 255) as u8; 32];
                let node_id = NodeId::new(tree, g.height(), index);
                forgery.nodes.insert(node_id, node);
                lies += 1;
            }
        }
        let forged = Forged::new(
            &graph,
            job.batch_rows,
            &job.inputs,
            &job.weights,
            &wrong,
            &forgery,
        );
        match withheld(&own, &forged) {
            // Two changes of one byte may undo each other.
            End::Consistent => assert_eq!(forged.root(), own.trace_root()),
            End::Convicted(_) => assert!(lies > 0),
            End::Silent => panic!("everything could be answered"),
        }
    }
}

/// What is revealed is not believed: an answer that doesn't hash to its node, or comes before its parent, is refused.
#[test]
fn answers_are_checked() {
    let mut rng = Rng(3);
    let job = random_job(&mut rng, 5);
    let (graph, outputs) = run(&job);
    let own = Whole::new(&graph, job.batch_rows, &job.inputs, &job.weights, &outputs).unwrap();
    let mut wrong = outputs.clone();
    wrong[0].data_mut()[0] ^= 1;
    let forged = Forged::new(
        &graph,
        job.batch_rows,
        &job.inputs,
        &job.weights,
        &wrong,
        &Forgery::default(),
    );
    let mut patched = Patched::new(&own, forged.root());
    let mut demands = 0;
    while let Step::Demand(node_id) = patched.step().unwrap() {
        let answer = forged.answer(&node_id).unwrap();
        let mut early = Patched::new(&own, forged.root());
        assert_eq!(early.reveal(&node_id, &answer).is_err(), demands > 0);
        for byte in 0..answer.len() {
            let mut changed = answer.clone();
            changed[byte] ^= 1 << rng.below(8);
            patched.reveal(&node_id, &changed).unwrap_err();
        }
        patched
            .reveal(&node_id, &answer[..answer.len() - 32])
            .unwrap_err();
        patched.reveal(&node_id, &answer).unwrap();
        demands += 1;
    }
    assert!(demands > 1);
    assert_eq!(
        patched.step().unwrap(),
        Step::Charge(Charge::Cell {
            op: 0,
            row: 0,
            col: 0
        })
    );
}
