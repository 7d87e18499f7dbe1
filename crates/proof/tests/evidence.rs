//! No false conviction: nothing that is said about an honest commitment convicts it, and every refusal has its name.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
mod forged;

use common::{Job, Rng, random_job, random_tensor};
use forged::{Forged, Forgery};
use quern_proof::{
    DType, Error, Graph, Hash, Op, Operand, Tensor,
    builder::GraphBuilder,
    commit,
    demand::{NodeId, Tree},
    eval,
    evidence::{Case, Charge, Refusal, judge},
    hash::{self, LEAF_BYTES, MISSING, Tag},
    ops::{Add, ArgMax, Lut, MatMul, QLinear},
    shape::{Geometry, TraceGeometry},
    witness::{Openings, Whole, evidence},
};

/// Graphs a test goes through; `PROPTEST_CASES` widens it.
fn graphs(default: u64) -> u64 {
    match std::env::var("PROPTEST_CASES") {
        Ok(cases) => cases.parse().unwrap(),
        Err(_) => default,
    }
}

/// An honest job with everything that the chain has of it.
struct Honest {
    job: Job,
    outputs: Vec<Tensor>,
    input_roots: Vec<Hash>,
    trace_root: Hash,
}

impl Honest {
    fn new(job: Job) -> Self {
        let graph = Graph::parse(&job.bytes).unwrap();
        let outputs = eval::run(&graph, job.batch_rows, &job.inputs, &job.weights).unwrap();
        let roots: Vec<Hash> = outputs.iter().map(commit::data_root).collect();
        Self {
            input_roots: job.inputs.iter().map(commit::data_root).collect(),
            trace_root: commit::trace_root(&roots).unwrap(),
            outputs,
            job,
        }
    }

    fn case(&self) -> Case<'_> {
        Case {
            graph: Graph::parse(&self.job.bytes).unwrap(),
            batch_rows: self.job.batch_rows,
            input_roots: &self.input_roots,
            trace_root: &self.trace_root,
        }
    }

    fn whole(&self) -> Whole<'_> {
        let graph = Graph::parse(&self.job.bytes).unwrap();
        Whole::new(
            &graph,
            self.job.batch_rows,
            &self.job.inputs,
            &self.job.weights,
            &self.outputs,
        )
        .unwrap()
    }

    fn evidence(&self, charge: &Charge, whole: &Whole<'_>) -> Result<Vec<u8>, Error> {
        evidence(&self.case().graph, self.job.batch_rows, charge, whole)
    }

    fn judge(&self, charge: &Charge, bytes: &[u8]) -> Refusal {
        match judge(&self.case(), charge, bytes) {
            Err(refusal) => refusal,
            Ok(()) => panic!("a false conviction: {charge:?}"),
        }
    }

    /// All charges that name something, or a sample of the cells.
    fn charges(&self, rng: &mut Rng, cells: u64) -> Vec<Charge> {
        let mut charges = Vec::new();
        for (op, output) in self.outputs.iter().enumerate() {
            let op = op as u8;
            for _ in 0..cells {
                charges.push(Charge::Cell {
                    op,
                    row: rng.range(0, output.rows() - 1),
                    col: rng.range(0, output.cols() - 1),
                });
            }
            let g = output.geometry();
            for level in 0..=g.height() {
                for index in 0..1u64 << level {
                    let is_row_end = level == g.height() && {
                        let k = index & ((1 << g.row_height()) - 1);
                        g.used_bytes(k as u32) < LEAF_BYTES
                    };
                    if is_row_end || g.is_missing(level, index) == Some(true) {
                        let tree = Tree::Data(Operand::Op(op));
                        charges.push(Charge::Padding(NodeId::new(tree, level, index)));
                    }
                }
            }
        }
        let trace = TraceGeometry::new(self.outputs.len()).unwrap();
        for level in 0..=trace.height() {
            for index in 0..1u64 << level {
                if trace.is_missing(level, index) == Some(true) {
                    charges.push(Charge::Padding(NodeId::new(Tree::Trace, level, index)));
                }
            }
        }
        charges
    }
}

