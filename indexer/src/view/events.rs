//! Events as they are listed and streamed.

use {super::describe, crate::project::Event, quern_api::EventItem};

/// An event with the name that lists go on from.
pub fn event(event: &Event, id: String) -> EventItem {
    EventItem {
        id,
        event: event.body.name().to_owned(),
        at: event.body.at(),
        slot: event.slot,
        signature: event.id.signature,
        instruction: event.id.instruction,
        inner: event.id.inner,
        fields: describe(&event.body),
    }
}
