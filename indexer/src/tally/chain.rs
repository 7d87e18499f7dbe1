//! The chain's own accounts: the campaign's, and each entry's.

use {
    super::{
        counted::{Counted, PAGE},
        difference::Difference,
        timeline,
    },
    crate::{
        error::Result,
        project::program::{Campaign, EntityKind, Entry, read},
        source::{Accounts, Source},
        store::{Entity, Snapshot, Store},
    },
    quern_api::Key,
    quern_client::census,
    std::{
        collections::HashMap,
        sync::Arc,
        time::{Duration, Instant},
    },
};

/// Most time for the store to reach the slot of the node's answer.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(60);
/// A store that does not move for so long has no process that writes to it.
const STILL_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between looks.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// A node: what it holds, and the transactions that it knows.
#[derive(Clone)]
pub struct Chain {
    /// Its accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Its transactions, to name the one of which an event is missing.
    pub source: Arc<dyn Source>,
}

/// The campaign's account; none if it is gone.
pub(super) struct HeldCampaign {
    /// The slot that the answer names.
    slot: u64,
    /// The newest slot that it could be of.
    newest: u64,
    fixed: Option<Vec<u8>>,
}

impl HeldCampaign {
    fn campaign(&self) -> Option<Campaign> {
        read(self.fixed.as_deref()?)
    }
}

impl Chain {
    /// What the chain holds of a campaign, once the store has all of it, or does not move any more.
    pub(super) async fn campaign(&self, store: &Store, address: &Key) -> Result<HeldCampaign> {
        let held = self.accounts.at(EntityKind::Campaign, &[*address]).await?;
        let newest = self.accounts.newest_slot().await?;
        let held = HeldCampaign {
            slot: held.slot,
            newest: newest.max(held.slot),
            fixed: held.accounts.into_iter().next().map(|(_, fixed)| fixed),
        };
        let has_all = async |snapshot: &mut Snapshot| {
            let known = snapshot.account(EntityKind::Campaign, address).await?;
            let known = known.map(|entity| (entity.row.seq, entity.row.closed));
            Ok(match (held.campaign(), known) {
                (Some(campaign), Some((seq, false))) => campaign.seq.get() <= seq,
                (None, Some((_, closed))) => closed,
                _ => false,
            })
        };
        wait(store, held.newest, has_all).await?;
        Ok(held)
    }

    /// Whether the store's accounts, which the passes before compared with the events, could be compared with the chain's, and the
    /// first difference. A change that is newer than the node's answer says nothing about it, nor an answer that may be of a state
    /// which the store has not reached.
    pub(super) async fn compare(
        &self,
        store: &Store,
        snapshot: &mut Snapshot,
        counted: &Counted,
        held: &HeldCampaign,
    ) -> Result<(bool, Option<Difference>)> {
        let is_behind = slot_of(snapshot) < held.newest;
        let stored = match counted.closed {
            true => "a campaign that is gone".to_owned(),
            false => format!("{} changes", counted.seq),
        };
        let Some(campaign) = held.campaign() else {
            let difference = Difference {
                hole: timeline::tail(snapshot, counted).await?,
                ..Difference::of_campaign("the campaign's account", "no such account", &stored)
            };
            let differs = !counted.closed && counted.slot <= held.slot && !is_behind;
            return Ok((counted.closed || differs, differs.then_some(difference)));
        };
        let seq = campaign.seq.get();
        if counted.closed || seq < counted.seq {
            let figure = "the last change of the campaign on the chain";
            let differs = counted.slot <= held.slot;
            let difference = || Difference::of_campaign(figure, seq, &stored);
            return Ok((differs, differs.then(difference)));
        }
        if seq > counted.seq && is_behind {
            return Ok((false, None));
        }
        if seq > counted.seq {
            let figure = "the last change of the campaign on the chain";
            let difference = Difference {
                hole: timeline::tail(snapshot, counted).await?,
                ..Difference::of_campaign(figure, seq, counted.seq)
            };
            return Ok((true, Some(difference)));
        }
        for (figure, expected, found) in [
            (
                "total_score on the chain",
                counted.campaign.total_score,
                campaign.total_score,
            ),
            (
                "claimed_atoms on the chain",
                counted.campaign.claimed_atoms,
                campaign.claimed_atoms,
            ),
        ] {
            if expected != found {
                let (expected, found) = (expected.get(), found.get());
                let difference = Difference::of_campaign(figure, expected, found);
                return Ok((true, Some(difference)));
            }
        }
        if bytemuck::bytes_of(&campaign) != bytemuck::bytes_of(&counted.campaign) {
            let figure = "the campaign's account on the chain";
            let difference = Difference::of_campaign(figure, "the same", "another one");
            return Ok((true, Some(difference)));
        }
        self.entries(store, snapshot, counted).await
    }

