//! Published outputs against the graph: what is wrong is found, what is right is never accused, whatever the hints say.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Job, Rng, random_job, random_tensor};
use quern_proof::{
    DType, Error, Graph, Tensor,
    builder::GraphBuilder,
    eval,
    evidence::Charge,
    file,
    freivalds::{Coins, first_wrong_cell, first_wrong_row},
    verify::{self, Finding, Hints},
};

fn coins(rng: &mut Rng) -> Coins {
    let mut seed = [0; 32];
    for word in seed.as_chunks_mut::<8>().0 {
        *word = rng.next().to_le_bytes();
    }
    Coins::new(seed)
}

/// Every op, with enough rows that products are tested and not computed again.
fn tall_job(rng: &mut Rng) -> Job {
    let batch_rows = rng.range(8, 12);
    let mut b = GraphBuilder::new();
    let mut weights = Vec::new();
    let mut weight = |rng: &mut Rng, b: &mut GraphBuilder, dtype, rows, cols| {
        let tensor = random_tensor(rng, dtype, rows, cols);
        let operand = b.weight(&tensor);
        weights.push(tensor);
        operand
    };
    let (k, n, m) = (rng.range(1, 140), rng.range(1, 40), rng.range(1, 20));
    let x = b.input_batch(DType::I8, k);
    let stored = b.input_fixed(DType::I8, m, n);
    let (w, bias, mult) = (
        weight(rng, &mut b, DType::I8, n, k),
        weight(rng, &mut b, DType::I32, 1, n),
        weight(rng, &mut b, DType::I32, 1, n),
    );
    let table = weight(rng, &mut b, DType::I8, 1, 256);
    let y = b.qlinear(x, w, bias, mult, rng.range(20, 47) as u8, -128, 127);
    let z = b.lut(y, table);
    let sum = b.add(y, z);
    let (w, bias, mult) = (
        weight(rng, &mut b, DType::I8, n, n),
        weight(rng, &mut b, DType::I32, 1, n),
        weight(rng, &mut b, DType::I32, 1, n),
    );
    let again = b.qlinear(sum, w, bias, mult, rng.range(20, 47) as u8, -100, 100);
    b.argmax(again);
    let product = b.matmul(again, stored);
    b.argmax(product);
    Job {
        bytes: b.finish().unwrap(),
        batch_rows,
        inputs: vec![
            random_tensor(rng, DType::I8, batch_rows, k),
            random_tensor(rng, DType::I8, m, n),
        ],
        weights,
    }
}

struct Ran<'j> {
    job: &'j Job,
    graph: Graph<'j>,
    outputs: Vec<Tensor>,
    sums: Vec<Tensor>,
}

impl<'j> Ran<'j> {
    fn new(job: &'j Job) -> Self {
        let graph = Graph::parse(&job.bytes).unwrap();
        let made = eval::run_with_sums(&graph, job.batch_rows, &job.inputs, &job.weights, u64::MAX)
            .unwrap();
        let plain = eval::run(&graph, job.batch_rows, &job.inputs, &job.weights).unwrap();
        assert_eq!(plain, made.outputs, "sums change no output");
        Self {
            job,
            graph,
            outputs: made.outputs,
            sums: made.sums,
        }
    }

    fn hints(&self, sums: Vec<Tensor>) -> Hints {
        Hints::new(&self.graph, self.job.batch_rows, sums)
    }

    fn check(&self, rng: &mut Rng, outputs: &[Tensor], hints: &Hints) -> Finding {
        verify::outputs(
            &self.graph,
            self.job.batch_rows,
            &self.job.inputs,
            &self.job.weights,
            outputs,
            hints,
            &mut coins(rng),
        )
        .unwrap()
    }

    /// Hints of every kind: right ones, none, too few, of wrong shapes, with any values, with single lies.
    fn all_hints(&self, rng: &mut Rng) -> Vec<Hints> {
        let mut lies = self.sums.clone();
        for sums in &mut lies {
            let at = rng.below(sums.data().len() as u64) as usize;
            sums.data_mut()[at] ^= 1 << rng.below(8);
        }
        let garbage = self
            .sums
            .iter()
            .map(|sums| random_tensor(rng, DType::I32, sums.rows(), sums.cols()))
            .collect();
        let misshapen = self
            .sums
            .iter()
            .map(|sums| random_tensor(rng, DType::I32, sums.rows(), sums.cols() + 1))
            .collect();
        let too_few = self.sums.iter().take(1).cloned().collect();
        vec![
            self.hints(self.sums.clone()),
            Hints::none(),
            self.hints(too_few),
            self.hints(lies),
            self.hints(garbage),
            self.hints(misshapen),
            self.hints(self.outputs.clone()),
        ]
    }
}

