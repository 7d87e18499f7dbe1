//! One look at the chain: what there is to do now.
//!
//! It looks at three lists: the provider's own jobs, the journal's jobs that are no longer its own, and the open jobs.

use {
    crate::{
        claims,
        context::{Context, LEAST_LAMPORTS, SAY_AGAIN},
        demands, disk,
        error::Result,
        offers::{offers, time_for},
        promises::Needs,
        task::{Task, TaskKind},
    },
    quern_client::{
        Pubkey,
        quern::{
            clock::Moment,
            state::{Job, JobState},
        },
    },
    quern_data::runtime::lock,
    quern_rules::deadline::{FinalizeGate, finalize_gate, in_time},
    std::{
        collections::HashMap,
        time::{Duration, Instant},
    },
};

/// Most milestones that are finalized at a time.
const MAX_CRANKS: usize = 16;

/// What there is to do now. `busy` are jobs that are being worked on, and whether they are still to be taken.
pub(crate) async fn survey(
    context: &Context,
    busy: &HashMap<Pubkey, bool>,
) -> Result<Vec<(Pubkey, Task)>> {
    demands::forget_unused(context);
    let owner = &context.settings.owner;
    let moment = context.chain.moment().await?;
    let own = context.chain.own_jobs(owner).await?;
    let is_free_for =
        |address: &Pubkey, kind| !busy.contains_key(address) && !context.is_resting(address, kind);
    let is_free = |address: &Pubkey| is_free_for(address, TaskKind::Other);
    let is_free_offer = |address: &Pubkey| is_free_for(address, TaskKind::Offer);
    let mut found = Vec::new();
    let mut cranks = 0;
    let takes = busy.iter().filter(|(_, is_new)| **is_new);
    let takes: Vec<Pubkey> = takes.map(|(address, _)| *address).collect();
    let ability = *lock(&context.ability);
    lock(&context.promises).note(&own, &moment, |job| Needs {
        time: ability.map_or(Duration::ZERO, |ability| {
            time_for(context, &ability, job, 0)
        }),
        disk_bytes: disk::bytes_of(context, job),
    });
    for (address, job) in &own {
        let task = task_of(context, address, job, &moment);
        match task {
            Some(Task::Finalize) if cranks >= MAX_CRANKS => {}
            Some(task) if is_free_for(address, task.kind()) => {
                cranks += usize::from(matches!(task, Task::Finalize));
                found.push((*address, task));
            }
            _ => {}
        }
    }
    let is_own = |address: &Pubkey| own.iter().any(|(own, _)| own == address);
    let more = async {
        // The journal first: a job that is taken while this looks must not seem lost.
        let journal = context.journal.jobs()?;
        let offers = match can_pay(context, own.len()).await {
            true => offers(context, &moment, &takes, is_free(owner), is_free_offer).await?,
            false => Vec::new(),
        };
        let is_offered = |address: &Pubkey| offers.iter().any(|(offered, _)| offered == address);
        let left = journal
            .into_iter()
            .filter(|address| !is_own(address) && !is_offered(address) && is_free(address));
        let ended = ended(context, left, moment.now).into_iter();
        let mut more: Vec<(Pubkey, Task)> = ended.map(|address| (address, Task::Close)).collect();
        more.extend(offers);
        Ok(more)
    };
    match more.await {
        Ok(more) => found.extend(more),
        Err(error) if found.is_empty() => return Err(error),
        // What the own jobs need does not wait for the others: answers are due.
        Err(error) => {
            tracing::warn!(%error, "cannot read open jobs; retrying");
        }
    }
    if found.is_empty() {
        found.extend(claimable(context, &moment, &is_free).await);
    }
    Ok(found)
}

/// What campaigns owe, for when there is nothing else to do. It has time: a failure waits for the next look.
async fn claimable(
    context: &Context,
    moment: &Moment,
    is_free: impl Fn(&Pubkey) -> bool,
) -> Vec<(Pubkey, Task)> {
    let due = claims::due(context, moment.now).await;
    let due = due.unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read what campaigns owe; trying again later");
        Vec::new()
    });
    let due = due.into_iter().filter(|(entry, _)| is_free(entry));
    due.map(|(entry, claim)| (entry, Task::Claim(claim)))
        .collect()
}

/// Those of the jobs that have left that did so long ago. One look proves nothing: behind an address there may be several
/// nodes, one of them behind the others, and what is not finalized may be taken back. After a restart the time starts anew.
fn ended(context: &Context, left: impl Iterator<Item = Pubkey>, now: i64) -> Vec<Pubkey> {
    let mut gone = lock(&context.gone);
    let since = |address: &Pubkey| gone.get(address).copied().unwrap_or(now);
    *gone = left.map(|address| (address, since(&address))).collect();
    let keep_secs = i64::from(context.settings.keep_ended_secs);
    gone.iter()
        .filter(|(_, since)| now.saturating_sub(**since) >= keep_secs)
        .map(|(address, _)| *address)
        .collect()
}

/// Whether the signer can pay for what a new job brings with it; if not, it says so again and again.
async fn can_pay(context: &Context, live_jobs: usize) -> bool {
    let lamports = match context.chain.lamports().await {
        Ok(lamports) => lamports,
        Err(error) => {
            tracing::warn!(%error, "cannot read the wallet; taking nothing new");
            return false;
        }
    };
    if lamports >= LEAST_LAMPORTS {
        return true;
    }
    let mut said = lock(&context.said_poor);
    if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
        *said = Some(Instant::now());
        let wallet = context.chain.signer();
        tracing::error!(%wallet, lamports, wanted = LEAST_LAMPORTS, live_jobs, "the wallet runs out of lamports; taking nothing new. Without fees neither results nor answers get through, which costs the bonds: fund it");
    }
    false
}

/// What one of the provider's own jobs needs now.
pub(crate) fn task_of(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    moment: &Moment,
) -> Option<Task> {
    match job.state() {
        JobState::Taken if !may_submit(context, job) => {
            context.say_once(address, job.seq.get(), || tracing::warn!(job = %address, "the owner took this job, so the operator cannot submit; work on it with the owner's key"));
            None
        }
        JobState::Taken if in_time(moment.now, job.effective_deadline(moment)) => {
            Some(Task::Work(*job))
        }
        JobState::Taken => {
            context.say_once(address, job.seq.get(), || tracing::warn!(job = %address, "the deadline has passed; the late penalty is due"));
            None
        }
        JobState::Submitted if job.open_demands.get() > 0 => Some(Task::Answer(*job)),
        JobState::Submitted => {
            let gate = finalize_gate(
                false,
                moment.now,
                job.effective_deadline(moment),
                job.effective_last_answer_at(moment),
                job.terms.react_secs.get(),
                job.terms.grace_secs.get(),
            );
            (gate != FinalizeGate::TooEarly).then_some(Task::Finalize)
        }
        JobState::Rejected => {
            context.say_once(address, job.seq.get(), || tracing::warn!(job = %address, arbiter = %job.arbiter, "the client rejected the result; the arbiter decides"));
            None
        }
        JobState::Convicted => {
            context.say_once(address, job.seq.get(), || tracing::error!(job = %address, "convicted: the bond is lost; find out why before working on"));
            None
        }
        JobState::Open => None,
    }
}

/// Whether the program lets the signer commit to a result: an operator's results are for its own takes only.
fn may_submit(context: &Context, job: &Job) -> bool {
    job.taken_by_operator.get() || context.chain.signer() == context.settings.owner
}
