//! Everything that the program did, read from the chain, and told to a person as it happens.

use {
    super::{
        names::{Names, short},
        tell::Teller,
    },
    anyhow::{Context, Result},
    quern_client::{Pubkey, Sender, quern::events::QuernEvent},
    solana_client::{
        rpc_client::GetConfirmedSignaturesForAddress2Config,
        rpc_response::RpcConfirmedTransactionStatusWithSignature,
    },
    std::{
        collections::HashSet,
        sync::{Arc, Mutex, PoisonError},
        time::Duration,
    },
    tokio::task::JoinHandle,
};

/// Signatures in one request; nodes give no more.
const PAGE: usize = 1_000;
/// Pause between two looks at the chain.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How the names of jobs begin that are many and alike.
pub const ALIKE: &str = "job ";

/// An event and where it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The transaction.
    pub signature: String,
    /// Its slot.
    pub slot: u64,
    /// What happened.
    pub event: QuernEvent,
}

/// The program's history so far.
#[derive(Clone)]
pub struct Chronicle {
    sender: Sender,
    names: Names,
    state: Arc<Mutex<State>>,
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct State {
    seen: HashSet<String>,
    entries: Vec<Entry>,
    reward_mint: Option<Pubkey>,
}

impl Chronicle {
    /// A chronicle of the cluster that `sender` leads to.
    pub fn new(sender: Sender, names: Names) -> Self {
        Self {
            sender,
            names,
            state: Arc::default(),
            reading: Arc::default(),
        }
    }

    /// Says which mint rewards are paid in.
    pub fn set_reward_mint(&self, mint: &Pubkey) {
        self.lock().reward_mint = Some(*mint);
    }

    /// Reads on in the background until the handle is aborted.
    pub fn follow(&self) -> JoinHandle<()> {
        let chronicle = self.clone();
        tokio::spawn(async move {
            loop {
                // A request that fails is repeated; the last reading, in the foreground, reports what does not work.
                let _ = chronicle.catch_up().await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }

    /// Reads everything that is confirmed by now.
    ///
    /// # Errors
    /// That the cluster did not answer, or gave something that cannot be read.
    pub async fn catch_up(&self) -> Result<()> {
        let _one_at_a_time = self.reading.lock().await;
        let listed = self.listed().await?;
        for item in listed.iter().rev() {
            if self.lock().seen.contains(&item.signature) {
                continue;
            }
            if item.err.is_some() {
                self.lock().seen.insert(item.signature.clone());
                continue;
            }
            let signature = item
                .signature
                .parse()
                .context("the node listed a signature that is none")?;
            let transaction = self.sender.events(&signature).await?;
            let mut fresh = Vec::with_capacity(transaction.events.len());
            for located in transaction.events {
                let event = located.event.with_context(|| {
                    format!("{} carries an event that cannot be decoded", item.signature)
                })?;
                fresh.push(Entry {
                    signature: item.signature.clone(),
                    slot: transaction.slot,
                    event,
                });
            }
            for entry in &fresh {
                if !self.names.is_verbose() && self.is_routine(&entry.event) {
                    continue;
                }
                let lines = self.tell(entry);
                lines.iter().for_each(|line| {
                    self.names
                        .say(format!("{line}  ({})", short(&entry.signature)))
                });
            }
            let mut state = self.lock();
            state.seen.insert(item.signature.clone());
            state.entries.extend(fresh);
        }
        Ok(())
    }

    /// The program's transactions, newest first, back to where everything has been read.
    async fn listed(&self) -> Result<Vec<RpcConfirmedTransactionStatusWithSignature>> {
        let rpc = self.sender.rpc();
        let mut listed = Vec::new();
        let mut before = None;
        loop {
            let config = GetConfirmedSignaturesForAddress2Config {
                before,
                limit: Some(PAGE),
                commitment: Some(rpc.commitment()),
                ..Default::default()
            };
            let page = rpc
                .get_signatures_for_address_with_config(&quern_client::quern::ID, config)
                .await?;
            let is_last = page.len() < PAGE || {
                let state = self.lock();
                page.iter().all(|item| state.seen.contains(&item.signature))
            };
            before = page.last().map(|item| item.signature.parse()).transpose()?;
            listed.extend(page);
            if is_last {
                return Ok(listed);
            }
        }
    }

    /// All events so far, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// The slot of the last event.
    pub fn last_slot(&self) -> u64 {
        self.lock()
            .entries
            .iter()
            .map(|entry| entry.slot)
            .max()
            .unwrap_or(0)
    }

    /// The root and the address of the newest result of a job.
    ///
    /// # Errors
    /// That nothing was submitted.
    pub fn submission(&self, job: &Pubkey) -> Result<([u8; 32], String)> {
        let state = self.lock();
        let found = state
            .entries
            .iter()
            .rev()
            .find_map(|entry| match &entry.event {
                QuernEvent::ResultSubmitted(event) if event.job == *job => {
                    Some((event.trace_root, event.output_uri.clone()))
                }
                _ => None,
            });
        found.with_context(|| format!("no result of {job} was submitted"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event is one step of many jobs that are all alike: that such a job is paid is told, and what it took.
    fn is_routine(&self, event: &QuernEvent) -> bool {
        let job = match event {
            QuernEvent::JobCreated(event) => &event.job,
            QuernEvent::JobTaken(event) => &event.job,
            QuernEvent::ResultSubmitted(event) => &event.job,
            _ => return false,
        };
        self.names.of(job).starts_with(ALIKE)
    }

    fn tell(&self, entry: &Entry) -> Option<String> {
        let mint = match &entry.event {
            QuernEvent::JobTaken(event) => self.mint_of(&event.job),
            QuernEvent::CampaignClaimed(event) => self.mint_of(&event.campaign),
            _ => None,
        };
        let reward_mint = self.lock().reward_mint;
        let teller = Teller {
            names: &self.names,
            mint,
            reward_mint,
        };
        teller.tell(&entry.event)
    }

    /// The mint of a job or a campaign that was created before.
    fn mint_of(&self, address: &Pubkey) -> Option<Pubkey> {
        self.lock()
            .entries
            .iter()
            .find_map(|entry| match &entry.event {
                QuernEvent::JobCreated(event) if event.job == *address => Some(event.mint),
                QuernEvent::CampaignCreated(event) if event.campaign == *address => {
                    Some(event.mint)
                }
                _ => None,
            })
    }
}
