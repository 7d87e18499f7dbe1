//! BERT-like encoders: a text's vector is the mean over its tokens.
//!
//! | part | does |
//! | --- | --- |
//! | [`config`] | reads `config.json` |
//! | [`modules`] | refuses what makes a text's vector in another way |
//! | [`float`] | runs the encoder in floating point |
//! | [`calibrate`] | how large values become, over a few hundred texts |
//! | [`quantize`] | which integers stand for which numbers |
//! | [`emit`](mod@emit) | writes graph and weights |

pub mod calibrate;
pub mod config;
pub mod emit;
pub mod float;
pub mod modules;
pub mod quantize;

use std::collections::{BTreeMap, BTreeSet};

use quern_proof::Tensor;
use rayon::prelude::*;

pub use {
    calibrate::Ranges,
    config::Config,
    emit::emit,
    float::Encoder,
    quantize::{IntegerEncoder, Settings},
};

use crate::{
    Error, Result, Tokenizer, Weights,
    emitter::Emitted,
    quality::{LEAST_HELD_OUT, Quality},
    tokenize::padded,
};

/// Fewest texts for calibration: with fewer, a column's largest value is chance.
pub const LEAST_CALIBRATION: usize = 16;

/// Tokens of a text that calibration looks at. It does not depend on the graph's length, so that graphs of several lengths
/// share their weights.
pub const CALIBRATION_TOKENS: usize = 128;

/// Shortest graph that measures: shorter texts are padded to it.
const SHORTEST: usize = 16;

/// Texts that a model is made with.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'t> {
    /// A few hundred, like those that the model will see.
    pub calibration: &'t [String],
    /// Others, on which its quality is measured.
    pub held_out: &'t [String],
}

/// A model that can be registered.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The graph's bytes.
    pub graph: Vec<u8>,
    /// Its weights, in its order.
    pub weights: Vec<Tensor>,
    /// What it lost.
    pub quality: Quality,
}

/// Makes a graph of an encoder, for sequences as long as the tokenizer's.
///
/// # Errors
/// What [`Encoder::read`], [`IntegerEncoder::new`], [`emit()`] and [`Quality::measure`] refuse; too few texts, or a held-out
/// text that also calibrates: a model whose quality can't be measured is not made.
pub fn bert(
    weights: &Weights,
    config: &Config,
    tokenizer: &Tokenizer,
    texts: Texts<'_>,
    settings: Settings,
) -> Result<Imported> {
    told(weights, config, tokenizer, texts, settings, &mut |_| ())
}

/// The same; `tell` hears of each step before it begins.
///
/// # Errors
/// As [`bert`].
pub fn told(
    weights: &Weights,
    config: &Config,
    tokenizer: &Tokenizer,
    texts: Texts<'_>,
    settings: Settings,
    tell: &mut dyn FnMut(&'static str),
) -> Result<Imported> {
    texts.check()?;
    if tokenizer.sequence() > config.positions {
        return Err(Error::Sequence {
            wanted: tokenizer.sequence(),
            least: 1,
            most: config.positions,
        });
    }
    tell("reading the weights");
    let encoder = Encoder::read(weights, config)?;
    tell("calibrating");
    let tokens = CALIBRATION_TOKENS.min(config.positions);
    let rows = id_rows(&tokenizer.resized(tokens)?, config, texts.calibration)?;
    let ranges = Ranges::measure(&encoder, &rows);
    tell("making integers of the weights");
    let integers = IntegerEncoder::new(&encoder, &ranges, settings)?;
    let rows = id_rows(tokenizer, config, texts.held_out)?;
    tell("running the float model on held-out texts");
    let float: Vec<_> = rows
        .par_iter()
        .map(|ids| encoder.embed(ids, &mut |_, _, _| ()))
        .collect();
    tell("running the integers on held-out texts");
    let quality = Quality::measure(&float, &vectors(&integers, &rows, tokenizer)?)?;
    tell("writing the graph");
    let Emitted { graph, weights } = emit(&integers, tokenizer.sequence())?;
    Ok(Imported {
        graph,
        weights,
        quality,
    })
}

impl Texts<'_> {
    fn check(&self) -> Result<()> {
        let counts = [
            ("calibration", self.calibration.len(), LEAST_CALIBRATION),
            ("held-out", self.held_out.len(), LEAST_HELD_OUT),
        ];
        for (what, found, least) in counts {
            if found < least {
                return Err(Error::FewTexts { what, found, least });
            }
        }
        let known: BTreeSet<&String> = self.calibration.iter().collect();
        match self.held_out.iter().find(|text| known.contains(text)) {
            None => Ok(()),
            Some(text) => Err(Error::NotHeldOut(text.chars().take(60).collect())),
        }
    }
}

/// The ids of texts without padding, all of them within the vocabulary.
///
/// # Errors
/// The tokenizer fails, or is another model's.
pub fn id_rows(tokenizer: &Tokenizer, config: &Config, texts: &[String]) -> Result<Vec<Vec<u32>>> {
    let row = |text: &String| {
        let (ids, _) = tokenizer.ids(text)?;
        if ids.is_empty() {
            return Err(Error::Tokenizer("a text has no token".into()));
        }
        match ids.iter().find(|id| **id as usize >= config.vocabulary) {
            None => Ok(ids),
            Some(id) => Err(Error::Tokenizer(format!(
                "token {id} is beyond the model's vocabulary of {}",
                config.vocabulary
            ))),
        }
    };
    texts.iter().map(row).collect()
}

/// The vectors that the graph gives for these rows of ids. Each row runs in a graph that is just long enough: padding
/// changes no integer.
///
/// # Errors
/// A graph can't be emitted or evaluated.
pub fn vectors(
    encoder: &IntegerEncoder,
    rows: &[Vec<u32>],
    tokenizer: &Tokenizer,
) -> Result<Vec<Vec<f64>>> {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, ids) in rows.iter().enumerate() {
        let length = ids.len().next_power_of_two().max(SHORTEST);
        let length = length.min(tokenizer.sequence());
        by_length.entry(length).or_default().push(at);
    }
    let mut vectors = vec![Vec::new(); rows.len()];
    for (length, places) in by_length {
        let group: Vec<Vec<u32>> = places.iter().map(|at| rows[*at].clone()).collect();
        let emitted = emit(encoder, length)?;
        let (ids, mask) = padded(&group, length, tokenizer.pad())?;
        let results = emitted.run(&[ids, mask], group.len() as u32)?;
        for (at, result) in places.into_iter().zip(results) {
            vectors[at] = result.into_iter().map(f64::from).collect();
        }
    }
    Ok(vectors)
}
