//! Everything that the program did, read from the chain, and told to a person as it happens.

use {
    super::names::{Names, short},
    anyhow::{Context, Result},
    quern_client::{
        Pubkey, Sender,
        quern::{
            events::QuernEvent,
            state::{Conviction, JobState, NodeRef},
        },
    },
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

    /// What an event means to a person; set-up is told by whoever does it.
    fn tell(&self, entry: &Entry) -> Option<String> {
        let name = |address: &Pubkey| self.names.of(address);
        let amount = |atoms: u64, mint: &Pubkey| self.names.amount(atoms, mint);
        let line = match &entry.event {
            QuernEvent::Deposited(event) => {
                let paid = amount(event.amount_atoms, &event.mint);
                let target = match event.owner == event.depositor {
                    true => String::new(),
                    false => format!(" for the {}", name(&event.owner)),
                };
                format!("{} deposits {paid}{target}", name(&event.depositor))
            }
            QuernEvent::Withdrawn(event) => {
                format!(
                    "{} withdraws {}",
                    name(&event.owner),
                    amount(event.amount_atoms, &event.mint)
                )
            }
            QuernEvent::RewardsClaimed(event) => {
                format!(
                    "{} claims {} of rewards",
                    name(&event.owner),
                    amount(event.amount_atoms, &event.mint)
                )
            }
            QuernEvent::JobCreated(event) => {
                format!(
                    "{}: {} escrows {}",
                    name(&event.job),
                    name(&event.client),
                    amount(event.escrow_atoms, &event.mint)
                )
            }
            QuernEvent::JobCancelled(event) => {
                let back = amount(event.released_atoms, &event.mint);
                format!(
                    "{}: cancelled, {} gets {back} back",
                    name(&event.job),
                    name(&event.client)
                )
            }
            QuernEvent::JobTaken(event) => {
                let mint = self.mint_of(&event.job);
                let bond = mint.map_or_else(
                    || event.bond_atoms.to_string(),
                    |mint| amount(event.bond_atoms, &mint),
                );
                format!(
                    "{}: {} takes it, bond {bond}",
                    name(&event.job),
                    name(&event.provider)
                )
            }
            QuernEvent::ResultSubmitted(event) => {
                let root: String = event.trace_root[..6]
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let (job, provider) = (name(&event.job), name(&event.provider));
                format!(
                    "{job}: {provider} commits to milestone {} as {root}..",
                    event.milestone + 1
                )
            }
            QuernEvent::MilestoneSettled(event) => {
                let mint = &event.mint;
                let how = if event.accepted {
                    "accepted"
                } else {
                    "nobody refuted it"
                };
                let reward = self
                    .lock()
                    .reward_mint
                    .map(|mint| amount(event.reward_atoms, &mint))
                    .unwrap_or_default();
                let royalty = match event.royalty_atoms {
                    0 => String::new(),
                    atoms => format!(", {} {}", name(&event.royalty_owner), amount(atoms, mint)),
                };
                let (job, milestone) = (name(&event.job), event.milestone + 1);
                let (paid, provider) = (amount(event.price_atoms, mint), name(&event.provider));
                let (earned, fee) = (
                    amount(event.provider_atoms, mint),
                    amount(event.fee_atoms, mint),
                );
                format!(
                    "{job}: milestone {milestone} paid ({how}): {paid} = {provider} {earned}{royalty}, treasury {fee}; reward {reward}"
                )
            }
            QuernEvent::JobRejected(event) => format!(
                "{}: {} rejects: {}",
                name(&event.job),
                name(&event.client),
                event.reason
            ),
            QuernEvent::JobResolved(event) => {
                let mint = &event.mint;
                let (provider, client) = (
                    amount(event.provider_atoms, mint),
                    amount(event.client_atoms, mint),
                );
                let (fee, penalty) = (
                    amount(event.arbiter_atoms, mint),
                    amount(event.penalty_atoms, mint),
                );
                format!(
                    "{}: {} gives {} {provider}, {} {client} and a penalty of {penalty}; takes {fee}",
                    name(&event.job),
                    name(&event.arbiter),
                    name(&event.provider),
                    name(&event.client)
                )
            }
            QuernEvent::JobExpired(event) if event.from_state() == JobState::Taken => {
                let penalty = amount(event.penalty_atoms, &event.mint);
                let (job, provider, client) =
                    (name(&event.job), name(&event.provider), name(&event.client));
                let then = if event.closed { "closed" } else { "open again" };
                format!(
                    "{job}: {provider} missed its deadline and pays {penalty} to {client}; {then}"
                )
            }
            QuernEvent::JobExpired(event) => {
                let back = amount(event.released_atoms, &event.mint);
                format!(
                    "{}: nobody took it, {} gets {back} back",
                    name(&event.job),
                    name(&event.client)
                )
            }
            QuernEvent::DemandOpened(event) => {
                let (opener, provider) = (name(&event.opener), name(&event.provider));
                let (job, what) = (name(&event.job), node_name(&event.node_id));
                let hours = (event.due - event.at) as f64 / 3_600.0;
                format!(
                    "{job}: {opener} asks {provider} about {what}, to be answered within {hours:.1} h"
                )
            }
            QuernEvent::DemandAnswered(event) => {
                let (job, what) = (name(&event.job), node_name(&event.node_id));
                format!(
                    "{job}: {} answers about {what} with {} bytes for {} lamports",
                    name(&event.revealer),
                    event.answer.len(),
                    event.fee_lamports
                )
            }
            QuernEvent::DemandClosed(event) => {
                let (job, opener) = (name(&event.job), name(&event.opener));
                format!(
                    "{job}: a demand is closed; its rent, and its fee if nobody earned it, go back to {opener}"
                )
            }
            QuernEvent::JobConvicted(event) => {
                let (job, provider) = (name(&event.job), name(&event.provider));
                let prover = name(&event.prover);
                let (why, place) = match event.conviction {
                    Conviction::WrongCell { op, row, col } => (
                        "of a wrong value",
                        format!("op {op}, row {row}, column {col}"),
                    ),
                    Conviction::BadPadding(node) => ("of wrong padding", node_name(&node)),
                    Conviction::Unanswered(node) => {
                        ("for leaving a demand unanswered", node_name(&node))
                    }
                };
                format!("{job}: {prover} convicts {provider} {why}: {place}")
            }
            QuernEvent::ConvictionSettled(event) => {
                let mint = &event.mint;
                let [back, prover, client, treasury] = [
                    event.released_atoms,
                    event.prover_atoms,
                    event.client_atoms,
                    event.treasury_atoms,
                ]
                .map(|atoms| amount(atoms, mint));
                format!(
                    "{}: {} gets {back} back; {}'s bond: {} {prover}, {} {client}, treasury {treasury}",
                    name(&event.job),
                    name(&event.client),
                    name(&event.provider),
                    name(&event.prover),
                    name(&event.client)
                )
            }
            _ => return None,
        };
        Some(line)
    }

    /// The mint of a job that was created before.
    fn mint_of(&self, job: &Pubkey) -> Option<Pubkey> {
        self.lock()
            .entries
            .iter()
            .find_map(|entry| match &entry.event {
                QuernEvent::JobCreated(event) if event.job == *job => Some(event.mint),
                _ => None,
            })
    }
}

/// A node of a commitment, in words.
fn node_name(node: &NodeRef) -> String {
    node.node_id().map_or_else(
        || format!("an unknown tree ({})", node.tree),
        |node_id| node_id.to_string(),
    )
}
