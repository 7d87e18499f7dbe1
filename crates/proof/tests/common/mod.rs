//! Graphs with data, and a provider that commits to whatever a test wants.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub mod forged;

use quern_proof::{
    Case, Charge, DType, Graph, Hash, Operand, Refusal, Tensor,
    builder::GraphBuilder,
    eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
    judge,
    witness::{Openings, evidence},
};

/// The same bytes everywhere.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 32
    }

    pub fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end)) as u32
    }

    pub fn tensor(&mut self, dtype: DType, rows: u32, cols: u32) -> Tensor {
        let count = rows * cols * dtype.size();
        let data = (0..count).map(|_| self.next() as u8).collect();
        Tensor::from_bytes(dtype, rows, cols, data).unwrap()
    }

    /// i32 values in a range.
    pub fn between(&mut self, rows: u32, cols: u32, lo: i32, hi: i32) -> Tensor {
        let count = rows * cols;
        let values: Vec<i32> = (0..count)
            .map(|_| lo + self.below((hi - lo) as u32) as i32)
            .collect();
        Tensor::from_i32(rows, cols, &values).unwrap()
    }

    /// Two rows of parameters: both ranges.
    pub fn parameters(&mut self, cols: u32, first: (i32, i32), second: (i32, i32)) -> Tensor {
        let first = self.between(1, cols, first.0, first.1);
        let second = self.between(1, cols, second.0, second.1);
        let data = [first.data(), second.data()].concat();
        Tensor::from_bytes(DType::I32, 2, cols, data).unwrap()
    }
}

/// A graph with its data.
pub struct Job {
    pub bytes: Vec<u8>,
    pub items: u32,
    pub inputs: Vec<Tensor>,
    pub weights: Vec<Tensor>,
}

impl Job {
    pub fn graph(&self) -> Graph<'_> {
        Graph::parse(&self.bytes).unwrap()
    }

    pub fn batch(&self) -> Batch<'_> {
        let graph = self.graph();
        Batch::new(
            &graph,
            self.items,
            &self.inputs,
            &self.weights,
            DEFAULT_MAX_ITEM_BYTES,
        )
        .unwrap()
    }

    pub fn input_roots(&self) -> Vec<Hash> {
        let roots = self.inputs.iter();
        roots.map(quern_proof::commit::data_root).collect()
    }

    pub fn tokens_root(&self) -> Hash {
        match self.graph().tokens() {
            Some(tokens) => self.input_roots()[usize::from(tokens)],
            None => [0; 32],
        }
    }

    pub fn judge(&self, trace_root: &Hash, charge: &Charge, bytes: &[u8]) -> Result<(), Refusal> {
        self.judge_with(trace_root, &self.tokens_root(), charge, bytes)
    }

    pub fn judge_with(
        &self,
        trace_root: &Hash,
        tokens_root: &Hash,
        charge: &Charge,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let case = Case {
            graph: self.graph(),
            items: self.items,
            input_roots: &self.input_roots(),
            tokens_root,
            trace_root,
        };
        judge(&case, charge, bytes)
    }

    pub fn evidence(&self, charge: &Charge, openings: &impl Openings) -> Vec<u8> {
        evidence(&self.graph(), self.items, charge, openings).unwrap()
    }
}

