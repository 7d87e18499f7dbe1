//! From a signed transaction to what became of it.

use {
    crate::{
        errors::{ClientError, Refusal, Result},
        events, rpc,
        transaction::programs_of,
    },
    serde_json::json,
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::{
        client_error::{Error as RpcClientError, ErrorKind},
        config::RpcSendTransactionConfig,
        request::{RpcError, RpcRequest},
        response::{Response, RpcBlockhash},
    },
    solana_sdk::{
        hash::Hash,
        signature::Signature,
        transaction::{TransactionError, VersionedTransaction},
    },
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, TransactionStatus,
    },
    std::time::{Duration, Instant},
    tokio::time::sleep,
};

/// How long an unreachable node is asked again about a transaction that may have landed.
const UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a transaction is sent again while it waits.
const RESEND_EVERY: Duration = Duration::from_secs(2);
/// For how many blocks a blockhash is valid. Nodes remember statuses for twice as many slots, so what was looked for at most
/// this long ago has not been forgotten since.
const VALID_BLOCKS: u64 = 150;
const FIRST_POLL: Duration = Duration::from_millis(20);
const SLOWEST_POLL: Duration = Duration::from_millis(1_000);

/// A confirmed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its signature.
    pub signature: Signature,
    /// The slot in which it landed.
    pub slot: u64,
}

/// How a signed transaction ended, unless it failed.
pub enum Driven {
    Landed(Receipt),
    /// Its blockhash expired and no block holds it.
    Expired,
    /// The node refused to forward it: its blockhash was not known there.
    NeverSent,
    /// The node refused it, or was not there, when it was handed over for the first time: nothing was sent, and it costs nothing.
    Declined(ClientError),
}

/// A signed transaction on its way.
pub struct Sent<'a> {
    pub rpc: &'a RpcClient,
    pub transaction: &'a VersionedTransaction,
    pub recent: Recent,
    pub skip_preflight: bool,
}

/// A blockhash and until when it is valid.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    pub blockhash: Hash,
    /// The last block height at which it is valid.
    pub last_valid_height: u64,
    /// The slot in which it was read: nothing that carries it landed before.
    pub slot: u64,
}

impl Recent {
    /// The newest blockhash.
    pub async fn newest(rpc: &RpcClient) -> Result<Self> {
        let params = json!([rpc.commitment()]);
        let newest: Response<RpcBlockhash> = rpc
            .send(RpcRequest::GetLatestBlockhash, params)
            .await
            .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
        let blockhash = newest.value.blockhash.parse();
        Ok(Self {
            blockhash: blockhash.map_err(|_| ClientError::Rpc {
                reason: "with a blockhash that is none".to_owned(),
            })?,
            last_valid_height: newest.value.last_valid_block_height,
            slot: newest.context.slot,
        })
    }
}

