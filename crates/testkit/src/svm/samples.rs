//! Graphs with data, for a referee to judge.

use {
    super::claim::Claim,
    crate::rng::Rng,
    quern_proof::{DType, Operand, Tensor, builder::GraphBuilder},
};

/// Numbers that look random, the same each time.
fn tensor(dtype: DType, rows: u32, cols: u32, seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let count = rows * cols * dtype.size();
    let bytes = (0..count).map(|_| rng.bits() as u8).collect();
    Tensor::from_bytes(dtype, rows, cols, bytes).unwrap()
}

/// i32 numbers of a range.
fn between(rows: u32, cols: u32, range: (i32, i32), seed: u64) -> Tensor {
    let mut rng = Rng::new(seed);
    let span = (range.1 - range.0) as u64;
    let values: Vec<i32> = (0..rows * cols)
        .map(|_| range.0 + rng.below(span) as i32)
        .collect();
    Tensor::from_i32(rows, cols, &values).unwrap()
}

/// Two rows of parameters.
fn parameters(cols: u32, first: (i32, i32), second: (i32, i32), seed: u64) -> Tensor {
    let rows = [
        between(1, cols, first, seed),
        between(1, cols, second, seed + 1),
    ];
    let bytes = [rows[0].data(), rows[1].data()].concat();
    Tensor::from_bytes(DType::I32, 2, cols, bytes).unwrap()
}

/// Sizes of a layer.
struct Layer {
    items: u32,
    /// Words of a text.
    words: u32,
    /// Values of a word; two heads share them.
    width: u32,
    /// Entries of the table at the end.
    entries: u32,
}

/// What the ops of a layer are, in order.
pub const OPS_OF_A_LAYER: [&str; 14] = [
    "GATHER",
    "MIX, a sum",
    "NORM",
    "MIX, pairs",
    "DOT, queries",
    "DOT, keys",
    "DOT, values",
    "DOT, scores",
    "SOFTMAX",
    "DOT, context",
    "LUT",
    "DOT without parameters",
    "ARGMAX",
    "FEEDBACK",
];

/// All eight ops, most flags and all types: a layer of attention with two heads that share one group of keys, a mask, norms,
/// a table, pairs, ARGMAX and FEEDBACK.
fn layer(sizes: &Layer) -> Claim {
    let Layer {
        items,
        words,
        width,
        entries,
    } = *sizes;
    let mut b = GraphBuilder::new();
    let inputs = vec![
        between(items, words, (-1, 6), 1),
        Tensor::from_i8(items, words, &vec![1; (items * words) as usize]).unwrap(),
        tensor(DType::I16, words, width, 2),
    ];
    let half = width / 2;
    let weights = vec![
        tensor(DType::I8, 5, width, 3),
        parameters(width, (-20_000, 20_000), (1 << 10, 1 << 12), 4),
        tensor(DType::I8, width, width, 6),
        tensor(DType::I8, half, width, 7),
        parameters(width, (-500, 500), (-512, 512), 8),
        parameters(half, (-500, 500), (1, 512), 10),
        parameters(1, (-3, 3), (256, 512), 12),
        tensor(DType::I8, 1, 256, 14),
        tensor(DType::I8, entries, width, 15),
    ];
    let ids = b.input_item(DType::I32, 1, words);
    let mask = b.input_item(DType::I8, 1, words);
    let position = b.input_fixed(DType::I16, words, width);
    let of: Vec<Operand> = weights.iter().map(|weight| b.weight(weight)).collect();
    let [embedding, gamma, wq, wkv, pq, pkv, ps, table, head] = of[..] else {
        unreachable!()
    };
    let looked = b.gather(ids, embedding, words).push();
    let x = b.mix(looked).to(DType::I16).plus(position).push();
    let n = b.norm(x, gamma, 20, DType::I8).eps(7).push();
    let turned = b
        .mix(n)
        .times(n)
        .plus_product(n, n)
        .paired()
        .shift(7)
        .push();
    let q = b.dot(turned, wq).scaled(pq, 16, DType::I8).push();
    let k = b.dot(n, wkv).scaled(pkv, 16, DType::I8).push();
    let v = b.dot(n, wkv).scaled(pkv, 15, DType::I8).transposed().push();
    let scores = b.dot(q, k).scores(2, 2).scaled(ps, 12, DType::I16).push();
    let attention = b.softmax(scores, 1 << 10, 8, DType::I16);
    let attention = attention.groups(2).mask(mask).push();
    let context = b.dot(attention, v).context(2, 2);
    let context = context.scaled(pq, 20, DType::I8).push();
    let last = b.lut(context, table).push();
    let logits = b.dot(last, head).push();
    let next = b.argmax(logits).transposed().push();
    b.feedback(ids, next).push();
    Claim::honest(b.finish().unwrap(), items, inputs, weights)
}

/// A layer on three items: rows that are missing, leaves that are padded, leaf positions that are missing inside a row, a
/// missing item and missing ops.
pub fn every_op() -> Claim {
    layer(&Layer {
        items: 3,
        words: 3,
        width: 140,
        entries: 70,
    })
}

/// A layer as small as it can be on two items: few cells, so that each can be spoiled in turn.
pub fn tiny() -> Claim {
    tiny_of(2)
}

/// The same with another number of items.
pub fn tiny_of(items: u32) -> Claim {
    layer(&Layer {
        items,
        words: 2,
        width: 4,
        entries: 3,
    })
}

/// One product of `n x n` by `n x n` as one item: the example of issue and docs.
pub fn product(n: u32) -> Claim {
    let mut b = GraphBuilder::new();
    let weight = tensor(DType::I8, n, n, 22);
    let x = b.input_item(DType::I8, n, n);
    let w = b.weight(&weight);
    b.dot(x, w).push();
    let input = tensor(DType::I8, n, n, 21);
    Claim::honest(b.finish().unwrap(), 1, vec![input], vec![weight])
}

/// A graph that generates text, and what it generates.
pub fn text(items: u32) -> Claim {
    const WORDS: u32 = 40;
    let weights = vec![tensor(DType::I8, 50, 32, 31), tensor(DType::I8, 50, 32, 32)];
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, WORDS);
    let tokens = b.input_item(DType::I32, 1, WORDS);
    let embedding = b.weight(&weights[0]);
    let head = b.weight(&weights[1]);
    let looked = b.gather(tokens, embedding, WORDS).push();
    let logits = b.dot(looked, head).push();
    let next = b.argmax(logits).transposed().push();
    let fed = b.feedback(x, next).push();
    b.generate(tokens, fed);
    let mut rng = Rng::new(33);
    let prompt: Vec<i32> = (0..items * WORDS)
        .map(|at| match at % WORDS {
            0..3 => rng.below(50) as i32,
            _ => -1,
        })
        .collect();
    let prompt = Tensor::from_i32(items, WORDS, &prompt).unwrap();
    let inputs = vec![prompt.clone(), prompt];
    let mut claim = Claim::honest(b.finish().unwrap(), items, inputs, weights);
    // After round i, the first i tokens are right.
    for _ in 0..=WORDS {
        let fed = claim.outputs.iter().map(|outputs| outputs[3].data());
        let fed = fed.collect::<Vec<_>>().concat();
        claim = claim.with_tokens(Tensor::from_bytes(DType::I32, items, WORDS, fed).unwrap());
    }
    claim
}
