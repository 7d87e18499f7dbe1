//! Sending transactions: simulated, priced, repeated until they are confirmed or can never be included any more.
//!
//! A transaction is only built anew when the old one can no longer land (its blockhash has expired and no block holds it,
//! neither in the node's recent memory nor in its history), so nothing is executed twice. What cannot be told is an error with
//! the signature. What is offered for being included: [`fee`].

mod confirm;
mod each;
pub mod fee;
mod simulate;

use {
    crate::{
        errors::{ClientError, Result},
        events::{self, TransactionEvents},
        rpc,
        transaction::{self, Budget, pack, payer_of, priority_lamports, sign},
    },
    confirm::{Driven, Recent, Sent},
    fee::Ledger,
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::client_error::Error as RpcClientError,
    solana_sdk::{
        hash::Hash,
        instruction::Instruction,
        pubkey::Pubkey,
        signature::{Keypair, Signature},
    },
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::{
        hash::{BuildHasher, Hasher, RandomState},
        sync::{
            Arc, Mutex, PoisonError,
            atomic::{AtomicU32, Ordering},
        },
        time::{SystemTime, UNIX_EPOCH},
    },
};

pub use {
    confirm::Receipt,
    each::Each,
    fee::{Budgets, Errand, PriorityFee},
    simulate::Simulation,
};

pub use crate::transaction::{
    Format, MAX_COMPUTE_UNITS, MAX_LOADED_BYTES, MAX_TRANSACTION_BYTES, MAX_V1_TRANSACTION_BYTES,
    largest_size,
};

/// Equal requests get different compute-unit limits, hence different signatures; this many in turn.
const DISTINCT_LIMITS: u32 = 1_000;
/// A priority fee that is not worth a look at the payer's balance: that of a signature.
const SMALL_FEE_LAMPORTS: u64 = fee::SIGNATURE_LAMPORTS;

/// How many compute units a transaction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeUnits {
    /// What a simulation used, and a reserve.
    Simulated,
    /// This many; the node checks the transaction when it is sent.
    Fixed(u32),
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
    /// What it may add up to.
    pub budgets: Budgets,
    /// How many blockhashes are tried, at least one.
    pub attempts: u32,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            format: Format::Legacy,
            compute: ComputeUnits::Simulated,
            priority_fee: PriorityFee::None,
            budgets: Budgets::default(),
            attempts: fee::LAST_STEP + 1,
        }
    }
}

/// What a confirmed transaction took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Compute units that it used.
    pub units: u64,
    /// What it cost its payer, the priority fee included.
    pub fee_lamports: u64,
}

/// What an attempt pays for being included sooner. It is booked already: attempts at the same time share what is left.
#[derive(Clone, Copy, Debug)]
struct Offer {
    /// For a unit, in micro-lamports.
    price: u64,
    lamports: u64,
}

/// Sends transactions to one cluster at one commitment.
#[derive(Clone)]
pub struct Sender {
    rpc: Arc<RpcClient>,
    options: SendOptions,
    errand: Errand,
    /// Of all clones together: they send for the same wallet.
    ledger: Arc<Mutex<Ledger>>,
    sent: Arc<AtomicU32>,
}

impl Sender {
    /// A sender to the cluster at a URL; answers must have reached `commitment`.
    pub fn new(url: &str, commitment: CommitmentConfig) -> Self {
        Self::over(Arc::new(rpc::connect(url, commitment)))
    }