impl Sent<'_> {
    /// Sends it, again and again, until it is confirmed or can never be included.
    ///
    /// # Errors
    /// `Refused` if it failed, `Unknown` if the node stopped answering, or forgot too much, after it was sent.
    pub async fn drive(&self) -> Result<Driven> {
        let signature = self.signature();
        let mut poll = FIRST_POLL;
        let mut sent_at: Option<Instant> = None;
        let mut silent_since: Option<Instant> = None;
        // Nothing landed before its blockhash existed.
        let mut seen_height = self.recent.last_valid_height.saturating_sub(VALID_BLOCKS);
        loop {
            if sent_at.is_none_or(|at| at.elapsed() >= RESEND_EVERY) {
                let is_first = sent_at.replace(Instant::now()).is_none();
                if let Some(unsent) = self.forward(is_first).await? {
                    return Ok(unsent);
                }
            }
            match self.look(seen_height).await {
                Ok(Progress::Landed(slot)) => {
                    return Ok(Driven::Landed(Receipt { signature, slot }));
                }
                Ok(Progress::Gone) => return Ok(Driven::Expired),
                Ok(Progress::Waiting { height }) => {
                    silent_since = None;
                    seen_height = seen_height.max(height);
                }
                Err(error) if error.is_transient() => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= UNREACHABLE_TIMEOUT {
                        return Err(self.unknown(error.to_string()));
                    }
                }
                Err(error) => return Err(error),
            }
            sleep(poll).await;
            poll = (poll * 3 / 2).min(SLOWEST_POLL);
        }
    }

    /// Its identity.
    pub fn signature(&self) -> Signature {
        let first = self.transaction.signatures.first();
        first.copied().unwrap_or_default()
    }

    fn unknown(&self, reason: String) -> ClientError {
        ClientError::Unknown {
            signature: self.signature(),
            reason,
        }
    }

    fn error(&self, error: RpcClientError) -> ClientError {
        ClientError::from_rpc(&self.rpc.url(), error)
    }

    /// Hands it to the node. Says if it was surely not sent; later than the first time only its status counts.
    async fn forward(&self, is_first: bool) -> Result<Option<Driven>> {
        let config = RpcSendTransactionConfig {
            skip_preflight: self.skip_preflight,
            preflight_commitment: Some(self.rpc.commitment().commitment),
            // The node would repeat it on its own; here it is repeated until the outcome is known.
            max_retries: Some(0),
            ..Default::default()
        };
        let sent = self
            .rpc
            .send_transaction_with_config(self.transaction, config)
            .await;
        let Err(error) = sent else {
            return Ok(None);
        };
        if !is_first {
            return Ok(None);
        }
        let declined = match error.kind.get_transaction_error() {
            // Another process sent the very same: which of them it counts for, nobody can tell.
            Some(TransactionError::AlreadyProcessed) => return Err(self.unknown(
                "an equal request of this wallet was sent at the same moment, and both became one transaction".to_owned(),
            )),
            Some(TransactionError::BlockhashNotFound) => Driven::NeverSent,
            Some(refusal) => Driven::Declined(match self.error(error) {
                ClientError::Refused(known) => {
                    refused_transaction(known.error, known.logs, self.transaction)
                }
                _ => refused_transaction(refusal, Vec::new(), self.transaction),
            }),
            // Lost on the way, perhaps after it arrived: only its status can tell.
            None if may_have_arrived(&error) => return Ok(None),
            None => Driven::Declined(self.error(error)),
        };
        Ok(Some(declined))
    }

    /// What has become of it; `seen_height` is the last height at which it was looked for and not found.
    async fn look(&self, seen_height: u64) -> Result<Progress> {
        // The height is read before the status: a transaction that lands in between is seen by the later read.
        let height = self.rpc.get_block_height().await;
        let height = height.map_err(|error| self.error(error))?;
        let statuses = self
            .rpc
            .get_signature_statuses(&[self.signature()])
            .await
            .map_err(|error| self.error(error))?
            .value;
        match statuses.into_iter().next().flatten() {
            Some(status) => self.progress(status, height).await,
            None if height <= self.recent.last_valid_height => Ok(Progress::Waiting { height }),
            None => self.missed(seen_height, height).await,
        }
    }

    /// What a status says.
    async fn progress(&self, status: TransactionStatus, height: u64) -> Result<Progress> {
        if !status.satisfies_commitment(self.rpc.commitment()) {
            return Ok(Progress::Waiting { height });
        }
        match status.err {
            Some(error) => {
                let logs = logs(self.rpc, &self.signature()).await;
                Err(refused_transaction(error, logs, self.transaction))
            }
            None => Ok(Progress::Landed(status.slot)),
        }
    }

    /// What has become of it where its blockhash should have expired and the node's recent memory does not hold it. That memory
    /// ends after two minutes, and this process may have slept for longer: so nothing counts as gone before the history says so.
    async fn missed(&self, seen_height: u64, height: u64) -> Result<Progress> {
        let blockhash = &self.recent.blockhash;
        let valid = self.rpc.is_blockhash_valid(blockhash, self.settled()).await;
        if valid.map_err(|error| self.error(error))? {
            // The height came from a node that is ahead, or wrong.
            return Ok(Progress::Waiting {
                height: seen_height,
            });
        }
        let signature = self.signature();
        let history = self
            .rpc
            .get_signature_statuses_with_history(&[signature])
            .await;
        let has_history = match history {
            Ok(found) => match found.value.into_iter().next().flatten() {
                Some(status) => return self.progress(status, seen_height).await,
                None => true,
            },
            Err(error) if rpc::has_no_history(&error) => false,
            Err(error) => return Err(self.error(error)),
        };
        if let Some(progress) = self.found().await? {
            return Ok(progress);
        }
        // It was looked for all the time: then the recent memory is enough.
        if height.saturating_sub(seen_height) <= VALID_BLOCKS {
            return Ok(Progress::Gone);
        }
        if !has_history {
            return Err(self.unknown(
                "this process did not look for longer than the node remembers, and the node keeps no history".to_owned(),
            ));
        }
        let first = self.rpc.get_first_available_block().await;
        match first.map_err(|error| self.error(error))? <= self.recent.slot {
            true => Ok(Progress::Gone),
            false => Err(self.unknown("the node's history begins after it was sent".to_owned())),
        }
    }

    /// What has become of it by the transaction itself: some nodes keep that and tell no status.
    async fn found(&self) -> Result<Option<Progress>> {
        let config = events::transaction_config(self.settled());
        let params = json!([self.signature().to_string(), config]);
        let found: Option<EncodedConfirmedTransactionWithStatusMeta> =
            match self.rpc.send(RpcRequest::GetTransaction, params).await {
                Err(error) if rpc::has_no_history(&error) => return Ok(None),
                found => found.map_err(|error| self.error(error))?,
            };
        let Some(found) = found else {
            return Ok(None);
        };
        match found.transaction.meta {
            Some(meta) => match meta.err {
                Some(error) => {
                    let logs: Option<Vec<String>> = meta.log_messages.into();
                    let logs = logs.unwrap_or_default();
                    Err(refused_transaction(error.into(), logs, self.transaction))
                }
                None => Ok(Some(Progress::Landed(found.slot))),
            },
            None => Err(self.unknown("the node has it, but not how it ended".to_owned())),
        }
    }

    /// The commitment at which a blockhash counts as expired: a block that is only processed may be dropped again.
    fn settled(&self) -> CommitmentConfig {
        match self.rpc.commitment().is_processed() {
            true => CommitmentConfig::confirmed(),
            false => self.rpc.commitment(),
        }
    }
}

