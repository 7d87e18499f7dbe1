//! What became of a job whose account is gone: its last event says so.

use {
    super::verdict::Outcome,
    crate::error::Result,
    quern_client::{ClientError, Pubkey, RpcClient, Signature, events, quern::events::QuernEvent},
    solana_rpc_client::rpc_client::GetConfirmedSignaturesForAddress2Config,
};

/// Anybody can mention an account in a transaction, so the search is bounded.
const MOST_READ: usize = 64;

/// Reads the job's transactions from the newest on until one says how it ended.
pub(super) async fn of_job(rpc: &RpcClient, job: &Pubkey) -> Result<Outcome> {
    let config = GetConfirmedSignaturesForAddress2Config {
        limit: Some(MOST_READ),
        commitment: Some(rpc.commitment()),
        ..Default::default()
    };
    let newest_first = rpc
        .get_signatures_for_address_with_config(job, config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    let succeeded = newest_first.iter().filter(|item| item.err.is_none());
    for signature in succeeded.filter_map(|item| item.signature.parse::<Signature>().ok()) {
        let transaction = rpc
            .get_transaction_with_config(&signature, events::transaction_config(rpc.commitment()))
            .await
            .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
        let found = events::events_of(&transaction).map_err(|error| ClientError::Rpc {
            reason: error.to_string(),
        })?;
        let outcome = found
            .events
            .iter()
            .rev()
            .filter_map(|event| event.event.as_ref())
            .find_map(|event| ending(event, job));
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Unknown)
}

/// When an account was last mentioned in a transaction, by the cluster's clock, if the node knows.
pub(super) async fn last_used_at(rpc: &RpcClient, account: &Pubkey) -> Result<Option<i64>> {
    let config = GetConfirmedSignaturesForAddress2Config {
        limit: Some(1),
        commitment: Some(rpc.commitment()),
        ..Default::default()
    };
    let newest = rpc
        .get_signatures_for_address_with_config(account, config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    Ok(newest.first().and_then(|item| item.block_time))
}

/// The outcome that an event tells, if it is an ending of this job.
fn ending(event: &QuernEvent, job: &Pubkey) -> Option<Outcome> {
    match event {
        QuernEvent::MilestoneSettled(event) if event.job == *job && event.closed => {
            Some(Outcome::Paid)
        }
        QuernEvent::ConvictionSettled(event) if event.job == *job => Some(Outcome::Convicted {
            prover: event.prover,
            reason: event.reason,
        }),
        QuernEvent::JobCancelled(event) if event.job == *job => Some(Outcome::Ended),
        QuernEvent::JobResolved(event) if event.job == *job && event.closed => Some(Outcome::Ended),
        QuernEvent::JobExpired(event) if event.job == *job && event.closed => Some(Outcome::Ended),
        _ => None,
    }
}
