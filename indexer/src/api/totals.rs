//! `/v1/totals`.

use {
    super::{ApiError, ApiState, params::Params, reply::Answer},
    crate::{project::key, view},
    axum::{extract::State, http::Uri},
    quern_api::{TotalsPage, TotalsRequest},
};

/// Mints of one reply at most.
pub(super) const MAX_MINTS: usize = 16;

/// Sums over everything.
pub(super) async fn totals(State(api): State<ApiState>, uri: Uri) -> Answer<TotalsPage> {
    let params = Params::read(&uri, &TotalsRequest::PARAMS)?;
    let mint = params.address("mint")?;
    let mut snapshot = api.store.read().await?;
    let known = snapshot.mints().len();
    if mint.is_none() && known > MAX_MINTS {
        return Err(ApiError::bad_request(format!(
            "{known} mints are registered: say mint=ADDRESS, for amounts of different mints are never added"
        )));
    }
    let mut rows = snapshot.totals().await?;
    rows.retain(|(key, _)| mint.is_none_or(|mint| mint == key.mint));
    let mut ledgers = snapshot.ledgers().await?;
    ledgers.retain(|ledger| mint.is_none_or(|mint| mint == key(&ledger.config.mint)));
    let page = view::totals(rows, &ledgers, snapshot.mints());
    Ok(api.reply(&snapshot, page))
}