/// Logs of a failed transaction, as far as the node has them: they only make the message better.
async fn logs(rpc: &RpcClient, signature: &Signature) -> Vec<String> {
    let config = events::transaction_config(rpc.commitment());
    let answer = rpc
        .get_transaction_with_config(signature, config)
        .await
        .ok();
    answer
        .and_then(|answer| answer.transaction.meta)
        .and_then(|meta| meta.log_messages.into())
        .unwrap_or_default()
}

enum Progress {
    /// It may still land; it was looked for at this height.
    Waiting { height: u64 },
    /// It landed in this slot.
    Landed(u64),
    /// It can never land.
    Gone,
}

/// Whether a request that failed may still have reached the node: unless nobody listened there, or the node itself said no.
fn may_have_arrived(error: &RpcClientError) -> bool {
    match &*error.kind {
        ErrorKind::Reqwest(error) => !error.is_connect(),
        ErrorKind::RpcError(RpcError::RpcResponseError { .. }) => false,
        // An answer that nobody can read, or one about another transaction.
        ErrorKind::RpcError(_) | ErrorKind::SerdeJson(_) => true,
        ErrorKind::Io(_) | ErrorKind::Middleware(_) => true,
        _ => false,
    }
}

/// A refusal of a transaction.
pub fn refused_transaction(
    error: TransactionError,
    logs: Vec<String>,
    transaction: &VersionedTransaction,
) -> ClientError {
    let programs = programs_of(&transaction.message);
    ClientError::Refused(Box::new(Refusal::new(error, logs, &programs)))
}
