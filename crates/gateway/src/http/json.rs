//! JSON bodies, read within limits, with a sentence that names the wrong field.

use {
    super::error::ApiError,
    axum::{
        body::{Body, Bytes},
        http::{HeaderMap, StatusCode, header},
    },
    serde::de::DeserializeOwned,
    std::time::Duration,
};

/// Most bytes of a JSON body: 2,048 long inputs fit.
pub const MAX_BODY_BYTES: usize = 4 << 20;
/// How JSON is called.
const MEDIA_TYPE: &str = "application/json";

/// The bytes of a JSON body, which comes within `wait`.
///
/// # Errors
/// If it is declared as anything else, is too large or takes too long.
pub async fn read(headers: &HeaderMap, body: Body, wait: Duration) -> Result<Bytes, ApiError> {
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|text| text.split(';').next());
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(MEDIA_TYPE)) {
        // A page of another site can send other types without asking first.
        return Err(ApiError::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body must be JSON: send the header content-type: application/json",
        ));
    }
    let bytes = axum::body::to_bytes(body, MAX_BODY_BYTES);
    match tokio::time::timeout(wait, bytes).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Both a limit and a broken connection end here; who broke off reads no answer.
        Ok(Err(_)) => Err(ApiError::too_large(format!(
            "the body is larger than {MAX_BODY_BYTES} bytes; send fewer inputs at a time, or use a batch"
        ))),
        Err(_) => Err(ApiError::refused(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            format!(
                "the body did not come within {} s; send it at once",
                wait.as_secs()
            ),
        )),
    }
}

/// What a JSON text says.
///
/// # Errors
/// A sentence that names the field.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| told(&error))?;
    match reader.end() {
        Ok(()) => Ok(value),
        Err(_) => Err(ApiError::invalid(
            "there is more than one JSON value in the body; send one object",
        )),
    }
}

/// What a JSON value says.
///
/// # Errors
/// A sentence that names the field.
pub fn parse_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| told(&error))
}

fn told(error: &serde_path_to_error::Error<serde_json::Error>) -> ApiError {
    let path = error.path().to_string();
    let why = error.inner().to_string();
    if error.inner().is_syntax() || error.inner().is_eof() {
        return ApiError::invalid(format!("the body is not valid JSON: {why}"));
    }
    // What is missing or unknown is named by the sentence alone.
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| why.strip_prefix(start)?.split('`').next());
    if let Some(name) = named {
        return ApiError::field(&shown(name), shown_sentence(&why));
    }
    let field = path.split(['.', '[']).next().unwrap_or_default();
    match field {
        "" | "?" => ApiError::invalid(format!("the body is not what it must be: {why}")),
        field => ApiError::field(
            &shown(field),
            format!("{}: {}", shown(&path), shown_sentence(&why)),
        ),
    }
}

/// Input as it may be repeated in a reply: short.
pub fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn shown_sentence(text: &str) -> String {
    text.chars().take(300).collect()
}