/// Another value for one cell: one bit, one step, or anything.
fn corrupt(rng: &mut Rng, tensor: &Tensor, row: u32, col: u32) -> Tensor {
    let mut wrong = tensor.clone();
    let size = tensor.dtype().size() as usize;
    let start = (row * tensor.cols() + col) as usize * size;
    let cell = &mut wrong.data_mut()[start..start + size];
    let before = cell.to_vec();
    while cell == before {
        match rng.below(3) {
            0 => cell[rng.below(size as u64) as usize] ^= 1 << rng.below(8),
            1 => cell[0] = cell[0].wrapping_add(1),
            _ => cell.fill_with(|| rng.next() as u8),
        }
    }
    wrong
}

#[test]
fn honest_outputs_are_never_accused_whatever_the_hints() {
    let mut rng = Rng(1);
    for round in 0..60 {
        let job = match round % 2 {
            0 => tall_job(&mut rng),
            _ => random_job(&mut rng, 12),
        };
        let ran = Ran::new(&job);
        for hints in ran.all_hints(&mut rng) {
            assert_eq!(
                ran.check(&mut rng, &ran.outputs, &hints),
                Finding::Consistent
            );
        }
    }
}

/// Every cell of every op, one at a time.
#[test]
fn every_wrong_cell_is_found_where_it_is() {
    let mut rng = Rng(2);
    for round in 0..8 {
        let job = match round % 2 {
            0 => tall_job(&mut rng),
            _ => random_job(&mut rng, 12),
        };
        let ran = Ran::new(&job);
        let all_hints = ran.all_hints(&mut rng);
        for (op, right) in ran.outputs.iter().enumerate() {
            for row in 0..right.rows() {
                for col in 0..right.cols() {
                    let mut outputs = ran.outputs.clone();
                    outputs[op] = corrupt(&mut rng, right, row, col);
                    let hints = &all_hints[rng.below(all_hints.len() as u64) as usize];
                    let op = op as u8;
                    assert_eq!(
                        ran.check(&mut rng, &outputs, hints),
                        Finding::Wrong(Charge::Cell { op, row, col })
                    );
                }
            }
        }
    }
}

/// With several wrong ones the first is found, by op, row and column; and every kind of hints leads to the same finding.
#[test]
fn the_first_of_many_is_found_with_any_hints() {
    let mut rng = Rng(3);
    for _ in 0..150 {
        let job = tall_job(&mut rng);
        let ran = Ran::new(&job);
        let mut outputs = ran.outputs.clone();
        let op = rng.below(outputs.len() as u64) as usize;
        let mut first = None;
        for _ in 0..rng.range(1, 5) {
            let (row, col) = (
                rng.below(u64::from(outputs[op].rows())) as u32,
                rng.below(u64::from(outputs[op].cols())) as u32,
            );
            // Against what is right: two corruptions of one cell must not cancel.
            let wrong = corrupt(&mut rng, &ran.outputs[op], row, col);
            let size = wrong.dtype().size() as usize;
            let at = (row * wrong.cols() + col) as usize * size;
            outputs[op].data_mut()[at..at + size].copy_from_slice(&wrong.data()[at..at + size]);
            first = Some(first.map_or((row, col), |known: (u32, u32)| known.min((row, col))));
        }
        // Later ops may be anything.
        for later in &mut outputs[op + 1..] {
            *later = random_tensor(&mut rng, later.dtype(), later.rows(), later.cols());
        }
        let (row, col) = first.unwrap();
        let op = op as u8;
        for hints in ran.all_hints(&mut rng) {
            assert_eq!(
                ran.check(&mut rng, &outputs, &hints),
                Finding::Wrong(Charge::Cell { op, row, col })
            );
        }
    }
}

/// A cheat who publishes the sums that would make a wrong output right.
#[test]
fn sums_that_fit_a_wrong_output_do_not_excuse_it() {
    let mut rng = Rng(4);
    let mut tried = 0;
    while tried < 40 {
        let job = tall_job(&mut rng);
        let ran = Ran::new(&job);
        let sums = &ran.sums[0];
        let (row, col) = (
            rng.below(u64::from(sums.rows())) as u32,
            rng.below(u64::from(sums.cols())) as u32,
        );
        let at = (row * sums.cols() + col) as usize;
        let Some(scale) = ran.graph.op(0).unwrap().scale() else {
            panic!("the first op is a QLINEAR")
        };
        let (bias, mult) = (
            job.weights[1].to_i32().unwrap()[col as usize],
            job.weights[2].to_i32().unwrap()[col as usize],
        );
        let lie = rng.next() as i32;
        let value = scale.apply(lie, bias, mult) as u8;
        let mut outputs = ran.outputs.clone();
        if outputs[0].data()[at] == value {
            continue;
        }
        outputs[0].data_mut()[at] = value;
        let mut lies = ran.sums.clone();
        lies[0].data_mut()[4 * at..4 * at + 4].copy_from_slice(&lie.to_le_bytes());
        assert_eq!(
            ran.check(&mut rng, &outputs, &ran.hints(lies)),
            Finding::Wrong(Charge::Cell { op: 0, row, col })
        );
        tried += 1;
    }
}

