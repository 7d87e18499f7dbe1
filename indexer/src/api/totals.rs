//! `/v1/totals`.

use {
    super::{ApiState, params::Params, reply::Answer},
    crate::view,
    axum::{extract::State, http::Uri},
    quern_api::TotalsPage,
};

/// Sums over everything.
pub(super) async fn totals(State(api): State<ApiState>, uri: Uri) -> Answer<TotalsPage> {
    Params::read(&uri, &[])?;
    let mut snapshot = api.store.read().await?;
    let rows = snapshot.totals().await?;
    let ledgers = snapshot.ledgers().await?;
    let page = view::totals(rows, &ledgers, snapshot.mints());
    Ok(api.reply(&snapshot, page))
}
