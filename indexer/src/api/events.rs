//! `/v1/events`: everything that the program told, in the order in which it was stored.

use {
    super::{
        ApiState,
        ask::Ask,
        event_id,
        page::cut,
        reply::Answer,
        table::{Table, row},
    },
    crate::view,
    axum::extract::State,
    quern_api::{EventList, EventsRequest, Reply},
    serde_json::Value,
};

/// Events in the order in which they were stored; `/v1/stream` sends them as they come.
///
/// To follow, ask again with the `id` of the last event that you have. A transaction that a later look at the chain finds comes at
/// the end, whatever its slot. What of a known one is understood only after an upgrade (`dead_letters` of `/v1/status` goes down then) comes
/// where that transaction stands: to have it, read again from before it.
#[utoipa::path(get, path = EventList::PATH, params(EventsRequest), responses((status = 200, content((Reply<EventList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn events(State(api): State<ApiState>, ask: Ask<EventsRequest>) -> Answer {
    let limit = ask.params.limit()?;
    let mut snapshot = ask.snapshot(&api).await?;
    let after = match ask.params.text("after") {
        Some(text) => Some(event_id::recorded(text, &mut snapshot).await?),
        None => None,
    };
    let mut found = snapshot.events(after.as_ref(), limit + 1).await?;
    let next_cursor = cut(&mut found, limit).map(|event| event_id::write(&event.id));
    let events = found
        .iter()
        .map(|event| view::event(event, event_id::write(&event.id)));
    let list = EventList {
        events: events.collect(),
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, list))
}

impl Table for EventList {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        let rows = self.events.iter().map(|item| {
            let fields = Value::Object(item.fields.clone()).to_string();
            row!(item; id, event, at, slot, signature, instruction, inner, fields: fields)
        });
        rows.collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("after", self.next_cursor.as_deref()?))
    }
}
