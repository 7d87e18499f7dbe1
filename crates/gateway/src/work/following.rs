//! From a job on chain to its answer.

use {
    super::{
        experience::{answered, cheated, failed},
        shared::{Worked, inputs, note, pause, returned},
    },
    crate::{
        engine::{Inner, Stopping},
        market::{Delivered, Examined, Found, Look},
        order::Stage,
        receipts,
        record::{Attempt, JobRecord, ResultRecord, Step},
        refusal::Refusal,
        spending::SpendingState,
    },
    quern_client::Outcome,
    quern_data::runtime::{lock, off_loop},
    quern_proof::{Tensor, hash::hash},
    quern_watcher::CheckedItems,
    std::{sync::Arc, time::Instant},
};

/// Follows a job on chain until its result is checked, or it came to nothing.
pub(super) async fn created(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    let Some(attempt) = job.current().cloned() else {
        return Ok(());
    };
    let uri = job.input_uri.clone().unwrap_or_default();
    match inner.market.look(&attempt.job, &uri).await? {
        Look::Open => open(inner, job, &attempt).await,
        Look::Taken {
            provider,
            is_overdue: true,
        } => {
            inner.market.expire(&attempt.job).await?;
            failed(inner, provider, &attempt).await?;
            note(
                &mut job,
                Some(provider),
                "it was taken and not answered in time",
            );
            inner.save_job(&job).await?;
            pause(inner).await
        }
        Look::Taken { provider, .. } => {
            if attempt.provider != Some(provider) {
                was_taken(inner, &job, &attempt);
                note(&mut job, Some(provider), "");
                inner.save_job(&job).await?;
            }
            pause(inner).await
        }
        Look::Submitted { provider } | Look::Convicted { provider } => {
            was_taken(inner, &job, &attempt);
            note(&mut job, Some(provider), "");
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.was_answered = true;
            }
            let start = Instant::now();
            let examined = inner.market.examine(&attempt.job).await?;
            examined_so(inner, job, examined, start).await
        }
        Look::Foreign => foreign(inner, job).await,
        // When it was created the node may have been behind with its history.
        Look::Gone => match inner.market.find(&attempt.job, attempt.n, &uri).await? {
            Found::Foreign => foreign(inner, job).await,
            Found::Ours => pause(inner).await,
            Found::OursEnded | Found::Missing => gone(inner, job, &attempt).await,
        },
    }
}

/// The last attempt never came to be: another job of this wallet has its number.
async fn foreign(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    job.attempts.pop();
    job.step = Step::Waiting;
    Ok(inner.save_job(&job).await?)
}

/// Somebody took a job: its price is enough.
fn was_taken(inner: &Inner, job: &JobRecord, attempt: &Attempt) {
    if attempt.provider.is_none() && attempt.offer_bps > 0 {
        let offers = &mut lock(&inner.book).offers;
        offers.was_taken(job.model, attempt.offer_bps);
    }
}

/// Nobody took it: its price may be too low. If it was meant for one provider alone, that may be gone instead, or want to make it
/// dear for all: only where the user names whom to ask, and two of these have left it, nobody else could be asked.
fn was_left(inner: &Inner, job: &JobRecord, attempt: &Attempt) {
    let are_named = !inner.settings.providers.is_empty();
    let was_left_before = job.attempts.iter().rev().skip(1).any(Attempt::was_left);
    if attempt.offer_bps > 0 && (attempt.pin.is_none() || are_named && was_left_before) {
        let offers = &mut lock(&inner.book).offers;
        offers.was_left(job.model, attempt.offer_bps);
    }
}

/// Nobody has it. After a while, or if nobody wants it any more, it is cancelled.
async fn open(inner: &Arc<Inner>, mut job: JobRecord, attempt: &Attempt) -> Worked<()> {
    let is_wanted = lock(&inner.book).is_wanted(&job);
    let age = inner
        .now()
        .saturating_sub(attempt.created_at.unwrap_or(attempt.at));
    let take_secs = inner.settings.take_time.as_secs().max(1);
    let is_late = u64::try_from(age).is_ok_and(|age| age >= take_secs);
    let is_leaving = inner.stopping() == Stopping::Leaving;
    if is_wanted && !is_late && !is_leaving {
        return pause(inner).await;
    }
    if !inner.market.cancel(&attempt.job).await? {
        // Somebody was faster.
        return pause(inner).await;
    }
    if is_late {
        was_left(inner, &job, attempt);
        if let Some(owner) = attempt.pin {
            failed(inner, owner, attempt).await?;
        }
    }
    let why = match (is_wanted, is_late) {
        (false, _) => "cancelled: nobody wants it any more",
        (true, true) => "cancelled: nobody took it in time",
        (true, false) => "cancelled: the gateway stopped",
    };
    note(&mut job, None, why);
    returned(inner, job).await
}

