//! What is done beside the jobs: following those that are answered until they are paid, and forgetting what is old.

use {
    crate::{
        book::is_settled,
        engine::Inner,
        error::Result,
        market::{Found, Look},
        order::OrderId,
        receipts,
        record::{JobRecord, Step},
        spending::SpendingState,
        work::SENT_FOR_SECS,
    },
    quern_client::Outcome,
    quern_data::runtime::{lock, off_loop},
    quern_rules::caps::DAY_SECS,
    std::sync::Arc,
};

/// Looks what became of answered jobs, and removes what is old.
pub(crate) async fn settle(inner: &Arc<Inner>) -> Result<()> {
    // What fails for one job, or for now, holds up neither the others nor what is to be forgotten.
    if let Err(error) = inner.read_rates().await {
        tracing::debug!(%error, "cannot read the rates now");
    }
    let ended: Vec<JobRecord> = {
        let book = lock(&inner.book);
        let ended = book.jobs.values().filter(|job| job.step == Step::Ended);
        ended.cloned().collect()
    };
    for job in ended {
        if job.has_open_attempt() {
            let id = job.id.clone();
            if let Err(error) = settle_job(inner, job).await {
                tracing::debug!(job = id, %error, "cannot look now what became of it");
            }
        }
    }
    forget_old(inner).await
}

async fn settle_job(inner: &Arc<Inner>, mut job: JobRecord) -> Result<()> {
    for index in 0..job.attempts.len() {
        let Some(attempt) = job.attempts.get(index).cloned() else {
            continue;
        };
        if is_settled(attempt.state) {
            continue;
        }
        let uri = job.input_uri.clone().unwrap_or_default();
        if attempt.created_at.is_none() {
            let found = inner.market.find(&attempt.job, attempt.n, &uri).await?;
            let age = inner
                .now()
                .saturating_sub(attempt.sent_at.unwrap_or(attempt.at));
            let change = match found {
                Found::Ours | Found::OursEnded => Some((SpendingState::Escrowed, true)),
                Found::Foreign => Some((SpendingState::Returned, false)),
                Found::Missing if age > SENT_FOR_SECS => Some((SpendingState::Returned, false)),
                Found::Missing => None,
            };
            if let (Some((state, is_created)), Some(attempt)) =
                (change, job.attempts.get_mut(index))
            {
                attempt.state = state;
                attempt.created_at = is_created.then_some(attempt.at);
                inner.save_job(&job).await?;
            }
            continue;
        }
        let state = match inner.market.look(&attempt.job, &uri).await? {
            // Another job of this wallet has the number: this one never came to be.
            Look::Foreign => {
                if let Some(attempt) = job.attempts.get_mut(index) {
                    attempt.created_at = None;
                }
                SpendingState::Returned
            }
            Look::Gone => match inner.market.outcome(&attempt.job).await? {
                Outcome::Paid | Outcome::Unknown => SpendingState::Paid,
                Outcome::Convicted { prover, .. } => {
                    if let Some(attempt) = job.attempts.get_mut(index) {
                        attempt.note = Some(format!("convicted by {prover} after it was answered"));
                    }
                    SpendingState::Returned
                }
                Outcome::Ended => SpendingState::Returned,
            },
            // Nobody wants it any more.
            Look::Open => {
                inner.market.cancel(&attempt.job).await?;
                continue;
            }
            Look::Taken {
                is_overdue: true, ..
            } => {
                inner.market.expire(&attempt.job).await?;
                continue;
            }
            Look::Taken { .. } | Look::Submitted { .. } | Look::Convicted { .. } => continue,
        };
        if let Some(attempt) = job.attempts.get_mut(index) {
            attempt.state = state;
        }
        // The line first: a kill in between writes it twice, and never not at all.
        receipts::settled(inner, &job, index).await?;
        inner.save_job(&job).await?;
    }
    Ok(())
}

/// Removes requests that ended long ago, and jobs that nobody needs any more. What counts against a cap stays.
async fn forget_old(inner: &Arc<Inner>) -> Result<()> {
    let now = inner.now();
    let keep = i64::try_from(inner.settings.keep.as_secs()).unwrap_or(i64::MAX);
    let old: Vec<OrderId> = {
        let book = lock(&inner.book);
        let old = book.orders.values().filter(|order| {
            let ended = order.ended_at;
            let is_old = ended.is_some_and(|at| now.saturating_sub(at) > keep);
            is_old && !book.is_at_work(&order.id)
        });
        old.map(|order| order.id.clone()).collect()
    };
    for id in old {
        inner.forget_order(&id).await?;
    }
    let unneeded: Vec<String> = {
        let book = lock(&inner.book);
        let unneeded = book.jobs.values().filter(|job| {
            let has_order = job
                .units
                .iter()
                .any(|unit| book.orders.contains_key(&unit.order));
            let newest = job.attempts.iter().map(|attempt| attempt.at).max();
            let newest = newest.unwrap_or(job.formed_at);
            job.is_over() && !has_order && now.saturating_sub(newest) > DAY_SECS
        });
        unneeded.map(|job| job.id.clone()).collect()
    };
    for id in unneeded {
        // Once more: a kill may have come before it was done when the job ended.
        if let Err(error) = inner.market.unpublish(&id).await {
            tracing::debug!(job = id, %error, "cannot remove its inputs now");
            continue;
        }
        let (journal, job) = (Arc::clone(&inner.journal), id.clone());
        off_loop(move || journal.remove_job(&job)).await??;
        lock(&inner.book).remove_job(&id);
    }
    Ok(())
}
