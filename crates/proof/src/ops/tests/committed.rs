//! Whatever is sealed can be committed to, opened and judged at every cell: right ones convict nobody, wrong ones always.

use std::vec::Vec;

use crate::{
    Case, Charge, Error, Graph, Hash, Refusal, Tensor,
    commit::{self, ItemTrace, TraceTree},
    eval::Batch,
    judge,
    ops::{ArgMax, Op},
    random::{RandomJob, Rng},
    witness::{Whole, charge_cell, evidence},
};

/// A commitment to these results.
fn committed<'a>(batch: &Batch<'a>, results: Vec<Vec<Tensor>>) -> Result<Whole<'a>, Error> {
    let mut whole = Whole::new(batch)?;
    let mut roots = Vec::new();
    for (item, outputs) in (0..).zip(results) {
        let trace = ItemTrace::new(outputs)?;
        roots.push(trace.root());
        whole.insert(item, trace)?;
    }
    let trace = batch.graph().trace(batch.items()).unwrap();
    whole.insert_above(TraceTree::new(trace, roots)?);
    Ok(whole)
}

/// Judges by the evidence that these openings give.
fn verdict(
    batch: &Batch<'_>,
    roots: &[Hash],
    whole: &Whole<'_>,
    charge: &Charge,
) -> Result<(), Refusal> {
    let case = Case {
        graph: *batch.graph(),
        items: batch.items(),
        input_roots: roots,
        tokens_root: &[0; 32],
        trace_root: &whole.trace_root().unwrap(),
    };
    let bytes = evidence(batch.graph(), batch.items(), charge, whole).unwrap();
    judge(&case, charge, &bytes)
}

#[test]
fn random_graphs_are_committed_and_judged() {
    let mut rng = Rng(2_026);
    let (mut jobs, mut convictions) = (0, [0; 9]);
    while jobs < 1_000 {
        let Some(job) = RandomJob::of(&mut rng, 7) else {
            continue;
        };
        jobs += 1;
        let (items, inputs, weights) = (job.items, job.inputs, job.weights);
        let graph = Graph::parse(&job.graph).unwrap();
        let batch = Batch::new(&graph, items, &inputs, &weights, 1 << 30).unwrap();
        let roots: Vec<Hash> = inputs.iter().map(commit::data_root).collect();
        let results = (0..items).map(|item| batch.item(item).unwrap());
        let results: Vec<Vec<Tensor>> = results.collect();
        let honest = committed(&batch, results.clone()).unwrap();
        for index in 0..graph.op_count() {
            let shape = graph.output(index).unwrap();
            let op = index as u16;
            let at_most = match graph.op(index).unwrap() {
                Op::ArgMax(ArgMax { a }) => graph.shape(a).unwrap().cols,
                _ => 1,
            };
            for _ in 0..6 {
                let row = rng.below(shape.rows * items);
                let (col, at) = (rng.below(shape.cols), rng.below(at_most));
                let charge = Charge::Cell { op, row, col, at };
                let judged = verdict(&batch, &roots, &honest, &charge);
                assert_eq!(judged, Err(Refusal::NothingWrong), "{charge}");
            }
            let (item, cell) = (rng.below(items), rng.below(shape.rows * shape.cols));
            let (row, col) = (cell / shape.cols, cell % shape.cols);
            let mut wrong = results.clone();
            let tensor = &mut wrong[item as usize][index];
            let right = tensor.value(row, col).unwrap();
            let byte = cell * shape.dtype.size() + rng.below(shape.dtype.size());
            tensor.data_mut()[byte as usize] ^= 1 << rng.below(8);
            let claimed = tensor.value(row, col).unwrap();
            let charge = charge_cell(&graph, (op, item), (row, col), (claimed, right)).unwrap();
            let whole = committed(&batch, wrong).unwrap();
            assert_eq!(verdict(&batch, &roots, &whole, &charge), Ok(()), "{charge}");
            convictions[usize::from(graph.record(index).unwrap().opcode)] += 1;
        }
    }
    assert!(
        convictions[1..].iter().all(|count| *count > 100),
        "{convictions:?}"
    );
}
