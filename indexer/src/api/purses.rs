//! `/v1/purses/{address}`.

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
    quern_api::PursePage,
};

/// A purse by its address.
pub(super) async fn purse(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer<PursePage> {
    Params::read(&uri, &[])?;
    let address = path_address(path)?;
    let mut snapshot = api.store.read().await?;
    let found = snapshot.purse(&address).await?;
    let page = found
        .and_then(|entity| view::purse(&entity, snapshot.mints()))
        .ok_or_else(|| {
            ApiError::not_found(format!("no finalized purse has the address {address}"))
        })?;
    Ok(api.reply(&snapshot, page))
}