    /// Every entry that the store believes to be there: whether each could be compared, and the first difference.
    async fn entries(
        &self,
        store: &Store,
        snapshot: &mut Snapshot,
        counted: &Counted,
    ) -> Result<(bool, Option<Difference>)> {
        let (mut after, mut is_whole): (Option<Key>, bool) = (None, true);
        loop {
            let page = snapshot
                .owned(EntityKind::Entry, &counted.address, after.as_ref(), PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok((is_whole, None));
            };
            after = Some(last.address);
            let live: Vec<_> = page.iter().filter(|entity| !entity.row.closed).collect();
            let addresses: Vec<Key> = live.iter().map(|entity| entity.address).collect();
            let found = self.held_entries(&addresses).await?.1;
            let others = live.into_iter().filter(|entity| {
                found.get(&entity.address).map(Vec::as_slice) != stored_of(entity)
            });
            let others: Vec<Key> = others.map(|entity| entity.address).collect();
            let (are_settled, difference) = self.entries_again(store, &others).await?;
            if difference.is_some() {
                return Ok((true, difference));
            }
            is_whole &= are_settled;
        }
    }

    async fn held_entries(&self, addresses: &[Key]) -> Result<(u64, HashMap<Key, Vec<u8>>)> {
        if addresses.is_empty() {
            return Ok(Default::default());
        }
        let held = self.accounts.at(EntityKind::Entry, addresses).await?;
        Ok((held.slot, held.accounts.into_iter().collect()))
    }

    /// The first of these entries that differs still, once the store has everything that the node's answer could be made from, and
    /// whether each could be compared.
    async fn entries_again(
        &self,
        store: &Store,
        others: &[Key],
    ) -> Result<(bool, Option<Difference>)> {
        if others.is_empty() {
            return Ok((true, None));
        }
        let (slot, found) = self.held_entries(others).await?;
        let newest = self.accounts.newest_slot().await?.max(slot);
        wait(store, newest, async |_: &mut Snapshot| Ok(false)).await?;
        let mut snapshot = store.read().await?;
        let is_behind = slot_of(&snapshot) < newest;
        let mut are_settled = true;
        for entity in snapshot.accounts_at(EntityKind::Entry, others).await? {
            let stored = stored_of(&entity);
            let fixed = found.get(&entity.address).map(Vec::as_slice);
            let seq = fixed.and_then(|fixed| census::seq_of(EntityKind::Entry, fixed));
            let is_newer = is_behind && seq.is_none_or(|seq| seq > entity.row.seq);
            let is_older = slot < entity.row.slot;
            if fixed == stored {
                continue;
            }
            if is_newer || is_older {
                are_settled = false;
                continue;
            }
            let score = |bytes: Option<&[u8]>| {
                let entry = bytes.and_then(read::<Entry>);
                entry.map_or("none".to_owned(), |entry| entry.score.get().to_string())
            };
            let figure = format!("the score of entry {} on the chain", entity.address);
            let (expected, found) = (score(stored), score(fixed));
            let difference = Difference::of_campaign(figure, expected, found);
            return Ok((true, Some(difference)));
        }
        Ok((are_settled, None))
    }
}

/// The bytes that an entry's account must hold; none if it is gone.
fn stored_of(entity: &Entity) -> Option<&[u8]> {
    let state = entity.row.state.as_ref().filter(|_| !entity.row.closed);
    state.map(|state| state.bytes.as_slice())
}

/// The slot up to which everything is in the store.
fn slot_of(snapshot: &Snapshot) -> u64 {
    snapshot.cursor().map_or(0, |cursor| cursor.slot)
}

/// Waits until the store has everything up to a slot, or enough, or does not move any more.
async fn wait(
    store: &Store,
    slot: u64,
    mut is_enough: impl AsyncFnMut(&mut Snapshot) -> Result<bool>,
) -> Result<()> {
    let (start, mut moved, mut last) = (Instant::now(), Instant::now(), None);
    loop {
        let mut snapshot = store.read().await?;
        let at = slot_of(&snapshot);
        if last != Some(at) {
            (last, moved) = (Some(at), Instant::now());
        }
        let is_still = moved.elapsed() >= STILL_TIMEOUT || start.elapsed() >= CATCH_UP_TIMEOUT;
        if at >= slot || is_still || is_enough(&mut snapshot).await? {
            return Ok(());
        }
        drop(snapshot);
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
