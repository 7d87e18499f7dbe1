//! Counting a campaign again: every score from fee, weight and times of its event, never from the score that the event says, then
//! the total and what each provider gets, compared with what events, tables and the chain's accounts say.
//!
//! Three passes over one state of the store, each a page at a time: the campaign's own time line in the order of its change counter
//! (`timeline`), its milestones by provider (`entries`), and the chain's accounts (`chain`). The first difference is kept; `name`
//! finds out which milestone is behind it.

mod chain;
mod counted;
mod difference;
mod entries;
mod name;
mod output;
mod timeline;

pub use {
    chain::Chain,
    counted::{Counted, entry_address},
    difference::{Difference, Place},
    output::{EntryRow, Format, MilestoneRow, Output, Summary, output},
};

use {
    crate::{
        error::{IndexerError, Result},
        project::program::EntityKind,
        store::{Snapshot, Store},
    },
    quern_api::Key,
};

/// Counts a campaign, writes it, and gives back the first difference.
///
/// With a chain, the store must have reached what the chain holds of the campaign; it is waited for. A store that stays behind is
/// not compared, which the output says.
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
        (summary.is_chain_compared, found.difference) =
            chain.compare(store, &mut snapshot, &counted, held).await?;
    }
    let difference = match found.difference.take() {
        Some(difference) => {
            // What is known already is told, even if nobody can say more of it.
            let naming = name::milestone(&mut snapshot, &counted, difference.clone(), chain).await;
            Some(naming.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot find out which milestone is behind the difference");
                difference
            }))
        }
        None => None,
    };
    summary.difference.clone_from(&difference);
    out.end(&summary)?;
    Ok(difference)
}

async fn counted(snapshot: &mut Snapshot, program: Key, address: Key) -> Result<Counted> {
    let treasury = snapshot.treasury().await?;
    let found = snapshot.account(EntityKind::Campaign, &address).await?;
    found
        .and_then(|entity| Counted::of(&entity, program, treasury))
        .ok_or(IndexerError::NoCampaign(address))
}
