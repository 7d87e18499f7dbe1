//! Each op against the table of the design written down in i128.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;

use common::{Job, Rng, naive_run, random_job, random_tensor};
use proptest::prelude::*;
use quern_proof::{
    DType, Error, Graph, Op, Operand, Tensor,
    builder::GraphBuilder,
    commit, eval,
    evidence::{Case, Charge, judge},
    graph,
    ops::CellSource,
    refusal::Refusal,
    witness::{self, Whole},
};

fn check(job: &Job) {
    let graph = Graph::parse(&job.bytes).unwrap();
    let outputs = eval::run(&graph, job.batch_rows, &job.inputs, &job.weights).unwrap();
    let expected = naive_run(job);
    assert_eq!(outputs.len(), expected.len());
    for (index, (output, expected)) in outputs.iter().zip(&expected).enumerate() {
        let values: Vec<i128> = match output.dtype() {
            DType::I8 => output
                .to_i8()
                .unwrap()
                .into_iter()
                .map(i128::from)
                .collect(),
            DType::I32 => output
                .to_i32()
                .unwrap()
                .into_iter()
                .map(i128::from)
                .collect(),
        };
        let flat: Vec<i128> = expected.iter().flatten().copied().collect();
        assert_eq!(values, flat, "op {index}: {:?}", graph.op(index));
        // One op run on its own gives the same.
        let alone = eval::run_op(
            &graph,
            index,
            job.batch_rows,
            &job.inputs,
            &job.weights,
            &outputs,
        );
        assert_eq!(&alone.unwrap(), output);
    }
    // MACs, counted.
    let macs = graph::seal(&job.bytes)
        .unwrap()
        .total(job.batch_rows)
        .unwrap();
    let counted: u64 = (0..graph.op_count())
        .map(|index| match graph.op(index).unwrap() {
            op @ (Op::MatMul(_) | Op::QLinear(_)) => {
                let out = &outputs[index];
                u64::from(out.rows())
                    * u64::from(out.cols())
                    * u64::from(graph.shape(op.a()).unwrap().cols)
            }
            _ => 0,
        })
        .sum();
    assert_eq!(macs, counted);
}

/// What a cell reads, from whole tensors: its value, and the length of the parts as evidence has them.
struct Tensors<'j> {
    job: &'j Job,
    outputs: &'j [Tensor],
    trace_height: u8,
    evidence_bytes: usize,
}

impl<'j> Tensors<'j> {
    fn get(&self, operand: Operand) -> &'j Tensor {
        match operand {
            Operand::Op(i) => &self.outputs[usize::from(i)],
            Operand::Input(i) => &self.job.inputs[usize::from(i)],
            Operand::Weight(i) => &self.job.weights[usize::from(i)],
        }
    }

    fn count(&mut self, operand: Operand, bytes: usize, levels: u8) {
        let above = match operand {
            Operand::Op(_) => self.trace_height,
            _ => 0,
        };
        self.evidence_bytes += bytes + 32 * usize::from(levels + above);
    }
}

impl<'j> CellSource for Tensors<'j> {
    type Error = Refusal;
    type Row = &'j [u8];

    fn dtype(&self, operand: Operand) -> Result<DType, Refusal> {
        Ok(self.get(operand).dtype())
    }

    fn row(&mut self, operand: Operand, row: u32, _: Refusal) -> Result<&'j [u8], Refusal> {
        let tensor = self.get(operand);
        let bytes = tensor.row(row).unwrap();
        self.count(operand, bytes.len(), tensor.geometry().rows_height());
        Ok(bytes)
    }

    fn value(&mut self, operand: Operand, row: u32, col: u32, _: Refusal) -> Result<i32, Refusal> {
        let tensor = self.get(operand);
        self.count(operand, 128, tensor.geometry().height());
        Ok(common::value(tensor, row, col) as i32)
    }
}

fn open<'j>(job: &'j Job, outputs: &'j [Tensor]) -> Whole<'j> {
    let graph = Graph::parse(&job.bytes).unwrap();
    Whole::new(&graph, job.batch_rows, &job.inputs, &job.weights, outputs).unwrap()
}

