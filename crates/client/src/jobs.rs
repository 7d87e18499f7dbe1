//! Live jobs, followed with few bytes: a look lists only the first 40 bytes of each, and reads those whole that are new or have
//! changed.
//!
//! Where very many jobs live, as for a watcher of everybody's, even that is too much at every look. A job's state began in
//! the slot that its account names, and a filter can ask for the upper bytes of that slot: so most looks list only jobs
//! whose state began within the last minutes, and once an hour, or after a pause, all of them are listed. Whoever reads a job
//! meanwhile and finds that it has gone on says so. Behind one address there may be several nodes, one of them behind the
//! others, so such a job is read again for a while.

use {
    crate::{
        accounts::{self, DISCRIMINATOR_BYTES, JobFilter},
        errors::{ClientError, Result},
    },
    anchor_lang::Discriminator,
    quern::state::Job,
    solana_account_decoder_client_types::UiDataSliceConfig,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::filter::RpcFilterType,
    solana_sdk::pubkey::Pubkey,
    std::{
        collections::{HashMap, HashSet},
        mem::{offset_of, take},
        sync::{Mutex as StdMutex, PoisonError},
        time::{Duration, Instant},
    },
    tokio::sync::Mutex,
};

/// What is listed of a job: up to its change counter and its creation.
const HEAD_BYTES: usize = DISCRIMINATOR_BYTES + offset_of!(Job, client);
/// Accounts in a request.
const AT_ONCE: usize = 100;
/// Slots that a filter cannot tell apart: the last byte.
const WINDOW_SLOTS: u64 = 1 << 8;
/// As long after a window has begun, the one before it is listed, too: behind one address a node may be as far behind.
const OVERLAP_SLOTS: u64 = WINDOW_SLOTS / 2;
/// Time between two looks at all jobs: what became of those whose state began long ago, and what was missed.
const ALL_EVERY: Duration = Duration::from_secs(3_600);

/// Time between two looks for a job that seems to have gone on, and how long it is looked for.
const DOUBT_EVERY: Duration = Duration::from_secs(30);
const DOUBT_FOR: Duration = Duration::from_secs(600);

/// Which jobs are listed at most looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// All of them.
    All,
    /// Those whose state began lately; of the others it is not known for an hour whether they are still there, unless
    /// somebody reads them.
    Recent,
}

/// A job as far as it is listed: the change counter is 1 at creation and grows with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    seq: u64,
    created_at: i64,
}

/// Since when a job seems to have gone on, and when it is read again.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Instant,
    next: Instant,
}

#[derive(Default)]
struct Known {
    jobs: HashMap<Pubkey, (Head, Job)>,
    /// Jobs that seem to have gone on. They are not shown.
    doubts: HashMap<Pubkey, Doubt>,
    /// When all were listed, and the slot of the last look.
    listed: Option<(Instant, u64)>,
}

impl Known {
    /// Takes out what seems to have gone on, and lets go of doubts that have come to an end.
    fn doubt(&mut self, missed: HashSet<Pubkey>, now: Instant) {
        self.doubts.retain(|address, doubt| {
            if doubt.next <= now {
                doubt.next = now + DOUBT_EVERY;
            }
            !self.jobs.contains_key(address) && now.duration_since(doubt.since) < DOUBT_FOR
        });
        for address in missed {
            if self.jobs.remove(&address).is_some() {
                let (since, next) = (now, now + DOUBT_EVERY);
                self.doubts.insert(address, Doubt { since, next });
            }
        }
    }
}

/// The live jobs that a filter takes, as they were at the last look.
pub struct FollowedJobs {
    filter: JobFilter,
    looks: Looks,
    known: Mutex<Known>,
    /// What was read since the last look and has gone on. A look may take long, and nobody waits for it to say so.
    missed: StdMutex<HashSet<Pubkey>>,
}

impl FollowedJobs {
    /// Nothing is known yet.
    pub fn new(filter: JobFilter, looks: Looks) -> Self {
        Self {
            filter,
            looks,
            known: Mutex::default(),
            missed: StdMutex::default(),
        }
    }

    /// Somebody has read a job: if that shows that it has gone on, the next look leaves it out.
    pub fn was_read(&self, address: &Pubkey, found: Option<&Job>) {
        let is_here = found.is_some_and(|job| self.filter.takes(job));
        // Where all are listed at every look, the next one shows what is true.
        if !is_here && self.looks == Looks::Recent {
            self.missed().insert(*address);
        }
    }

