//! A network in integers: int8 everywhere, with one scale a layer; the result i32.

use quern_proof::{DType, Operand, Tensor};

use super::{Layer, Network};
use crate::{
    Error, Result,
    emitter::{Emitted, Emitter},
    fixed::{Linear, Scale},
    quality::{LEAST_HELD_OUT, Quality},
};

/// Greatest size of an int8 activation.
const BYTE: f64 = 127.0;
/// What the largest value of the result becomes: i32 with room for what calibration did not see.
const RESULT: f64 = (1 << 20) as f64;
/// Fewest items for calibration.
const LEAST_CALIBRATION: usize = 16;

/// What a graph answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The values of the last layer, i32.
    Values,
    /// The place of the largest, i32, 1 x 1.
    Class,
}

/// A network that can be registered.
#[derive(Clone, Debug)]
pub struct ImportedNetwork {
    /// The graph's bytes.
    pub graph: Vec<u8>,
    /// Its weights, in its order.
    pub weights: Vec<Tensor>,
    /// What it lost: the vectors are the values of the last layer.
    pub quality: Quality,
    /// Share of held-out items whose largest value stands in the same place.
    pub same_class: f64,
    /// The input is i8: a real value is an integer times this.
    pub input_scale: f64,
    /// A value of the result times this is real.
    pub output_scale: f64,
}

/// A network with the scale of every value.
struct Scaled<'n> {
    network: &'n Network,
    input: f64,
    outputs: Vec<f64>,
}

/// Makes a graph of a network. Items are rows of values in the order of frameworks: channels, rows, columns.
///
/// # Errors
/// Too few items, items of another length, an item that is in both sets, or a figure that is no number.
pub fn network(
    network: &Network,
    calibration: &[Vec<f64>],
    held_out: &[Vec<f64>],
    answer: Answer,
) -> Result<ImportedNetwork> {
    let counts = [
        ("calibration", calibration.len(), LEAST_CALIBRATION),
        ("held-out", held_out.len(), LEAST_HELD_OUT),
    ];
    for (what, found, least) in counts {
        if found < least {
            return Err(Error::FewTexts { what, found, least });
        }
    }
    let all = calibration.iter().chain(held_out).flatten();
    if let Some(value) = all.copied().find(|value| !value.is_finite()) {
        return Err(Error::Range {
            what: "a value of an item",
            value,
        });
    }
    if let Some(at) = held_out.iter().position(|item| calibration.contains(item)) {
        return Err(Error::NotHeldOut(format!("item {at}")));
    }
    let scaled = Scaled::new(network, calibration)?;
    let values = scaled.emit(Answer::Values)?;
    let run = |item: &Vec<f64>| network.run(item, &mut |_, _| ());
    let float: Vec<_> = held_out.iter().map(run).collect::<Result<_>>()?;
    let input = input(network, held_out, scaled.input)?;
    let integer = values.run(&[input], held_out.len() as u32)?;
    let integer = integer
        .into_iter()
        .map(|row| row.into_iter().map(f64::from).collect());
    let integer: Vec<Vec<f64>> = integer.collect();
    let quality = Quality::measure(&float, &integer)?;
    let same = float
        .iter()
        .zip(&integer)
        .filter(|(a, b)| place(a) == place(b));
    let emitted = match answer {
        Answer::Values => values,
        Answer::Class => scaled.emit(answer)?,
    };
    Ok(ImportedNetwork {
        graph: emitted.graph,
        weights: emitted.weights,
        quality,
        same_class: same.count() as f64 / float.len() as f64,
        input_scale: scaled.input,
        output_scale: scaled.outputs.last().copied().unwrap_or(1.0),
    })
}

/// The input of a graph for these items, over all of them.
///
/// # Errors
/// No items, or items of another length.
pub fn input(network: &Network, items: &[Vec<f64>], scale: f64) -> Result<Tensor> {
    let mut values: Vec<i8> = Vec::new();
    for item in items {
        let near = |value: &f64| (value / scale).round_ties_even().clamp(-BYTE, BYTE) as i8;
        values.extend(network.input.arrange(item)?.data.iter().map(near));
    }
    let rows = (items.len() * network.input.pixels()) as u32;
    Ok(Tensor::from_i8(
        rows,
        network.input.channels as u32,
        &values,
    )?)
}

/// The first place of the largest value.
fn place(values: &[f64]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

impl<'n> Scaled<'n> {
    fn new(network: &'n Network, calibration: &[Vec<f64>]) -> Result<Self> {
        let size = |values: &[f64]| {
            values
                .iter()
                .fold(1e-6f64, |most, value| most.max(value.abs()))
        };
        let mut input = 1e-6f64;
        let mut outputs = vec![1e-6f64; network.layers.len()];
        for item in calibration {
            input = input.max(size(item));
            network.run(item, &mut |layer, values| {
                outputs[layer] = outputs[layer].max(size(&values.data));
            })?;
        }
        let last = outputs.len().saturating_sub(1);
        for (index, output) in outputs.iter_mut().enumerate() {
            *output /= if index == last { RESULT } else { BYTE };
        }
        Ok(Self {
            network,
            input: input / BYTE,
            outputs,
        })
    }

    fn emit(&self, answer: Answer) -> Result<Emitted> {
        let mut emitter = Emitter::default();
        let grid = &self.network.input;
        let (rows, cols) = (grid.pixels() as u32, grid.channels as u32);
        let mut x = emitter.graph.input_item(DType::I8, rows, cols);
        let mut from = self.input;
        let last = self.network.layers.len().saturating_sub(1);
        for (index, (layer, to)) in self.network.layers.iter().zip(&self.outputs).enumerate() {
            let dtype = if index == last { DType::I32 } else { DType::I8 };
            x = emit_layer(&mut emitter, layer, x, [from, *to], dtype)?;
            from = *to;
        }
        if answer == Answer::Class {
            emitter.graph.argmax(x).push();
        }
        emitter.finish()
    }
}

fn emit_layer(
    emitter: &mut Emitter,
    layer: &Layer,
    x: Operand,
    [from, to]: [f64; 2],
    dtype: DType,
) -> Result<Operand> {
    if layer.is_rectified && dtype == DType::I32 {
        return Err(Error::Unsupported {
            what: "the last layer",
            found: "followed by ReLU".into(),
            supported: "a last layer without it",
        });
    }
    let x = match &layer.patches {
        None => x,
        Some(patches) => {
            let index = Tensor::from_i32(1, patches.pixels.len() as u32, &patches.pixels)?;
            let index = emitter.weight(index);
            emitter.graph.gather(index, x, patches.rows as u32).push()
        }
    };
    let (from, to) = (Scale::same(from, 0.0), Scale::same(to, 0.0));
    let linear = Linear::new(&layer.weight, &layer.bias, &from, &to)?;
    let (rows, cols) = (linear.rows as u32, linear.cols as u32);
    let weight = emitter.weight(Tensor::from_i8(rows, cols, &linear.weight)?);
    let p = emitter.parameters(&linear.parameters)?;
    let draft = emitter.graph.dot(x, weight);
    let draft = draft.scaled(p, linear.parameters.shift, dtype);
    Ok(match layer.is_rectified {
        true => draft.clamp(0, 127).push(),
        false => draft.push(),
    })
}
