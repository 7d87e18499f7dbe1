//! `/v1/embeddings`: texts or tokens in, checked vectors out.

use {
    super::super::{
        app::App,
        ask,
        embedding::{EmbeddingRequest, list},
        error::ApiError,
        json,
        reply::Json,
    },
    crate::embedder::Answer,
    axum::{
        body::Body,
        extract::State,
        http::{HeaderMap, HeaderName, HeaderValue},
        response::{IntoResponse, Response},
    },
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
    let body = json::read(&headers, body, app.waits().body).await?;
    let request: EmbeddingRequest = json::parse(&body)?;
    let card = app.model(&request.model)?;
    let rows = request.rows(&card, app.embedder()).await?;
    let answer = ask::answer(&app, &headers, &body, &card, rows).await?;
    let list = list(
        answer.vectors.iter(),
        answer.tokens,
        &card.name,
        request.encoding_format.unwrap_or_default(),
    );
    Ok((evidence(&answer), Json(list)).into_response())
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
