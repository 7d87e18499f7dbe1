//! How a job ended, and in which words that is told.

use {
    super::walk::{At, find},
    crate::errors::Result,
    quern::{
        events::{JobConvicted, QuernEvent},
        state::{ConvictionReason, Job},
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::pubkey::Pubkey,
};

/// The event that convicted a job's provider for its current submission, if the node still has it.
///
/// # Errors
/// That the cluster did not answer.
pub async fn conviction_of(
    rpc: &RpcClient,
    address: &Pubkey,
    job: &Job,
) -> Result<Option<JobConvicted>> {
    let pick = |event: &QuernEvent| match event {
        QuernEvent::JobConvicted(event)
            if event.job == *address && event.submission == job.submissions.get() =>
        {
            Some(event.clone())
        }
        _ => None,
    };
    // The conviction began the state that the job is in.
    find(rpc, address, At::Slot(job.state_slot.get()), pick).await
}

/// How a job ended whose account is gone: its last event says so, if the node still has it.
///
/// # Errors
/// That the cluster did not answer.
pub async fn outcome_of(rpc: &RpcClient, job: &Pubkey) -> Result<Outcome> {
    let found = find(rpc, job, At::Newest, |event| ending(event, job)).await?;
    Ok(found.unwrap_or(Outcome::Unknown))
}

/// The outcome that an event tells, if it ends this job.
fn ending(event: &QuernEvent, job: &Pubkey) -> Option<Outcome> {
    match event {
        QuernEvent::MilestoneSettled(event) if event.job == *job && event.closed => {
            Some(Outcome::Paid)
        }
        QuernEvent::ConvictionSettled(event) if event.job == *job => Some(Outcome::Convicted {
            prover: event.prover,
            reason: ConvictionReason::from_code(event.reason),
        }),
        QuernEvent::JobCancelled(event) if event.job == *job => Some(Outcome::Ended),
        QuernEvent::JobResolved(event) if event.job == *job && event.closed => Some(Outcome::Ended),
        QuernEvent::JobExpired(event) if event.job == *job && event.closed => Some(Outcome::Ended),
        _ => None,
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider was paid.
    Paid,
    /// The provider was convicted, the escrow went back to the client and the bond was split.
    Convicted {
        /// Who convicted it.
        prover: Pubkey,
        /// What for; none where this version does not know the code.
        reason: Option<ConvictionReason>,
    },
    /// It was cancelled, expired or decided by its arbiter.
    Ended,
    /// The node keeps too few transactions to tell.
    Unknown,
}

impl Outcome {
    /// In one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Convicted { .. } => "convicted",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }

    /// As a part of a sentence.
    pub fn details(&self) -> String {
        match self {
            Self::Paid => "the provider was paid".to_owned(),
            Self::Convicted { prover, reason } => format!(
                "the provider was convicted of {} (proved by {prover}) and the price is back in the client's purse",
                reason_text(*reason)
            ),
            Self::Ended => "it was cancelled, it expired, or its arbiter decided".to_owned(),
            Self::Unknown => {
                "the node keeps too few transactions to tell how; ask an indexer".to_owned()
            }
        }
    }
}

/// A reason for a conviction, for programs.
pub fn reason_name(reason: Option<ConvictionReason>) -> &'static str {
    reason.map_or("unknown", ConvictionReason::name)
}

/// A reason for a conviction, in words.
pub const fn reason_text(reason: Option<ConvictionReason>) -> &'static str {
    match reason {
        Some(ConvictionReason::WrongCell) => "a wrong value",
        Some(ConvictionReason::BadPadding) => "wrong padding",
        Some(ConvictionReason::Unanswered) => "a demand without answer",
        Some(ConvictionReason::WrongTokens) => "wrong tokens",
        None => "an unknown reason",
    }
}
