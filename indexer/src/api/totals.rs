//! `/v1/totals`.

use {
    super::{ApiError, ApiState, ask::Ask, reply::Answer},
    crate::{project::key, view},
    axum::extract::State,
    quern_api::{Reply, TotalsPage, TotalsRequest},
};

/// Mints of one reply at most.
pub(super) const MAX_MINTS: usize = 16;

/// Sums over everything, to be compared with the chain.
#[utoipa::path(get, path = TotalsPage::PATH, params(TotalsRequest), responses((status = 200, body = Reply<TotalsPage>)))]
pub(super) async fn totals(State(api): State<ApiState>, ask: Ask<TotalsRequest>) -> Answer {
    let mint = ask.params.address("mint")?;
    let mut snapshot = ask.snapshot(&api).await?;
    let known = snapshot.mints().len();
    if mint.is_none() && known > MAX_MINTS {
        return Err(ApiError::bad_request(format!(
            "{known} mints are registered: say mint=ADDRESS, for amounts of different mints are never added"
        )));
    }
    let mut rows = snapshot.totals().await?;
    rows.retain(|(key, _)| mint.is_none_or(|mint| mint == key.mint));
    let mut ledgers = snapshot.known_ledgers().await?;
    ledgers.retain(|ledger| mint.is_none_or(|mint| mint == key(&ledger.config.mint)));
    let page = view::totals(rows, &ledgers, snapshot.mints());
    Ok(api.reply(&snapshot, page))
}
