//! One job's way from the first try to the answer: every step begins with what was written down, and ends with writing down
//! what it did. So a gateway that was killed anywhere goes on where it was, and nothing is paid twice.
//!
//! The one moment that no record can tell is whether a job was created whose creation was sent. Its number and the unlike
//! address of its inputs are written down before it is sent, and a number is given once: whatever lies under it is this
//! job, or another one took the number and this one can never come to be.

use {
    crate::{
        choose::{Choice, choose},
        embedder::TokenRow,
        engine::{Inner, Stopping},
        error::{GatewayError, Result},
        market::{Delivered, Examined, Found, Look, NotCreated, Placing},
        receipts,
        record::{Attempt, JobRecord, ResultRecord, Step, decode_rows},
        refusal::Refusal,
        spending::SpendingState,
    },
    quern_client::{Outcome, Pubkey},
    quern_data::runtime::{lock, off_loop},
    quern_proof::{Tensor, commit::data_root, hash::hash},
    quern_watcher::CheckedItems,
    std::{sync::Arc, time::Instant},
    tokio::time::sleep,
};

/// After so many seconds a transaction that was not included never will be: a blockhash is valid for a minute or so.
pub(crate) const SENT_FOR_SECS: i64 = 180;
/// What a job's `take` deadline leaves beyond the time after which the gateway cancels it: for a gateway that is gone.
const TAKE_SLACK_SECS: u32 = 60;
/// No job is taken after so long.
const ENDS_IN_SECS: i64 = 2 * 86_400;
/// What the review leaves for each row that is checked, in milliseconds: the answer is checked in it, on a slow machine too.
const CHECK_MILLIS: u64 = 100;
/// And for everything else, in seconds.
const CHECK_SECS: u64 = 60;

/// Why a job is not worked on further now.
pub(crate) enum Paused {
    /// The gateway stops.
    Stopping,
    /// This machine or the chain: try again later.
    Failed(GatewayError),
}

impl<E: Into<GatewayError>> From<E> for Paused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

type Worked<T> = std::result::Result<T, Paused>;

/// Works on a job until it has ended.
pub(crate) async fn work(inner: &Arc<Inner>, id: &str) -> Worked<()> {
    loop {
        let job = lock(&inner.book).jobs.get(id).cloned();
        let Some(job) = job else { return Ok(()) };
        match job.step {
            Step::Waiting => waiting(inner, job).await?,
            Step::Creating => creating(inner, job).await?,
            Step::Created => created(inner, job).await?,
            Step::Checked => conclude(inner, job).await?,
            Step::Ended => return Ok(()),
        }
    }
}

