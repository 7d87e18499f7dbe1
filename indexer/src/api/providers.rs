//! `/v1/providers/{address}`.

use {
    super::{
        ApiError, ApiState,
        params::{Params, path_address},
        reply::Answer,
    },
    crate::view,
    axum::{
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    quern_api::ProviderPage,
};

/// A provider by its owner or its account.
pub(super) async fn provider(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer<ProviderPage> {
    Params::read(&uri, &[])?;
    let address = path_address(path)?;
    let mut snapshot = api.store.read().await?;
    let found = snapshot.provider(&address).await?;
    let page = found
        .and_then(|record| view::provider(&record, snapshot.mints()))
        .ok_or_else(|| {
            ApiError::not_found(format!(
                "no finalized provider has {address} as its owner or its account"
            ))
        })?;
    Ok(api.reply(&snapshot, page))
}
