//! A transformer on the stage: sixty-four sentences embedded by MiniLM, or where it was not fetched a tiny random transformer
//! that writes text. Both are refereed to the last cell.

use {
    anyhow::{Context, Result, ensure},
    quern_client::Pubkey,
    quern_data::{
        Fetcher,
        fetch::{ROOTS_FILE, beside},
    },
    quern_import::Tokenizer,
    quern_proof::{Tensor, commit::ItemTrace, file, graph::Graph, published},
    quern_testkit::net::{Cell, QUSD, Stage, Work},
    serde::Serialize,
    std::{fs, ops::Range, path::Path},
};

/// What is embedded, a sentence a line.
const SENTENCES: &str = include_str!("sentences.txt");
/// The random transformer.
const TINY: (&[u8], &[u8]) = (
    include_bytes!("../../models/tiny/tiny.qmodel"),
    include_bytes!("../../models/tiny/weights.bin"),
);
/// Its number among the creator's models.
const MODEL_ID: u64 = 3;
/// Items that the client computes again, spread over all.
const RECOMPUTED: usize = 4;
/// Pairs that are shown.
const SHOWN: usize = 6;
/// What a Gwork costs at least on this stage.
const GWORK_ATOMS: u64 = QUSD / 10;

/// A transformer with its weights.
pub struct Transformer {
    graph: Vec<u8>,
    weights: Vec<Tensor>,
    /// Of an encoder; without one it writes text.
    tokenizer: Option<Tokenizer>,
    /// Its address.
    pub model: Pubkey,
}

/// A sentence and the one that is nearest to it.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// The sentence.
    pub sentence: String,
    /// Its nearest.
    pub nearest: String,
    /// The cosine between them.
    pub cosine: f64,
}

/// What became of the sentences.
#[derive(Clone, Debug, Serialize)]
pub struct Embedded {
    /// What they were embedded with, or what was done instead.
    pub what: String,
    /// Items of the job.
    pub items: u32,
    /// Items that the client computed again.
    pub recomputed: usize,
    /// The nearest pairs.
    pub nearest: Vec<Pair>,
}

impl Transformer {
    /// The encoder in a folder of `quern model import`, or the tiny one; registered with the creator.
    ///
    /// # Errors
    /// A folder that is none, or that it cannot be registered.
    pub async fn on(stage: &Stage, folder: Option<&Path>) -> Result<Self> {
        let mut transformer = match folder {
            Some(folder) => Self::encoder(folder)?,
            None => Self {
                graph: TINY.0.to_vec(),
                weights: file::decode_bundle(TINY.1)?,
                tokenizer: None,
                model: Pubkey::default(),
            },
        };
        let name = transformer.name();
        let (graph, weights) = (&transformer.graph, &transformer.weights);
        transformer.model = stage
            .register_model((MODEL_ID, name), graph, weights)
            .await?;
        let graph = Graph::load(&transformer.graph)?;
        let bytes: usize = transformer.weights.iter().map(|one| one.data().len()).sum();
        stage.names.say(format!(
            "creator: {name} is sealed on chain, {} ops, {} weights of {} kB, royalty 3 %",
            graph.op_count(),
            graph.weight_count(),
            bytes / 1_000
        ));
        Ok(transformer)
    }

