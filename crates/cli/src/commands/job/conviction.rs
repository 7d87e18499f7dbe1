//! What a job's provider was convicted of: the account says why and by whom, the event also where.

use {
    crate::{context::Context, error::Result},
    quern_client::{
        ClientError, Pubkey, Signature, events,
        quern::{
            events::{JobConvicted, QuernEvent},
            state::Job,
        },
    },
    solana_rpc_client::rpc_client::GetConfirmedSignaturesForAddress2Config,
};

/// Anybody can mention an account in a transaction, so the search is bounded.
const MOST_READ: usize = 64;

/// The event that convicted a job's provider for its current submission, if the node still has it.
pub async fn event(context: &Context, address: &Pubkey, job: &Job) -> Result<Option<JobConvicted>> {
    let rpc = context.rpc();
    let lost = |error| ClientError::from_rpc(&rpc.url(), error);
    let config = GetConfirmedSignaturesForAddress2Config {
        limit: Some(MOST_READ),
        commitment: Some(rpc.commitment()),
        ..Default::default()
    };
    let newest_first = rpc
        .get_signatures_for_address_with_config(address, config)
        .await
        .map_err(lost)?;
    let succeeded = newest_first
        .iter()
        .filter(|item| item.err.is_none())
        .filter_map(|item| item.signature.parse::<Signature>().ok());
    for signature in succeeded {
        let transaction = rpc
            .get_transaction_with_config(&signature, events::transaction_config(rpc.commitment()))
            .await
            .map_err(lost)?;
        // What cannot be read is none of the program's.
        let Ok(found) = events::events_of(&transaction) else {
            continue;
        };
        let conviction = found
            .events
            .into_iter()
            .filter_map(|event| event.event)
            .find_map(|event| match event {
                QuernEvent::JobConvicted(event)
                    if event.job == *address && event.submission == job.submissions.get() =>
                {
                    Some(event)
                }
                _ => None,
            });
        if conviction.is_some() {
            return Ok(conviction);
        }
    }
    Ok(None)
}
