//! The chain's own accounts: the campaign's, and each entry's.

use {
    super::{
        counted::{Counted, PAGE},
        difference::Difference,
        timeline,
    },
    crate::{
        error::Result,
        project::program::{Campaign, EntityKind, read},
        source::{Accounts, Source},
        store::{Snapshot, Store},
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

/// The campaign's account at a slot; none if it is gone.
pub(super) struct HeldCampaign {
    slot: u64,
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
        let held = HeldCampaign {
            slot: held.slot,
            fixed: held.accounts.into_iter().next().map(|(_, fixed)| fixed),
        };
        let (start, mut moved, mut last) = (Instant::now(), Instant::now(), None);
        loop {
            let mut snapshot = store.read().await?;
            let slot = snapshot.cursor().map(|cursor| cursor.slot);
            let known = snapshot.account(EntityKind::Campaign, address).await?;
            let known = known.map(|entity| (entity.row.seq, entity.row.closed));
            drop(snapshot);
            let is_same = match (held.campaign(), known) {
                (Some(campaign), Some((seq, false))) => campaign.seq.get() <= seq,
                (None, Some((_, closed))) => closed,
                _ => false,
            };
            if slot != last {
                (last, moved) = (slot, Instant::now());
            }
            let is_still = moved.elapsed() >= STILL_TIMEOUT || start.elapsed() >= CATCH_UP_TIMEOUT;
            if is_same || slot.is_some_and(|slot| slot >= held.slot) || is_still {
                return Ok(held);
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Whether the store's accounts, which the passes before compared with the events, could be compared with the chain's, and the
    /// first difference. A change that is newer than the node's answer says nothing about it.
    pub(super) async fn compare(
        &self,
        snapshot: &mut Snapshot,
        counted: &Counted,
        held: &HeldCampaign,
    ) -> Result<(bool, Option<Difference>)> {
        let stored = match counted.closed {
            true => "a campaign that is gone".to_owned(),
            false => format!("{} changes", counted.seq),
        };
        let Some(campaign) = held.campaign() else {
            let difference = Difference {
                hole: timeline::tail(snapshot, counted).await?,
                ..Difference::of_campaign("the campaign's account", "no such account", &stored)
            };
            let differs = !counted.closed && counted.slot <= held.slot;
            return Ok((counted.closed || differs, differs.then_some(difference)));
        };
        let seq = campaign.seq.get();
        if counted.closed || seq < counted.seq {
            let figure = "the last change of the campaign on the chain";
            let differs = counted.slot <= held.slot;
            let difference = || Difference::of_campaign(figure, seq, &stored);
            return Ok((differs, differs.then(difference)));
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
        Ok((true, self.entries(snapshot, counted).await?))
    }

    /// Every entry that the store believes to be there.
    async fn entries(
        &self,
        snapshot: &mut Snapshot,
        counted: &Counted,
    ) -> Result<Option<Difference>> {
        let cursor_slot = snapshot.cursor().map_or(0, |cursor| cursor.slot);
        let mut after: Option<Key> = None;
        loop {
            let page = snapshot
                .owned(EntityKind::Entry, &counted.address, after.as_ref(), PAGE)
                .await?;
            let Some(last) = page.last() else {
                return Ok(None);
            };
            after = Some(last.address);
            let live: Vec<_> = page.iter().filter(|entity| !entity.row.closed).collect();
            let addresses: Vec<Key> = live.iter().map(|entity| entity.address).collect();
            if addresses.is_empty() {
                continue;
            }
            let held = self.accounts.at(EntityKind::Entry, &addresses).await?;
            let found: HashMap<Key, Vec<u8>> = held.accounts.into_iter().collect();
            for entity in live {
                let stored = entity
                    .row
                    .state
                    .as_ref()
                    .map(|state| state.bytes.as_slice());
                let fixed = found.get(&entity.address).map(Vec::as_slice);
                let seq = fixed.and_then(|fixed| census::seq_of(EntityKind::Entry, fixed));
                // A change behind the store's last walk says nothing about the walk, nor an answer from before the change.
                let is_newer =
                    held.slot > cursor_slot && seq.is_none_or(|seq| seq > entity.row.seq);
                let is_older = held.slot < entity.row.slot;
                if fixed == stored || is_newer || is_older {
                    continue;
                }
                let entry = |bytes: Option<&[u8]>| {
                    let entry = bytes.and_then(read::<crate::project::program::Entry>);
                    entry.map_or("none".to_owned(), |entry| entry.score.get().to_string())
                };
                let figure = format!("the score of entry {} on the chain", entity.address);
                let (expected, found) = (entry(stored), entry(fixed));
                return Ok(Some(Difference::of_campaign(figure, expected, found)));
            }
        }
    }
}
