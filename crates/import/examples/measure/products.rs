//! Products: the op DOT beside `rten-gemm`, onnxruntime and the loop that the first format had.

use quern_proof::{
    DType, Graph, Tensor,
    builder::GraphBuilder,
    commit::data_root,
    eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
};
use rayon::ThreadPool;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, QuantParams};
use rten_tensor::Matrix;

use crate::{
    old,
    peer::Peer,
    report::{Report, goal, percent, times},
    turns::{Turns, Way, each, seconds},
};

/// `groups` products of M x K by K x N.
struct Case {
    what: &'static str,
    dtype: DType,
    m: u32,
    k: u32,
    n: u32,
    groups: u16,
    /// The right side is a weight, which may be prepared once; else both sides are results.
    is_weight: bool,
    is_context: bool,
}

const fn weights(what: &'static str, dtype: DType, [m, k, n]: [u32; 3]) -> Case {
    Case {
        what,
        dtype,
        m,
        k,
        n,
        groups: 1,
        is_weight: true,
        is_context: false,
    }
}

const fn heads(what: &'static str, dtype: DType, [m, k, n]: [u32; 3], is_context: bool) -> Case {
    Case {
        groups: 12,
        is_weight: false,
        is_context,
        ..weights(what, dtype, [m, k, n])
    }
}

const CASES: [Case; 7] = [
    weights("1000 x 1000 x 1000", DType::I8, [1_000, 1_000, 1_000]),
    weights("1000 x 1000 x 1000", DType::I16, [1_000, 1_000, 1_000]),
    weights(
        "MiniLM's Q, K, V, O: 128 x 384 x 384",
        DType::I8,
        [128, 384, 384],
    ),
    weights(
        "MiniLM's FFN1: 128 x 384 x 1536",
        DType::I8,
        [128, 384, 1_536],
    ),
    weights(
        "MiniLM's FFN2: 128 x 1536 x 384",
        DType::I8,
        [128, 1_536, 384],
    ),
    heads(
        "MiniLM's scores: 12 of 128 x 32 x 128",
        DType::I8,
        [128, 32, 128],
        false,
    ),
    heads(
        "MiniLM's context: 12 of 128 x 128 x 32",
        DType::I16,
        [128, 128, 32],
        true,
    ),
];

/// Turns of each case.
const TURNS: usize = 11;
/// Seconds that a turn of one way takes about.
const TURN_SECS: f64 = 0.02;

/// A pool of this many threads.
pub fn pool(threads: usize) -> ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap()
}

pub fn random(dtype: DType, rows: u32, cols: u32) -> Tensor {
    let mut state = 1u64;
    let bytes = (0..rows * cols * dtype.size()).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    Tensor::from_bytes(dtype, rows, cols, bytes.collect()).unwrap()
}

/// A graph of one product, with what it reads.
struct Ours {
    graph: Vec<u8>,
    inputs: Vec<Tensor>,
    weights: Vec<Tensor>,
}

impl Ours {
    fn new(case: &Case) -> Self {
        let groups = u32::from(case.groups);
        let left = random(case.dtype, case.m, groups * case.k);
        let right = match case.is_context {
            true => random(DType::I8, groups * case.n, case.k),
            false => random(DType::I8, case.n, groups * case.k),
        };
        let mut builder = GraphBuilder::new();
        let a = builder.input_fixed(left.dtype(), left.rows(), left.cols());
        let (mut inputs, mut weights) = (vec![left], Vec::new());
        let b = match case.is_weight {
            true => builder.weight(&right),
            false => builder.input_fixed(DType::I8, right.rows(), right.cols()),
        };
        match case.is_weight {
            true => weights.push(right),
            false => inputs.push(right),
        }
        let draft = builder.dot(a, b);
        match case.is_context {
            true => draft.context(case.groups, 1).push(),
            false => draft.scores(case.groups, 1).push(),
        };
        Self {
            graph: builder.finish().unwrap(),
            inputs,
            weights,
        }
    }

    fn right(&self) -> &Tensor {
        self.weights.first().unwrap_or_else(|| &self.inputs[1])
    }
}

/// Products of `rten-gemm`: as many as `passes` says, because it has none of i16.
struct Rten {
    executor: GemmExecutor<u8, i8, i32>,
    left: Vec<u8>,
    right: Vec<i8>,
    zeros: Vec<u8>,
    out: Vec<i32>,
    passes: usize,
}

impl Rten {
    fn new(case: &Case, ours: &Ours) -> Self {
        let passes = case.dtype.size() as usize;
        let left = ours.inputs[0].data().iter().step_by(passes);
        Self {
            executor: GemmExecutor::new(),
            left: left.map(|value| value ^ 128).collect(),
            right: ours
                .right()
                .data()
                .iter()
                .map(|value| *value as i8)
                .collect(),
            zeros: vec![128; case.m as usize],
            out: vec![0; case.m as usize * case.n as usize],
            passes,
        }
    }