/// Publishes the inputs, chooses a provider, and writes down what is to be created.
async fn waiting(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    if !lock(&inner.book).is_wanted(&job) {
        job.step = Step::Ended;
        return Ok(inner.save_job(&job).await?);
    }
    if inner.stopping() != Stopping::No {
        return Err(Paused::Stopping);
    }
    if let Some(refusal) = gave_up(inner, &job) {
        return fail(inner, job, refusal).await;
    }
    if job.input_uri.is_none() {
        let inputs = inputs(inner, &job).await?;
        job.input_uri = Some(inner.market.publish(&job.id, &inputs).await?);
        inner.save_job(&job).await?;
    }
    let candidates = inner.market.candidates().await?;
    let now = inner.now();
    let choice = {
        let book = lock(&inner.book);
        let wallet = inner.market.wallet();
        let allowed = &inner.settings.providers;
        choose(&candidates, &book.experience, allowed, &wallet, now)
    };
    let pin = match choice {
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

/// The next attempt, if the caps and the purse leave enough; otherwise the job has failed.
async fn drafted(
    inner: &Arc<Inner>,
    job: &mut JobRecord,
    purse: &crate::market::PurseState,
    pin: Option<Pubkey>,
) -> Worked<Option<Attempt>> {
    let rates = inner.market.rates(&job.model).await?;
    let quoted = rates.quote(u64::from(job.items), inner.settings.price_bps);
    let (price_atoms, quote) = quoted.map_err(|error| GatewayError::NotReady(error.to_string()))?;
    let now = inner.now();
    let (admitted, number) = {
        let book = lock(&inner.book);
        let spent = book.spent(now, Some(&job.id));
        let is_within = inner.settings.caps.admit_again(&spent, now, price_atoms);
        (inner.admit(price_atoms, is_within), book.next_number)
    };
    if let Err(refusal) = admitted {
        fail(inner, job.clone(), refusal).await?;
        return Ok(None);
    }
    if purse.free_atoms < quote.escrow_atoms {
        let refusal = Refusal::NoFunds {
            atoms: quote.escrow_atoms,
            free_atoms: purse.free_atoms,
            wallet: inner.market.wallet().to_string(),
            mint: inner.market.mint().to_string(),
        };
        fail(inner, job.clone(), refusal).await?;
        return Ok(None);
    }
    Ok(Some(Attempt {
        number,
        at: now,
        job: inner.market.job_address(purse.opened),
        n: purse.opened,
        pin,
        price_atoms,
        bond_atoms: quote.least_bond_atoms,
        work_secs: inner.settings.work_secs,
        review_secs: review_secs(inner, job.items, rates.least_review_secs),
        ends_by: purse.now.saturating_add(ENDS_IN_SECS),
        state: SpendingState::Reserved,
        sent_at: None,
        created_at: None,
        provider: None,
        was_answered: false,
        signatures: Vec::new(),
        fee_lamports: 0,
        note: None,
    }))
}

/// How long a review must be for this gateway to check in it.
fn review_secs(inner: &Inner, items: u32, least_secs: u32) -> u32 {
    let share = inner.settings.sample.unwrap_or(1.0).clamp(0.0, 1.0);
    let checked = (f64::from(items) * share).ceil() as u64;
    let secs = CHECK_SECS + checked.saturating_mul(CHECK_MILLIS) / 1_000;
    // A job of one day is reviewed for two days at most: longer than any check of these sizes.
    let most = 2 * 86_400;
    least_secs.max(u32::try_from(secs).unwrap_or(most).min(most))
}

/// Why a job is not tried again.
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
    let age = inner.now().saturating_sub(job.formed_at);
    let is_old = u64::try_from(age).is_ok_and(|age| age >= give_up.as_secs());
    if !is_old && job.attempts.len() < inner.settings.attempts {
        return None;
    }
    let was_answered = job.attempts.iter().any(|attempt| attempt.was_answered);
    Some(match was_answered {
        true => Refusal::NotRight { why },
        false => Refusal::NoProvider { why },
    })
}

/// Ends a job without an answer.
async fn fail(inner: &Arc<Inner>, mut job: JobRecord, refusal: Refusal) -> Worked<()> {
    tracing::warn!(job = %job.id, %refusal, "a job failed");
    // The requests first: after a kill in between the job fails once more.
    inner.fail_orders(&job, &refusal).await?;
    job.step = Step::Ended;
    Ok(inner.save_job(&job).await?)
}

/// Finds out whether the last attempt is on chain, and sends it if it is not.
async fn creating(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
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
            if is_wanted {
                return create(inner, job).await;
            }
            let sent = job.current().and_then(|attempt| attempt.sent_at);
            let may_come = |at: i64| inner.now().saturating_sub(at) <= SENT_FOR_SECS;
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
        Err(NotCreated::Refused(why)) if !was_sent => {
            if is_taken(inner, &job).await? {
                job.attempts.pop();
                job.step = Step::Waiting;
                return Ok(inner.save_job(&job).await?);
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
        Err(NotCreated::Refused(why) | NotCreated::Unclear(why)) => {
            tracing::warn!(job = %job.id, why, "it is not known whether the job was created; looking");
            pause(inner).await
        }
    }
}

/// Whether the number of the last attempt was given to another job of this wallet.
async fn is_taken(inner: &Inner, job: &JobRecord) -> Result<bool> {
    let Some(attempt) = job.current() else {
        return Ok(false);
    };
    let uri = job.input_uri.as_deref().unwrap_or_default();
    let found = inner.market.find(&attempt.job, attempt.n, uri).await?;
    Ok(found == Found::Foreign)
}

/// Follows a job on chain until its result is checked, or it came to nothing.
async fn created(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    let Some(attempt) = job.current().cloned() else {
        return Ok(());
    };
    match inner.market.look(&attempt.job).await? {
        Look::Open => open(inner, job, &attempt).await,
        Look::Taken {
            provider,
            is_overdue: true,
        } => {
            inner.market.expire(&attempt.job).await?;
            failed(inner, provider).await?;
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
                note(&mut job, Some(provider), "");
                inner.save_job(&job).await?;
            }
            pause(inner).await
        }
        Look::Submitted { provider } | Look::Convicted { provider } => {
            note(&mut job, Some(provider), "");
            if let Some(attempt) = job.attempts.last_mut() {
                attempt.was_answered = true;
            }
            let start = Instant::now();
            let examined = inner.market.examine(&attempt.job).await?;
            examined_so(inner, job, examined, start).await
        }
        Look::Gone => gone(inner, job, &attempt).await,
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
    if is_late && let Some(owner) = attempt.pin {
        failed(inner, owner).await?;
    }
    let why = match (is_wanted, is_late) {
        (false, _) => "cancelled: nobody wants it any more",
        (true, true) => "cancelled: nobody took it in time",
        (true, false) => "cancelled: the gateway stopped",
    };
    note(&mut job, None, why);
    returned(inner, job).await
}

/// The price of the last attempt came back; the next one may begin.
async fn returned(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.state = SpendingState::Returned;
    }
    job.step = Step::Waiting;
    inner.save_job(&job).await?;
    let settled = job.attempts.len().saturating_sub(1);
    Ok(receipts::settled(inner, &job, settled).await?)
}

/// What becomes of a job after its submission was looked at.
async fn examined_so(
    inner: &Arc<Inner>,
    mut job: JobRecord,
    examined: Examined,
    start: Instant,
) -> Worked<()> {
    let provider = job.current().and_then(|attempt| attempt.provider);
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
                (false, Some(provider)) => failed(inner, provider).await?,
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
        Err(error) => {
            if let Some(provider) = attempt.provider {
                failed(inner, provider).await?;
            }
            let why = format!("its rows are right, but it cannot be fetched: {error}");
            return in_vain(inner, job, &why).await;
        }
    };
    if let Err(row) = quern_import::units(&result) {
        let why = format!("row {row} is right and zero, which has no direction");
        return fail(inner, job, Refusal::NotRight { why }).await;
    }
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
        lock(&inner.book).experience.answered(provider);
        save_experience(inner).await?;
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
            let is_right = matches!(examined, Examined::Right(_));
            if !is_right {
                let index = job.attempts.len().saturating_sub(1);
                receipts::settled(inner, &job, index).await?;
            }
            examined_so(inner, job, examined, start).await
        }
    }
}

