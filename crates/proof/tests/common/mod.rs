//! Random graphs with data, and the ops written down a second time in the plainest way.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use quern_proof::{
    DType, Graph, Op, Operand, Rows, Shape, Tensor,
    builder::GraphBuilder,
    hash::{self, Hash, MISSING, Tag},
    ops::{Add, Lut, MatMul, QLinear},
};

/// SplitMix64: enough for test data.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn range(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(u64::from(high - low) + 1) as u32
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Values with many edges: a third extremes, a third small, a third anything.
pub fn random_tensor(rng: &mut Rng, dtype: DType, rows: u32, cols: u32) -> Tensor {
    let count = rows as usize * cols as usize;
    match dtype {
        DType::I8 => {
            let values: Vec<i8> = (0..count)
                .map(|_| match rng.below(3) {
                    0 => rng.pick(&[-128, -127, -1, 0, 1, 126, 127]),
                    1 => rng.range(0, 8) as i8 - 4,
                    _ => rng.next() as i8,
                })
                .collect();
            Tensor::from_i8(rows, cols, &values).unwrap()
        }
        DType::I32 => {
            let values: Vec<i32> = (0..count)
                .map(|_| match rng.below(3) {
                    0 => rng.pick(&[i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX]),
                    1 => rng.range(0, 2000) as i32 - 1000,
                    _ => rng.next() as i32,
                })
                .collect();
            Tensor::from_i32(rows, cols, &values).unwrap()
        }
    }
}

pub struct Job {
    pub bytes: Vec<u8>,
    pub batch_rows: u32,
    pub inputs: Vec<Tensor>,
    pub weights: Vec<Tensor>,
}

/// Data of the shapes that a sealed graph asks for.
pub fn random_data(
    rng: &mut Rng,
    graph: &Graph<'_>,
    batch_rows: u32,
) -> (Vec<Tensor>, Vec<Tensor>) {
    let mut make =
        |shape: Shape| random_tensor(rng, shape.dtype, shape.rows.count(batch_rows), shape.cols);
    let inputs = (0..graph.input_count())
        .map(|i| make(graph.input(i).unwrap()))
        .collect();
    let weights = (0..graph.weight_count())
        .map(|i| make(graph.weight(i).unwrap().shape))
        .collect();
    (inputs, weights)
}

/// A graph that `seal` must accept, with up to `max_ops` ops of small shapes.
#[expect(
    clippy::too_many_lines,
    reason = "one arm a kind; what is longer has a function of its own"
)]
pub fn random_job(rng: &mut Rng, max_ops: u32) -> Job {
    let batch_rows = rng.range(1, 6);
    let mut b = GraphBuilder::new();
    let mut known: Vec<(Operand, Shape)> = Vec::new();
    let (mut inputs, mut weights) = (Vec::new(), Vec::new());
    let width = rng.pick(&[1, 3, 17, 32, 33, 127, 128, 129, 300]);

    let input_count = rng.range(1, 4);
    for _ in 0..input_count {
        let dtype = if rng.below(5) == 0 {
            DType::I32
        } else {
            DType::I8
        };
        let cols = if rng.below(3) == 0 {
            rng.range(1, 70)
        } else {
            width
        };
        let rows = if rng.below(2) == 0 {
            Rows::Batch
        } else {
            Rows::Fixed(rng.range(1, 6))
        };
        let operand = match rows {
            Rows::Batch => b.input_batch(dtype, cols),
            Rows::Fixed(rows) => b.input_fixed(dtype, rows, cols),
        };
        known.push((operand, Shape { dtype, rows, cols }));
        inputs.push(random_tensor(rng, dtype, rows.count(batch_rows), cols));
    }

    let ops = rng.range(1, max_ops);
    for _ in 0..ops {
        let i8s: Vec<(Operand, Shape)> = known
            .iter()
            .copied()
            .filter(|(_, s)| s.dtype == DType::I8)
            .collect();
        let mut new_weight = |rng: &mut Rng, b: &mut GraphBuilder, dtype, rows, cols| {
            let tensor = random_tensor(rng, dtype, rows, cols);
            let operand = b.weight(&tensor);
            weights.push(tensor);
            operand
        };
        let made = if i8s.is_empty() {
            let (a, shape) = rng.pick(&known);
            let out = Shape {
                dtype: DType::I32,
                cols: 1,
                ..shape
            };
            (b.argmax(a), out)
        } else {
            let (a, shape) = rng.pick(&i8s);
            match rng.below(5) {
                0 => {
                    let stored: Vec<(Operand, Shape)> = i8s
                        .iter()
                        .copied()
                        .filter(|(o, s)| {
                            !matches!(o, Operand::Op(_))
                                && s.rows != Rows::Batch
                                && s.cols == shape.cols
                        })
                        .collect();
                    let (m, n) = if stored.is_empty() || rng.below(2) == 0 {
                        let n = rng.range(1, 40);
                        (new_weight(rng, &mut b, DType::I8, n, shape.cols), n)
                    } else {
                        let (m, s) = rng.pick(&stored);
                        (m, s.rows.count(0))
                    };
                    (
                        b.matmul(a, m),
                        Shape {
                            dtype: DType::I32,
                            cols: n,
                            ..shape
                        },
                    )
                }
                1 => {
                    let n = rng.range(1, 40);
                    let w = new_weight(rng, &mut b, DType::I8, n, shape.cols);
                    let bias = new_weight(rng, &mut b, DType::I32, 1, n);
                    let mult = new_weight(rng, &mut b, DType::I32, 1, n);
                    let (x, y) = (rng.next() as i8, rng.next() as i8);
                    let shift = rng.range(1, 47) as u8;
                    let out = b.qlinear(a, w, bias, mult, shift, x.min(y), x.max(y));
                    (out, Shape { cols: n, ..shape })
                }
                2 => {
                    let table = new_weight(rng, &mut b, DType::I8, 1, 256);
                    (b.lut(a, table), shape)
                }
                3 => {
                    let same: Vec<(Operand, Shape)> =
                        i8s.iter().copied().filter(|(_, s)| *s == shape).collect();
                    let (other, _) = rng.pick(&same);
                    (b.add(a, other), shape)
                }
                _ => {
                    let (a, shape) = rng.pick(&known);
                    (
                        b.argmax(a),
                        Shape {
                            dtype: DType::I32,
                            cols: 1,
                            ..shape
                        },
                    )
                }
            }
        };
        known.push(made);
        // A product takes up to three weights: stop before the limit.
        if weights.len() > 60 {
            break;
        }
    }
    let bytes = b.finish().unwrap();
    let batch_rows = if Graph::parse(&bytes).unwrap().uses_batch() {
        batch_rows
    } else {
        0
    };
    Job {
        bytes,
        batch_rows,
        inputs,
        weights,
    }
}

