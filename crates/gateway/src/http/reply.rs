//! Replies in JSON.

use {
    axum::{
        http::{StatusCode, header},
        response::{IntoResponse, Response},
    },
    serde::Serialize,
};

/// How JSON is called.
const MEDIA_TYPE: &str = "application/json";

/// A reply.
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "a reply cannot be written");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
