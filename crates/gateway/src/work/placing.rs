//! From a job that waits to one that lies on chain.

use {
    super::{
        shared::{Paused, SENT_FOR_SECS, Worked, fail, inputs, note, pause, returned},
        terms::{choice, drafted, fail_or_rest},
    },
    crate::{
        choose::Choice,
        engine::{Inner, Stopping},
        error::GatewayError,
        market::{Found, NotCreated, Placing},
        record::{JobRecord, Step},
        refusal::Refusal,
        spending::SpendingState,
    },
    quern_data::runtime::lock,
    quern_proof::commit::data_root,
    std::{sync::Arc, time::Duration},
};

/// What a job's `take` deadline leaves beyond the time after which the gateway cancels it: for a gateway that is gone.
const TAKE_SLACK_SECS: u32 = 60;
/// The longest rest between two offers that nobody takes: each costs the fee of a creation.
const LONGEST_REST: Duration = Duration::from_secs(3_600);

/// Publishes the inputs, chooses a provider, and writes down what is to be created.
pub(super) async fn waiting(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    // Nothing of it is on chain: rows that nobody wants any more are not paid for. Those of the others wait for another job.
    if !lock(&inner.book).is_wanted_whole(&job) {
        job.step = Step::Ended;
        return Ok(inner.save_job(&job).await?);
    }
    if inner.stopping() != Stopping::No {
        return Err(Paused::Stopping);
    }
    if let Some(refusal) = gave_up(inner, &job) {
        return fail(inner, job, refusal).await;
    }
    if let Some(rest) = rest_before_next(inner, &job) {
        return Err(Paused::Later(rest));
    }
    if job.input_uri.is_none() {
        let inputs = inputs(inner, &job).await?;
        job.input_uri = Some(inner.market.publish(&job.id, &inputs).await?);
        inner.save_job(&job).await?;
    }
    let pin = match choice(inner).await? {
        // Names cost little: those that never take a job keep it from the others for two offers at most.
        Choice::Only(_) if inner.settings.providers.is_empty() && two_pins_were_left(&job) => None,
        Choice::Only(owner) => Some(owner),
        Choice::Anybody => None,
        Choice::Nobody => return pause(inner).await,
    };
    let creating = Arc::clone(inner);
    let _turn = creating.creating.lock().await;
    let purse = inner.market.purse().await?;
    let Some(attempt) = drafted(inner, &mut job, &purse, pin).await? else {
        return Ok(());
    };
    job.attempts.push(attempt);
    job.step = Step::Creating;
    inner.save_job(&job).await?;
    create(inner, job).await
}

/// How long a job rests that nobody takes: after as many offers as there are attempts, longer each time.
fn rest_before_next(inner: &Inner, job: &JobRecord) -> Option<Duration> {
    let left = job.attempts.iter().filter(|one| one.was_left()).count();
    let last = job.current().filter(|one| one.was_left())?;
    let doublings = left.checked_sub(inner.settings.attempts)?.min(16) as u32;
    let take = inner.settings.take_time;
    let rest = take.saturating_mul(1 << doublings).min(LONGEST_REST);
    let since = inner.now().saturating_sub(last.at);
    // An attempt lasts as long as an offer does, and then rests.
    let due = take.saturating_add(rest);
    let left = due.saturating_sub(Duration::from_secs(since.try_into().unwrap_or(0)));
    (!left.is_zero()).then(|| left.min(take).max(inner.settings.poll))
}

/// Whether each of the last two offers was for one provider, which did not take it.
fn two_pins_were_left(job: &JobRecord) -> bool {
    let last = job.attempts.iter().rev().take(2);
    last.filter(|one| one.pin.is_some() && one.was_left())
        .count()
        == 2
}

/// Why a job gets no further attempt.
fn gave_up(inner: &Inner, job: &JobRecord) -> Option<Refusal> {
    let give_up = match job.is_batch {
        true => inner.settings.batch_give_up,
        false => inner.settings.give_up,
    };
    let notes: Vec<&str> = job
        .attempts
        .iter()
        .filter_map(|attempt| attempt.note.as_deref())
        .collect();
    let why = match notes.as_slice() {
        [] => "no provider may have the work, or none was free".to_owned(),
        notes => notes.join("; "),
    };
    let since = lock(&inner.book).wanted_since(job);
    let age = inner.now().saturating_sub(since);
    let is_old = u64::try_from(age).is_ok_and(|age| age >= give_up.as_secs());
    // Offers that nobody took cost no price: time ends them.
    let counted = job.attempts.iter().filter(|one| !one.was_left()).count();
    if !is_old && counted < inner.settings.attempts {
        return None;
    }
    let mut created = job.attempts.iter().filter(|one| one.created_at.is_some());
    let was_created = created.clone().next().is_some();
    let was_answered = was_created && created.all(|attempt| attempt.was_answered);
    Some(match (was_answered, was_created, job.attempts.is_empty()) {
        (true, _, _) => Refusal::NotRight { why },
        // The chain, not a provider, refused every one.
        (false, false, false) => Refusal::Internal { why },
        (false, _, _) => Refusal::NoProvider { why },
    })
}

