//! What all replies share.

use {
    super::{ApiError, ApiState, json::Json},
    crate::store::Snapshot,
    quern_api::{Finality, Reply},
};

/// What a handler answers.
pub(super) type Answer<T> = Result<Json<Reply<T>>, ApiError>;

impl ApiState {
    /// Wraps a body made from a snapshot.
    pub(super) fn reply<T>(&self, snapshot: &Snapshot, body: T) -> Json<Reply<T>> {
        let as_of_slot = snapshot.cursor().map(|cursor| cursor.slot);
        let tip_slot = self.health.now().tip_slot;
        let lag_slots = tip_slot
            .zip(as_of_slot)
            .map(|(tip, cursor)| tip.saturating_sub(cursor));
        Json(Reply {
            as_of_slot,
            finality: Finality::Finalized,
            lag_slots,
            whole_history: snapshot.wholeness().is_whole(),
            body,
        })
    }
}