/// For every op of random graphs: a cell is the value of the whole op, the prover's evidence has exactly the parts that the
/// cell reads, the judge takes all of it, finds nothing in it, and convicts any other value.
#[test]
fn judge_and_prover_agree_on_what_a_cell_reads() {
    let mut rng = Rng(0x0e9);
    let mut cells = BTreeMap::<&str, u32>::new();
    for _ in 0..60 {
        let job = random_job(&mut rng, 8);
        let graph = Graph::parse(&job.bytes).unwrap();
        let outputs = eval::run(&graph, job.batch_rows, &job.inputs, &job.weights).unwrap();
        let whole = open(&job, &outputs);
        let input_roots: Vec<_> = job.inputs.iter().map(commit::data_root).collect();
        let trace_height = (outputs.len().next_power_of_two().trailing_zeros()) as u8;
        for (index, output) in outputs.iter().enumerate() {
            let op = graph.op(index).unwrap();
            for _ in 0..4 {
                let row = rng.range(0, output.rows() - 1);
                let col = rng.range(0, output.cols() - 1);
                let mut source = Tensors {
                    job: &job,
                    outputs: &outputs,
                    trace_height,
                    evidence_bytes: 0,
                };
                let value = op.cell(&mut source, row, col).unwrap();
                assert_eq!(i128::from(value), common::value(output, row, col), "{op:?}");
                let claimed = Operand::Op(index as u8);
                source.value(claimed, row, col, Refusal::Claimed).unwrap();

                let charge = Charge::Cell {
                    op: index as u8,
                    row,
                    col,
                };
                let judged = |whole: &Whole<'_>| {
                    let bytes = witness::evidence(&graph, job.batch_rows, &charge, whole).unwrap();
                    assert_eq!(bytes.len(), source.evidence_bytes, "{op:?}");
                    let case = Case {
                        graph,
                        batch_rows: job.batch_rows,
                        input_roots: &input_roots,
                        trace_root: &whole.trace_root(),
                    };
                    judge(&case, &charge, &bytes)
                };
                assert_eq!(judged(&whole), Err(Refusal::NothingWrong), "{op:?}");
                let mut wrong = outputs.clone();
                let size = output.dtype().size();
                let at = ((row * output.cols() + col) * size + rng.range(0, size - 1)) as usize;
                wrong[index].data_mut()[at] ^= rng.range(1, 255) as u8;
                assert_eq!(judged(&open(&job, &wrong)), Ok(()), "{op:?}");
                *cells.entry(op.name()).or_default() += 1;
            }
        }
    }
    assert_eq!(cells.len(), 5, "{cells:?}");
    assert!(cells.values().all(|count| *count > 40), "{cells:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn random_graphs_equal_the_table(seed: u64) {
        check(&random_job(&mut Rng(seed), 12));
    }
}

/// Every legal shift, both signs of mult, saturating and not.
#[test]
fn qlinear_at_every_shift() {
    let mut rng = Rng(5);
    for shift in 1..=47 {
        let a = random_tensor(&mut rng, DType::I8, 4, 65);
        let w = random_tensor(&mut rng, DType::I8, 24, 65);
        let bias = random_tensor(&mut rng, DType::I32, 1, 24);
        let mult: Vec<i32> = (0..24)
            .map(|j| match j {
                0 => i32::MIN,
                1 => i32::MAX,
                2 => 0,
                3 => -1,
                // About what brings a sum of this size back into i8.
                _ => {
                    ((1i64 << shift) / i64::from(rng.range(50, 5000)))
                        .clamp(-(1 << 31), (1 << 31) - 1) as i32
                        * if j % 2 == 0 { 1 } else { -1 }
                }
            })
            .collect();
        let mult = Tensor::from_i32(1, 24, &mult).unwrap();
        let mut b = GraphBuilder::new();
        let x = b.input_fixed(DType::I8, 4, 65);
        let (w_, bias_, mult_) = (b.weight(&w), b.weight(&bias), b.weight(&mult));
        b.qlinear(x, w_, bias_, mult_, shift, -128, 127);
        b.qlinear(x, w_, bias_, mult_, shift, 0, 127);
        let job = Job {
            bytes: b.finish().unwrap(),
            batch_rows: 0,
            inputs: vec![a],
            weights: vec![w, bias, mult],
        };
        check(&job);
    }
}

/// K of 1, odd, around the inner loop's step, and at the limit with the most extreme sums.
#[test]
fn products_at_every_kind_of_length() {
    let mut rng = Rng(9);
    for k in [1, 2, 15, 16, 31, 32, 33, 63, 64, 65, 1000, 32_767, 32_768] {
        let mut b = GraphBuilder::new();
        let x = b.input_batch(DType::I8, k);
        let y = b.input_fixed(DType::I8, 3, k);
        b.matmul(x, y);
        b.matmul(y, y);
        let lowest = Tensor::from_i8(3, k, &vec![-128; 3 * k as usize]).unwrap();
        for inputs in [
            vec![
                random_tensor(&mut rng, DType::I8, 2, k),
                random_tensor(&mut rng, DType::I8, 3, k),
            ],
            vec![random_tensor(&mut rng, DType::I8, 2, k), lowest.clone()],
        ] {
            check(&Job {
                bytes: b.finish().unwrap(),
                batch_rows: 2,
                inputs,
                weights: vec![],
            });
        }
    }
}

/// More rows than one block of the product, and a last block that is not full.
#[test]
fn products_over_several_blocks() {
    let mut rng = Rng(11);
    for rows in [15, 16, 17, 33] {
        let mut b = GraphBuilder::new();
        let x = b.input_batch(DType::I8, 40);
        let w = random_tensor(&mut rng, DType::I8, 5, 40);
        let w_ = b.weight(&w);
        b.matmul(x, w_);
        let job = Job {
            bytes: b.finish().unwrap(),
            batch_rows: rows,
            inputs: vec![random_tensor(&mut rng, DType::I8, rows, 40)],
            weights: vec![w],
        };
        check(&job);
    }
}

