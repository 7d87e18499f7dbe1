//! Sending transactions: simulated, priced, repeated until they are confirmed or can never be included any more.
//!
//! A transaction is only built anew when the old one can no longer land (its blockhash has expired and no block holds it),
//! so nothing is executed twice.

mod confirm;
mod fee;
mod simulate;

use {
    crate::{
        errors::{ClientError, Result},
        events::{self, TransactionEvents},
        transaction::{self, Budget, pack, payer_of, sign},
    },
    confirm::Driven,
    fee::Pricing,
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
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::{Duration, SystemTime, UNIX_EPOCH},
    },
    tokio::time::sleep,
};

pub use {confirm::Receipt, fee::PriorityFee, simulate::Simulation};

pub use crate::transaction::{
    Format, MAX_COMPUTE_UNITS, MAX_LOADED_BYTES, MAX_TRANSACTION_BYTES, MAX_V1_TRANSACTION_BYTES,
    largest_size,
};

/// Equal requests get different compute-unit limits, hence different signatures; this many in turn.
const DISTINCT_LIMITS: u32 = 1_000;
/// How often a confirmed transaction is looked up again.
const LOOK_UPS: u32 = 10;
const LOOK_UP_PAUSE: Duration = Duration::from_millis(300);
/// What is due within this time is urgent: four attempts, each as long as a blockhash lives, and some.
const URGENT_SECS: u64 = 300;

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

/// What a confirmed transaction took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Compute units that it used.
    pub units: u64,
    /// What it cost its payer, the priority fee included.
    pub fee_lamports: u64,
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
        let pricing = self.pricing();
        let mut price = pricing.unit_price(instructions).await?;
        let (units, loaded_bytes, skip_preflight) =
            self.reserve(instructions, &payer, price).await?;
        let mut last = Signature::default();
        let attempts = self.options.attempts.max(1);
        for attempt in 1..=attempts {
            let (blockhash, last_valid_height) = self.blockhash().await?;
            let budget = self.distinct(Budget {
                units,
                price: pricing.affordable(price, units, &payer).await,
                loaded_bytes,
            });
            let format = self.options.format;
            let message = transaction::message(format, instructions, &payer, &budget, blockhash)?;
            let transaction = sign(message, signers)?;
            last = transaction.signatures.first().copied().unwrap_or_default();
            let driven =
                confirm::drive(&self.rpc, &transaction, last_valid_height, skip_preflight).await?;
            let left = attempts - attempt;
            match driven {
                Driven::Landed(receipt) => return Ok(receipt),
                Driven::Expired if left > 0 => {
                    price = pricing.raised_price(price, left, instructions).await?;
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

    /// Compute units, loaded bytes, and whether a simulation stands for the node's own check.
    async fn reserve(
        &self,
        instructions: &[Instruction],
        payer: &Pubkey,
        price: u64,
    ) -> Result<(u32, u32, bool)> {
        match self.options.compute {
            ComputeUnits::Fixed(units) => Ok((units, MAX_LOADED_BYTES, false)),
            ComputeUnits::Simulated => {
                let price = match self.options.priority_fee {
                    // Simulated are the most units that there are: a payer need not have the fee for those.
                    PriorityFee::Recent { .. } => 1,
                    _ => price,
                };
                let format = self.options.format;
                let simulation =
                    simulate::simulate(&self.rpc, format, instructions, payer, price).await?;
                let (units, loaded_bytes) = simulate::reserve(&simulation);
                Ok((units, loaded_bytes, true))
            }
        }
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

    /// The price of a compute unit in micro-lamports.
    ///
    /// # Errors
    /// That the cluster did not answer.
    pub async fn unit_price(&self, instructions: &[Instruction]) -> Result<u64> {
        self.pricing().unit_price(instructions).await
    }

    fn pricing(&self) -> Pricing<'_> {
        Pricing {
            rpc: &self.rpc,
            fee: self.options.priority_fee,
            is_urgent: self.is_urgent,
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
    fn equal_requests_are_different_transactions() {
        let sender = Sender::new("http://127.0.0.1:1", CommitmentConfig::confirmed());
        let budget = Budget {
            units: 1_000,
            ..Budget::LARGEST
        };
        assert_ne!(sender.distinct(budget), sender.distinct(budget));
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
        assert_eq!((prices[0], prices[3]), (fee::ABOVE_OTHERS, 50_000_000));
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
