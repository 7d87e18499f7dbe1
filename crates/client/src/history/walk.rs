//! One walk over an account's transactions, used wherever something is looked for that only events tell.
//!
//! Strangers write this list: any transaction may name any account, also before the account exists, for 5,000 lamports. So a
//! place in the list says nothing, and nothing is searched by place where the account itself names the moment: its block
//! time or its slot. The list is read to that moment, only what lies next to it is looked at, and where too much lies there the
//! whole block is read in one request. What it costs to hide something: [`MAX_PAGES`] and [`MAX_READ`] say.

use {
    crate::{
        errors::{ClientError, Result},
        events,
    },
    futures::{StreamExt, stream},
    quern::events::QuernEvent,
    serde_json::json,
    solana_rpc_client::{
        nonblocking::rpc_client::RpcClient, rpc_client::GetConfirmedSignaturesForAddress2Config,
    },
    solana_rpc_client_api::{
        config::RpcBlockConfig, request::RpcRequest,
        response::RpcConfirmedTransactionStatusWithSignature as Listed,
    },
    solana_sdk::{pubkey::Pubkey, signature::Signature},
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, TransactionDetails, UiTransactionEncoding,
    },
    std::collections::HashSet,
};

/// Signatures in a full page. A shorter one is not the last: nodes cap pages as they like.
const PAGE: usize = 1_000;
/// Most pages that are read: who wants to hide a moment behind them pays 5 SOL for a million transactions.
const MAX_PAGES: usize = 1_000;
/// Most single transactions that are read in one walk. A block that holds many of them counts as one: hiding something among
/// them takes as many blocks as that, in each of which somebody pays.
const MAX_READ: usize = 20_000;
/// As many transactions of one slot are read as a block.
const AS_BLOCK: usize = 16;
/// Transactions that are asked for at a time.
const AT_ONCE: usize = 8;
/// How far from the moment of an account a block time may lie: local networks make block times up.
const SLACK_SECS: u64 = 600;
/// The same for slots.
const SLACK_SLOTS: u64 = 150;

/// Where in an account's history something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At this block time.
    Time(i64),
    /// In this slot.
    Slot(u64),
    /// Not known: from the newest transaction on.
    Newest,
    /// Not known, in this slot or before it: from there on, the newer ones first.
    Until(u64),
    /// Not known: from the oldest transaction on.
    Oldest,
}

/// A transaction that a walk may read.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    signature: Signature,
    slot: u64,
    /// How far from the moment it lies, in its unit.
    distance: u64,
}

impl At {
    /// How far from here a transaction lies; `None` if it cannot be the one that is looked for.
    fn distance(self, listed: &Listed) -> Option<u64> {
        match self {
            // A node that knows no block times still has the events.
            Self::Time(at) => {
                let distance = listed.block_time.map_or(0, |time| time.abs_diff(at));
                (distance <= SLACK_SECS).then_some(distance)
            }
            Self::Slot(at) => {
                let distance = listed.slot.abs_diff(at);
                (distance <= SLACK_SLOTS).then_some(distance)
            }
            Self::Until(slot) => (listed.slot <= slot).then_some(0),
            Self::Newest | Self::Oldest => Some(0),
        }
    }

    /// Whether everything behind this transaction lies too far back.
    fn is_behind(self, listed: &Listed) -> bool {
        match self {
            Self::Time(at) => listed
                .block_time
                .is_some_and(|time| time.saturating_add_unsigned(SLACK_SECS) < at),
            Self::Slot(at) => listed.slot.saturating_add(SLACK_SLOTS) < at,
            Self::Newest | Self::Until(_) | Self::Oldest => false,
        }
    }
}

/// Walks over the program's events in an account's transactions until `pick` takes one. `None` if it took none of those that
/// were read.
///
/// # Errors
/// That the cluster did not answer, or left out what a transaction did.
pub async fn find<T>(
    rpc: &RpcClient,
    account: &Pubkey,
    at: At,
    mut pick: impl FnMut(&QuernEvent) -> Option<T>,
) -> Result<Option<T>> {
    let candidates = candidates(rpc, account, at).await?;
    let is_oldest_first = at == At::Oldest;
    let mut pick_from = |events: &[QuernEvent]| match is_oldest_first {
        true => events.iter().find_map(&mut pick),
        false => events.iter().rev().find_map(&mut pick),
    };
    let mut missing = None;
    let mut left = MAX_READ;
    for group in candidates.chunk_by(|one, other| one.slot == other.slot) {
        if left == 0 {
            break;
        }
        if group.len() >= AS_BLOCK
            && let Ok(events) = block_events(rpc, group).await
        {
            left -= 1;
            if let Some(found) = pick_from(&events) {
                return Ok(Some(found));
            }
            continue;
        }
        let read: Vec<Signature> = group.iter().take(left).map(|one| one.signature).collect();
        left = left.saturating_sub(group.len());
        let mut read = stream::iter(read)
            .map(|signature| transaction_events(rpc, signature))
            .buffered(AT_ONCE);
        while let Some(events) = read.next().await {
            match events {
                Ok(events) => {
                    if let Some(found) = pick_from(&events) {
                        return Ok(Some(found));
                    }
                }
                // One that cannot be read hides no other; that it may have been the one is said at the end.
                Err(error) if missing.is_none() => missing = Some(error),
                Err(_) => {}
            }
        }
    }
    // Nobody lists what lies behind the last page, but a block that is known by its slot can be read all the same.
    if let At::Slot(slot) = at
        && let Ok(events) = events_in(rpc, slot, |_| true).await
        && let Some(found) = pick_from(&events)
    {
        return Ok(Some(found));
    }
    missing.map_or(Ok(None), Err)
}

