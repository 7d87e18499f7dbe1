//! Which model a name means.

use {
    super::{error::ApiError, json::shown},
    crate::embedder::{Embedder, ModelCard},
};

/// The model of a name or an address.
pub fn find_model(embedder: &dyn Embedder, name: &str) -> Result<ModelCard, ApiError> {
    let mut models = embedder.models().into_iter();
    models
        .find(|card| card.name == name || card.address == name)
        .ok_or_else(|| {
            let name = shown(name);
            ApiError::not_found(
                "model_not_found",
                format!("the model `{name}` does not exist here; /v1/models lists those that do"),
            )
            .param("model")
        })
}