    fn encoder(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).with_context(|| {
                format!(
                    "cannot read {}; name a folder of `quern model import`",
                    path.display()
                )
            })
        };
        let graph = read("graph.qmodel")?;
        let sequence = Graph::load(&graph)?
            .input(0)
            .map_err(quern_proof::Error::from)?;
        Ok(Self {
            tokenizer: Some(Tokenizer::new(
                &read("tokenizer.json")?,
                sequence.cols as usize,
            )?),
            weights: file::decode_bundle(&read("weights.bin")?)?,
            graph,
            model: Pubkey::default(),
        })
    }

    const fn name(&self) -> &'static str {
        match self.tokenizer {
            Some(_) => "all-MiniLM-L6-v2",
            None => "a tiny random transformer",
        }
    }

    /// How many items a job on everything has.
    pub fn count(&self) -> usize {
        match self.tokenizer {
            Some(_) => SENTENCES.lines().count(),
            None => 8,
        }
    }

    /// The work of a job on some of the sentences, or on as many prompts.
    ///
    /// # Errors
    /// That they cannot be tokenized.
    pub fn work(&self, range: Range<usize>) -> Result<Work> {
        let items = u32::try_from(range.len())?;
        let Some(tokenizer) = &self.tokenizer else {
            return Work::text(self.graph.clone(), self.weights.clone(), prompts(range)?);
        };
        let texts: Vec<&str> = SENTENCES.lines().collect();
        let texts = texts
            .get(range)
            .context("there are not so many sentences")?;
        let tokenized = tokenizer.tokenize(texts)?;
        Ok(Work {
            graph: self.graph.clone(),
            items,
            inputs: vec![tokenized.ids, tokenized.mask],
            weights: self.weights.clone(),
        })
    }

    /// The last but one op of this name, which stands within a layer, and a cell in the middle of what it makes of an item.
    ///
    /// # Errors
    /// That the graph has no such op.
    pub fn cell_of(&self, name: &str, work: &Work, item: u32) -> Result<(Cell, i32)> {
        let graph = Graph::load(&self.graph)?;
        let mut found = Vec::new();
        for index in 0..graph.op_count() as u16 {
            let op = graph.op(index.into()).map_err(quern_proof::Error::from)?;
            if op.name() == name {
                found.push(index);
            }
        }
        let op = found.iter().rev().nth(1).or(found.first());
        let op = *op.with_context(|| format!("the graph has no {name}"))?;
        let outputs = work.item(item)?;
        let output = outputs
            .get(usize::from(op))
            .context("an op has no result")?;
        let row = output.rows() / 3;
        // A share that is not nothing, and not all.
        let middle = |col: &u32| matches!(output.value(row, *col), Some(value) if value.abs() > 1);
        let col = (0..output.cols()).find(middle).unwrap_or(output.cols() / 2);
        let value = output.value(row, col).context("an op has no such cell")?;
        let cell = Cell { op, item, row, col };
        Ok((cell, value - value.signum().max(1)))
    }

    /// A price above the least for this work.
    ///
    /// # Errors
    /// A graph that could not have been sealed.
    pub fn price_atoms(work: &Work, extra_atoms: u64) -> Result<u64> {
        let gwork = work.units()?.div_ceil(1_000_000_000);
        Ok(QUSD + gwork * GWORK_ATOMS + extra_atoms)
    }

    /// Checks a published result as its client, and looks for the nearest sentences.
    ///
    /// # Errors
    /// What does not lead to the commitment, or is not what the client computes.
    pub async fn judge(
        &self,
        fetcher: &Fetcher,
        work: &Work,
        (root, uri): (&[u8; 32], &str),
    ) -> Result<Embedded> {
        let graph = Graph::load(&self.graph)?;
        let result = fetcher
            .fetch(uri, published::result_len(&graph, work.items))
            .await?;
        let roots = beside(uri, ROOTS_FILE)?;
        let roots = fetcher
            .fetch(&roots, published::roots_len(&graph, work.items))
            .await?;
        let published = published::check(&graph, work.items, root, result, &roots)?;
        let step = (work.items as usize / RECOMPUTED).max(1);
        let mut recomputed = 0;
        for item in (0..work.items).step_by(step) {
            let own = ItemTrace::new(work.item(item)?)?.root();
            let claimed = published.tree.item_roots().get(item as usize);
            ensure!(
                claimed == Some(&own),
                "item {item} is not what the client computes"
            );
            recomputed += 1;
        }
        Ok(Embedded {
            what: self.name().to_owned(),
            items: work.items,
            recomputed,
            nearest: match self.tokenizer {
                Some(_) => nearest(&published.result),
                None => Vec::new(),
            },
        })
    }
}

/// Prompts of three tokens each, different ones.
fn prompts(range: Range<usize>) -> Result<Tensor> {
    let graph = Graph::load(TINY.0)?;
    let shape = graph.input(0).map_err(quern_proof::Error::from)?;
    let mut all = Vec::new();
    for item in range.clone() {
        let given = [item, item * 7 + 3, item * 5 + 1].map(|token| (token % 64) as i32);
        all.extend(given);
        all.extend(vec![-1; shape.cols as usize - given.len()]);
    }
    Ok(Tensor::from_i32(
        u32::try_from(range.len())?,
        shape.cols,
        &all,
    )?)
}

/// The pairs of sentences whose vectors are nearest, each sentence once.
fn nearest(vectors: &Tensor) -> Vec<Pair> {
    let rows: Vec<Vec<f64>> = vectors
        .values()
        .chunks(vectors.cols() as usize)
        .map(|row| row.iter().map(|value| f64::from(*value)).collect())
        .collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut pairs = Vec::new();
    for (at, a) in rows.iter().enumerate() {
        for (other, b) in rows.iter().enumerate().skip(at + 1) {
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            pairs.push((cosine, at, other));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let sentences: Vec<&str> = SENTENCES.lines().collect();
    let sentence = |at: usize| sentences.get(at).copied().unwrap_or_default().to_owned();
    let (mut shown, mut used) = (Vec::new(), Vec::new());
    for (cosine, at, other) in pairs {
        if shown.len() < SHOWN && !used.contains(&at) && !used.contains(&other) {
            used.extend([at, other]);
            shown.push(Pair {
                sentence: sentence(at),
                nearest: sentence(other),
                cosine: (cosine * 1e3).round() / 1e3,
            });
        }
    }
    shown
}
