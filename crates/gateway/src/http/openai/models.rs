//! `/v1/models`: what can be asked for, at which price, with which promise.

use {
    super::super::{app::App, error::ApiError, reply::Json},
    crate::embedder::ModelCard,
    axum::extract::{Path, State},
    quern_api::openai::{Model, Page, Price, QuernModel},
};

/// All models.
pub async fn list(State(app): State<App>) -> Json<Page<Model>> {
    let data: Vec<Model> = app.embedder().models().into_iter().map(model).collect();
    Json(super::list::whole(data, |model| &model.id))
}

/// One model.
pub async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Model>, ApiError> {
    app.model(&id).map(|card| Json(model(card)))
}

fn model(card: ModelCard) -> Model {
    Model {
        id: card.name,
        object: "model".to_owned(),
        created: card.created,
        owned_by: card.owner,
        quern: QuernModel {
            address: card.address,
            dimensions: card.dimensions,
            max_tokens: card.max_tokens,
            vocabulary: card.vocabulary,
            price: Price {
                row_atoms: card.row_price_atoms,
                least_job_atoms: card.least_price_atoms,
                mint: card.mint,
                decimals: card.decimals,
            },
            assurance: card.assurance,
            checked_share: card.checked_share,
            quality: card.quality,
        },
    }
}
