//! Sending transactions: simulated, priced, repeated until they are confirmed or can never be included any more.
//!
//! A transaction is only built anew when the old one can no longer land (its blockhash has expired and no block holds it),
//! so nothing is executed twice.

use {
    crate::{
        errors::{ClientError, Refusal, Result},
        events::{self, TransactionEvents},
        transaction::{self, Budget, MICRO, pack, payer_of, priority_lamports, programs_of, sign},
    },
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::{
        client_error::{Error as RpcClientError, ErrorKind},
        config::{RpcSendTransactionConfig, RpcSimulateTransactionConfig},
    },
    solana_sdk::{
        hash::Hash,
        instruction::Instruction,
        pubkey::Pubkey,
        signature::{Keypair, Signature},
        transaction::{TransactionError, VersionedTransaction},
    },
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::{Duration, Instant, SystemTime, UNIX_EPOCH},
    },
    tokio::time::sleep,
};

pub use crate::transaction::{
    Format, MAX_COMPUTE_UNITS, MAX_LOADED_BYTES, MAX_TRANSACTION_BYTES, MAX_V1_TRANSACTION_BYTES,
    largest_size,
};

/// Equal requests get different compute-unit limits, hence different signatures; this many in turn.
const DISTINCT_LIMITS: u32 = 1_000;
/// What a transaction may load beyond twice its simulation.
const LOADED_RESERVE_BYTES: u32 = 64 * 1_024;
/// How long an unreachable node is asked again about a transaction that may have landed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a transaction is sent again while it waits.
const RESEND_EVERY: Duration = Duration::from_secs(2);
/// How often a confirmed transaction is looked up again.
const LOOK_UPS: u32 = 10;
const LOOK_UP_PAUSE: Duration = Duration::from_millis(300);
const FIRST_POLL: Duration = Duration::from_millis(20);
const SLOWEST_POLL: Duration = Duration::from_millis(1_000);
/// What is offered above others, so that a flood at their price does not stand beside ours: micro-lamports and a fifth.
const ABOVE_OTHERS: u64 = 1_000;
/// A priority fee that is not worth a look at the payer's balance: that of a signature.
const SMALL_FEE_LAMPORTS: u64 = 5_000;
/// What is due within this time is urgent: four attempts, each as long as a blockhash lives, and some.
const URGENT_SECS: u64 = 300;
/// No priority fee that was not fixed takes more than this part of what the payer has.
const AFFORDABLE_PART: u64 = 4;

/// How many compute units a transaction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeUnits {
    /// What a simulation used, and a reserve.
    Simulated,
    /// This many; the node checks the transaction when it is sent.
    Fixed(u32),
}

/// What is paid for being included sooner, per compute unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityFee {
    /// Nothing.
    None,
    /// This many micro-lamports.
    Fixed(u64),
    /// Somewhat more than others paid recently for the same accounts (upper quartile), and more for each attempt that was
    /// not included: the last one offers the cap.
    Recent {
        /// The most, in micro-lamports.
        cap_micro_lamports: u64,
    },
}

/// How transactions are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendOptions {
    /// Format of the transactions.
    pub format: Format,
    /// Compute-unit limit.
    pub compute: ComputeUnits,
    /// Priority fee.
    pub priority_fee: PriorityFee,
    /// How many blockhashes are tried, at least one.
    pub attempts: u32,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            format: Format::Legacy,
            compute: ComputeUnits::Simulated,
            priority_fee: PriorityFee::None,
            attempts: 4,
        }
    }
}

/// A confirmed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its signature.
    pub signature: Signature,
    /// The slot in which it landed.
    pub slot: u64,
}

/// What a confirmed transaction took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Compute units that it used.
    pub units: u64,
    /// What it cost its payer, the priority fee included.
    pub fee_lamports: u64,
}

/// What a simulation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// Compute units that it used.
    pub units: u64,
    /// Account data that it loaded, in bytes, if the node tells.
    pub loaded_bytes: Option<u32>,
    /// Logs of all programs.
    pub logs: Vec<String>,
}

