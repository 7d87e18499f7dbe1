//! `/v1/audit`.

use {
    super::{ApiState, ask::Ask, reply::Answer},
    crate::view,
    axum::extract::State,
    quern_api::{AuditPage, NoParams, Reply},
};

/// Whether the tables are what the chain holds: the last comparison of every account, vault, reservation and sum.
#[utoipa::path(get, path = AuditPage::PATH, responses((status = 200, body = Reply<AuditPage>)))]
pub(super) async fn audit(State(api): State<ApiState>, _: Ask<NoParams>) -> Answer {
    // Never "not modified": a comparison is no part of the store's version.
    let mut snapshot = api.store.read().await?;
    let page = view::audit(snapshot.audit().await?);
    Ok(api.reply(&snapshot, page))
}