/// All ops: a layer of attention with grouped heads, a mask, norms, tables, pairs, a row of many leaves and tokens to feed
/// back, at lengths that are no powers of two.
pub fn every_op(items: u32) -> Job {
    const S: u32 = 5;
    let mut noise = Noise(u64::from(items));
    let mut b = GraphBuilder::new();
    let inputs = vec![
        noise.between(items, S, -1, 11),
        Tensor::from_i8(items, S, &[1, 1, 0, 1, 1].repeat(items as usize)).unwrap(),
        noise.tensor(DType::I16, S, 64),
    ];
    let weights = vec![
        noise.tensor(DType::I8, 11, 64),
        noise.parameters(64, (-20_000, 20_000), (1 << 10, 1 << 12)),
        noise.tensor(DType::I8, 64, 64),
        noise.tensor(DType::I8, 32, 64),
        noise.parameters(64, (-500, 500), (-(1 << 9), 1 << 9)),
        noise.parameters(32, (-500, 500), (1, 1 << 9)),
        noise.parameters(1, (-3, 3), (1 << 8, 1 << 9)),
        noise.tensor(DType::I16, 1, 256),
        noise.tensor(DType::I8, 300, 64),
    ];
    let ids = b.input_item(DType::I32, 1, S);
    let mask = b.input_item(DType::I8, 1, S);
    let position = b.input_fixed(DType::I16, S, 64);
    let of: Vec<Operand> = weights.iter().map(|weight| b.weight(weight)).collect();
    let [embedding, gamma, wq, wkv, pq, pkv, ps, table, head] = of[..] else {
        unreachable!()
    };
    let words = b.gather(ids, embedding, S).push();
    let x = b.mix(words).to(DType::I16).plus(position).push();
    let n = b.norm(x, gamma, 20, DType::I8).eps(7).push();
    let rotated = b
        .mix(n)
        .times(n)
        .plus_product(n, n)
        .paired()
        .shift(7)
        .push();
    let q = b.dot(rotated, wq).scaled(pq, 16, DType::I8).push();
    let k = b.dot(n, wkv).scaled(pkv, 16, DType::I8).push();
    let v = b.dot(n, wkv).scaled(pkv, 15, DType::I8).transposed().push();
    let scores = b.dot(q, k).scores(4, 2).scaled(ps, 12, DType::I16).push();
    let attention = b
        .softmax(scores, 1 << 10, 8, DType::I16)
        .groups(4)
        .mask(mask)
        .push();
    let context = b
        .dot(attention, v)
        .context(4, 2)
        .scaled(pq, 20, DType::I8)
        .push();
    let looked_up = b.lut(context, table).transposed().push();
    let _ = b.mix(looked_up).to(DType::I32).push();
    let logits = b.dot(context, head).push();
    let next = b.argmax(logits).transposed().push();
    b.feedback(ids, next).push();
    Job {
        bytes: b.finish().unwrap(),
        items,
        inputs,
        weights,
    }
}

/// A graph that generates text: the tokens are what it feeds back.
pub fn text(items: u32) -> Job {
    text_of(items, 40)
}

/// As [`text`], with texts of this many tokens.
pub fn text_of(items: u32, len: u32) -> Job {
    let mut noise = Noise(77);
    let mut b = GraphBuilder::new();
    let prompt: Vec<i32> = (0..items * len)
        .map(|at| match at % len {
            0..3 => noise.below(50) as i32,
            _ => -1,
        })
        .collect();
    let weights = vec![
        noise.tensor(DType::I8, 50, 32),
        noise.tensor(DType::I8, 50, 32),
    ];
    let x = b.input_item(DType::I32, 1, len);
    let tokens = b.input_item(DType::I32, 1, len);
    let embedding = b.weight(&weights[0]);
    let head = b.weight(&weights[1]);
    let words = b.gather(tokens, embedding, len).push();
    let logits = b.dot(words, head).push();
    let next = b.argmax(logits).transposed().push();
    let fed = b.feedback(x, next).push();
    b.generate(tokens, fed);
    let prompt = Tensor::from_i32(items, len, &prompt).unwrap();
    let mut job = Job {
        bytes: b.finish().unwrap(),
        items,
        inputs: vec![prompt.clone(), prompt],
        weights,
    };
    // Greedy decoding: after round i, the first i tokens are right.
    for _ in 0..=len {
        let batch = job.batch();
        let fed: Vec<u8> = (0..items)
            .flat_map(|item| batch.item(item).unwrap().pop().unwrap().into_data())
            .collect();
        job.inputs[1] = Tensor::from_bytes(DType::I32, items, len, fed).unwrap();
    }
    job
}

/// Two tables in a row: cheap enough for many items.
pub fn small(items: u32, rows: u32, cols: u32) -> Job {
    let mut noise = Noise(5);
    let mut b = GraphBuilder::new();
    let inputs = vec![noise.tensor(DType::I8, items * rows, cols)];
    let weights = vec![noise.tensor(DType::I8, 1, 256)];
    let x = b.input_item(DType::I8, rows, cols);
    let table = b.weight(&weights[0]);
    let first = b.lut(x, table).push();
    let second = b.lut(first, table).push();
    b.mix(second).plus(x).to(DType::I16).push();
    Job {
        bytes: b.finish().unwrap(),
        items,
        inputs,
        weights,
    }
}
