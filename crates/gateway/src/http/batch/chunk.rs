//! A chunk of a batch: some lines, as one request to the engine.

use {
    super::{
        super::{
            catalog::find_model,
            embedding::{EmbeddingRequest, Encoding},
            error::ApiError,
        },
        lines::{Asked, Bad, Lines, read},
    },
    crate::{
        embedder::{Embedder, ModelCard, TokenRow},
        order::OrderId,
    },
    quern_api::openai::LineError,
    sha2::{Digest, Sha256},
    std::{collections::HashSet, io, path::Path},
};

/// Most lines of a chunk. A job's fees do not grow with its rows, and what is counted as done grows by chunks.
const CHUNK_LINES: usize = 4096;
/// Rows from which on a chunk gets no further line.
const CHUNK_ROWS: usize = 4096;
/// Bytes of lines from which on a chunk gets no further one.
const CHUNK_BYTES: usize = 16 << 20;

/// Most bytes of a number of a vector as text, with its comma.
const NUMBER_BYTES: u64 = 16;
/// Bytes of an answered row beside its numbers.
const ROW_BYTES: u64 = 128;
/// Bytes of a line of an output beside its rows: the application's name for it, and a sentence.
const OUTPUT_LINE_BYTES: u64 = 4096;

/// Lines that were read, and where the next ones begin.
pub struct Read {
    /// Which line was the first, from 1: with the batch it names the chunk.
    pub first: u64,
    /// What they ask for.
    pub asked: Vec<Asked>,
    /// Bytes before the next line.
    pub at: u64,
    /// Lines before the next one.
    pub line: u64,
}

/// Reads chunks, and refuses names that were used before.
pub struct Reader {
    lines: Lines,
    names: HashSet<[u8; 16]>,
}

impl Reader {
    /// Opens an input and passes the lines that were done.
    pub fn open(path: &Path, done: u64) -> io::Result<Self> {
        let mut lines = Lines::open(path, 0, 0)?;
        let mut names = HashSet::new();
        while lines.at < done {
            match lines.next()? {
                Some(line) => names.extend(read(&line).custom_id.as_deref().map(hashed)),
                None => break,
            }
        }
        Ok(Self { lines, names })
    }

    /// The next lines; None at the end.
    pub fn next(&mut self) -> io::Result<Option<Read>> {
        let first = self.lines.line + 1;
        let (mut asked, mut rows, mut bytes) = (Vec::new(), 0, 0);
        while asked.len() < CHUNK_LINES && rows < CHUNK_ROWS && bytes < CHUNK_BYTES {
            let Some(line) = self.lines.next()? else {
                break;
            };
            bytes += line.text.as_ref().map_or(0, Vec::len);
            let mut one = read(&line);
            if let Some(name) = &one.custom_id
                && !self.names.insert(hashed(name))
            {
                let error = LineError {
                    code: "duplicate_custom_id".to_owned(),
                    message: format!("line {}: the custom_id was used before", line.number),
                };
                one.request = Err(Bad::Line(error));
            }
            rows += one
                .request
                .as_ref()
                .map_or(0, |request| request.input.len());
            asked.push(one);
        }
        Ok((!asked.is_empty()).then_some(Read {
            first,
            asked,
            at: self.lines.at,
            line: self.lines.line,
        }))
    }
}

fn hashed(name: &str) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

/// Lines that were made ready.
pub struct Chunk {
    /// The engine's name for it.
    pub id: OrderId,
    /// SHA-256 of what it asks for.
    pub sha256: [u8; 32],
    /// The model, once a line named one.
    pub model: Option<ModelCard>,
    /// The lines in order.
    pub lines: Vec<Ready>,
    /// The rows of all good lines, in order.
    pub rows: Vec<TokenRow>,
    /// Bytes before the next line.
    pub at: u64,
    /// Lines before the next one.
    pub line: u64,
}

impl Chunk {
    /// How many bytes its lines may take in the outputs.
    pub fn most_bytes(&self) -> u64 {
        let dimensions = self.model.as_ref().map_or(0, |model| model.dimensions);
        let row = ROW_BYTES + NUMBER_BYTES * dimensions as u64;
        self.lines.len() as u64 * OUTPUT_LINE_BYTES + self.rows.len() as u64 * row
    }
}

/// A line with its rows counted.
pub struct Ready {
    #[allow(missing_docs)]
    pub custom_id: Option<String>,
    /// Its part of the chunk, or why it has none.
    pub part: Result<Share, Bad>,
}

/// A line's part of a chunk.
#[derive(Clone, Copy)]
pub struct Share {
    #[allow(missing_docs)]
    pub rows: usize,
    #[allow(missing_docs)]
    pub tokens: u64,
    #[allow(missing_docs)]
    pub encoding: Encoding,
}

/// Makes lines ready. The first model that a batch names is that of the whole batch.
pub async fn prepare(
    batch: &str,
    read: Read,
    mut model: Option<ModelCard>,
    embedder: &dyn Embedder,
) -> Result<Chunk, ApiError> {
    let mut lines = Vec::with_capacity(read.asked.len());
    let mut rows = Vec::new();
    let mut hash = Sha256::new();
    for Asked { custom_id, request } in read.asked {
        let part = match request {
            Err(bad) => Err(bad),
            Ok(request) => match rows_of(&request, &mut model, embedder).await {
                Err(error) if error.status().is_server_error() => return Err(error),
                Err(error) => Err(Bad::Request(error)),
                Ok(mut own) => {
                    let tokens = own.iter().map(|row| row.ids.len() as u64).sum();
                    own.iter().for_each(|row| absorb(&mut hash, row));
                    let share = Share {
                        rows: own.len(),
                        tokens,
                        encoding: request.encoding_format.unwrap_or_default(),
                    };
                    rows.append(&mut own);
                    Ok(share)
                }
            },
        };
        lines.push(Ready { custom_id, part });
    }
    let id = OrderId::new(format!("{batch}-{}", read.first))
        .ok_or_else(|| ApiError::internal("a chunk cannot be named"))?;
    Ok(Chunk {
        id,
        sha256: hash.finalize().into(),
        model,
        lines,
        rows,
        at: read.at,
        line: read.line,
    })
}

fn absorb(hash: &mut Sha256, row: &TokenRow) {
    hash.update((row.ids.len() as u64).to_le_bytes());
    row.ids.iter().for_each(|id| hash.update(id.to_le_bytes()));
}

async fn rows_of(
    request: &EmbeddingRequest,
    model: &mut Option<ModelCard>,
    embedder: &dyn Embedder,
) -> Result<Vec<TokenRow>, ApiError> {
    let card = match model {
        Some(card) if request.model == card.name || request.model == card.address => card,
        Some(card) => {
            let message = format!(
                "the batch is for `{}`, the first model that it names; send another batch for another model",
                card.name
            );
            return Err(ApiError::field("model", message).code("mismatched_model"));
        }
        None => model.insert(find_model(embedder, &request.model)?),
    };
    request.rows(card, embedder).await
}
