//! Random graphs of all ops, most of which can be sealed, and random data with extremes: for tests, of this crate and of the
//! built program.

// A test stops where something is not as it must be; there is nobody to hand an error to.
#![allow(clippy::unwrap_used)]

use std::vec::Vec;

use crate::{
    DType, Graph, Operand, Scope, Shape, Tensor,
    builder::{Draft, GraphBuilder},
    commit, graph,
};

/// A deterministic generator (splitmix64).
pub struct Rng(pub u64);

impl Rng {
    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Below `limit`, which is above 0.
    pub fn below(&mut self, limit: u32) -> u32 {
        (self.next() % u64::from(limit)) as u32
    }

    /// True once in so many times.
    pub fn is_one_in(&mut self, chances: u32) -> bool {
        self.below(chances) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }

    /// A divisor of `n`.
    pub fn divisor(&mut self, n: u32) -> u32 {
        let divisors: Vec<u32> = (1..=n.min(64)).filter(|d| n.is_multiple_of(*d)).collect();
        match self.is_one_in(4) {
            true => n,
            false => self.pick(&divisors),
        }
    }

    /// Values of a type: small ones, ties, or the whole range with its ends.
    pub fn tensor(&mut self, shape: &Shape) -> Tensor {
        let (least, greatest) = shape.dtype.range();
        let magnitude = self.pick(&[1, 2, 5, 100, 127, 1 << 12, 1 << 15, 1 << 23, i32::MAX]);
        let has_ends = self.is_one_in(3);
        let constant = self.is_one_in(12).then(|| self.next() as i32);
        let count = shape.rows as usize * shape.cols as usize;
        let mut data = Vec::with_capacity(shape.bytes() as usize);
        for _ in 0..count {
            let value = match (has_ends, self.below(4)) {
                (true, 0) => least,
                (true, 1) => greatest,
                _ => {
                    let width = 2 * u64::from(magnitude.unsigned_abs()) + 1;
                    let value = (self.next() % width) as i64 - i64::from(magnitude);
                    value.clamp(least.into(), greatest.into()) as i32
                }
            };
            let value = constant.unwrap_or(value);
            let size = shape.dtype.size() as usize;
            data.extend(&value.to_le_bytes()[..size]);
        }
        Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, data).unwrap()
    }
}

const DTYPES: [DType; 3] = [DType::I8, DType::I16, DType::I32];
const ROOT: [u8; 32] = [0; 32];

/// A graph that grows.
pub struct World<'r> {
    /// The graph so far.
    pub builder: GraphBuilder,
    /// What everything is drawn from.
    pub rng: &'r mut Rng,
    /// Everything that ops may read.
    pub operands: Vec<Operand>,
    inputs: u32,
    /// What rows and columns of new tensors are taken from.
    pub sizes: (Vec<u32>, Vec<u32>),
    /// Whether tables of 65,536 values may be used: they are slow.
    pub has_wide_tables: bool,
}

impl<'r> World<'r> {
    /// An input or two.
    pub fn new(rng: &'r mut Rng) -> Self {
        let mut world = Self {
            builder: GraphBuilder::new(),
            rng,
            operands: Vec::new(),
            inputs: 0,
            sizes: (
                [1, 2, 3, 4, 5].into(),
                [1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 33].into(),
            ),
            has_wide_tables: false,
        };
        for _ in 0..1 + world.rng.below(2) {
            let dtype = world.rng.pick(&DTYPES);
            let (rows, cols) = (world.rows(), world.cols());
            world.fresh(dtype, rows, cols);
        }
        world
    }

    fn rows(&mut self) -> u32 {
        self.rng.pick(&self.sizes.0)
    }

    fn cols(&mut self) -> u32 {
        self.rng.pick(&self.sizes.1)
    }

    /// A new input or weight.
    pub fn fresh(&mut self, dtype: DType, rows: u32, cols: u32) -> Operand {
        let operand = match self.rng.below(3) {
            0 if self.inputs < 6 => self.builder.input_item(dtype, rows, cols),
            1 if self.inputs < 6 => self.builder.input_fixed(dtype, rows, cols),
            _ => self.builder.weight_root(dtype, rows, cols, &ROOT),
        };
        self.inputs += u32::from(matches!(operand, Operand::Input(_)));
        self.operands.push(operand);
        operand
    }

    fn weight(&mut self, dtype: DType, rows: u32, cols: u32) -> Operand {
        self.builder.weight_root(dtype, rows, cols, &ROOT)
    }