/// What becomes of a job after its submission was looked at.
async fn examined_so(
    inner: &Arc<Inner>,
    mut job: JobRecord,
    examined: Examined,
    start: Instant,
) -> Worked<()> {
    let Some(attempt) = job.current().cloned() else {
        return Ok(());
    };
    let provider = attempt.provider;
    match examined {
        Examined::Right(items) => {
            let checked_millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            right(inner, job, items, checked_millis).await
        }
        Examined::Convicted { note: why } => {
            cheated(inner, provider).await?;
            note(&mut job, None, &why);
            returned(inner, job).await
        }
        Examined::Unusable {
            is_wrong,
            note: why,
        } => {
            match (is_wrong, provider) {
                (true, _) => cheated(inner, provider).await?,
                (false, Some(provider)) => failed(inner, provider, &attempt).await?,
                (false, None) => {}
            }
            in_vain(inner, job, &why).await
        }
        Examined::Ended(_) => {
            inner.save_job(&job).await?;
            pause(inner).await
        }
    }
}

/// The checked rows are right: the result is fetched, compared with the commitment, and kept.
async fn right(
    inner: &Arc<Inner>,
    mut job: JobRecord,
    items: CheckedItems,
    checked_millis: u64,
) -> Worked<()> {
    let Some(attempt) = job.current().cloned() else {
        return Ok(());
    };
    let delivered = inner
        .market
        .fetch(&attempt.job, &job.model, job.items)
        .await;
    let Delivered {
        result,
        trace_root,
        output_uri,
    } = match delivered {
        Ok(delivered) => delivered,
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(error) => {
            if let Some(provider) = attempt.provider {
                failed(inner, provider, &attempt).await?;
            }
            let why = format!("its rows are right, but it cannot be fetched: {error}");
            return in_vain(inner, job, &why).await;
        }
    };
    let result = Arc::new(result);
    fail_zero_rows(inner, &job, &result).await?;
    job.result = Some(ResultRecord {
        recomputed: items.recomputed,
        verified: items.verified,
        checked_millis,
        trace_root,
        result_sha256: hash(&[result.data()]),
        output_uri,
    });
    let (journal, id) = (Arc::clone(&inner.journal), job.id.clone());
    off_loop(move || journal.save_answer(&id, &result)).await??;
    job.step = Step::Checked;
    inner.save_job(&job).await?;
    if let Some(provider) = attempt.provider {
        answered(inner, provider).await?;
    }
    Ok(())
}

/// Ends the requests that have a row of zeros in a right result; those that share the job with them have their vectors.
async fn fail_zero_rows(inner: &Arc<Inner>, job: &JobRecord, result: &Arc<Tensor>) -> Worked<()> {
    let result = Arc::clone(result);
    let zero = off_loop(move || {
        let rows = quern_import::unit_rows(&result);
        rows.iter().map(Option::is_none).collect::<Vec<bool>>()
    });
    let zero = zero.await?;
    for (index, unit) in job.units.iter().enumerate() {
        let mut own = zero.iter().skip(job.start_of(index)).take(unit.rows);
        let Some(row) = own.position(|is_zero| *is_zero) else {
            continue;
        };
        let why = format!(
            "row {} is right and zero, which has no direction",
            unit.from + row
        );
        let refusal = Some(Refusal::NotRight { why });
        inner.end_order(&unit.order, Stage::Failed, refusal).await?;
    }
    Ok(())
}

/// An attempt that may be paid although nothing of use came of it: the next one costs once more.
async fn in_vain(inner: &Arc<Inner>, mut job: JobRecord, why: &str) -> Worked<()> {
    note(&mut job, None, why);
    job.step = Step::Waiting;
    Ok(inner.save_job(&job).await?)
}

/// A job that ended while nobody looked.
async fn gone(inner: &Arc<Inner>, mut job: JobRecord, attempt: &Attempt) -> Worked<()> {
    let outcome = inner.market.outcome(&attempt.job).await?;
    if attempt.provider.is_none()
        && let Some(provider) = inner.market.worker_of(&attempt.job).await?
    {
        note(&mut job, Some(provider), "");
    }
    match outcome {
        Outcome::Ended => {
            note(&mut job, None, "it ended without a result");
            returned(inner, job).await
        }
        Outcome::Convicted { prover, .. } => {
            let provider = job.current().and_then(|attempt| attempt.provider);
            cheated(inner, provider).await?;
            note(&mut job, None, &format!("convicted by {prover}"));
            returned(inner, job).await
        }
        Outcome::Paid | Outcome::Unknown => {
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.state = SpendingState::Paid;
            }
            let start = Instant::now();
            let inputs = inputs(inner, &job).await?;
            let (address, model) = (attempt.job, job.model);
            let market = &inner.market;
            let examined = market
                .examine_late(&address, &model, job.items, inputs)
                .await?;
            let index = job.attempts.len().saturating_sub(1);
            receipts::settled(inner, &job, index).await?;
            examined_so(inner, job, examined, start).await
        }
    }
}

/// Writes the receipt and answers the requests.
pub(super) async fn conclude(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    receipts::write(inner, &job).await?;
    let mut orders: Vec<_> = job.units.iter().map(|unit| unit.order.clone()).collect();
    orders.dedup();
    for order in &orders {
        inner.answer_if_whole(order).await?;
    }
    job.step = Step::Ended;
    Ok(inner.save_job(&job).await?)
}