/// Sends transactions to one cluster at one commitment.
#[derive(Clone)]
pub struct Sender {
    rpc: Arc<RpcClient>,
    options: SendOptions,
    is_urgent: bool,
    sent: Arc<AtomicU32>,
}

impl Sender {
    /// A sender to the cluster at a URL; answers must have reached `commitment`.
    pub fn new(url: &str, commitment: CommitmentConfig) -> Self {
        Self::over(Arc::new(RpcClient::new_with_commitment(
            url.to_owned(),
            commitment,
        )))
    }

    /// A sender over an existing connection.
    pub fn over(rpc: Arc<RpcClient>) -> Self {
        Self {
            rpc,
            options: SendOptions::default(),
            is_urgent: false,
            sent: Arc::default(),
        }
    }

    /// The same sender with other options.
    #[must_use]
    pub fn with_options(mut self, options: SendOptions) -> Self {
        self.options = options;
        self
    }

    /// The same sender, writing its transactions in this format.
    #[must_use]
    pub fn in_format(&self, format: Format) -> Self {
        let options = SendOptions {
            format,
            ..self.options
        };
        self.clone().with_options(options)
    }

    /// The same sender, asking for this many compute units instead of simulating.
    #[must_use]
    pub fn with_units(&self, units: u32) -> Self {
        let options = SendOptions {
            compute: ComputeUnits::Fixed(units),
            ..self.options
        };
        self.clone().with_options(options)
    }

    /// The same sender for what has little time left: it offers the cap of [`PriorityFee::Recent`] at once. Other fees stay
    /// as they are.
    #[must_use]
    pub fn urgent(&self) -> Self {
        Self {
            is_urgent: true,
            ..self.clone()
        }
    }

    /// The same sender for what must have landed by a time of the clock, in seconds since 1970: urgent in the minutes before
    /// it, in which there is no time for several attempts, and in those after it, in case the cluster's clock is behind.
    #[must_use]
    pub fn by(&self, due: i64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let is_near = due
            .checked_sub_unsigned(now)
            .is_some_and(|left| left.unsigned_abs() < URGENT_SECS);
        match is_near {
            true => self.urgent(),
            false => self.clone(),
        }
    }

    /// How it sends.
    pub fn options(&self) -> &SendOptions {
        &self.options
    }

    /// The connection.
    pub fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// Where it leads.
    pub fn url(&self) -> String {
        self.rpc.url()
    }

    /// An error of the connection, in our words.
    pub fn error(&self, error: RpcClientError) -> ClientError {
        ClientError::from_rpc(&self.rpc.url(), error)
    }