#[test]
fn hints_travel_in_a_trace_file() {
    let mut rng = Rng(5);
    let job = tall_job(&mut rng);
    let ran = Ran::new(&job);
    let bytes = file::encode_trace(&ran.sums).unwrap();
    let hints = Hints::from_file(&ran.graph, job.batch_rows, &bytes);
    assert_eq!(hints.of(0), Some(&ran.sums[0]));
    assert_eq!(hints.of(3), Some(&ran.sums[1]));
    assert_eq!(hints.of(1), None);
    let sums_bytes = eval::sums_bytes(&ran.graph, job.batch_rows).unwrap();
    let values: usize = ran.sums.iter().map(|sums| sums.data().len()).sum();
    assert_eq!(sums_bytes, values as u64);
    for cut in [0, 1, bytes.len() - 1] {
        let hints = Hints::from_file(&ran.graph, job.batch_rows, &bytes[..cut]);
        assert!(hints.of(0).is_none());
    }
    let limit = ran.graph.trace_bytes(job.batch_rows).unwrap() + sums_bytes;
    let run =
        |limit| eval::run_with_sums(&ran.graph, job.batch_rows, &job.inputs, &job.weights, limit);
    assert!(run(limit).is_ok());
    assert!(matches!(run(limit - 1), Err(Error::TooLarge { .. })));
}

#[test]
fn what_does_not_fit_the_graph_is_an_error_and_no_finding() {
    let mut rng = Rng(6);
    let job = tall_job(&mut rng);
    let ran = Ran::new(&job);
    let mut check = |inputs: &[Tensor], outputs: &[Tensor], batch_rows| {
        verify::outputs(
            &ran.graph,
            batch_rows,
            inputs,
            &job.weights,
            outputs,
            &Hints::none(),
            &mut coins(&mut rng),
        )
    };
    let rows = job.batch_rows;
    assert!(check(&job.inputs, &ran.outputs, rows).is_ok());
    let fewer = &ran.outputs[1..];
    assert!(matches!(
        check(&job.inputs, fewer, rows),
        Err(Error::Count { .. })
    ));
    let mut swapped = ran.outputs.clone();
    swapped.swap(0, 4);
    assert!(matches!(
        check(&job.inputs, &swapped, rows),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(
        check(&job.inputs[..1], &ran.outputs, rows),
        Err(Error::Count { .. })
    ));
    assert!(check(&job.inputs, &ran.outputs, 0).is_err());
    assert!(check(&job.inputs, &ran.outputs, rows + 1).is_err());
}

/// Products of all shapes, with every single bit of one cell wrong.
#[test]
fn every_wrong_bit_of_a_product_is_found() {
    let mut rng = Rng(7);
    for _ in 0..60 {
        let (m, n, k) = (rng.range(1, 20), rng.range(1, 600), rng.range(1, 600));
        let a = random_tensor(&mut rng, DType::I8, m, k);
        let b = random_tensor(&mut rng, DType::I8, n, k);
        let mut builder = GraphBuilder::new();
        let left = builder.input_fixed(DType::I8, m, k);
        let right = builder.input_fixed(DType::I8, n, k);
        builder.matmul(left, right);
        let bytes = builder.finish().unwrap();
        let graph = Graph::parse(&bytes).unwrap();
        let inputs = [a, b];
        let mut outputs = eval::run(&graph, 0, &inputs, &[]).unwrap();
        let [a, b] = &inputs;
        let coins = &mut coins(&mut rng);
        assert_eq!(first_wrong_cell(a, b, &outputs[0], coins), Ok(None));
        let (row, col) = (
            rng.below(u64::from(m)) as u32,
            rng.below(u64::from(n)) as u32,
        );
        for bit in 0..32 {
            let at = (row * n + col) as usize * 4 + bit / 8;
            outputs[0].data_mut()[at] ^= 1 << (bit % 8);
            assert_eq!(first_wrong_row(a, b, &outputs[0], coins), Ok(Some(row)));
            let found = first_wrong_cell(a, b, &outputs[0], coins);
            assert_eq!(found, Ok(Some((row, col))));
            outputs[0].data_mut()[at] ^= 1 << (bit % 8);
        }
    }
}