    /// A sender over an existing connection.
    pub fn over(rpc: Arc<RpcClient>) -> Self {
        Self {
            rpc,
            options: SendOptions::default(),
            errand: Errand::anytime(),
            ledger: Arc::default(),
            // Two processes that ask for the same at the same moment must not begin alike.
            sent: Arc::new(AtomicU32::new(random())),
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

    /// The same sender with other budgets.
    #[must_use]
    pub fn with_budgets(&self, budgets: Budgets) -> Self {
        let options = SendOptions {
            budgets,
            ..self.options
        };
        self.clone().with_options(options)
    }

    /// The same sender for an errand: its transactions are priced by what that is worth and until when they must have landed.
    #[must_use]
    pub fn on(&self, errand: Errand) -> Self {
        Self {
            errand,
            ..self.clone()
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

    /// An error of the connection, in a sentence.
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
        let (units, loaded_bytes, skip_preflight) = self.reserve(instructions, &payer).await?;
        let mut last = Signature::default();
        let mut expired = 0;
        let attempts = self.options.attempts.max(1);
        for attempt in 1..=attempts {
            let recent = Recent::newest(&self.rpc).await?;
            let number = self.number();
            let units = distinct_units(units, number);
            let offer = self.offer(expired, units, number, &payer).await;
            let price = offer.price;
            let budget = Budget {
                units,
                price,
                loaded_bytes,
            };
            let format = self.options.format;
            let blockhash = recent.blockhash;
            let message = transaction::message(format, instructions, &payer, &budget, blockhash);
            let transaction = message
                .and_then(|message| sign(message, signers))
                .inspect_err(|_| self.take_back(&offer))?;
            let sent = Sent {
                rpc: &self.rpc,
                transaction: &transaction,
                recent,
                skip_preflight,
            };
            last = sent.signature();
            // What failed on chain has paid, and what is unknown may have: both stay booked.
            let driven = sent.drive().await?;
            if let Driven::Landed(receipt) = driven {
                return Ok(receipt);
            }
            self.take_back(&offer);
            match driven {
                Driven::Declined(error) => return Err(error),
                Driven::Expired => expired += 1,
                Driven::Landed(_) | Driven::NeverSent => {}
            }
            tracing::debug!(signature = %last, attempt, price, "blockhash expired before the transaction was included");
        }
        Err(ClientError::Expired {
            attempts,
            signature: last,
        })
    }

    /// Compute units, loaded bytes, and whether a simulation stands for the node's own check.
    async fn reserve(
        &self,
        instructions: &[Instruction],
        payer: &Pubkey,
    ) -> Result<(u32, u32, bool)> {
        match self.options.compute {
            ComputeUnits::Fixed(units) => Ok((units, MAX_LOADED_BYTES, false)),
            ComputeUnits::Simulated => {
                let price = match self.options.priority_fee {
                    PriorityFee::None => 0,
                    PriorityFee::Fixed(price) => price,
                    // Simulated are the most units that there are: a payer need not have the fee for those.
                    PriorityFee::Within { .. } => 1,
                };
                let format = self.options.format;
                let simulation =
                    simulate::simulate(&self.rpc, format, instructions, payer, price).await?;
                let (units, loaded_bytes) = simulate::reserve(&simulation);
                Ok((units, loaded_bytes, true))
            }
        }
    }

    /// What an attempt after so many that expired offers, as far as the payer has it.
    async fn offer(&self, expired: u32, units: u32, number: u32, payer: &Pubkey) -> Offer {
        let offer = self.book(expired, units, number);
        let is_within = matches!(self.options.priority_fee, PriorityFee::Within { .. });
        if !is_within || offer.lamports <= SMALL_FEE_LAMPORTS {
            return offer;
        }
        let Ok(balance) = self.rpc.get_balance(payer).await else {
            return offer;
        };
        // A transaction that its payer cannot pay for is dropped without a word, and what it does may cost rent, too.
        let price = fee::unit_price(fee::LAST_STEP, units, offer.price, balance / 2);
        if price >= offer.price {
            return offer;
        }
        tracing::warn!(%payer, balance, price = offer.price, "the wallet has too few lamports for the priority fee that this is worth; it offers less");
        let lamports = priority_lamports(units, price);
        let mut ledger = self.ledger();
        ledger.take_back(&self.errand, offer.lamports);
        ledger.book(&self.errand, lamports);
        Offer { price, lamports }
    }

    /// Takes an offer from what is left, at once.
    fn book(&self, expired: u32, units: u32, number: u32) -> Offer {
        let mut ledger = self.ledger();
        let left = ledger.left(&self.errand, &self.options.budgets);
        let mut price = self.price(expired, units, left);
        if let PriorityFee::Within { .. } = self.options.priority_fee {
            price = fee::distinct_price(price, number / DISTINCT_LIMITS);
        }
        let lamports = priority_lamports(units, price);
        ledger.book(&self.errand, lamports);
        Offer { price, lamports }
    }

    /// Gives an offer back that cost nothing.
    fn take_back(&self, offer: &Offer) {
        self.ledger().take_back(&self.errand, offer.lamports);
    }

    /// The price of a unit, in micro-lamports, that the policy says after so many attempts that expired.
    pub fn unit_price(&self, expired: u32, units: u32) -> u64 {
        let left = self.ledger().left(&self.errand, &self.options.budgets);
        self.price(expired, units, left)
    }

    /// The same if so much is left for the job and the hour.
    fn price(&self, expired: u32, units: u32, (of_job, of_hour): (u64, u64)) -> u64 {
        match self.options.priority_fee {
            PriorityFee::None => 0,
            PriorityFee::Fixed(price) => price,
            PriorityFee::Within { cap_micro_lamports } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let now = now.map_or(0, |since| since.as_secs());
                let left = self
                    .errand
                    .due()
                    .map(|due| due.saturating_sub_unsigned(now));
                let step = fee::step(expired, left);
                let budgets = &self.options.budgets;
                let lamports = fee::budget_lamports(&self.errand, step, budgets, of_job, of_hour);
                let cap = cap_micro_lamports.unwrap_or(self.errand.cap_micro_lamports());
                fee::unit_price(step, units, cap, lamports)
            }
        }
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
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
        simulate::simulate(&self.rpc, self.options.format, instructions, payer, 0).await
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

    /// A confirmed transaction. The connection asks until the node has it: behind one address there may be several nodes, and
    /// not all of them know it yet.
    async fn transaction(
        &self,
        signature: &Signature,
    ) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        let config = events::transaction_config(self.rpc.commitment());
        let transaction = self
            .rpc
            .get_transaction_with_config(signature, config)
            .await;
        transaction.map_err(|error| self.error(error))
    }

    /// A blockhash and the last block height at which it is valid.
    ///
    /// # Errors
    /// That the cluster did not answer.
    pub async fn blockhash(&self) -> Result<(Hash, u64)> {
        let recent = Recent::newest(&self.rpc).await?;
        Ok((recent.blockhash, recent.last_valid_height))
    }

    /// A budget that makes this request unlike any other of this sender, and almost surely unlike those of another process: two
    /// equal requests within one blockhash would otherwise be one transaction, and the second would never run.
    pub fn distinct(&self, budget: Budget) -> Budget {
        Budget {
            units: distinct_units(budget.units, self.number()),
            ..budget
        }
    }

    /// The number of a request.
    fn number(&self) -> u32 {
        self.sent.fetch_add(1, Ordering::Relaxed)
    }
}

/// A limit of units that differs for a thousand numbers in turn.
fn distinct_units(units: u32, number: u32) -> u32 {
    let more = units.saturating_add(number % DISTINCT_LIMITS);
    match more > MAX_COMPUTE_UNITS {
        // There is no room above the most.
        true => MAX_COMPUTE_UNITS - number % DISTINCT_LIMITS,
        false => more,
    }
}

/// A number that no other process has: the standard library seeds its hashes from the system.
fn random() -> u32 {
    let hash = RandomState::new().build_hasher().finish();
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests;
