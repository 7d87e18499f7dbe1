//! What all replies share.

use {
    super::ApiState,
    crate::{
        key::Key,
        project::program::Assurance,
        store::{Mint, Snapshot},
    },
    axum::Json,
    serde::Serialize,
};

/// A reply with the state that it was read from.
#[derive(Serialize)]
pub(super) struct Reply<T> {
    /// Everything finalized up to this slot is in it; null before the first walk is whole.
    as_of_slot: Option<u64>,
    /// Always `finalized`: nothing else is stored.
    finality: &'static str,
    /// How far that is behind the node, if both are known.
    lag_slots: Option<u64>,
    #[serde(flatten)]
    body: T,
}

impl ApiState {
    /// Wraps a body made from a snapshot.
    pub(super) fn reply<S, T: Serialize>(&self, snapshot: &Snapshot<S>, body: T) -> Json<Reply<T>> {
        let as_of_slot = snapshot.cursor.map(|cursor| cursor.slot);
        let tip_slot = self.health.now().tip_slot;
        let lag_slots = tip_slot
            .zip(as_of_slot)
            .map(|(tip, cursor)| tip.saturating_sub(cursor));
        Json(Reply {
            as_of_slot,
            finality: "finalized",
            lag_slots,
            body,
        })
    }
}

/// An amount that can be understood alone.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Amount {
    /// How much, in decimal digits.
    pub(super) atoms: String,
    /// Of which mint.
    pub(super) mint: Key,
    /// Its decimals; null if its registration was not seen.
    pub(super) decimals: Option<u8>,
}

impl Amount {
    pub(super) fn new(atoms: impl Into<u128>, mint: Key, mints: &[Mint]) -> Self {
        Self {
            atoms: atoms.into().to_string(),
            mint,
            decimals: decimals(mint, mints),
        }
    }
}

/// The decimals of a mint.
pub(super) fn decimals(mint: Key, mints: &[Mint]) -> Option<u8> {
    mints
        .iter()
        .find(|known| known.mint == mint)
        .map(|known| known.decimals)
}

/// The name of an assurance level.
pub(super) fn assurance_name(code: u8) -> &'static str {
    match Assurance::from_code(code) {
        Some(Assurance::Refereed) => "refereed",
        Some(Assurance::Reviewed) => "accepted",
        None => "unknown",
    }
}

/// The level with this name.
pub(super) fn assurance_code(name: &str) -> Option<u8> {
    match name {
        "refereed" => Some(Assurance::Refereed as u8),
        "accepted" => Some(Assurance::Reviewed as u8),
        _ => None,
    }
}
