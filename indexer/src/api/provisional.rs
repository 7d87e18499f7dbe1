//! `/v1/provisional`: what the node has confirmed and not finalized.

use {
    super::{ApiState, ask::Ask, event_id, json::Json, reply::Answer},
    crate::{provisional::Look, view},
    axum::{
        extract::State,
        http::{HeaderValue, header},
        response::IntoResponse,
    },
    quern_api::{Finality, NoParams, ProvisionalPage, Reply},
};

/// Events that the node has confirmed and not finalized, the oldest first: a fork may still drop them.
///
/// They stand in no other reply, and in no sum. Each look replaces the one before; what was finalized and stored meanwhile is left out.
/// Where this indexer does not look (`--provisional-millis`), and after a look that failed, `confirmed_slot` is null.
#[utoipa::path(get, path = ProvisionalPage::PATH, responses((status = 200, body = Reply<ProvisionalPage>)))]
pub(super) async fn provisional(State(api): State<ApiState>, _: Ask<NoParams>) -> Answer {
    // Never "not modified": a look is no part of the store's version.
    let snapshot = api.store.read().await?;
    let as_of_slot = snapshot.cursor().map(|cursor| cursor.slot);
    let reply = Reply {
        as_of_slot,
        finality: Finality::Confirmed,
        lag_slots: api.lag_slots(as_of_slot),
        whole_history: snapshot.wholeness().is_whole(),
        body: page(&api.provisional.now(), as_of_slot),
    };
    let mut response = Json(reply).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A look without what is stored by now.
pub(super) fn page(look: &Look, stored: Option<u64>) -> ProvisionalPage {
    let is_above = |slot: u64| stored.is_none_or(|stored| slot > stored);
    let events = look.events.iter().filter(|event| is_above(event.slot));
    ProvisionalPage {
        confirmed_slot: look.slot,
        events: events
            .map(|event| view::event(event, event_id::write(&event.id)))
            .collect(),
        is_cut: look.is_cut,
    }
}
