//! Pages of the events that concern a party, with cursors: the time and the name of the last event.

use {
    super::{
        ApiError, event_id,
        jobs::cut,
        params::{Params, bad_cursor},
    },
    crate::{
        project::{Concern, Event, EventId},
        store::{PartyQuery, Snapshot},
    },
    quern_api::Key,
};

/// Which page.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartyPage {
    pub(super) party: Key,
    pub(super) concern: Concern,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) after: Option<(i64, EventId)>,
    pub(super) newest_first: bool,
    pub(super) limit: u32,
}

impl PartyPage {
    /// The first page, over all time.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            party: Key::NONE,
            concern: Concern::Money,
            from: i64::MIN,
            to: i64::MAX,
            after: None,
            newest_first: false,
            limit,
        }
    }

    /// Its events, and where the next page begins.
    pub(super) async fn read(
        &self,
        snapshot: &mut Snapshot,
    ) -> Result<(Vec<Event>, Option<String>), ApiError> {
        if let Some((_, id)) = &self.after
            && !snapshot.is_recorded(id).await?
        {
            return Err(bad_cursor());
        }
        let query = PartyQuery {
            party: self.party,
            concern: self.concern,
            from: self.from,
            to: self.to,
            after: self.after,
            newest_first: self.newest_first,
            // One more than is shown tells whether there is another page.
            limit: self.limit.saturating_add(1),
        };
        let mut events = snapshot.party_events(&query).await?;
        let next = cut(&mut events, self.limit).map(write_party_end);
        Ok((events, next))
    }
}

/// Where a page ends, for a cursor.
fn write_party_end(last: &Event) -> String {
    format!("{}.{}", last.body.at(), event_id::write(&last.id))
}

/// Reads such a cursor.
pub(super) fn read_party_end(
    params: &Params,
    name: &str,
) -> Result<Option<(i64, EventId)>, ApiError> {
    let Some(text) = params.text(name) else {
        return Ok(None);
    };
    let read = || {
        let (at, id) = text.split_once('.')?;
        Some((at.parse().ok()?, event_id::read(id)?))
    };
    read().map(Some).ok_or_else(bad_cursor)
}
