//! Asking the gateway's engine so that a request is paid once, however often its application repeats it.
//!
//! An application names a request with `Idempotency-Key`. OpenAI's libraries name none and repeat what failed or took too
//! long: they count repetitions in a header, and a repetition of the same body means the request that was made before.

use {
    super::{app::App, error::ApiError, ids},
    crate::{
        embedder::{Answer, ModelCard, Request, TokenRow},
        order::OrderId,
        refusal::Refusal,
    },
    axum::http::HeaderMap,
    sha2::{Digest, Sha256},
};

const KEY: &str = "idempotency-key";
const RETRIES: &str = "x-stainless-retry-count";
/// Longest key.
const MAX_KEY_BYTES: usize = 255;

/// Waits for the answer to a request, which may be one that is kept already.
///
/// # Errors
/// Why there is none.
pub async fn answer(
    app: &App,
    headers: &HeaderMap,
    body: &[u8],
    card: &ModelCard,
    rows: Vec<TokenRow>,
) -> Result<Answer, ApiError> {
    let body_sha256 = body_hash("embeddings", body);
    let request = Request {
        id: order_id(app, headers, &body_sha256)?,
        body_sha256,
        model: card.name.clone(),
        rows,
        is_batch: false,
        most_atoms: None,
    };
    match app.embedder().embed(request, app.patience()).await {
        Err(Refusal::KeyReused { .. }) => Err(key_reused()),
        outcome => Ok(outcome?),
    }
}

/// SHA-256 of what was asked of a route.
pub fn body_hash(route: &str, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(route.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}

/// The hash of the key that a request bears, if it bears one.
///
/// # Errors
/// If there are several, or it is too long or empty.
pub fn key_hash(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all(KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() || key.is_empty() || key.len() > MAX_KEY_BYTES {
        return Err(ApiError::invalid(format!(
            "send one Idempotency-Key of 1 to {MAX_KEY_BYTES} bytes"
        )));
    }
    Ok(Some(hex::encode(&Sha256::digest(key.as_bytes())[..16])))
}

/// Whether a library says that it repeats itself.
pub fn is_repeated(headers: &HeaderMap) -> bool {
    let count = headers.get(RETRIES).and_then(|value| value.to_str().ok());
    count
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|count| count > 0)
}

/// The key of another request.
pub fn key_reused() -> ApiError {
    ApiError::conflict(
        "idempotency_key_reused",
        "this Idempotency-Key belongs to another request; use a new one for a new request",
    )
}

fn order_id(app: &App, headers: &HeaderMap, body_sha256: &[u8; 32]) -> Result<OrderId, ApiError> {
    let name = match key_hash(headers)? {
        Some(key) => format!("key-{key}"),
        None => {
            let kept = is_repeated(headers).then(|| app.embedder().find(body_sha256));
            if let Some(id) = kept.flatten() {
                return Ok(id);
            }
            ids::random("emb-")
        }
    };
    OrderId::new(name).ok_or_else(|| ApiError::internal("a request cannot be named"))
}
