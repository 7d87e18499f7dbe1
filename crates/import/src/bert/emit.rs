//! The graph of an encoder in integers, for one sequence length, and its weights in the graph's order.
//!
//! Inputs of an item: ids (i32, 1 x S) and mask (i8, 1 x S). Result: the text's vector, i8, 1 x width.

use quern_proof::{DType, Operand, Tensor};

use super::quantize::{IntegerEncoder, IntegerLayer};
use crate::{
    Error, Result,
    emitter::{Emitted, Emitter},
    fixed::Parameters,
};

/// Writes the graph of an encoder for sequences of this many tokens.
///
/// # Errors
/// The model has fewer positions, or `seal` would refuse the graph.
pub fn emit(encoder: &IntegerEncoder, sequence: usize) -> Result<Emitted> {
    let width = encoder.width;
    let most = encoder.positions.len() / width;
    if !(1..=most).contains(&sequence) {
        return Err(Error::Sequence {
            wanted: sequence,
            least: 1,
            most,
        });
    }
    let (rows, cols) = (sequence as u32, width as u32);
    let mut emitter = Emitter::default();
    let ids = emitter.graph.input_item(DType::I32, 1, rows);
    let mask = emitter.graph.input_item(DType::I8, 1, rows);
    let vocabulary = (encoder.words.len() / width) as u32;
    let words = emitter.weight(Tensor::from_i16(vocabulary, cols, &encoder.words)?);
    let places = &encoder.positions[..sequence * width];
    let positions = emitter.weight(Tensor::from_i16(rows, cols, places)?);
    let embedded = emitter.graph.gather(ids, words, rows).push();
    let mut x = emitter.graph.mix(embedded).plus(positions).push();
    for layer in &encoder.layers {
        x = emit_layer(&mut emitter, layer, encoder.heads, sequence, x, mask)?;
    }
    let p = emitter.parameters(&encoder.last_norm.parameters)?;
    let shift = encoder.last_norm.parameters.shift;
    let last = emitter.graph.norm(x, p, shift, DType::I8);
    let last = last.eps(encoder.last_norm.epsilon).transposed().push();
    let pooled = emitter.graph.dot(mask, last).push();
    let p = emitter.parameters(&encoder.final_gain.parameters)?;
    let shift = encoder.final_gain.parameters.shift;
    emitter.graph.norm(pooled, p, shift, DType::I8).rms().push();
    emitter.finish()
}

/// One layer: 16 ops.
fn emit_layer(
    emitter: &mut Emitter,
    layer: &IntegerLayer,
    heads: usize,
    sequence: usize,
    x: Operand,
    mask: Operand,
) -> Result<Operand> {
    let groups = u16::try_from(heads).unwrap_or(u16::MAX);
    let input = emitter.norm(x, &layer.input_norm, DType::I8)?;
    let residual = emitter.norm(x, &layer.input_residual, DType::I16)?;
    let query = emitter.linear(input, &layer.query, DType::I8)?;
    let key = emitter.linear(input, &layer.key, DType::I8)?;
    let value = emitter.product(input, &layer.value, DType::I8, true)?;
    // A score's column is head x S + key: a head's multiplier stands there once for each key.
    let p = emitter.parameters(&Parameters {
        first: vec![0; heads * sequence],
        second: repeated(&layer.scores.second, sequence),
        shift: layer.scores.shift,
    })?;
    let scores = emitter.graph.dot(query, key).scores(groups, 1);
    let scores = scores.scaled(p, layer.scores.shift, DType::I8).push();
    let (mult, shift) = (layer.softmax.mult, layer.softmax.shift);
    let shares = emitter.graph.softmax(scores, mult, shift, DType::I16);
    let shares = shares.groups(groups).mask(mask).push();
    let p = emitter.parameters(&layer.context)?;
    let context = emitter.graph.dot(shares, value).context(groups, 1);
    let context = context.scaled(p, layer.context.shift, DType::I8).push();
    let attention = emitter.linear(context, &layer.attention, DType::I16)?;
    let attended = emitter.graph.mix(attention).plus(residual).push();
    let middle = emitter.norm(attended, &layer.middle_norm, DType::I8)?;
    let residual = emitter.norm(attended, &layer.middle_residual, DType::I16)?;
    let hidden = emitter.linear(middle, &layer.rise, DType::I8)?;
    let table = emitter.weight(Tensor::from_i8(1, 256, &layer.activation)?);
    let active = emitter.graph.lut(hidden, table).push();
    let fall = emitter.linear(active, &layer.fall, DType::I16)?;
    Ok(emitter.graph.mix(fall).plus(residual).push())
}

/// Every value this many times.
fn repeated(values: &[i32], times: usize) -> Vec<i32> {
    let each = values.iter();
    each.flat_map(|value| std::iter::repeat_n(*value, times))
        .collect()
}
