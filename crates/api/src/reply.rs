//! What all replies share.

use {
    crate::{digits, key::Key, words::Finality},
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

/// A reply with the state that it was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reply<T> {
    /// Everything finalized up to this slot is in it; null before the first walk is whole.
    pub as_of_slot: Option<u64>,
    /// Finalized, for nothing else is stored; confirmed at `/v1/provisional` alone.
    pub finality: Finality,
    /// How far that is behind the node, if both are known.
    pub lag_slots: Option<u64>,
    /// False while changes are known to be missing, or are not understood: amounts and counts may be too small.
    pub whole_history: bool,
    /// The reply itself; its fields stand beside the ones above.
    #[serde(flatten)]
    pub body: T,
}

/// An amount that can be understood alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    /// How much.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub atoms: u128,
    /// Of which mint.
    pub mint: Key,
    /// Its decimals; null if its registration was not seen.
    pub decimals: Option<u8>,
}
