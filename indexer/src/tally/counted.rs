//! The campaign that is counted, and where its entries are.

use {
    crate::{
        project::{key, program::Campaign},
        store::Entity,
    },
    quern_api::Key,
    quern_client::Pubkey,
};

/// Rows read at a time: bounds the memory.
pub(super) const PAGE: u32 = 500;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// The campaign's account.
    pub address: Key,
    /// The program.
    pub program: Key,
    /// Its terms, and its sums as the store holds them.
    pub campaign: Campaign,
    /// Its change counter in the store.
    pub seq: u64,
    /// The slot of that change.
    pub slot: u64,
    /// Whether its account is gone.
    pub closed: bool,
    /// Who gets the fees.
    pub treasury: Key,
}

impl Counted {
    pub(super) fn of(entity: &Entity, program: Key, treasury: Key) -> Option<Self> {
        Some(Self {
            address: entity.address,
            program,
            campaign: entity.row.read()?,
            seq: entity.row.seq,
            slot: entity.row.slot,
            closed: entity.row.closed,
            treasury,
        })
    }

    /// The entry's account of a provider's owner.
    pub(super) fn entry(&self, provider: &Key) -> Key {
        entry_address(&self.program, &self.address, provider)
    }
}

/// The entry's account of a provider's owner in a campaign.
pub fn entry_address(program: &Key, campaign: &Key, provider: &Key) -> Key {
    let [program, campaign, provider] =
        [program, campaign, provider].map(|key| Pubkey::new_from_array(key.0));
    let found = crate::project::program::Entry::find_address(&program, &campaign, &provider);
    key(&found.0)
}
