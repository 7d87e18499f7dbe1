//! How a change of an account is told to followers (invariant P6).

use {
    crate::codes::{codes, known},
    anchor_lang::prelude::*,
};

codes! {
    /// Account types as events name them.
    pub enum EntityKind: "kind of account" {
        /// [`crate::state::Protocol`]
        Protocol = 1 "protocol",
        /// [`crate::state::MintConfig`]
        MintConfig = 2 "mint_config",
        /// [`crate::state::Emission`]
        Emission = 3 "emission",
        /// [`crate::state::Provider`]
        Provider = 4 "provider",
        /// [`crate::state::Purse`]
        Purse = 5 "purse",
        /// [`crate::state::Model`]
        Model = 6 "model",
        /// [`crate::state::Job`]
        Job = 7 "job",
        /// [`crate::state::Demand`]
        Demand = 8 "demand",
        /// [`crate::state::Campaign`]
        Campaign = 9 "campaign",
        /// [`crate::state::Entry`]
        Entry = 10 "entry",
    }
}

/// One changed account.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Change {
    /// Code of [`EntityKind`].
    pub kind: u8,
    /// The account's address.
    pub address: Address,
    /// Its change counter after this change; 1 at creation, contiguous.
    pub seq: u64,
    /// Its fixed part behind the discriminator, empty when it closed.
    pub after: Vec<u8>,
}

impl Change {
    /// What kind of account changed.
    pub fn kind(&self) -> EntityKind {
        known(self.kind)
    }
}