    fn way<'w>(&'w mut self, pool: &'w ThreadPool, case: &'w Case, runs: usize) -> Way<'w> {
        let (m, k, n) = (case.m as usize, case.k as usize, case.n as usize);
        let groups = usize::from(case.groups);
        // A weight has one group.
        let right = Matrix::from_data_with_strides([k, n], &self.right[..], [1, k]).unwrap();
        let packed = case.is_weight.then(|| self.executor.prepack_b(right));
        let (executor, left, zeros, passes) =
            (&self.executor, &self.left, &self.zeros, self.passes);
        let (all, out) = (&self.right, &mut self.out);
        each(pool, runs, move || {
            for group in 0..groups * passes {
                let group = group % groups;
                let (shape, strides) = ([m, k], [groups * k, 1]);
                let a = Matrix::from_data_with_strides(shape, &left[group * k..], strides);
                let (at, row) = match case.is_context {
                    true => (group * n * k, k),
                    false => (group * k, groups * k),
                };
                let b = Matrix::from_data_with_strides([k, n], &all[at..], [1, row]).unwrap();
                let b = match &packed {
                    Some(packed) => GemmInputB::Packed(packed),
                    None => GemmInputB::Unpacked(b),
                };
                let options = GemmOptions {
                    a_quant: Some(QuantParams { zero_point: zeros }),
                    ..GemmOptions::default()
                };
                let a = GemmInputA::Unpacked(a.unwrap());
                executor.gemm(out, a, b, options).unwrap();
            }
        })
    }
}

/// One line for each case that has this word in its name, and number of threads.
pub fn measure(word: &str, report: &mut Report, mut peer: Option<&mut Peer>) {
    report.table(
        "Products: how many times as long as the op DOT the others take (goals: at least 0.9 for the faster of `rten-gemm` and \
         onnxruntime; at least 20 for the loop of the first format at 1000 x 1000 x 1000). `rten-gemm` has no product of i16: two \
         of u8 stand there. onnxruntime has none either.",
        &["product", "threads", "`rten-gemm`", "onnxruntime", "first format's loop", "of the faster one's speed"],
    );
    for case in CASES.iter().filter(|case| case.what.contains(word)) {
        let ours = Ours::new(case);
        for threads in [1, 2] {
            measure_one(case, threads, &ours, report, peer.as_deref_mut());
        }
    }
}

fn measure_one(
    case: &Case,
    threads: usize,
    ours: &Ours,
    report: &mut Report,
    peer: Option<&mut Peer>,
) {
    let graph = Graph::parse(&ours.graph).unwrap();
    let (inputs, weights) = (&ours.inputs, &ours.weights);
    let batch = Batch::new(&graph, 1, inputs, weights, DEFAULT_MAX_ITEM_BYTES).unwrap();
    let pool = pool(threads);
    let run = || batch.op(0, 0, &[]).unwrap();
    // The first run prepares the weight.
    pool.install(run);
    let runs = (TURN_SECS / pool.install(|| seconds(run))).ceil() as usize;
    let mut rten = Rten::new(case, ours);
    let mut ways = vec![each(&pool, runs, run), rten.way(&pool, case, runs)];
    // The first format had no groups, no i16, and one thread.
    let is_old = case.dtype == DType::I8 && case.groups == 1 && threads == 1;
    if is_old {
        let (left, right) = (inputs[0].data(), ours.right().data());
        let old = move || old::sums(left, right, case.k as usize);
        ways.push(each(&pool, (runs / 16).max(1), old));
    }
    let mut has_peer = false;
    if let (Some(peer), DType::I8) = (peer, case.dtype) {
        let Case {
            m, k, n, groups, ..
        } = case;
        let is_weight = u8::from(case.is_weight);
        let spec = format!("{threads} {m} {k} {n} {groups} {is_weight}");
        if let Some(name) = peer.prepare("product", &spec) {
            has_peer = true;
            ways.push(Box::new(move || peer.run(&name, runs)));
        }
    }
    let last = ways.len() - 1;
    let turns = Turns::take(TURNS, &mut ways);
    let rten = turns.ratio(1, 0);
    let old = is_old.then(|| turns.ratio(2, 0));
    let peer = has_peer.then(|| turns.ratio(last, 0));
    let others = |ratio: Option<f64>| ratio.map_or("-".to_owned(), times);
    report.row(&[
        format!("{}, {} x i8", case.what, name(case.dtype)),
        threads.to_string(),
        times(rten),
        others(peer),
        others(old),
        goal(peer.map_or(rten, |peer| peer.min(rten)), 0.9),
    ]);
}

const fn name(dtype: DType) -> &'static str {
    match dtype {
        DType::I8 => "i8",
        DType::I16 => "i16",
        DType::I32 => "i32",
    }
}

/// What committing to a product takes.
pub fn measure_commitment(report: &mut Report) {
    let ours = Ours::new(&CASES[0]);
    let graph = Graph::parse(&ours.graph).unwrap();
    let (inputs, weights) = (&ours.inputs, &ours.weights);
    let batch = Batch::new(&graph, 1, inputs, weights, DEFAULT_MAX_ITEM_BYTES).unwrap();
    let outputs = batch.item(0).unwrap();
    let pool = pool(1);
    let mut ways = [
        each(&pool, 1, || batch.op(0, 0, &[]).unwrap()),
        each(&pool, 1, || data_root(&outputs[0])),
    ];
    let turns = Turns::take(TURNS, &mut ways);
    let part = turns.ratio(1, 0);
    report.line(
        "commitment of a product 1000 x 1000 x 1000, share of the whole, 1 thread",
        percent(part / (1.0 + part)),
    );
}