    /// Sends one transaction and waits until it is confirmed. The first signer pays; a signer may stand several times or not
    /// be needed at all.
    ///
    /// # Errors
    /// `Refused` if it failed, `Expired` if nobody included it, `Unknown` if the node stopped answering after it was sent.
    pub async fn send(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Receipt> {
        let payer = payer_of(signers)?;
        let mut price = self.unit_price(instructions).await?;
        let (units, loaded_bytes, skip_preflight) = match self.options.compute {
            ComputeUnits::Fixed(units) => (units, MAX_LOADED_BYTES, false),
            ComputeUnits::Simulated => {
                let simulated_price = match self.options.priority_fee {
                    // Simulated are the most units that there are: a payer need not have the fee for those.
                    PriorityFee::Recent { .. } => 1,
                    _ => price,
                };
                let simulation = self
                    .simulate_at(instructions, &payer, simulated_price)
                    .await?;
                let (units, loaded_bytes) = reserve(&simulation);
                (units, loaded_bytes, true)
            }
        };
        let mut last = Signature::default();
        let attempts = self.options.attempts.max(1);
        for attempt in 1..=attempts {
            let (blockhash, last_valid_height) = self.blockhash().await?;
            let budget = self.distinct(Budget {
                units,
                price: self.affordable(price, units, &payer).await,
                loaded_bytes,
            });
            let format = self.options.format;
            let message = transaction::message(format, instructions, &payer, &budget, blockhash)?;
            let transaction = sign(message, signers)?;
            last = transaction.signatures.first().copied().unwrap_or_default();
            let driven = self
                .drive(&transaction, last_valid_height, skip_preflight)
                .await?;
            let left = attempts - attempt;
            match driven {
                Driven::Landed(receipt) => return Ok(receipt),
                Driven::Expired if left > 0 => {
                    price = self.raised_price(price, left, instructions).await?;
                }
                Driven::Expired | Driven::NeverSent => {}
            }
            tracing::debug!(signature = %last, attempt, price, "blockhash expired before the transaction was included");
        }
        Err(ClientError::Expired {
            attempts,
            signature: last,
        })
    }

    /// Sends one v1 transaction, which holds up to 4,096 bytes. Otherwise as [`Sender::send`].
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send_v1(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Receipt> {
        self.in_format(Format::V1).send(instructions, signers).await
    }

    /// Sends instructions in order, as many in a transaction as fit; each transaction is confirmed before the next one goes.
    ///
    /// # Errors
    /// As [`Sender::send`]; what was sent before stays.
    pub async fn send_all(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Vec<Receipt>> {
        let payer = payer_of(signers)?;
        let mut receipts = Vec::new();
        for batch in pack(self.options.format, instructions, &payer)? {
            receipts.push(self.send(batch, signers).await?);
        }
        Ok(receipts)
    }

    /// Runs instructions on the node without sending them. No signature is needed.
    ///
    /// # Errors
    /// `Refused` if they would fail.
    pub async fn simulate(
        &self,
        instructions: &[Instruction],
        payer: &Pubkey,
    ) -> Result<Simulation> {
        self.simulate_at(instructions, payer, 0).await
    }

    /// The program's events in a confirmed transaction.
    ///
    /// # Errors
    /// That the node does not know the transaction, or keeps too little of it.
    pub async fn events(&self, signature: &Signature) -> Result<TransactionEvents> {
        let transaction = self.transaction(signature).await?;
        events::events_of(&transaction).map_err(|error| ClientError::Rpc {
            reason: error.to_string(),
        })
    }

    /// What a confirmed transaction took.
    ///
    /// # Errors
    /// That the node does not know the transaction, or keeps too little of it.
    pub async fn cost(&self, signature: &Signature) -> Result<Cost> {
        let meta = self.transaction(signature).await?.transaction.meta;
        let cost = meta.and_then(|meta| {
            let units: Option<u64> = meta.compute_units_consumed.into();
            units.map(|units| Cost {
                units,
                fee_lamports: meta.fee,
            })
        });
        cost.ok_or_else(|| ClientError::Rpc {
            reason: format!("nothing about the cost of transaction {signature}"),
        })
    }

    /// A confirmed transaction, asked for until the node has it.
    async fn transaction(
        &self,
        signature: &Signature,
    ) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        let config = events::transaction_config(self.rpc.commitment());
        let mut tries = 0;
        loop {
            match self
                .rpc
                .get_transaction_with_config(signature, config)
                .await
            {
                Ok(transaction) => return Ok(transaction),
                // Behind one address there may be several nodes, and not all of them know it yet.
                Err(_) if tries < LOOK_UPS => tries += 1,
                Err(error) => return Err(self.error(error)),
            }
            sleep(LOOK_UP_PAUSE).await;
        }
    }

    async fn simulate_at(
        &self,
        instructions: &[Instruction],
        payer: &Pubkey,
        price: u64,
    ) -> Result<Simulation> {
        let budget = Budget {
            units: MAX_COMPUTE_UNITS,
            price,
            loaded_bytes: MAX_LOADED_BYTES,
        };
        let format = self.options.format;
        let message = transaction::message(format, instructions, payer, &budget, Hash::default())?;
        let signatures = usize::from(message.header().num_required_signatures);
        let unsigned = VersionedTransaction {
            signatures: vec![Signature::default(); signatures],
            message,
        };
        let config = RpcSimulateTransactionConfig {
            sig_verify: false,
            replace_recent_blockhash: true,
            commitment: Some(self.rpc.commitment()),
            ..Default::default()
        };
        let result = self
            .rpc
            .simulate_transaction_with_config(&unsigned, config)
            .await
            .map_err(|error| self.error(error))?
            .value;
        let logs = result.logs.unwrap_or_default();
        match result.err {
            Some(error) => {
                let all = unsigned.message.instructions().len();
                Err(refused(error.into(), logs, instructions, all))
            }
            None => Ok(Simulation {
                units: result
                    .units_consumed
                    .unwrap_or(u64::from(MAX_COMPUTE_UNITS)),
                loaded_bytes: result.loaded_accounts_data_size,
                logs,
            }),
        }
    }

    /// A blockhash and the last block height at which it is valid.
    ///
    /// # Errors
    /// That the cluster did not answer.
    pub async fn blockhash(&self) -> Result<(Hash, u64)> {
        self.rpc
            .get_latest_blockhash_with_commitment(self.rpc.commitment())
            .await
            .map_err(|error| self.error(error))
    }

    /// A budget that makes this request unlike any other of this sender: two equal requests within one blockhash would
    /// otherwise be one transaction, and the second would never run.
    pub fn distinct(&self, budget: Budget) -> Budget {
        let number = self.sent.fetch_add(1, Ordering::Relaxed) % DISTINCT_LIMITS;
        Budget {
            units: budget.units.saturating_add(number).min(MAX_COMPUTE_UNITS),
            ..budget
        }
    }

    /// The price of a compute unit in micro-lamports.
    ///
    /// # Errors
    /// That the cluster did not answer.
    pub async fn unit_price(&self, instructions: &[Instruction]) -> Result<u64> {
        match self.options.priority_fee {
            PriorityFee::None => Ok(0),
            PriorityFee::Fixed(price) => Ok(price),
            PriorityFee::Recent { cap_micro_lamports } if self.is_urgent => Ok(cap_micro_lamports),
            PriorityFee::Recent { cap_micro_lamports } => {
                // What others pay only helps to choose; a node that cannot tell is no reason not to send.
                let others = self
                    .recent_price(instructions)
                    .await
                    .unwrap_or_else(|error| {
                        tracing::debug!(%error, "nothing is known about recent priority fees");
                        0
                    });
                Ok(above(others).min(cap_micro_lamports))
            }
        }
    }

    /// The price after an attempt at `price` that nobody included, with so many attempts left.
    async fn raised_price(
        &self,
        price: u64,
        left: u32,
        instructions: &[Instruction],
    ) -> Result<u64> {
        match self.options.priority_fee {
            PriorityFee::Recent { cap_micro_lamports } => {
                let others = self.unit_price(instructions).await?;
                Ok(others.max(raised(price, cap_micro_lamports, left)))
            }
            _ => Ok(price),
        }
    }

    /// A price whose fee leaves the payer most of its lamports: a transaction that it can't pay for is dropped without a word.
    async fn affordable(&self, price: u64, units: u32, payer: &Pubkey) -> u64 {
        let is_chosen_here = matches!(self.options.priority_fee, PriorityFee::Recent { .. });
        if !is_chosen_here || priority_lamports(units, price) <= SMALL_FEE_LAMPORTS {
            return price;
        }
        let Ok(balance) = self.rpc.get_balance(payer).await else {
            return price;
        };
        let most = u128::from(balance / AFFORDABLE_PART) * MICRO / u128::from(units.max(1));
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        if most < price {
            tracing::warn!(%payer, balance, price, "the wallet has too few lamports for the priority fee that this takes; it offers less");
        }
        price.min(most)
    }

    /// What others paid recently to write to the same accounts: the upper quartile.
    async fn recent_price(&self, instructions: &[Instruction]) -> Result<u64> {
        /// What one request takes.
        const MAX_ACCOUNTS: usize = 128;
        let mut accounts: Vec<Pubkey> = instructions
            .iter()
            .flat_map(|instruction| &instruction.accounts)
            .filter(|meta| meta.is_writable)
            .map(|meta| meta.pubkey)
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts.truncate(MAX_ACCOUNTS);
        let recent = self
            .rpc
            .get_recent_prioritization_fees(&accounts)
            .await
            .map_err(|error| self.error(error))?;
        let mut prices: Vec<u64> = recent.iter().map(|fee| fee.prioritization_fee).collect();
        prices.sort_unstable();
        Ok(prices.get(prices.len() * 3 / 4).copied().unwrap_or(0))
    }

    /// Sends one signed transaction, again and again, until it is confirmed or can never be included.
    async fn drive(
        &self,
        transaction: &VersionedTransaction,
        last_valid_height: u64,
        skip_preflight: bool,
    ) -> Result<Driven> {
        let signature = transaction.signatures.first().copied().unwrap_or_default();
        let config = RpcSendTransactionConfig {
            skip_preflight,
            preflight_commitment: Some(self.rpc.commitment().commitment),
            // The node would repeat it on its own; here it is repeated until the outcome is known.
            max_retries: Some(0),
            ..Default::default()
        };
        let mut poll = FIRST_POLL;
        let mut sent_at: Option<Instant> = None;
        let mut silent_since: Option<Instant> = None;
        loop {
            if sent_at.is_none_or(|at| at.elapsed() >= RESEND_EVERY) {
                let is_first = sent_at.is_none();
                sent_at = Some(Instant::now());
                match self
                    .rpc
                    .send_transaction_with_config(transaction, config)
                    .await
                {
                    Ok(_) => {}
                    Err(error) => match error.kind.get_transaction_error() {
                        // It landed already: its status says how.
                        Some(TransactionError::AlreadyProcessed) => {}
                        // The node refused to forward it, so it was never sent.
                        Some(TransactionError::BlockhashNotFound) if is_first => {
                            return Ok(Driven::NeverSent);
                        }
                        Some(refusal) if is_first => {
                            return Err(match self.error(error) {
                                ClientError::Refused(known) => {
                                    refused_transaction(known.error, known.logs, transaction)
                                }
                                _ => refused_transaction(refusal, Vec::new(), transaction),
                            });
                        }
                        // Lost on the way, perhaps after it arrived: only its status can tell.
                        None if may_have_arrived(&error) => {}
                        _ if is_first => return Err(self.error(error)),
                        // It was sent before; only its status counts now.
                        _ => {}
                    },
                }
            }
            match self.look(transaction, &signature, last_valid_height).await {
                Ok(Progress::Landed(slot)) => {
                    return Ok(Driven::Landed(Receipt { signature, slot }));
                }
                Ok(Progress::Gone) => return Ok(Driven::Expired),
                Ok(Progress::Waiting) => silent_since = None,
                Err(error) if error.is_transient() => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= PATIENCE {
                        return Err(ClientError::Unknown {
                            signature,
                            reason: error.to_string(),
                        });
                    }
                }
                Err(error) => return Err(error),
            }
            sleep(poll).await;
            poll = (poll * 3 / 2).min(SLOWEST_POLL);
        }
    }

    async fn look(
        &self,
        transaction: &VersionedTransaction,
        signature: &Signature,
        last_valid_height: u64,
    ) -> Result<Progress> {
        // The height is read before the status: a transaction that lands in between is seen by the later read.
        let height = self
            .rpc
            .get_block_height()
            .await
            .map_err(|error| self.error(error))?;
        let statuses = self
            .rpc
            .get_signature_statuses(&[*signature])
            .await
            .map_err(|error| self.error(error))?
            .value;
        match statuses.into_iter().next().flatten() {
            Some(status) if status.satisfies_commitment(self.rpc.commitment()) => {
                match status.err {
                    Some(error) => {
                        let logs = self.logs(signature).await;
                        Err(refused_transaction(error, logs, transaction))
                    }
                    None => Ok(Progress::Landed(status.slot)),
                }
            }
            Some(_) => Ok(Progress::Waiting),
            None if height > last_valid_height => Ok(Progress::Gone),
            None => Ok(Progress::Waiting),
        }
    }

    /// Logs of a failed transaction, as far as the node has them: they only make the message better.
    async fn logs(&self, signature: &Signature) -> Vec<String> {
        let config = events::transaction_config(self.rpc.commitment());
        let answer = self
            .rpc
            .get_transaction_with_config(signature, config)
            .await
            .ok();
        answer
            .and_then(|answer| answer.transaction.meta)
            .and_then(|meta| meta.log_messages.into())
            .unwrap_or_default()
    }
}

/// Whether a request that failed may still have reached the node.
fn may_have_arrived(error: &RpcClientError) -> bool {
    match &*error.kind {
        ErrorKind::Reqwest(error) => !error.is_connect(),
        ErrorKind::Io(_) | ErrorKind::Middleware(_) => true,
        _ => false,
    }
}

/// How a signed transaction ended.
enum Driven {
    Landed(Receipt),
    /// Its blockhash expired and no block holds it.
    Expired,
    /// The node refused to forward it.
    NeverSent,
}

enum Progress {
    Waiting,
    Landed(u64),
    Gone,
}

/// Somewhat more than others pay.
fn above(others: u64) -> u64 {
    others
        .saturating_add(others / 5)
        .saturating_add(ABOVE_OTHERS)
}

/// The price after one that was too low: at least twice as much, and in equal steps so much that the last of the attempts that
/// are left offers the cap.
fn raised(price: u64, cap: u64, left: u32) -> u64 {
    let price = price.max(1);
    let doublings = (cap.max(1).ilog2() + 1).saturating_sub(price.ilog2());
    let step = doublings.div_ceil(left.max(1)).max(1);
    price
        .saturating_mul(1u64.checked_shl(step).unwrap_or(u64::MAX))
        .min(cap)
}

/// A simulation's compute units and loaded bytes, and a reserve for what may differ when it runs for real.
fn reserve(simulation: &Simulation) -> (u32, u32) {
    let units = simulation.units.saturating_mul(115) / 100 + 500;
    let units = u32::try_from(units).unwrap_or(MAX_COMPUTE_UNITS);
    // An upgrade in between may make the program larger; accounts stay as they are.
    let loaded_bytes = simulation.loaded_bytes.map_or(MAX_LOADED_BYTES, |bytes| {
        bytes.saturating_mul(2).saturating_add(LOADED_RESERVE_BYTES)
    });
    (
        units.min(MAX_COMPUTE_UNITS),
        loaded_bytes.min(MAX_LOADED_BYTES),
    )
}

/// A refusal whose instruction index counts the caller's instructions, not the compute budget before them.
fn refused(
    error: TransactionError,
    logs: Vec<String>,
    instructions: &[Instruction],
    all: usize,
) -> ClientError {
    let added = all.saturating_sub(instructions.len());
    let error = match error {
        TransactionError::InstructionError(index, inner) => {
            let added = u8::try_from(added).unwrap_or_default();
            TransactionError::InstructionError(index.saturating_sub(added), inner)
        }
        other => other,
    };
    let programs: Vec<Pubkey> = instructions
        .iter()
        .map(|instruction| instruction.program_id)
        .collect();
    ClientError::Refused(Box::new(Refusal::new(error, logs, &programs)))
}

fn refused_transaction(
    error: TransactionError,
    logs: Vec<String>,
    transaction: &VersionedTransaction,
) -> ClientError {
    let programs = programs_of(&transaction.message);
    ClientError::Refused(Box::new(Refusal::new(error, logs, &programs)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        crate::instructions,
        serde_json::{Value, json},
        solana_rpc_client::{
            rpc_client::RpcClientConfig,
            rpc_sender::{RpcSender, RpcTransportStats},
        },
        solana_rpc_client_api::request::{RpcError, RpcRequest},
        solana_sdk::signature::Signer,
    };

    #[test]
    fn a_reserve_stays_within_the_limits() {
        let simulation = |units, loaded_bytes| Simulation {
            units,
            loaded_bytes,
            logs: Vec::new(),
        };
        assert_eq!(
            reserve(&simulation(10_000, Some(300_000))),
            (12_000, 665_536)
        );
        assert_eq!(
            reserve(&simulation(10_000, None)),
            (12_000, MAX_LOADED_BYTES)
        );
        assert_eq!(
            reserve(&simulation(1_399_000, Some(u32::MAX))),
            (MAX_COMPUTE_UNITS, MAX_LOADED_BYTES)
        );
    }

    #[test]
    fn equal_requests_are_different_transactions() {
        let sender = Sender::new("http://127.0.0.1:1", CommitmentConfig::confirmed());
        let budget = Budget {
            units: 1_000,
            ..Budget::LARGEST
        };
        assert_ne!(sender.distinct(budget), sender.distinct(budget));
    }

    #[test]
    fn refusals_count_the_callers_instructions() {
        let instruction =
            instructions::set_operator_limit(&Pubkey::from([1; 32]), &Pubkey::from([9; 32]), 5);
        let error = TransactionError::InstructionError(
            1,
            solana_sdk::instruction::InstructionError::Custom(6_006),
        );
        let ClientError::Refused(refusal) = refused(error, Vec::new(), &[instruction], 2) else {
            panic!()
        };
        assert_eq!(refusal.instruction, Some(0));
        assert_eq!(refusal.program, Some(quern::ID));
    }

    #[test]
    fn a_raised_price_doubles_and_ends_at_the_cap() {
        for (first, cap) in [
            (0, 50_000_000),
            (1_000, 50_000_000),
            (1_200, 1_300),
            (u64::MAX - 1, u64::MAX),
            (7, 0),
            (5_000, 5_000),
        ] {
            for attempts in 2..=6 {
                let (mut price, mut last) = (first, first);
                for left in (1..attempts).rev() {
                    price = raised(price, cap, left);
                    assert!(price == cap || price >= last * 2, "{first} {cap} {price}");
                    assert!(price <= cap);
                    last = price;
                }
                assert_eq!(price, cap, "{first} {attempts}");
            }
        }
        // In even steps, not all at once.
        assert_eq!(raised(1_000, 1_024_000, 3), 16_000);
        assert_eq!(above(0), ABOVE_OTHERS);
        assert_eq!(above(1_000_000), 1_201_000);
        assert_eq!(above(u64::MAX), u64::MAX);
    }

    #[test]
    fn what_is_due_soon_is_urgent() {
        let sender = Sender::new("http://127.0.0.1:1", CommitmentConfig::confirmed());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        for (due, urgent) in [
            (now, true),
            (now + 290, true),
            (now - 290, true),
            (now + 400, false),
            (now - 400, false),
            (0, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ] {
            assert_eq!(
                sender.by(due).is_urgent,
                urgent,
                "{}",
                due.wrapping_sub(now)
            );
        }
    }

    /// A node that takes transactions and never includes any.
    #[derive(Clone, Default)]
    struct FullNode {
        others: Option<u64>,
        balance: u64,
        taken: Arc<std::sync::Mutex<Vec<Vec<u8>>>>,
    }

    #[async_trait::async_trait]
    impl RpcSender for FullNode {
        async fn send(
            &self,
            request: RpcRequest,
            params: Value,
        ) -> solana_rpc_client_api::client_error::Result<Value> {
            let valued = |value: Value| json!({ "context": { "slot": 1 }, "value": value });
            Ok(match request {
                RpcRequest::GetRecentPrioritizationFees => match self.others {
                    Some(price) => json!([{ "slot": 1, "prioritizationFee": price }]),
                    None => return Err(RpcError::ForUser("no such method".to_owned()).into()),
                },
                RpcRequest::GetLatestBlockhash => valued(json!({
                    "blockhash": Hash::default().to_string(), "lastValidBlockHeight": 10,
                })),
                RpcRequest::GetBlockHeight => json!(11),
                RpcRequest::GetSignatureStatuses => valued(json!([null])),
                RpcRequest::GetBalance => valued(json!(self.balance)),
                RpcRequest::SendTransaction => {
                    let bytes = decoded(params[0].as_str().unwrap());
                    let signature = Signature::try_from(&bytes[1..65]).unwrap();
                    self.taken.lock().unwrap().push(bytes);
                    json!(signature.to_string())
                }
                other => panic!("{other:?}"),
            })
        }

        fn get_transport_stats(&self) -> RpcTransportStats {
            RpcTransportStats::default()
        }

        fn url(&self) -> String {
            "http://full".to_owned()
        }
    }

    /// Bytes of base64 text.
    fn decoded(text: &str) -> Vec<u8> {
        let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let values: Vec<u32> = text
            .chars()
            .filter_map(|digit| digits.find(digit).map(|value| value as u32))
            .collect();
        let mut bytes = Vec::new();
        for four in values.chunks(4) {
            let joined = (0..4).fold(0, |all, i| all << 6 | four.get(i).copied().unwrap_or(0));
            bytes.extend_from_slice(&joined.to_be_bytes()[1..four.len()]);
        }
        bytes
    }

    /// Prices of all attempts to send something to a node that includes nothing.
    async fn attempted(node: &FullNode, urgent: bool, priority_fee: PriorityFee) -> Vec<u64> {
        let config = RpcClientConfig::with_commitment(CommitmentConfig::confirmed());
        let rpc = RpcClient::new_sender(node.clone(), config);
        let sender = Sender::over(Arc::new(rpc)).with_options(SendOptions {
            compute: ComputeUnits::Fixed(30_000),
            priority_fee,
            ..SendOptions::default()
        });
        let sender = if urgent { sender.urgent() } else { sender };
        let payer = Keypair::new_from_array([5; 32]);
        let instruction =
            instructions::set_operator_limit(&payer.pubkey(), &Pubkey::from([9; 32]), 5);
        let expired = sender.send(&[instruction], &[&payer]).await.unwrap_err();
        assert!(
            matches!(expired, ClientError::Expired { attempts: 4, .. }),
            "{expired}"
        );
        let taken = std::mem::take(&mut *node.taken.lock().unwrap());
        // The instruction with the price has nine bytes of data, of which the first is 3.
        let price = |bytes: &Vec<u8>| {
            let at = bytes.windows(2).position(|pair| pair == [9, 3]);
            at.map_or(0, |at| {
                u64::from_le_bytes(bytes[at + 2..at + 10].try_into().unwrap())
            })
        };
        taken.iter().map(price).collect()
    }

    #[tokio::test]
    async fn what_nobody_includes_is_sent_again_for_more() {
        let recent = PriorityFee::Recent {
            cap_micro_lamports: 50_000_000,
        };
        let mut node = FullNode {
            others: Some(5_000),
            balance: 1_000_000_000,
            ..FullNode::default()
        };
        let prices = attempted(&node, false, recent).await;
        assert_eq!(prices, [7_000, 224_000, 7_168_000, 50_000_000]);
        // Urgent requests do not begin below.
        assert_eq!(attempted(&node, true, recent).await, [50_000_000; 4]);
        // What was fixed stays.
        for urgent in [false, true] {
            assert_eq!(
                attempted(&node, urgent, PriorityFee::Fixed(70)).await,
                [70; 4]
            );
            assert_eq!(attempted(&node, urgent, PriorityFee::None).await, [0; 4]);
        }
        // A node that knows nothing about fees, and one with others above the cap.
        node.others = None;
        let prices = attempted(&node, false, recent).await;
        assert_eq!((prices[0], prices[3]), (ABOVE_OTHERS, 50_000_000));
        node.others = Some(u64::MAX);
        assert_eq!(attempted(&node, false, recent).await, [50_000_000; 4]);
        // A quarter of 600,000 lamports for some 30,000 units: a transaction that can't be paid for would never land.
        node.balance = 600_000;
        for price in attempted(&node, true, recent).await {
            assert!((4_900_000..=5_000_000).contains(&price), "{price}");
        }
    }

    #[tokio::test]
    async fn an_absent_node_gets_one_sentence() {
        let sender = Sender::new("http://127.0.0.1:1", CommitmentConfig::confirmed());
        let error = sender
            .simulate(&[], &Pubkey::from([1; 32]))
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
    }
}
