//! `/v1/audit`.

use {
    super::{ApiState, params::Params, reply::Answer},
    crate::view,
    axum::{extract::State, http::Uri},
    quern_api::AuditPage,
};

/// What the last comparison with the chain found.
pub(super) async fn audit(State(api): State<ApiState>, uri: Uri) -> Answer<AuditPage> {
    Params::read(&uri, &[])?;
    let mut snapshot = api.store.read().await?;
    let page = view::audit(snapshot.audit().await?);
    Ok(api.reply(&snapshot, page))
}
