//! A tiny transformer with random weights and every op, for tests: correctness does not depend on training.
//!
//! It writes text: two layers, 64 wide, 16 tokens, 64 words; four query heads share two key heads; RMSNorm, norms of single
//! heads, rotary positions, a gated feed-forward part, a last LayerNorm. Inputs of an item: the prompt (i32, 1 x 16; -1 where
//! the text is to go on) and the tokens that the provider gives. Result: the text.

use quern_proof::{DType, Operand, Tensor};

use crate::{
    Error, Result,
    emitter::{Emitted, Emitter},
    fixed::{Parameters, whole},
};

/// Tokens of a text.
pub const SEQUENCE: usize = 16;
/// Words that it knows.
pub const WORDS: usize = 64;

const LAYERS: usize = 2;
const WIDTH: usize = 64;
const HEADS: usize = 4;
/// Query heads that share one key head.
const SHARE: usize = 2;
const HEAD: usize = WIDTH / HEADS;
const KEYS: usize = WIDTH / SHARE;
const UNITS: usize = 128;

/// Root mean square of a normalised i16 activation.
const USUAL: f64 = 4_096.0;
/// That of an i8 activation.
const USUAL_BYTE: f64 = 32.0;
/// That of the random weights, which are uniform.
const USUAL_WEIGHT: f64 = 73.3;

/// SplitMix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from `-most` to `most`.
    fn number(&mut self, most: i32) -> i32 {
        let span = 2 * most as u64 + 1;
        (self.next() % span) as i32 - most
    }

    fn bytes(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| self.number(127) as i8).collect()
    }
}

struct Tiny {
    emitter: Emitter,
    random: Random,
    cosines: Operand,
    sines: Operand,
}

/// A product's operand, its size, and what it becomes.
struct Shape {
    rows: usize,
    cols: usize,
    from: f64,
    to: f64,
    dtype: DType,
    is_transposed: bool,
}

/// The graph and its weights.
///
/// # Errors
/// None, unless the limits of graphs change.
pub fn tiny() -> Result<Emitted> {
    let mut emitter = Emitter::default();
    let sequence = SEQUENCE as u32;
    let prompt = emitter.graph.input_item(DType::I32, 1, sequence);
    let tokens = emitter.graph.input_item(DType::I32, 1, sequence);
    let [cosines, sines] = rotation()?.map(|table| emitter.weight(table));
    let mut random = Random(2);
    let words = random.bytes(WORDS * WIDTH);
    let words = emitter.weight(Tensor::from_i8(WORDS as u32, WIDTH as u32, &words)?);
    let mut x = emitter.graph.gather(tokens, words, sequence).push();
    let mut tiny = Tiny {
        emitter,
        random,
        cosines,
        sines,
    };
    for _ in 0..LAYERS {
        x = tiny.layer(x)?;
    }
    let last = tiny.norm(x, WIDTH, false)?;
    let logits = tiny.random.bytes(WORDS * WIDTH);
    let mut emitter = tiny.emitter;
    let head = emitter.weight(Tensor::from_i8(WORDS as u32, WIDTH as u32, &logits)?);
    let logits = emitter.graph.dot(last, head).push();
    let next = emitter.graph.argmax(logits).transposed().push();
    let text = emitter.graph.feedback(prompt, next).push();
    emitter.graph.generate(tokens, text);
    emitter.finish()
}

/// Cosines and signed sines of rotary positions, in 2^-14: columns 2k and 2k + 1 turn together.
fn rotation() -> Result<[Tensor; 2]> {
    let mut tables = [Vec::new(), Vec::new()];
    for position in 0..SEQUENCE {
        for col in 0..HEAD {
            let pair = (col / 2) as f64 / (HEAD / 2) as f64;
            let angle = position as f64 * libm::pow(100.0, -pair);
            let sign = if col % 2 == 0 { -1.0 } else { 1.0 };
            let values = [libm::cos(angle), sign * libm::sin(angle)];
            for (table, value) in tables.iter_mut().zip(values) {
                table.push(whole("a rotation", value * 16_384.0)? as i16);
            }
        }
    }
    let [cosines, sines] = tables;
    let table = |values: &[i16]| Tensor::from_i16(SEQUENCE as u32, HEAD as u32, values);
    Ok([table(&cosines)?, table(&sines)?])
}

