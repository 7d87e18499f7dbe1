//! `/v1/purses/{address}`.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Place},
        reply::Answer,
    },
    crate::view,
    axum::extract::State,
    quern_api::{Key, NoParams, PursePage, Reply},
};

/// A purse by its address (not by its owner's).
#[utoipa::path(get, path = "/v1/purses/{address}", params(("address" = Key, Path, description = "The purse's account")), responses((status = 200, body = Reply<PursePage>)))]
pub(super) async fn purse(State(api): State<ApiState>, place: Place, ask: Ask<NoParams>) -> Answer {
    let address = place.address()?;
    let mut snapshot = ask.snapshot(&api).await?;
    let found = snapshot.purse(&address).await?;
    let page = found
        .and_then(|entity| view::purse(&entity, snapshot.mints()))
        .ok_or_else(|| {
            ApiError::not_found(format!("no finalized purse has the address {address}"))
        })?;
    Ok(api.reply(&snapshot, page))
}
