//! Asking an indexer: one request, one answer within bounds, one sentence if it fails.

use {
    crate::error::{Error, Result},
    quern_api::Problem,
    quern_client::errors::cause,
    serde::de::DeserializeOwned,
    std::time::Duration,
};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// Longest wait for the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What an indexer answers; `what` names it in a sentence.
///
/// # Errors
/// `Indexer`: that it cannot be reached, refused, or answered something else.
pub async fn ask<T: DeserializeOwned>(
    indexer: &str,
    path: &str,
    query: &[(&'static str, String)],
    what: &str,
) -> Result<T> {
    let url = format!("{}{path}", indexer.trim_end_matches('/'));
    let failed = |why: String| {
        Error::Indexer(format!(
            "cannot ask the indexer at {url}: {why}; check --indexer and that it runs"
        ))
    };
    let unreachable = |error: reqwest::Error| failed(cause(&error));
    let client = reqwest::Client::builder()
        .timeout(ANSWER_TIMEOUT)
        .build()
        .map_err(unreachable)?;
    let mut response = client
        .get(&url)
        .query(query)
        .send()
        .await
        .map_err(unreachable)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(failed("it answered more than 16 MiB".to_owned()));
        }
        bytes.extend_from_slice(&piece);
    }
    if !status.is_success() {
        // A problem says what is wrong; anything else says only the status.
        let problem = serde_json::from_slice::<Problem>(&bytes);
        return Err(Error::Indexer(format!(
            "the indexer refused: {}",
            problem.map_or_else(|_| status.to_string(), |problem| problem.detail)
        )));
    }
    serde_json::from_slice(&bytes).map_err(|error| match error.is_data() {
        true => Error::Indexer(format!(
            "the indexer's answer holds no {what} ({error}); check --indexer and its version"
        )),
        false => failed("its answer is no JSON".to_owned()),
    })
}
