//! What all steps of a job share.

use {
    crate::{
        embedder::TokenRow,
        engine::{Inner, Stopping},
        error::{GatewayError, Result},
        receipts,
        record::{JobRecord, Step, decode_rows},
        refusal::Refusal,
        spending::SpendingState,
    },
    quern_client::Pubkey,
    quern_data::runtime::off_loop,
    quern_proof::Tensor,
    std::{sync::Arc, time::Duration},
    tokio::time::sleep,
};

/// After so many seconds a transaction that was not included never will be: a blockhash is valid for a minute or so.
pub(crate) const SENT_FOR_SECS: i64 = 180;

/// Why a job is not worked on further now.
pub(crate) enum Paused {
    /// The gateway stops.
    Stopping,
    /// This machine or the chain: try again later.
    Failed(GatewayError),
    /// It is to rest for so long.
    Later(Duration),
}

impl<E: Into<GatewayError>> From<E> for Paused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) type Worked<T> = std::result::Result<T, Paused>;

/// Ends a job without an answer.
pub(super) async fn fail(inner: &Arc<Inner>, mut job: JobRecord, refusal: Refusal) -> Worked<()> {
    tracing::warn!(job = %job.id, %refusal, "a job failed");
    // The requests first: after a kill in between the job fails once more.
    inner.fail_orders(&job, &refusal).await?;
    job.step = Step::Ended;
    Ok(inner.save_job(&job).await?)
}

/// The price of the last attempt came back; the next one may begin.
pub(super) async fn returned(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.state = SpendingState::Returned;
    }
    job.step = Step::Waiting;
    // The line first: a kill in between writes it twice, and never not at all.
    let settled = job.attempts.len().saturating_sub(1);
    receipts::settled(inner, &job, settled).await?;
    Ok(inner.save_job(&job).await?)
}

/// Notes who works on the last attempt, and what became of it.
pub(super) fn note(job: &mut JobRecord, provider: Option<Pubkey>, why: &str) {
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.provider = provider.or(attempt.provider);
        if !why.is_empty() {
            attempt.note = Some(why.to_owned());
        }
    }
}

/// The inputs of a job, from the rows of its requests.
pub(super) async fn inputs(inner: &Arc<Inner>, job: &JobRecord) -> Result<Vec<Tensor>> {
    let served = inner.served(&job.model)?.clone();
    let (journal, units) = (Arc::clone(&inner.journal), job.units.clone());
    let built = off_loop(move || {
        let mut rows: Vec<TokenRow> = Vec::new();
        for unit in &units {
            let bytes = journal.rows(&unit.order)?;
            let all = bytes.as_deref().and_then(decode_rows).unwrap_or_default();
            let own = all.get(unit.from..unit.from + unit.rows).ok_or_else(|| {
                GatewayError::NotReady(format!(
                    "the rows of the request {} are missing in the gateway's folder",
                    unit.order
                ))
            })?;
            rows.extend_from_slice(own);
        }
        served.inputs(&rows)
    });
    built.await?
}

/// A rest between two looks; stopping cuts it short.
pub(super) async fn pause(inner: &Arc<Inner>) -> Worked<()> {
    let mut stopping = inner.stopping.subscribe();
    let before = *stopping.borrow_and_update();
    tokio::select! {
        () = sleep(inner.settings.poll) => {}
        _ = stopping.changed() => {}
    }
    let now = *stopping.borrow();
    match now == Stopping::Leaving && before == Stopping::Leaving {
        true => Err(Paused::Stopping),
        false => Ok(()),
    }
}