/// An account's successful transactions that a walk may read, in the order in which it does.
async fn candidates(rpc: &RpcClient, account: &Pubkey, at: At) -> Result<Vec<Candidate>> {
    let mut all = Vec::new();
    let mut before = None;
    for _ in 0..MAX_PAGES {
        let page = page(rpc, account, before, PAGE).await?;
        let Some(last) = page.last() else { break };
        let next = last.signature.parse().ok();
        // A node that does not know the cursor may begin again.
        if next.is_none() || next == before {
            break;
        }
        before = next;
        let is_over = at.is_behind(last);
        let succeeded = page.iter().filter(|listed| listed.err.is_none());
        all.extend(succeeded.filter_map(|listed| {
            Some(Candidate {
                signature: listed.signature.parse().ok()?,
                slot: listed.slot,
                distance: at.distance(listed)?,
            })
        }));
        let is_enough = matches!(at, At::Newest | At::Until(_)) && all.len() >= MAX_READ;
        if is_over || is_enough {
            break;
        }
    }
    if at == At::Oldest {
        all.reverse();
        // What changed later is among the newest, where there are too many to read them all.
        if all.len() > MAX_READ {
            let newest = all.split_off(all.len() - MAX_READ / 2);
            all.truncate(MAX_READ / 2);
            all.extend(newest.into_iter().rev());
        }
    }
    // Stable: what lies as far away keeps its order.
    all.sort_by_key(|one| one.distance);
    Ok(all)
}

/// Up to `limit` transactions of an account before one of them, newest first, failed ones included.
async fn page(
    rpc: &RpcClient,
    account: &Pubkey,
    before: Option<Signature>,
    limit: usize,
) -> Result<Vec<Listed>> {
    let config = GetConfirmedSignaturesForAddress2Config {
        before,
        limit: Some(limit),
        commitment: Some(rpc.commitment()),
        ..Default::default()
    };
    rpc.get_signatures_for_address_with_config(account, config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))
}

/// The program's events of a transaction. The connection asks a node again that lists it and does not show all of it.
async fn transaction_events(rpc: &RpcClient, signature: Signature) -> Result<Vec<QuernEvent>> {
    let config = events::transaction_config(rpc.commitment());
    let params = json!([signature.to_string(), config]);
    let answered: Option<EncodedConfirmedTransactionWithStatusMeta> = rpc
        .send(RpcRequest::GetTransaction, params)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    let transaction = answered.ok_or_else(|| ClientError::Rpc {
        reason: format!(
            "that it lists transaction {signature} and does not have it; ask a node that keeps it"
        ),
    })?;
    let found = events::events_of(&transaction).map_err(|error| ClientError::Rpc {
        reason: error.to_string(),
    })?;
    let events = found.events.into_iter();
    Ok(events.filter_map(|event| event.event).collect())
}

/// The program's events in a block, of these transactions.
async fn block_events(rpc: &RpcClient, group: &[Candidate]) -> Result<Vec<QuernEvent>> {
    let slot = group.first().map_or(0, |one| one.slot);
    let wanted: HashSet<String> = group.iter().map(|one| one.signature.to_string()).collect();
    events_in(rpc, slot, |signature| wanted.contains(signature)).await
}

/// The program's events in the block of a slot, of the transactions that `is_wanted` takes.
async fn events_in(
    rpc: &RpcClient,
    slot: u64,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<QuernEvent>> {
    let config = RpcBlockConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        transaction_details: Some(TransactionDetails::Full),
        rewards: Some(false),
        commitment: Some(rpc.commitment()),
        max_supported_transaction_version: Some(events::MAX_TRANSACTION_VERSION),
    };
    let block = rpc
        .get_block_with_config(slot, config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    let transactions = block.transactions.ok_or_else(|| ClientError::Rpc {
        reason: format!("with the block of slot {slot} and without its transactions"),
    })?;
    let mut all = Vec::new();
    for transaction in transactions {
        let transaction = EncodedConfirmedTransactionWithStatusMeta {
            slot,
            transaction,
            block_time: block.block_time,
            transaction_index: None,
        };
        // A stranger's transaction that cannot be read is no reason not to read the others.
        let Ok(found) = events::events_of(&transaction) else {
            continue;
        };
        if is_wanted(&found.signature) {
            all.extend(found.events.into_iter().filter_map(|event| event.event));
        }
    }
    Ok(all)
}

/// When an account was last named in a transaction, by the cluster's clock, if the node knows.
///
/// # Errors
/// That the cluster did not answer.
pub async fn last_used_at(rpc: &RpcClient, account: &Pubkey) -> Result<Option<i64>> {
    let newest = page(rpc, account, None, 1).await?;
    Ok(newest.first().and_then(|item| item.block_time))
}