    fn missed(&self) -> std::sync::MutexGuard<'_, HashSet<Pubkey>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks again; the jobs are ordered by creation.
    ///
    /// # Errors
    /// That the cluster did not answer, or an account that cannot be decoded.
    pub async fn look(&self, rpc: &RpcClient) -> Result<Vec<(Pubkey, Job)>> {
        let mut known = self.known.lock().await;
        let slot = match self.looks {
            Looks::All => 0,
            Looks::Recent => rpc
                .get_slot()
                .await
                .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?,
        };
        let recent = known.listed.filter(|(at, before)| {
            let has_pause = slot.saturating_sub(*before) > OVERLAP_SLOTS || slot < *before;
            self.looks == Looks::Recent && at.elapsed() < ALL_EVERY && !has_pause
        });
        let mut heads = HashMap::new();
        match recent {
            None => heads = self.heads(rpc, None).await?,
            Some(_) => {
                for window in windows(slot) {
                    heads.extend(self.heads(rpc, Some(window)).await?);
                }
            }
        }
        let is_new = |address: &Pubkey, head: &Head| {
            known
                .jobs
                .get(address)
                .is_none_or(|(known, _)| known != head)
        };
        let changed = heads.iter().filter(|(address, head)| is_new(address, head));
        let mut changed: HashSet<Pubkey> = changed.map(|(address, _)| *address).collect();
        let now = Instant::now();
        let doubted = known.doubts.iter().filter(|(_, doubt)| doubt.next <= now);
        changed.extend(doubted.map(|(address, _)| *address));
        let wanted: Vec<Pubkey> = changed.iter().copied().collect();
        let read = self.read(rpc, &wanted).await?;
        if recent.is_none() {
            known.jobs.retain(|address, _| heads.contains_key(address));
        }
        known.jobs.retain(|address, _| !changed.contains(address));
        known.jobs.extend(read);
        known.doubt(take(&mut *self.missed()), now);
        let listed_at = recent.map_or_else(Instant::now, |(at, _)| at);
        known.listed = Some((listed_at, slot));
        let mut jobs: Vec<(Pubkey, Job)> = known
            .jobs
            .iter()
            .map(|(address, (_, job))| (*address, *job))
            .collect();
        jobs.sort_by_key(|(address, job)| (job.created_at.get(), *address));
        Ok(jobs)
    }

    /// The heads of the jobs that the filter takes, of all or of those whose state began in a window.
    async fn heads(&self, rpc: &RpcClient, window: Option<u64>) -> Result<HashMap<Pubkey, Head>> {
        let mut filters = accounts::job_filters(&self.filter);
        filters.extend(window.map(in_window));
        let head = UiDataSliceConfig {
            offset: 0,
            length: HEAD_BYTES,
        };
        let found =
            accounts::program_accounts(rpc, Job::DISCRIMINATOR, filters, Some(head)).await?;
        let heads = found.into_iter().filter_map(|(address, data)| {
            let word = |offset: usize| {
                let bytes = data.get(DISCRIMINATOR_BYTES + offset..)?;
                bytes.first_chunk::<8>().copied()
            };
            let head = Head {
                seq: u64::from_le_bytes(word(offset_of!(Job, seq))?),
                created_at: i64::from_le_bytes(word(offset_of!(Job, created_at))?),
            };
            Some((address, head))
        });
        Ok(heads.collect())
    }

    /// Jobs as a whole, as far as they are still there and the filter still takes them.
    async fn read(
        &self,
        rpc: &RpcClient,
        addresses: &[Pubkey],
    ) -> Result<Vec<(Pubkey, (Head, Job))>> {
        let mut all = Vec::with_capacity(addresses.len());
        for some in addresses.chunks(AT_ONCE) {
            let found = accounts::found(rpc, some).await?;
            for (address, account) in some.iter().zip(found) {
                let Some(account) = account.filter(accounts::Found::is_held) else {
                    continue;
                };
                let decoded = accounts::decode::<Job>(address, &account.owner, &account.data);
                match accounts::unless_newer(decoded)? {
                    Some(job) if self.filter.takes(&job) => {
                        let head = Head {
                            seq: job.seq.get(),
                            created_at: job.created_at.get(),
                        };
                        all.push((*address, (head, job)));
                    }
                    _ => {}
                }
            }
        }
        Ok(all)
    }
}

/// The windows that a look lists: that of a slot, and the one before while that has just ended.
fn windows(slot: u64) -> impl Iterator<Item = u64> {
    let window = slot / WINDOW_SLOTS;
    let before = (slot % WINDOW_SLOTS < OVERLAP_SLOTS).then(|| window.checked_sub(1));
    [Some(window), before.flatten()].into_iter().flatten()
}

/// A filter for jobs whose state began in a window: all bytes of the slot but the lowest, which comes first.
fn in_window(window: u64) -> RpcFilterType {
    let bytes = window.to_le_bytes();
    accounts::field(offset_of!(Job, state_slot) + 1, &bytes[..7])
}

impl std::fmt::Debug for FollowedJobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FollowedJobs")
            .field("filter", &self.filter)
            .field("looks", &self.looks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
