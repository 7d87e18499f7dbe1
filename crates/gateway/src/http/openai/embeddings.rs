//! `/v1/embeddings`: texts or tokens in, checked vectors out.

use {
    super::{
        super::{App, ask, error::ApiError, json, json::Json},
        input::{EmbeddingRequest, Encoding},
    },
    crate::embedder::Answer,
    axum::{
        body::Body,
        extract::State,
        http::{HeaderMap, HeaderName, HeaderValue},
        response::{IntoResponse, Response},
    },
    base64::{Engine as _, engine::general_purpose::STANDARD},
    quern_api::openai::{Embedding, EmbeddingList, Usage, Vector},
};

const JOB: HeaderName = HeaderName::from_static("quern-job");
const ASSURANCE: HeaderName = HeaderName::from_static("quern-assurance");
const CHECKED: HeaderName = HeaderName::from_static("quern-checked");

/// Answers once the answer was checked.
pub async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = json::read(&headers, body).await?;
    let request: EmbeddingRequest = json::parse(&body)?;
    let card = app.model(&request.model)?;
    let rows = request.rows(&card, app.embedder()).await?;
    let answer = ask::answer(&app, &headers, &body, &card, rows).await?;
    let list = list(
        &answer,
        &card.name,
        request.encoding_format.unwrap_or_default(),
    );
    Ok((evidence(&answer), Json(list)).into_response())
}

/// The answer in OpenAI's shape.
pub fn list(answer: &Answer, model: &str, encoding: Encoding) -> EmbeddingList {
    list_of(answer.vectors.iter(), answer.tokens, model, encoding)
}

/// Some vectors of an answer in OpenAI's shape.
pub fn list_of<'a>(
    vectors: impl Iterator<Item = &'a Vec<f32>>,
    tokens: u64,
    model: &str,
    encoding: Encoding,
) -> EmbeddingList {
    let embedding = |(index, vector): (usize, &Vec<f32>)| Embedding {
        object: "embedding".to_owned(),
        index,
        embedding: encoded(vector, encoding),
    };
    EmbeddingList {
        object: "list".to_owned(),
        data: vectors.enumerate().map(embedding).collect(),
        model: model.to_owned(),
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    }
}

fn encoded(vector: &[f32], encoding: Encoding) -> Vector {
    match encoding {
        Encoding::Float => Vector::Floats(vector.to_vec()),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            Vector::Base64(STANDARD.encode(bytes))
        }
    }
}

/// What vouches for an answer: its jobs, their assurance, and the share of their rows that was checked before it left.
fn evidence(answer: &Answer) -> HeaderMap {
    let mut jobs: Vec<&str> = answer.jobs.iter().map(|note| note.job.as_str()).collect();
    jobs.dedup();
    let mut assurances: Vec<&str> = answer
        .jobs
        .iter()
        .map(|note| note.assurance.as_str())
        .collect();
    assurances.sort_unstable();
    assurances.dedup();
    let mut headers = HeaderMap::new();
    for (name, text) in [
        (JOB, jobs.join(",")),
        (ASSURANCE, assurances.join(",")),
        (CHECKED, format!("{:.4}", answer.checked_share())),
    ] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    headers
}
