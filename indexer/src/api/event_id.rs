//! Where an event stands, as a cursor: `signature.instruction.inner`. Streams and lists resume behind it.

use {
    super::{ApiError, params::bad_cursor},
    crate::{project::EventId, store::Snapshot},
    quern_api::Signature,
};

/// An event's name in cursors.
pub(super) fn write(id: &EventId) -> String {
    format!("{}.{}.{}", id.signature, id.instruction, id.inner)
}

/// Reads such a name.
pub(super) fn read(text: &str) -> Option<EventId> {
    let mut parts = text.split('.');
    let id = EventId {
        signature: Signature::parse(parts.next()?)?,
        instruction: parts.next()?.parse().ok()?,
        inner: parts.next()?.parse().ok()?,
    };
    (parts.next().is_none() && write(&id) == text).then_some(id)
}

/// Reads such a name of an event that is in the store.
pub(super) async fn recorded(text: &str, snapshot: &mut Snapshot) -> Result<EventId, ApiError> {
    let id = read(text).ok_or_else(bad_cursor)?;
    match snapshot.is_recorded(&id).await? {
        true => Ok(id),
        false => Err(bad_cursor()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_is_written_is_read() {
        let id = EventId {
            signature: Signature([7; 64]),
            instruction: u32::MAX,
            inner: 0,
        };
        let text = write(&id);
        assert_eq!(read(&text), Some(id));
        for wrong in [
            "",
            "..",
            &format!("{text}."),
            &format!("{text}.1"),
            &text.replace(".0", ".00"),
            "1.0.0",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
