//! What all replies share: the state that they were read from, its version, and the form that the client takes.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Format},
        json::{Json, write},
        table::{self, Table},
    },
    crate::store::Snapshot,
    axum::{
        http::{HeaderMap, HeaderName, HeaderValue, header},
        response::{IntoResponse, Response},
    },
    quern_api::{Finality, Reply},
    serde::Serialize,
};

/// What a handler answers.
pub(super) type Answer = Result<Response, ApiError>;

/// As of which slot a table is.
pub(super) const AS_OF_SLOT: HeaderName = HeaderName::from_static("quern-as-of-slot");
/// Whether nothing is known to be missing in a table.
pub(super) const WHOLE_HISTORY: HeaderName = HeaderName::from_static("quern-whole-history");

/// What JSON says around its body, for a table: headers. The slot is left out before the first walk.
pub(super) fn state_of(snapshot: &Snapshot) -> HeaderMap {
    let slot = snapshot
        .cursor()
        .map(|cursor| (AS_OF_SLOT, cursor.slot.into()));
    let is_whole = match snapshot.wholeness().is_whole() {
        true => HeaderValue::from_static("true"),
        false => HeaderValue::from_static("false"),
    };
    slot.into_iter()
        .chain([(WHOLE_HISTORY, is_whole)])
        .collect()
}

impl ApiState {
    /// Wraps a body made from a snapshot.
    pub(super) fn reply<T: Serialize>(&self, snapshot: &Snapshot, body: T) -> Response {
        let as_of_slot = snapshot.cursor().map(|cursor| cursor.slot);
        let reply = Reply {
            as_of_slot,
            finality: Finality::Finalized,
            lag_slots: self.lag_slots(as_of_slot),
            whole_history: snapshot.wholeness().is_whole(),
            body,
        };
        versioned(snapshot, Json(reply).into_response())
    }

    /// How far a slot is behind the node, if both are known.
    pub(super) fn lag_slots(&self, as_of_slot: Option<u64>) -> Option<u64> {
        let tip_slot = self.health.now().tip_slot;
        let both = tip_slot.zip(as_of_slot);
        both.map(|(tip, cursor)| tip.saturating_sub(cursor))
    }

    /// The same for a list, as CSV if the client prefers it. A link leads on where there is more.
    pub(super) fn list<R, T: Serialize + Table>(
        &self,
        ask: &Ask<R>,
        snapshot: &Snapshot,
        body: T,
    ) -> Response {
        let next = body.next().map(|(name, cursor)| {
            let link = ask.params.link(&ask.path, name, cursor);
            format!("<{link}>; rel=\"next\"")
        });
        let mut response = match ask.format {
            Format::Json => self.reply(snapshot, body),
            Format::Csv => {
                let table = (state_of(snapshot), table::response(&body));
                versioned(snapshot, table.into_response())
            }
        };
        if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
            response.headers_mut().insert(header::LINK, next);
        }
        response
    }
}

/// Names the version of the state that the reply was made from. Caches ask each time whether it is still the same.
fn versioned(snapshot: &Snapshot, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(snapshot.version()) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// The JSON of an event of a stream.
pub(super) fn text(value: &impl Serialize) -> Option<String> {
    String::from_utf8(write(value).ok()?).ok()
}