    fn shape(&self, operand: Operand) -> Shape {
        self.builder.shape(operand).unwrap()
    }

    /// One of the operands that are like this, or a new one.
    fn operand(&mut self, is_like: impl Fn(&Shape) -> bool, or: (DType, u32, u32)) -> Operand {
        let fit = |operand: &&Operand| is_like(&self.shape(**operand));
        let fitting: Vec<Operand> = self.operands.iter().filter(fit).copied().collect();
        match fitting.is_empty() || self.rng.is_one_in(3) {
            true => self.fresh(or.0, or.1, or.2),
            false => self.rng.pick(&fitting),
        }
    }

    /// Any operand; ops before inputs and weights.
    fn any(&mut self) -> Operand {
        let later = self.operands.len().saturating_sub(4);
        match self.rng.is_one_in(3) {
            true => self.rng.pick(&self.operands.clone()),
            false => self.rng.pick(&self.operands.clone()[later..]),
        }
    }

    /// Adds an op with this opcode.
    pub fn op(&mut self, opcode: u8) {
        let is_transposed = self.rng.is_one_in(4);
        let pushed = |draft: Draft<'_>| match is_transposed {
            true => draft.transposed().push(),
            false => draft.push(),
        };
        let op = match opcode {
            1 => self.dot(pushed),
            2 => self.mix(pushed),
            3 => self.lut(pushed),
            4 => self.gather(pushed),
            5 => self.norm(pushed),
            6 => self.softmax(pushed),
            7 => {
                let a = self.any();
                pushed(self.builder.argmax(a))
            }
            _ => self.feedback(pushed),
        };
        self.operands.push(op);
    }

    fn shift(&mut self) -> u8 {
        match self.rng.is_one_in(4) {
            true => self.rng.pick(&[1, 2, 46, 47]),
            false => 1 + self.rng.below(30) as u8,
        }
    }

    fn clamped<'b>(rng: &mut Rng, draft: Draft<'b>, dtype: DType) -> Draft<'b> {
        let (least, greatest) = dtype.range();
        if dtype == DType::I32 || rng.is_one_in(2) {
            return draft;
        }
        let mut bound = || (rng.next() as i32).clamp(least, greatest) as i16;
        let (one, other) = (bound(), bound());
        draft.clamp(one.min(other), one.max(other))
    }

    fn dot(&mut self, pushed: impl Fn(Draft<'_>) -> Operand) -> Operand {
        let (dtype, rows, cols) = (self.rng.pick(&DTYPES[..2]), self.rows(), self.cols());
        let a = self.operand(|shape| shape.dtype != DType::I32, (dtype, rows, cols));
        let cols = self.shape(a).cols;
        let groups = self.rng.divisor(cols);
        let share = self.rng.divisor(groups);
        let (inner, of_b) = (cols / groups, groups / share);
        let is_context = self.rng.is_one_in(2);
        let n = self.rows();
        let b = match is_context {
            false => self.operand(
                |shape| shape.dtype == DType::I8 && shape.cols == of_b * inner,
                (DType::I8, n, of_b * inner),
            ),
            true => self.operand(
                |shape| shape.dtype == DType::I8 && shape.cols == inner && shape.rows % of_b == 0,
                (DType::I8, n * of_b, inner),
            ),
        };
        let n = match is_context {
            false => self.shape(b).rows,
            true => self.shape(b).rows / of_b,
        };
        let parameter_cols = self.rng.divisor(u32::from(groups as u16) * n);
        let parameters =
            (!self.rng.is_one_in(3)).then(|| self.weight(DType::I32, 2, parameter_cols));
        let (shift, dtype) = (self.shift(), self.rng.pick(&DTYPES));
        let draft = self.builder.dot(a, b);
        let draft = match is_context {
            false => draft.scores(groups as u16, share as u16),
            true => draft.context(groups as u16, share as u16),
        };
        pushed(match parameters {
            None => draft,
            Some(of) => Self::clamped(self.rng, draft.scaled(of, shift, dtype), dtype),
        })
    }

    /// An operand that can be repeated over a result.
    fn repeated(&mut self, rows: u32, cols: u32, dtypes: &[DType], is_even: bool) -> Operand {
        let (r, mut c) = (self.rng.divisor(rows), self.rng.divisor(cols));
        if is_even && c % 2 != 0 {
            c = cols;
        }
        let dtype = self.rng.pick(dtypes);
        let fits = |shape: &Shape| {
            dtypes.contains(&shape.dtype)
                && rows.is_multiple_of(shape.rows)
                && cols.is_multiple_of(shape.cols)
                && (!is_even || shape.cols.is_multiple_of(2))
        };
        self.operand(fits, (dtype, r, c))
    }

    fn mix(&mut self, pushed: impl Fn(Draft<'_>) -> Operand) -> Operand {
        let a = self.any();
        let Shape { rows, cols, .. } = self.shape(a);
        let has_b = !self.rng.is_one_in(3);
        let is_paired = has_b && cols % 2 == 0 && self.rng.is_one_in(2);
        let factors = if has_b { &DTYPES[..2] } else { &DTYPES[..] };
        let b = has_b.then(|| self.repeated(rows, cols, &DTYPES, is_paired));
        let c = self
            .rng
            .is_one_in(2)
            .then(|| self.repeated(rows, cols, factors, false));
        let d = (has_b && self.rng.is_one_in(2)).then(|| self.repeated(rows, cols, factors, false));
        let dtype = self.rng.pick(&DTYPES);
        let shift = self.shift();
        let shift = self.rng.pick(&[0, shift]);
        let mut draft = self.builder.mix(a).to(dtype).shift(shift);
        draft = match (b, d) {
            (Some(b), Some(d)) => draft.plus_product(b, d),
            (Some(b), None) => draft.plus(b),
            _ => draft,
        };
        if let Some(c) = c {
            draft = draft.times(c);
        }
        if is_paired {
            draft = draft.paired();
        }
        pushed(Self::clamped(self.rng, draft, dtype))
    }

    fn lut(&mut self, pushed: impl Fn(Draft<'_>) -> Operand) -> Operand {
        let is_wide = self.has_wide_tables;
        let (rows, cols) = (self.rows(), self.cols());
        let is_like = |shape: &Shape| match shape.dtype {
            DType::I8 => true,
            DType::I16 => is_wide,
            DType::I32 => false,
        };
        let a = self.operand(is_like, (DType::I8, rows, cols));
        let width = match self.shape(a).dtype {
            DType::I8 => 256,
            _ => 65_536,
        };
        let dtype = self.rng.pick(&DTYPES);
        let table = self.weight(dtype, 1, width);
        pushed(self.builder.lut(a, table))
    }

    fn gather(&mut self, pushed: impl Fn(Draft<'_>) -> Operand) -> Operand {
        let cols = self.cols();
        let is_like = |shape: &Shape| shape.dtype == DType::I32 && shape.rows == 1;
        let x = self.operand(is_like, (DType::I32, 1, cols));
        let rows = self.rng.divisor(self.shape(x).cols);
        let table = self.any();
        pushed(self.builder.gather(x, table, rows))
    }

    fn groups(&mut self, operand: Operand) -> (u16, u32) {
        let cols = self.shape(operand).cols;
        let groups = self.rng.divisor(cols);
        (groups as u16, cols / groups)
    }

    fn norm(&mut self, pushed: impl Fn(Draft<'_>) -> Operand) -> Operand {
        let a = self.any();
        let (groups, width) = self.groups(a);
        let parameters = self.weight(DType::I32, 2, width);
        let (shift, dtype) = (self.shift(), self.rng.pick(&DTYPES));
        let small = self.rng.below(1000);
        let eps = self.rng.pick(&[0, 1, small, i32::MAX as u32]);
        let is_rms = self.rng.is_one_in(2);
        let draft = self.builder.norm(a, parameters, shift, dtype);
        let draft = draft.groups(groups).eps(eps);
        pushed(if is_rms { draft.rms() } else { draft })
    }

    fn softmax(&mut self, pushed: impl Fn(Draft<'_>) -> Operand) -> Operand {
        let a = self.any();
        let (groups, width) = self.groups(a);
        let rows = self.shape(a).rows;
        let mask = self
            .rng
            .is_one_in(2)
            .then(|| self.repeated(rows, width, &DTYPES[..1], false));
        let random = self.rng.below(1 << 30);
        let mult = self.rng.pick(&[0, 1, 300, random, (1 << 30) - 1]);
        let any = self.rng.below(48) as u8;
        let shift = self.rng.pick(&[0, any, any, 47]);
        let is_causal = self.rng.is_one_in(2);
        let dtype = self.rng.pick(&DTYPES[..2]);
        let mut draft = self.builder.softmax(a, mult, shift, dtype).groups(groups);
        if let Some(mask) = mask {
            draft = draft.mask(mask);
        }
        pushed(if is_causal { draft.causal() } else { draft })
    }

    fn feedback(&mut self, pushed: impl Fn(Draft<'_>) -> Operand) -> Operand {
        let is_row = |shape: &Shape| shape.dtype == DType::I32 && shape.rows == 1;
        let fit = |operand: &&Operand| {
            matches!(operand, Operand::Input(_)) && is_row(&self.shape(**operand))
        };
        let fitting: Vec<Operand> = self.operands.iter().filter(fit).copied().collect();
        let cols = match fitting.is_empty() {
            true => self.cols(),
            false => {
                let like = self.rng.pick(&fitting);
                self.shape(like).cols
            }
        };
        let x = match fitting.is_empty() || (self.inputs < 6 && self.rng.is_one_in(3)) {
            true => {
                self.inputs += 1;
                let x = self.builder.input_item(DType::I32, 1, cols);
                self.operands.push(x);
                x
            }
            false => self.rng.pick(&fitting),
        };
        let cols = self.shape(x).cols;
        let next = self.operand(
            |shape| is_row(shape) && shape.cols == cols,
            (DType::I32, 1, cols),
        );
        pushed(self.builder.feedback(x, next))
    }
}

/// A sealed graph that holds the roots of its weights, and all that a provider needs to run it.
#[derive(Clone, Debug)]
pub struct RandomJob {
    /// The graph.
    pub graph: Vec<u8>,
    /// Items.
    pub items: u32,
    /// Inputs of all items.
    pub inputs: Vec<Tensor>,
    /// Weights.
    pub weights: Vec<Tensor>,
}

impl RandomJob {
    /// A graph of a few ops on a few items; `None` for one that is not sealed or that is large.
    pub fn of(rng: &mut Rng, most_ops: u32) -> Option<Self> {
        let ops = 1 + rng.below(most_ops);
        Self::draw(World::new(rng), ops, 1 << 12)
    }

    /// The same with rows of up to 8,192 columns.
    pub fn wide(rng: &mut Rng) -> Option<Self> {
        let mut world = World::new(rng);
        world.sizes = (
            [1, 2].into(),
            [1_000, 1_001, 2_048, 4_095, 8_191, 8_192].into(),
        );
        world.has_wide_tables = true;
        let (dtype, cols) = (world.rng.pick(&DTYPES), world.cols());
        world.fresh(dtype, 1, cols);
        Self::draw(world, 2, 1 << 17)
    }

    fn draw(mut world: World<'_>, ops: u32, most_trace_bytes: u64) -> Option<Self> {
        for _ in 0..ops {
            let opcode = 1 + world.rng.below(8) as u8;
            world.op(opcode);
        }
        let (bytes, rng) = (world.builder.bytes().ok()?, world.rng);
        let sealed = graph::seal(&bytes).ok()?;
        if sealed.trace_bytes > most_trace_bytes || sealed.work > 1 << 22 {
            return None;
        }
        let graph = Graph::parse(&bytes).ok()?;
        let items = if graph.has_items() {
            1 + rng.below(3)
        } else {
            1
        };
        let inputs = (0..graph.input_count()).map(|at| {
            let shape = graph.input(at).unwrap();
            let rows = match shape.scope {
                Scope::Fixed => shape.rows,
                Scope::Item => shape.rows * items,
            };
            rng.tensor(&Shape { rows, ..shape })
        });
        let inputs = inputs.collect();
        let weights = (0..graph.weight_count()).map(|at| graph.weight(at).unwrap().shape);
        let weights: Vec<Tensor> = weights.map(|shape| rng.tensor(&shape)).collect();
        Some(Self {
            graph: with_roots(bytes, &weights),
            items,
            inputs,
            weights,
        })
    }
}

/// The graph with the data roots of these weights.
pub fn with_roots(mut graph: Vec<u8>, weights: &[Tensor]) -> Vec<u8> {
    let inputs = Graph::parse(&graph).unwrap().input_count() as u8;
    let first = graph::len(inputs, 0, 0);
    for (at, weight) in weights.iter().enumerate() {
        let start = first + at * graph::WEIGHT_BYTES + 12;
        graph[start..start + 32].copy_from_slice(&commit::data_root(weight));
    }
    graph
}