/// A tensor's value, whatever its type.
pub fn value(t: &Tensor, row: u32, col: u32) -> i128 {
    let at = (row * t.cols() + col) as usize;
    match t.dtype() {
        DType::I8 => i128::from(t.to_i8().unwrap()[at]),
        DType::I32 => i128::from(t.to_i32().unwrap()[at]),
    }
}

/// All outputs, from the table of ops in the design, in i128.
#[expect(clippy::too_many_lines, reason = "a second evaluator, one arm an op")]
pub fn naive_run(job: &Job) -> Vec<Vec<Vec<i128>>> {
    let graph = Graph::parse(&job.bytes).unwrap();
    let grid = |t: &Tensor| -> Vec<Vec<i128>> {
        let values: Vec<i128> = match t.dtype() {
            DType::I8 => t.to_i8().unwrap().into_iter().map(i128::from).collect(),
            DType::I32 => t.to_i32().unwrap().into_iter().map(i128::from).collect(),
        };
        values
            .chunks(t.cols() as usize)
            .map(<[i128]>::to_vec)
            .collect()
    };
    let mut outputs: Vec<Vec<Vec<i128>>> = Vec::new();
    for index in 0..graph.op_count() {
        let get = |operand| match operand {
            Operand::Op(i) => outputs[i as usize].clone(),
            Operand::Input(i) => grid(&job.inputs[i as usize]),
            Operand::Weight(i) => grid(&job.weights[i as usize]),
        };
        let dot = |x: &[i128], y: &[i128]| x.iter().zip(y).map(|(x, y)| x * y).sum::<i128>();
        let op = graph.op(index).unwrap();
        let a = get(op.a());
        let output = match op {
            Op::MatMul(MatMul { b, .. }) => {
                let b = get(b);
                a.iter()
                    .map(|x| b.iter().map(|y| dot(x, y)).collect())
                    .collect()
            }
            Op::QLinear(QLinear {
                w,
                bias,
                mult,
                shift,
                lo,
                hi,
                ..
            }) => {
                let (w, bias, mult) = (get(w), get(bias), get(mult));
                let cell = |x: &[i128], j: usize| {
                    let scaled = (dot(x, &w[j]) + bias[0][j]) * mult[0][j] + (1 << (shift - 1));
                    scaled.div_euclid(1 << shift).clamp(lo.into(), hi.into())
                };
                a.iter()
                    .map(|x| (0..w.len()).map(|j| cell(x, j)).collect())
                    .collect()
            }
            Op::Lut(Lut { table, .. }) => {
                let table = get(table);
                a.iter()
                    .map(|x| x.iter().map(|v| table[0][(v + 128) as usize]).collect())
                    .collect()
            }
            Op::Add(Add { b, .. }) => a
                .iter()
                .zip(get(b))
                .map(|(x, y)| {
                    x.iter()
                        .zip(y)
                        .map(|(x, y)| (x + y).clamp(-128, 127))
                        .collect()
                })
                .collect(),
            Op::ArgMax(_) => a
                .iter()
                .map(|x| {
                    let largest = x.iter().max().unwrap();
                    vec![x.iter().position(|v| v == largest).unwrap() as i128]
                })
                .collect(),
        };
        outputs.push(output);
    }
    outputs
}

/// The full tree of a tensor, every position written out: `levels[0]` is the root.
pub fn naive_tree(t: &Tensor) -> Vec<Vec<Hash>> {
    let leaves = (t.geometry().row_bytes() as usize).div_ceil(128);
    let (p, r) = (
        leaves.next_power_of_two(),
        (t.rows() as usize).next_power_of_two(),
    );
    let mut level = Vec::with_capacity(p * r);
    for row in 0..r {
        for k in 0..p {
            level.push(if row < t.rows() as usize && k < leaves {
                let bytes = t.row(row as u32).unwrap();
                let mut leaf = bytes[k * 128..bytes.len().min(k * 128 + 128)].to_vec();
                leaf.resize(128, 0);
                hash::hash(&[&[0], &leaf])
            } else {
                MISSING
            });
        }
    }
    naive_levels(level, Tag::Data)
}

/// The levels above these nodes, a power of two of them; `levels[0]` is the root.
pub fn naive_levels(bottom: Vec<Hash>, tag: Tag) -> Vec<Vec<Hash>> {
    let mut levels = vec![bottom];
    while levels[0].len() > 1 {
        let above = levels[0]
            .chunks(2)
            .map(|pair| hash::hash(&[&[tag as u8], &pair[0], &pair[1]]))
            .collect();
        levels.insert(0, above);
    }
    levels
}