/// Writes the receipt and answers the requests.
async fn conclude(inner: &Arc<Inner>, mut job: JobRecord) -> Worked<()> {
    receipts::write(inner, &job).await?;
    let mut orders: Vec<_> = job.units.iter().map(|unit| unit.order.clone()).collect();
    orders.dedup();
    for order in &orders {
        inner.answer_if_whole(order).await?;
    }
    job.step = Step::Ended;
    Ok(inner.save_job(&job).await?)
}

/// Notes who works on the last attempt, and what became of it.
fn note(job: &mut JobRecord, provider: Option<Pubkey>, why: &str) {
    if let Some(attempt) = job.attempts.last_mut() {
        attempt.provider = provider.or(attempt.provider);
        if !why.is_empty() {
            attempt.note = Some(why.to_owned());
        }
    }
}

async fn failed(inner: &Arc<Inner>, provider: Pubkey) -> Result<()> {
    let (avoid, now) = (inner.settings.avoid, inner.now());
    lock(&inner.book).experience.failed(provider, avoid, now);
    save_experience(inner).await
}

async fn cheated(inner: &Arc<Inner>, provider: Option<Pubkey>) -> Result<()> {
    let Some(provider) = provider else {
        return Ok(());
    };
    tracing::warn!(%provider, "its answer was wrong; it gets no work any more");
    lock(&inner.book).experience.cheated(provider);
    save_experience(inner).await
}

async fn save_experience(inner: &Arc<Inner>) -> Result<()> {
    let (journal, experience) = (
        Arc::clone(&inner.journal),
        lock(&inner.book).experience.clone(),
    );
    off_loop(move || journal.save_experience(&experience)).await?
}

/// The inputs of a job, from the rows of its requests.
async fn inputs(inner: &Arc<Inner>, job: &JobRecord) -> Result<Vec<Tensor>> {
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
async fn pause(inner: &Arc<Inner>) -> Worked<()> {
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