/// Finds out whether the last attempt is on chain, and sends it if it is not.
pub(super) async fn creating(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    let holder = Arc::clone(inner);
    let _turn = holder.creating.lock().await;
    let uri = job.input_uri.clone().unwrap_or_default();
    let Some(attempt) = job.current() else {
        job.step = Step::Waiting;
        return Ok(inner.save_job(&job).await?);
    };
    match inner.market.find(&attempt.job, attempt.n, &uri).await? {
        Found::Ours | Found::OursEnded => was_created(inner, job).await,
        Found::Foreign => {
            // It can never come to be: another job of this wallet has its number.
            job.attempts.pop();
            job.step = Step::Waiting;
            Ok(inner.save_job(&job).await?)
        }
        Found::Missing => {
            let is_wanted = lock(&inner.book).is_wanted(&job) && gave_up(inner, &job).is_none();
            let sent = job.current().and_then(|attempt| attempt.sent_at);
            let may_come = |at: i64| inner.now().saturating_sub(at) <= SENT_FOR_SECS;
            if is_wanted {
                if let Some(attempt) = job.attempts.last_mut()
                    && !sent.is_some_and(may_come)
                {
                    // What was sent then never will be included: it is sent for the first time again.
                    attempt.sent_at = None;
                }
                return create(inner, job).await;
            }
            if sent.is_some_and(may_come) {
                return pause(inner).await;
            }
            note(&mut job, None, "not created");
            returned(inner, job).await
        }
    }
}

async fn was_created(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    let now = inner.now();
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.state = SpendingState::Escrowed;
        attempt.created_at = Some(now);
    }
    job.step = Step::Created;
    Ok(inner.save_job(&job).await?)
}

/// Sends the last attempt.
async fn create(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    let inputs = inputs(inner, &job).await?;
    let input_roots = inputs.iter().map(data_root).collect();
    let now = inner.now();
    let was_sent = {
        let Some(attempt) = job.attempts.last_mut() else {
            return Ok(());
        };
        attempt.sent_at.replace(now).is_some()
    };
    // Whoever reads this knows that it may be on its way.
    inner.save_job(&job).await?;
    let take = inner.settings.take_time.as_secs();
    let take_secs = u32::try_from(take).unwrap_or(u32::MAX / 2);
    let sent = match job.current() {
        Some(attempt) => {
            let placing = Placing {
                attempt,
                model: job.model,
                items: job.items,
                take_secs: take_secs.saturating_add(TAKE_SLACK_SECS),
                input_roots,
                input_uri: job.input_uri.as_deref().unwrap_or_default(),
            };
            inner.market.create(placing).await
        }
        None => return Ok(()),
    };
    match sent {
        Ok(sent) => {
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.signatures.extend(sent.signatures);
                attempt.fee_lamports = attempt.fee_lamports.saturating_add(sent.fee_lamports);
            }
            was_created(inner, job).await
        }
        // Nothing of it is on its way: it is not this attempt that will be created under the number.
        Err(NotCreated::NotSent(why)) if !was_sent => {
            job.attempts.pop();
            job.step = Step::Waiting;
            inner.save_job(&job).await?;
            // It is this machine's trouble: it rests, and is no attempt.
            Err(Paused::Failed(GatewayError::NotReady(why)))
        }
        Err(NotCreated::NoLamports) if !was_sent => {
            job.attempts.pop();
            job.step = Step::Waiting;
            let wallet = inner.market.wallet().to_string();
            fail_or_rest(inner, job, Refusal::NoLamports { wallet }).await
        }
        Err(NotCreated::Refused(why)) if !was_sent => refused(inner, job, &why).await,
        Err(not_created) => {
            tracing::warn!(job = %job.id, why = %not_created, "it is not known whether the job was created; looking");
            pause(inner).await
        }
    }
}

/// The chain refused the last attempt, which was sent for the first time.
async fn refused(inner: &Arc<Inner>, mut job: JobRecord, why: &str) -> Worked<()> {
    let uri = job.input_uri.clone().unwrap_or_default();
    let Some(attempt) = job.current() else {
        return Ok(());
    };
    match inner.market.find(&attempt.job, attempt.n, &uri).await? {
        Found::Ours => return was_created(inner, job).await,
        // Another job of this wallet was faster.
        Found::Foreign => {
            job.attempts.pop();
            job.step = Step::Waiting;
            return Ok(inner.save_job(&job).await?);
        }
        Found::OursEnded | Found::Missing => {}
    }
    tracing::warn!(job = %job.id, why, "the job was not created");
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.sent_at = None;
        attempt.state = SpendingState::Returned;
        attempt.note = Some(format!("not created: {why}"));
    }
    job.step = Step::Waiting;
    inner.save_job(&job).await?;
    pause(inner).await
}
