//! The lines of a batch's outputs.

use {
    super::{
        super::{embedding, error::ApiError, ids},
        chunk::{Chunk, Ready, Share},
        lines::Bad,
    },
    crate::embedder::Answer,
    quern_api::openai::{BatchOutput, BatchResponse, EmbeddingList, ErrorBody, LineError},
    serde::Serialize,
};

/// What is written for some lines.
#[derive(Default)]
pub struct Written {
    /// Lines of the output file.
    pub output: Vec<u8>,
    /// Lines of the errors file.
    pub errors: Vec<u8>,
    #[allow(missing_docs)]
    pub completed: u64,
    #[allow(missing_docs)]
    pub failed: u64,
    /// Tokens of the answered lines.
    pub tokens: u64,
}

/// Why lines have no answer, and how that is told.
pub enum Unanswered {
    /// As if each had been refused by itself.
    Refused(ApiError),
    /// They were not asked.
    NotAsked(LineError),
}

impl Written {
    /// The lines of a chunk with its answer.
    pub fn of(chunk: Chunk, outcome: Result<&Answer, &Unanswered>) -> Result<Self, ApiError> {
        let mut written = Self::default();
        let model = chunk.model.map(|card| card.name).unwrap_or_default();
        let mut next = 0;
        for Ready { custom_id, part } in chunk.lines {
            match (part, outcome) {
                (Err(bad), _) => written.refuse(custom_id, bad)?,
                (Ok(share), Ok(answer)) => {
                    let vectors = answer.vectors.get(next..next + share.rows);
                    let vectors =
                        vectors.ok_or_else(|| ApiError::internal("an answer lacks vectors"))?;
                    next += share.rows;
                    written.answer(custom_id, share, vectors, &model)?;
                }
                (Ok(_), Err(why)) => written.leave(custom_id, why)?,
            }
        }
        Ok(written)
    }

    /// A line that was never made ready.
    pub fn leave(&mut self, custom_id: Option<String>, why: &Unanswered) -> Result<(), ApiError> {
        let bad = match why {
            Unanswered::Refused(error) => Bad::Request(error.clone()),
            Unanswered::NotAsked(error) => Bad::Line(error.clone()),
        };
        self.refuse(custom_id, bad)
    }

    fn answer(
        &mut self,
        custom_id: Option<String>,
        share: Share,
        vectors: &[Vec<f32>],
        model: &str,
    ) -> Result<(), ApiError> {
        let list = embedding::list(vectors.iter(), share.tokens, model, share.encoding);
        let line: BatchOutput<EmbeddingList> = BatchOutput {
            id: ids::random("batch_req_"),
            custom_id,
            response: Some(BatchResponse {
                status_code: 200,
                request_id: ids::random("req_"),
                body: list,
            }),
            error: None,
        };
        self.completed += 1;
        self.tokens += share.tokens;
        append(&mut self.output, &line)
    }

    fn refuse(&mut self, custom_id: Option<String>, bad: Bad) -> Result<(), ApiError> {
        let (response, error) = match bad {
            Bad::Line(error) => (None, Some(error)),
            Bad::Request(error) => {
                let response = BatchResponse {
                    status_code: error.status().as_u16(),
                    request_id: ids::random("req_"),
                    body: ErrorBody {
                        error: error.detail().clone(),
                    },
                };
                (Some(response), None)
            }
        };
        let line: BatchOutput<ErrorBody> = BatchOutput {
            id: ids::random("batch_req_"),
            custom_id,
            response,
            error,
        };
        self.failed += 1;
        append(&mut self.errors, &line)
    }
}

fn append(text: &mut Vec<u8>, line: &impl Serialize) -> Result<(), ApiError> {
    serde_json::to_writer(&mut *text, line)
        .map_err(|error| ApiError::internal(format!("a line cannot be written: {error}")))?;
    text.push(b'\n');
    Ok(())
}