/// The parts of a charge's evidence as formats.md has them: how many bytes each takes, and how it is called when it leads
/// to another root.
fn parts(honest: &Honest, charge: &Charge) -> Vec<(usize, Refusal)> {
    let graph = honest.case().graph;
    let trace = 32 * usize::from(TraceGeometry::new(honest.outputs.len()).unwrap().height());
    let geometry = |operand| -> Geometry {
        let shape = graph.shape(operand).unwrap();
        shape.geometry(honest.job.batch_rows).unwrap()
    };
    let above = |operand| {
        if matches!(operand, Operand::Op(_)) {
            trace
        } else {
            0
        }
    };
    let row = |operand, refusal| {
        let g = geometry(operand);
        let bytes = g.row_bytes() as usize + 32 * usize::from(g.rows_height());
        (bytes + above(operand), refusal)
    };
    let leaf = |operand, refusal| {
        let bytes = LEAF_BYTES + 32 * usize::from(geometry(operand).height());
        (bytes + above(operand), refusal)
    };
    match *charge {
        Charge::Cell { op, .. } => {
            let mut parts = match graph.op(op.into()).unwrap() {
                Op::MatMul(MatMul { a, b }) => {
                    vec![row(a, Refusal::OperandA), row(b, Refusal::OperandB)]
                }
                Op::QLinear(QLinear {
                    a, w, bias, mult, ..
                }) => vec![
                    row(a, Refusal::OperandA),
                    row(w, Refusal::OperandB),
                    leaf(bias, Refusal::Bias),
                    leaf(mult, Refusal::Mult),
                ],
                Op::Lut(Lut { a, table }) => {
                    vec![leaf(a, Refusal::OperandA), row(table, Refusal::Table)]
                }
                Op::Add(Add { a, b }) => {
                    vec![leaf(a, Refusal::OperandA), leaf(b, Refusal::OperandB)]
                }
                Op::ArgMax(ArgMax { a }) => vec![row(a, Refusal::OperandA)],
            };
            parts.push(leaf(Operand::Op(op), Refusal::Claimed));
            parts
        }
        Charge::Padding(NodeId { tree, level, index }) => {
            let (bytes, above) = match tree {
                Tree::Data(operand) if !geometry(operand).is_missing(level, index).unwrap() => {
                    (LEAF_BYTES, trace)
                }
                Tree::Data(_) => (32, trace),
                Tree::Trace => (32, 0),
            };
            vec![(bytes + 32 * usize::from(level) + above, Refusal::Padding)]
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one property at every place")]
fn honest_evidence_finds_nothing_and_every_mutation_has_its_name() {
    let mut rng = Rng(0xf00d);
    let mut seen = [0u64; 18];
    for _ in 0..graphs(14) {
        let honest = Honest::new(random_job(&mut rng, 5));
        let whole = honest.whole();
        for charge in honest.charges(&mut rng, 3) {
            let bytes = honest.evidence(&charge, &whole).unwrap();
            let parts = parts(&honest, &charge);
            assert_eq!(bytes.len(), parts.iter().map(|(bytes, _)| bytes).sum());
            assert_eq!(honest.judge(&charge, &bytes), Refusal::NothingWrong);

            // Every byte, changed at random.
            let mut changed = bytes.clone();
            let names = parts
                .iter()
                .flat_map(|(bytes, name)| std::iter::repeat_n(*name, *bytes));
            for (at, name) in names.enumerate() {
                changed[at] ^= rng.range(1, 255) as u8;
                assert_eq!(
                    honest.judge(&charge, &changed),
                    name,
                    "{charge:?} byte {at}"
                );
                seen[name as usize] += 1;
                changed[at] = bytes[at];
            }
            // Cut off, drawn out.
            for len in 0..bytes.len() {
                if len % 32 == 0 || rng.below(16) == 0 {
                    assert_eq!(honest.judge(&charge, &bytes[..len]), Refusal::TooShort);
                }
            }
            for more in [1, 31, 32, 128] {
                let mut long = bytes.clone();
                long.resize(bytes.len() + more, 0);
                assert_eq!(honest.judge(&charge, &long), Refusal::TooLong);
                let mut shifted = vec![0; more];
                shifted.extend(&bytes);
                honest.judge(&charge, &shifted);
            }
            // Two parts of the same length in each other's place: refused unless they are equal anyway.
            let mut starts = vec![0];
            for (bytes, _) in &parts {
                starts.push(starts.last().unwrap() + bytes);
            }
            for i in 0..parts.len() {
                for j in i + 1..parts.len() {
                    let (x, y) = (
                        &bytes[starts[i]..starts[i + 1]],
                        &bytes[starts[j]..starts[j + 1]],
                    );
                    if x == y {
                        continue;
                    }
                    let swapped = [
                        &bytes[..starts[i]],
                        y,
                        &bytes[starts[i + 1]..starts[j]],
                        x,
                        &bytes[starts[j + 1]..],
                    ]
                    .concat();
                    assert_ne!(honest.judge(&charge, &swapped), Refusal::NothingWrong);
                }
            }
        }
    }
    for refusal in [
        Refusal::OperandA,
        Refusal::OperandB,
        Refusal::Table,
        Refusal::Bias,
        Refusal::Mult,
        Refusal::Claimed,
        Refusal::Padding,
    ] {
        assert!(seen[refusal as usize] > 0, "{refusal:?} was never seen");
    }
}

/// Evidence of another position, op, job or submission, honest or convicting, never convicts.
#[test]
fn evidence_of_another_place_or_job() {
    let mut rng = Rng(0xcafe);
    let mut convicted = 0;
    for _ in 0..graphs(10) {
        let honest = Honest::new(random_job(&mut rng, 4));
        let whole = honest.whole();
        let charges = honest.charges(&mut rng, 6);
        let evidences: Vec<Vec<u8>> = charges
            .iter()
            .map(|charge| honest.evidence(charge, &whole).unwrap())
            .collect();

        // A liar with the same graph and the same data, and one with other data: what convicts them.
        let mut convicting = Vec::new();
        for other_data in [false, true] {
            let (mut inputs, weights) = (honest.job.inputs.clone(), &honest.job.weights);
            if other_data {
                for input in &mut inputs {
                    *input = random_tensor(&mut rng, input.dtype(), input.rows(), input.cols());
                }
            }
            let graph = honest.case().graph;
            let rows = honest.job.batch_rows;
            let mut wrong = eval::run(&graph, rows, &inputs, weights).unwrap();
            for output in &mut wrong {
                for byte in output.data_mut() {
                    *byte ^= 1;
                }
            }
            let liar = Forged::new(&graph, rows, &inputs, weights, &wrong, &Forgery::default());
            for charge in &charges {
                let bytes = evidence(&graph, rows, charge, &liar).unwrap();
                // The last op's values are wrong against any operands; an earlier one's lie may hit the right value.
                match liar.judge(charge, &bytes) {
                    Ok(()) => convicted += 1,
                    Err(refusal) => assert_eq!(refusal, Refusal::NothingWrong),
                }
                convicting.push(bytes);
            }
        }
        for (at, charge) in charges.iter().enumerate() {
            for (other, bytes) in evidences.iter().enumerate() {
                let refusal = honest.judge(charge, bytes);
                // Only cells of the same row and leaf, or zero subtrees, may share evidence.
                if at == other {
                    assert_eq!(refusal, Refusal::NothingWrong);
                }
            }
            for bytes in &convicting {
                honest.judge(charge, bytes);
            }
        }
    }
    assert!(convicted > 100, "{convicted}");
}

/// Every charge that can be written down, with evidence that fits something or nothing.
#[test]
#[expect(clippy::too_many_lines, reason = "one property at every place")]
fn every_charge_at_every_position() {
    let mut rng = Rng(0xa11);
    for _ in 0..graphs(6) {
        let honest = Honest::new(random_job(&mut rng, 3));
        let whole = honest.whole();
        let pool: Vec<Vec<u8>> = honest
            .charges(&mut rng, 1)
            .iter()
            .map(|charge| honest.evidence(charge, &whole).unwrap())
            .chain([vec![], vec![0; 32], vec![0; 10_000]])
            .collect();
        let ops = honest.outputs.len();
        for op in (0..ops as u8 + 2).chain([63, 64, 127, 128, 254, 255]) {
            let output = honest.outputs.get(usize::from(op));
            let (rows, cols) = output.map_or((1, 1), |output| (output.rows(), output.cols()));
            for row in (0..rows + 2).chain([1 << 20, u32::MAX]) {
                let few = rng.range(0, cols);
                for col in [0, few, cols - 1, cols, cols + 1, 1 << 20, u32::MAX] {
                    let charge = Charge::Cell { op, row, col };
                    let own = honest.evidence(&charge, &whole);
                    let expected = if output.is_none() {
                        Refusal::NoSuchOp
                    } else if row >= rows || col >= cols {
                        Refusal::NoSuchCell
                    } else {
                        let own = own.unwrap();
                        assert_eq!(honest.judge(&charge, &own), Refusal::NothingWrong);
                        for bytes in &pool {
                            honest.judge(&charge, bytes);
                        }
                        continue;
                    };
                    assert_eq!(own, Err(Error::Refused(expected)));
                    for bytes in &pool {
                        assert_eq!(honest.judge(&charge, bytes), expected);
                    }
                }
            }
        }
        let trace = TraceGeometry::new(ops).unwrap();
        for tree in 0..=255u8 {
            let named = Tree::from_code(tree);
            assert!(named.is_none_or(|named| named.code() == tree));
            if named.is_none() {
                assert_eq!(Charge::padding(tree, 0, 0), Err(Refusal::NoSuchTree));
                continue;
            }
            let g = honest.outputs.get(usize::from(tree)).map(Tensor::geometry);
            let is_trace = named == Some(Tree::Trace);
            let levels: Vec<u8> = (0..14).chain([35, 63, 64, 255]).collect();
            for level in levels {
                let last = 1u64.checked_shl(level.into()).unwrap_or(0);
                let many = if level < 6 { last } else { 3 };
                for index in (0..many).chain([last.wrapping_sub(1), last, u64::MAX]) {
                    let charge = Charge::padding(tree, level, index).unwrap();
                    let is_missing = match g {
                        Some(g) => g.is_missing(level, index),
                        None => trace.is_missing(level, index),
                    };
                    let is_row_end = g.is_some_and(|g| {
                        let k = index & ((1 << g.row_height()) - 1);
                        level == g.height() && g.used_bytes(k as u32) < LEAF_BYTES
                    });
                    let expected = match is_missing {
                        _ if g.is_none() && !is_trace => Refusal::NoSuchTree,
                        None => Refusal::NoSuchNode,
                        Some(false) if !is_row_end => Refusal::NotPadding,
                        Some(_) => {
                            let own = honest.evidence(&charge, &whole).unwrap();
                            assert_eq!(honest.judge(&charge, &own), Refusal::NothingWrong);
                            for bytes in &pool {
                                honest.judge(&charge, bytes);
                            }
                            continue;
                        }
                    };
                    let own = honest.evidence(&charge, &whole);
                    assert_eq!(own, Err(Error::Refused(expected)), "{charge:?}");
                    for bytes in &pool {
                        assert_eq!(honest.judge(&charge, bytes), expected, "{charge:?}");
                    }
                }
            }
        }
    }
}

/// Two ADDs over one leaf: the smallest graph with a trace tree.
fn two_adds(rng: &mut Rng) -> Honest {
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 2, 128);
    let y = b.add(x, x);
    b.add(y, x);
    Honest::new(Job {
        bytes: b.finish().unwrap(),
        batch_rows: 0,
        inputs: vec![random_tensor(rng, DType::I8, 2, 128)],
        weights: vec![],
    })
}

/// What is a node in one tree is nothing in another: the tags keep them apart.
#[test]
#[expect(clippy::too_many_lines, reason = "one property at every place")]
fn second_preimages_across_tags() {
    let mut rng = Rng(0x7a6);
    let honest = two_adds(&mut rng);
    let whole = honest.whole();
    let graph = honest.case().graph;
    let charge = Charge::Cell {
        op: 1,
        row: 1,
        col: 5,
    };
    let bytes = honest.evidence(&charge, &whole).unwrap();
    let roots: Vec<Hash> = honest.outputs.iter().map(commit::data_root).collect();
    let judge_under = |root: &Hash, charge: &Charge, bytes: &[u8]| {
        let case = Case {
            trace_root: root,
            ..honest.case()
        };
        judge(&case, charge, bytes)
    };
    assert_eq!(
        judge_under(
            &hash::node(Tag::Trace, &roots[0], &roots[1]),
            &charge,
            &bytes
        ),
        Err(Refusal::NothingWrong)
    );
    // A data node over the same two roots is no trace root.
    assert_eq!(
        judge_under(
            &hash::node(Tag::Data, &roots[0], &roots[1]),
            &charge,
            &bytes
        ),
        Err(Refusal::OperandA)
    );
    // Nor is a leaf whose bytes are a node's preimage, or a node whose children are a leaf's halves.
    let mut as_leaf = [0; LEAF_BYTES];
    as_leaf[0] = Tag::Trace as u8;
    as_leaf[1..33].copy_from_slice(&roots[0]);
    as_leaf[33..65].copy_from_slice(&roots[1]);
    assert_eq!(
        judge_under(&hash::leaf(&as_leaf), &charge, &bytes),
        Err(Refusal::OperandA)
    );
    // Leaves are 128 bytes behind a 0, nodes 64 behind a 1 or a 2: all three differ over the same beginning.
    let all = [
        hash::leaf(&[0; LEAF_BYTES]),
        hash::node(Tag::Data, &MISSING, &MISSING),
        hash::node(Tag::Trace, &MISSING, &MISSING),
        MISSING,
    ];
    for (at, x) in all.iter().enumerate() {
        assert!(all.iter().skip(at + 1).all(|y| x != y));
    }

    // One op: its data root is the trace root, and a path through a trace node leads nowhere.
    let mut b = GraphBuilder::new();
    let x = b.input_fixed(DType::I8, 2, 128);
    b.add(x, x);
    let one = b.finish().unwrap();
    let lone = Case {
        graph: Graph::parse(&one).unwrap(),
        trace_root: &roots[0],
        ..honest.case()
    };
    let charge = Charge::Cell {
        op: 0,
        row: 1,
        col: 5,
    };
    let bytes = evidence(&lone.graph, 0, &charge, &whole).unwrap();
    assert_eq!(judge(&lone, &charge, &bytes), Err(Refusal::NothingWrong));
    let leaves: Vec<Hash> = (0..2)
        .map(|row| hash::leaf(&honest.outputs[0].leaf(row, 0).unwrap()))
        .collect();
    assert_eq!(hash::node(Tag::Data, &leaves[0], &leaves[1]), roots[0]);
    let crossed = hash::node(Tag::Trace, &leaves[0], &leaves[1]);
    let under = Case {
        trace_root: &crossed,
        ..lone
    };
    assert_eq!(judge(&under, &charge, &bytes), Err(Refusal::Claimed));

    // The other way round: two ops whose data roots are what the halves of a data tree are.
    let under = Case {
        graph,
        trace_root: &roots[0],
        ..honest.case()
    };
    let whole_bytes = honest.evidence(&charge, &whole).unwrap();
    assert_eq!(judge(&under, &charge, &whole_bytes), Err(Refusal::Claimed));
}

/// Operands come from the job and the model: what the provider or the prover would like them to be doesn't count.
#[test]
fn operands_are_those_on_chain() {
    let mut rng = Rng(0x09);
    for _ in 0..graphs(20) {
        let honest = Honest::new(random_job(&mut rng, 4));
        let (graph, rows) = (honest.case().graph, honest.job.batch_rows);
        // The prover's own inputs and weights, under the honest outputs: every product differs, no root does.
        let other = |rng: &mut Rng, from: &[Tensor]| -> Vec<Tensor> {
            from.iter()
                .map(|t| random_tensor(rng, t.dtype(), t.rows(), t.cols()))
                .collect()
        };
        let inputs = other(&mut rng, &honest.job.inputs);
        let weights = other(&mut rng, &honest.job.weights);
        let outputs = other(&mut rng, &honest.outputs);
        let theirs = Whole::new(&graph, rows, &inputs, &weights, &outputs).unwrap();
        for charge in honest.charges(&mut rng, 4) {
            let Charge::Cell { op, row, col } = charge else {
                continue;
            };
            let bytes = evidence(&graph, rows, &charge, &theirs).unwrap();
            let first = parts(&honest, &charge)[0].1;
            let refusal = honest.judge(&charge, &bytes);
            let a = graph.op(op.into()).unwrap().a();
            // Tensors of one small value may come out the same.
            let honest_a = honest.whole().node(NodeId::root(Tree::Data(a)));
            if theirs.node(NodeId::root(Tree::Data(a))) != honest_a {
                assert_eq!(refusal, first, "{op} {row} {col}");
            }
        }
        // A job that gives fewer roots than its graph reads can't be judged, and doesn't panic.
        let bare = Case {
            input_roots: &[],
            ..honest.case()
        };
        let whole = honest.whole();
        for charge in honest.charges(&mut rng, 4) {
            let bytes = honest.evidence(&charge, &whole).unwrap();
            let found = judge(&bare, &charge, &bytes).unwrap_err();
            assert!(matches!(
                found,
                Refusal::NoInputRoot | Refusal::NothingWrong
            ));
        }
    }
}

/// Graphs that were never sealed, batch rows that no job has, bytes of any kind: refused, never a panic.
#[test]
fn nothing_panics() {
    let mut rng = Rng(0xdead);
    for _ in 0..graphs(6) {
        let honest = Honest::new(random_job(&mut rng, 6));
        let whole = honest.whole();
        let charges = honest.charges(&mut rng, 2);
        let mut pool: Vec<Vec<u8>> = charges
            .iter()
            .map(|charge| honest.evidence(charge, &whole).unwrap())
            .collect();
        pool.push((0..9_000).map(|_| rng.next() as u8).collect());
        for _ in 0..3_000 {
            let mut bytes = honest.job.bytes.clone();
            for _ in 0..rng.range(0, 3) {
                let at = rng.range(4, bytes.len() as u32 - 1) as usize;
                bytes[at] = rng.pick(&[0, 1, 2, 64, 128, 191, 255, rng.0 as u8]);
            }
            let Ok(graph) = Graph::parse(&bytes) else {
                continue;
            };
            let case = Case {
                graph,
                batch_rows: rng.pick(&[0, 1, 5, honest.job.batch_rows, 1 << 20, u32::MAX]),
                input_roots: &honest.input_roots,
                trace_root: &honest.trace_root,
            };
            let charge = match rng.below(4) {
                0 => Charge::Cell {
                    op: rng.range(0, 7) as u8,
                    row: rng.range(0, 6),
                    col: rng.pick(&[0, 1, 30, 127, 1 << 19, u32::MAX]),
                },
                1 => {
                    let tree = Tree::from_code(rng.pick(&[0, 1, 2, 64, 128, 255])).unwrap();
                    let level = rng.range(0, 40) as u8;
                    Charge::Padding(NodeId::new(tree, level, rng.next() >> rng.below(64)))
                }
                _ => charges[rng.below(charges.len() as u64) as usize],
            };
            let _ = judge(&case, &charge, &pool[rng.below(pool.len() as u64) as usize]);
        }
    }
}

#[test]
fn what_is_not_at_hand_is_named() {
    let mut rng = Rng(5);
    let honest = two_adds(&mut rng);
    let whole = honest.whole();
    struct Less<'a>(Whole<'a>, NodeId);
    impl Openings for Less<'_> {
        fn node(&self, node_id: NodeId) -> Option<Hash> {
            let wanted = node_id != self.1;
            wanted.then(|| self.0.node(node_id)).flatten()
        }
        fn leaf(&self, operand: Operand, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]> {
            self.0.leaf(operand, row, k)
        }
        fn row(&self, operand: Operand, row: u32) -> Option<Vec<u8>> {
            self.0.row(operand, row)
        }
    }
    let withheld = NodeId::new(Tree::Trace, 1, 0);
    let less = Less(whole, withheld);
    let charge = Charge::Cell {
        op: 1,
        row: 0,
        col: 0,
    };
    assert_eq!(
        evidence(&honest.case().graph, 0, &charge, &less),
        Err(Error::NotAtHand(withheld))
    );
}
