//! From a signed transaction to what became of it.

use {
    crate::{
        errors::{ClientError, Refusal, Result},
        events,
        transaction::programs_of,
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::{
        client_error::{Error as RpcClientError, ErrorKind},
        config::RpcSendTransactionConfig,
    },
    solana_sdk::{
        signature::Signature,
        transaction::{TransactionError, VersionedTransaction},
    },
    std::time::{Duration, Instant},
    tokio::time::sleep,
};

/// How long an unreachable node is asked again about a transaction that may have landed.
const UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a transaction is sent again while it waits.
const RESEND_EVERY: Duration = Duration::from_secs(2);
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

/// How a signed transaction ended.
pub enum Driven {
    Landed(Receipt),
    /// Its blockhash expired and no block holds it.
    Expired,
    /// The node refused to forward it.
    NeverSent,
}

/// Sends one signed transaction, again and again, until it is confirmed or can never be included.
///
/// # Errors
/// `Refused` if it failed, `Unknown` if the node stopped answering after it was sent.
pub async fn drive(
    rpc: &RpcClient,
    transaction: &VersionedTransaction,
    last_valid_height: u64,
    skip_preflight: bool,
) -> Result<Driven> {
    let signature = transaction.signatures.first().copied().unwrap_or_default();
    let mut poll = FIRST_POLL;
    let mut sent_at: Option<Instant> = None;
    let mut silent_since: Option<Instant> = None;
    loop {
        if sent_at.is_none_or(|at| at.elapsed() >= RESEND_EVERY) {
            let is_first = sent_at.replace(Instant::now()).is_none();
            if !forward(rpc, transaction, skip_preflight, is_first).await? {
                return Ok(Driven::NeverSent);
            }
        }
        match look(rpc, transaction, &signature, last_valid_height).await {
            Ok(Progress::Landed(slot)) => {
                return Ok(Driven::Landed(Receipt { signature, slot }));
            }
            Ok(Progress::Gone) => return Ok(Driven::Expired),
            Ok(Progress::Waiting) => silent_since = None,
            Err(error) if error.is_transient() => {
                let since = *silent_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= UNREACHABLE_TIMEOUT {
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

/// Hands a transaction to the node. `false` says that the node refused to forward it, so that it was never sent; later than
/// the first time only its status counts.
async fn forward(
    rpc: &RpcClient,
    transaction: &VersionedTransaction,
    skip_preflight: bool,
    is_first: bool,
) -> Result<bool> {
    let config = RpcSendTransactionConfig {
        skip_preflight,
        preflight_commitment: Some(rpc.commitment().commitment),
        // The node would repeat it on its own; here it is repeated until the outcome is known.
        max_retries: Some(0),
        ..Default::default()
    };
    let sent = rpc.send_transaction_with_config(transaction, config).await;
    let Err(error) = sent else {
        return Ok(true);
    };
    match error.kind.get_transaction_error() {
        // It landed already: its status says how.
        Some(TransactionError::AlreadyProcessed) => Ok(true),
        Some(TransactionError::BlockhashNotFound) if is_first => Ok(false),
        Some(refusal) if is_first => Err(match ClientError::from_rpc(&rpc.url(), error) {
            ClientError::Refused(known) => {
                refused_transaction(known.error, known.logs, transaction)
            }
            _ => refused_transaction(refusal, Vec::new(), transaction),
        }),
        // Lost on the way, perhaps after it arrived: only its status can tell.
        None if may_have_arrived(&error) => Ok(true),
        _ if is_first => Err(ClientError::from_rpc(&rpc.url(), error)),
        // It was sent before.
        _ => Ok(true),
    }
}

async fn look(
    rpc: &RpcClient,
    transaction: &VersionedTransaction,
    signature: &Signature,
    last_valid_height: u64,
) -> Result<Progress> {
    // The height is read before the status: a transaction that lands in between is seen by the later read.
    let height = rpc
        .get_block_height()
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    let statuses = rpc
        .get_signature_statuses(&[*signature])
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?
        .value;
    match statuses.into_iter().next().flatten() {
        Some(status) if status.satisfies_commitment(rpc.commitment()) => match status.err {
            Some(error) => {
                let logs = logs(rpc, signature).await;
                Err(refused_transaction(error, logs, transaction))
            }
            None => Ok(Progress::Landed(status.slot)),
        },
        Some(_) => Ok(Progress::Waiting),
        None if height > last_valid_height => Ok(Progress::Gone),
        None => Ok(Progress::Waiting),
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
    Waiting,
    Landed(u64),
    Gone,
}

/// Whether a request that failed may still have reached the node.
fn may_have_arrived(error: &RpcClientError) -> bool {
    match &*error.kind {
        ErrorKind::Reqwest(error) => !error.is_connect(),
        ErrorKind::Io(_) | ErrorKind::Middleware(_) => true,
        _ => false,
    }
}

fn refused_transaction(
    error: TransactionError,
    logs: Vec<String>,
    transaction: &VersionedTransaction,
) -> ClientError {
    let programs = programs_of(&transaction.message);
    ClientError::Refused(Box::new(Refusal::new(error, logs, &programs)))
}
