//! Counting a campaign again: every score from fee, weight and times of its event, never from the score that the event says, then
//! the total and what each provider gets, compared with what events, tables and the chain's accounts say.
//!
//! Three passes over one state of the store, each a page at a time: the campaign's own time line in the order of its change counter
//! (`timeline`), its milestones by provider (`entries`), and the chain's accounts (`chain`). The first difference is kept; `name`
//! finds out which milestone is behind it.

mod chain;
mod difference;
mod entries;
mod name;
mod output;
mod timeline;

pub use {
    chain::Chain,
    difference::{Difference, Place},
    output::{EntryRow, Format, MilestoneRow, Output, Summary, output},
};

use {
    crate::{
        error::{IndexerError, Result},
        project::{
            key,
            program::{Campaign, EntityKind, Protocol},
        },
        store::{Entity, Snapshot, Store},
    },
    quern_api::Key,
    quern_client::Pubkey,
};

/// Rows read at a time: bounds the memory.
const PAGE: u32 = 500;

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
    fn of(entity: &Entity, program: Key, treasury: Key) -> Option<Self> {
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
    fn entry(&self, provider: &Key) -> Key {
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

/// Counts a campaign, writes it, and gives back the first difference.
///
/// With a chain, the store must have reached what the chain holds of the campaign; it is waited for.
///
/// # Errors
/// If the store is another program's or network's or does not know the campaign, the database or the node fails, or nothing can
/// be written.
pub async fn tally(
    store: &Store,
    (program, address): (Key, Key),
    chain: Option<&Chain>,
    out: &mut dyn Output,
) -> Result<Option<Difference>> {
    let genesis = match chain {
        Some(chain) => chain.source.genesis().await?,
        None => None,
    };
    store.belongs_to(&program, genesis.as_deref()).await?;
    let held = match chain {
        Some(chain) => Some(chain.campaign(store, &address).await?),
        None => None,
    };
    let mut snapshot = store.read().await?;
    let counted = counted(&mut snapshot, program, address).await?;
    let mut found = timeline::follow(&mut snapshot, &counted).await?;
    let mut summary = Summary::of(&counted);
    entries::count(&mut snapshot, &counted, &mut summary, &mut found, out).await?;
    if let (Some(chain), Some(held)) = (chain, &held)
        && found.difference.is_none()
    {
        found.difference = chain.compare(&mut snapshot, &counted, held).await?;
    }
    let difference = match found.difference.take() {
        Some(difference) => {
            Some(name::milestone(&mut snapshot, &counted, difference, chain).await?)
        }
        None => None,
    };
    summary.is_chain_compared = held.is_some();
    summary.difference.clone_from(&difference);
    out.end(&summary)?;
    Ok(difference)
}

async fn counted(snapshot: &mut Snapshot, program: Key, address: Key) -> Result<Counted> {
    let protocols = snapshot.accounts(EntityKind::Protocol, None, 1).await?;
    let protocol = protocols
        .first()
        .and_then(|entity| entity.row.read::<Protocol>());
    let treasury = protocol.map_or(Key::NONE, |protocol| key(&protocol.treasury_owner));
    let found = snapshot.account(EntityKind::Campaign, &address).await?;
    found
        .and_then(|entity| Counted::of(&entity, program, treasury))
        .ok_or(IndexerError::NoCampaign(address))
}

/// What the passes found so far.
#[derive(Debug, Default)]
struct Found {
    /// The sum of all scores, as the rules say.
    total: u64,
    /// The first difference.
    difference: Option<Difference>,
}

impl Found {
    /// Keeps a difference if it is the first one.
    fn differs(&mut self, difference: impl FnOnce() -> Difference) {
        if self.difference.is_none() {
            self.difference = Some(difference());
        }
    }
}