impl Tiny {
    fn layer(&mut self, x: Operand) -> Result<Operand> {
        let groups = HEADS as u16;
        let share = SHARE as u16;
        let input = self.norm(x, WIDTH, true)?;
        let query = self.dense(input, &narrow(WIDTH, USUAL, DType::I16))?;
        let query = self.norm(query, HEAD, true)?;
        let query = self.rotate(query);
        let key = self.dense(input, &narrow(KEYS, USUAL_BYTE, DType::I8))?;
        let key = self.rotate(key);
        let value = Shape {
            is_transposed: true,
            ..narrow(KEYS, USUAL_BYTE, DType::I8)
        };
        let value = self.dense(input, &value)?;
        let p = self.parameters(1, USUAL_BYTE / (USUAL * USUAL_BYTE * 4.0), 0)?;
        let (p, shift) = p;
        let graph = &mut self.emitter.graph;
        let scores = graph.dot(query, key).scores(groups, share);
        let scores = scores.scaled(p, shift, DType::I16).push();
        // 32 units of a score are 1.5 octaves.
        let shares = graph.softmax(scores, 12 << 10, 10, DType::I16);
        let shares = shares.groups(groups).causal().push();
        let (p, shift) = self.parameters(WIDTH, USUAL / (32_767.0 * USUAL_BYTE / 2.0), 0)?;
        let context = self.emitter.graph.dot(shares, value).context(groups, share);
        let context = context.scaled(p, shift, DType::I16).push();
        let attention = self.dense(context, &narrow(WIDTH, 64.0, DType::I32))?;
        let x = self.emitter.graph.mix(attention).plus(x).push();
        let middle = self.norm(x, WIDTH, true)?;
        let gate = self.dense(middle, &narrow(UNITS, USUAL_BYTE, DType::I8))?;
        let table = self.emitter.weight(silu()?);
        let gate = self.emitter.graph.lut(gate, table).push();
        let rise = self.dense(middle, &narrow(UNITS, USUAL, DType::I16))?;
        let active = self.emitter.graph.mix(gate).times(rise).shift(12).push();
        let fall = Shape {
            cols: UNITS,
            from: USUAL / 2.0,
            ..narrow(WIDTH, 64.0, DType::I32)
        };
        let fall = self.dense(active, &fall)?;
        Ok(self.emitter.graph.mix(fall).plus(x).push())
    }

    /// A product with random weights and biases.
    fn dense(&mut self, a: Operand, shape: &Shape) -> Result<Operand> {
        let weights = self.random.bytes(shape.rows * shape.cols);
        let (rows, cols) = (shape.rows as u32, shape.cols as u32);
        let weights = self.emitter.weight(Tensor::from_i8(rows, cols, &weights)?);
        let size = shape.from * USUAL_WEIGHT * (shape.cols as f64).sqrt();
        let (p, shift) = self.parameters(shape.rows, shape.to / size, (size / 8.0) as i32)?;
        let draft = self.emitter.graph.dot(a, weights);
        let draft = draft.scaled(p, shift, shape.dtype);
        Ok(match shape.is_transposed {
            true => draft.transposed().push(),
            false => draft.push(),
        })
    }

    /// One ratio for all columns, and random biases.
    fn parameters(&mut self, cols: usize, ratio: f64, bias: i32) -> Result<(Operand, u8)> {
        let mut parameters = Parameters::ratios(&vec![ratio; cols])?;
        for first in &mut parameters.first {
            *first = self.random.number(bias);
        }
        let shift = parameters.shift;
        Ok((self.emitter.parameters(&parameters)?, shift))
    }

    /// Norms of groups of `n` columns with gains around 1; i16.
    fn norm(&mut self, a: Operand, n: usize, is_rms: bool) -> Result<Operand> {
        let groups = (WIDTH / n) as u16;
        // The normalised value has 15 bits behind the point: gamma 2^15 and shift 18 make 1 to 4,096.
        let gamma = (0..n).map(|_| (1 << 15) + self.random.number(1 << 13));
        let first: Vec<i32> = gamma.collect();
        let second = (0..n).map(|_| match is_rms {
            true => 0,
            false => self.random.number(1 << 13),
        });
        let second = second.collect();
        let parameters = Parameters {
            first,
            second,
            shift: 18,
        };
        let p = self.emitter.parameters(&parameters)?;
        let draft = self.emitter.graph.norm(a, p, parameters.shift, DType::I16);
        let draft = draft.groups(groups).eps(1);
        Ok(match is_rms {
            true => draft.rms().push(),
            false => draft.push(),
        })
    }

    /// Rotary positions: `a cos + swapped a sin`, in a's type.
    fn rotate(&mut self, a: Operand) -> Operand {
        let draft = self.emitter.graph.mix(a).times(self.cosines);
        let draft = draft.plus_product(a, self.sines);
        draft.paired().shift(14).push()
    }
}

/// A product that reads a normalised row.
const fn narrow(rows: usize, to: f64, dtype: DType) -> Shape {
    Shape {
        rows,
        cols: WIDTH,
        from: USUAL,
        to,
        dtype,
        is_transposed: false,
    }
}

/// SiLU from i8 to i16: 32 stands for 1 before it and 4,096 behind it.
fn silu() -> Result<Tensor> {
    let value = |code: i32| {
        let x = f64::from(code) / USUAL_BYTE;
        Ok(whole("SiLU", x / (1.0 + libm::exp(-x)) * USUAL)? as i16)
    };
    let values: Vec<i16> = (-128..128).map(value).collect::<Result<_>>()?;
    Ok(Tensor::from_i16(1, 256, &values)?)
}

/// What the model makes of a prompt, by going on until nothing changes: a token depends on those before it only.
///
/// # Errors
/// A prompt that is not [`SEQUENCE`] long.
pub fn complete(model: &Emitted, prompt: &[i32]) -> Result<Vec<i32>> {
    if prompt.len() != SEQUENCE {
        return Err(Error::Sequence {
            wanted: prompt.len(),
            least: SEQUENCE,
            most: SEQUENCE,
        });
    }
    let row = |values: &[i32]| Tensor::from_i32(1, SEQUENCE as u32, values);
    let mut tokens: Vec<i32> = prompt.to_vec();
    for _ in 0..=SEQUENCE {
        let text = model.run(&[row(prompt)?, row(&tokens)?], 1)?.concat();
        if text == tokens {
            return Ok(tokens);
        }
        tokens = text;
    }
    Err(Error::Unmeasured("the text does not settle"))
}
