//! Each op against the table of the design written down in i128.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Job, Rng, naive_run, random_job, random_tensor};
use proptest::prelude::*;
use quern_proof::{DType, Error, Graph, Tensor, builder::GraphBuilder, eval, graph};

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
            quern_proof::Op::MatMul { a, .. } | quern_proof::Op::QLinear { a, .. } => {
                let out = &outputs[index];
                u64::from(out.rows())
                    * u64::from(out.cols())
                    * u64::from(graph.shape(a).unwrap().cols)
            }
            _ => 0,
        })
        .sum();
    assert_eq!(macs, counted);
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