#[test]
fn argmax_at_its_widest_and_with_ties() {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I32, 3, 8192);
    let y = b.input_fixed(DType::I8, 2, 8192);
    b.argmax(x);
    b.argmax(y);
    let mut wide = vec![i32::MIN; 3 * 8192];
    wide[8191] = i32::MIN + 1;
    wide[8192 + 5] = 7;
    wide[8192 + 6] = 7;
    let inputs = vec![
        Tensor::from_i32(3, 8192, &wide).unwrap(),
        random_tensor(&mut Rng(3), DType::I8, 2, 8192),
    ];
    let job = Job {
        bytes: b.finish().unwrap(),
        batch_rows: 0,
        inputs,
        weights: vec![],
    };
    check(&job);
    let outputs = eval::run(&Graph::parse(&job.bytes).unwrap(), 0, &job.inputs, &[]).unwrap();
    assert_eq!(outputs[0].to_i32().unwrap(), [8191, 5, 0]);
}

/// Bad input is an error that says what is wrong, never a panic.
#[test]
fn run_refuses_what_does_not_fit() {
    let job = random_job(&mut Rng(77), 6);
    let graph = Graph::parse(&job.bytes).unwrap();
    let run = |batch_rows, inputs: &[Tensor], weights: &[Tensor]| {
        eval::run(&graph, batch_rows, inputs, weights)
    };
    assert!(run(job.batch_rows, &job.inputs, &job.weights).is_ok());
    assert!(matches!(
        run(1 << 21, &job.inputs, &job.weights),
        Err(Error::Graph(_))
    ));
    assert!(matches!(
        run(job.batch_rows, &[], &job.weights),
        Err(Error::Count { what: "inputs", .. })
    ));
    let mut more = job.weights.clone();
    more.push(job.inputs[0].clone());
    assert!(matches!(
        run(job.batch_rows, &job.inputs, &more),
        Err(Error::Count {
            what: "weights",
            ..
        })
    ));
    let mut other = job.inputs.clone();
    other[0] = Tensor::from_i8(1, 999, &[0; 999]).unwrap();
    let error = run(job.batch_rows, &other, &job.weights).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(matches!(
        eval::run_within(&graph, job.batch_rows, &job.inputs, &job.weights, 1),
        Err(Error::TooLarge { .. })
    ));
    // 2^40 cells out of 1 MiB inputs.
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 1 << 20, 1);
    b.matmul(x, x);
    let bytes = b.finish().unwrap();
    let column = Tensor::from_i8(1 << 20, 1, &vec![1; 1 << 20]).unwrap();
    assert!(matches!(
        eval::run(&Graph::parse(&bytes).unwrap(), 0, &[column], &[]),
        Err(Error::TooLarge { .. })
    ));
}

#[test]
fn tensors_refuse_what_does_not_fit() {
    assert!(matches!(
        Tensor::from_i8(0, 1, &[]),
        Err(Error::Dimensions { .. })
    ));
    assert!(matches!(
        Tensor::from_i8(1, (1 << 20) + 1, &[]),
        Err(Error::Dimensions { .. })
    ));
    assert!(matches!(
        Tensor::from_i8(2, 2, &[1, 2, 3]),
        Err(Error::DataLength {
            expected: 4,
            found: 3
        })
    ));
    let t = Tensor::from_i32(1, 2, &[-1, 2]).unwrap();
    assert!(matches!(t.to_i8(), Err(Error::DType { .. })));
    assert_eq!(t.to_i32().unwrap(), [-1, 2]);
    assert_eq!((t.row(0).unwrap().len(), t.row(1)), (8, None));
}

/// Data that don't match their roots are refused, by name.
#[test]
fn roots_are_checked() {
    let job = random_job(&mut Rng(1234), 8);
    let graph = Graph::parse(&job.bytes).unwrap();
    eval::check_weights(&graph, &job.weights).unwrap();
    let roots: Vec<_> = job
        .inputs
        .iter()
        .map(quern_proof::commit::data_root)
        .collect();
    eval::check_inputs(&graph, job.batch_rows, &job.inputs, &roots).unwrap();
    let mut inputs = job.inputs.clone();
    inputs[0].data_mut()[0] ^= 1;
    assert!(matches!(
        eval::check_inputs(&graph, job.batch_rows, &inputs, &roots),
        Err(Error::Root { .. })
    ));
    assert!(matches!(
        eval::check_inputs(&graph, job.batch_rows, &job.inputs, &roots[1..]),
        Err(Error::Count { .. })
    ));
    for index in 0..job.weights.len() {
        let mut weights = job.weights.clone();
        *weights[index].data_mut().last_mut().unwrap() ^= 0x80;
        assert!(matches!(
            eval::check_weights(&graph, &weights),
            Err(Error::Root { .. })
        ));
    }
}
