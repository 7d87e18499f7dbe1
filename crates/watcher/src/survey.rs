//! One look at the chain: which cases are new, and what there is to do now.

use {
    crate::{
        error::Result,
        schedule::{Scheduled, Task},
        settings::Scope,
        state::State,
    },
    quern_client::{
        Pubkey,
        quern::state::{Job, JobState},
    },
    quern_data::runtime::lock,
    std::{collections::HashSet, sync::atomic::Ordering},
    tokio::time::Instant,
};

/// What there is to do now: first what this watcher has demanded something about, where the time for the next demand may run,
/// then the nearest deadline, and what failed after everything else. Jobs in `busy` are being worked on; `all` includes those
/// that rest after a failure.
pub(crate) async fn survey(
    state: &State,
    busy: &HashSet<Pubkey>,
    all: bool,
) -> Result<Vec<Scheduled>> {
    let (mut settle, mut prepare) = (Vec::new(), Vec::new());
    for (address, job) in jobs(state).await? {
        if !job.is_refereed() {
            continue;
        }
        match job.state() {
            JobState::Submitted | JobState::Convicted => state.cases.note(address, &job),
            JobState::Open | JobState::Taken => prepare.push((address, job.client)),
            JobState::Rejected => {}
        }
        if job.is_in(JobState::Convicted) && state.context.settings.settle {
            settle.push((address, job.client));
        }
    }
    for id in state.cases.forget_left() {
        state.context.results.forget((id.job, id.submission));
        state.release(&id.job);
    }
    let now = Instant::now();
    let is_due = |at: Option<Instant>| all || at.is_none_or(|at| at <= now);
    let (mut found, failed) = to_examine(state, busy, all);
    found.extend(to_settle(state, settle, busy, is_due));
    found.extend(to_prepare(state, prepare, busy, is_due));
    found.extend(failed);
    Ok(found)
}

/// Open cases in their order: those that may go on, and those that failed the last time.
fn to_examine(
    state: &State,
    busy: &HashSet<Pubkey>,
    all: bool,
) -> (Vec<Scheduled>, Vec<Scheduled>) {
    let mut due = Vec::new();
    for (id, case) in lock(&state.cases.open).iter() {
        if busy.contains(&id.job) || !(all || case.retry.is_due()) {
            continue;
        }
        let scheduled = Scheduled {
            task: Task::Examine(*id),
            client: case.client,
            has_failed: case.retry.failures() > 0,
        };
        let is_new = case.fees_lamports == 0;
        due.push(((is_new, case.deadline, id.job), scheduled));
    }
    due.sort_by_key(|(order, _)| *order);
    let due = due.into_iter().map(|(_, scheduled)| scheduled);
    due.partition(|scheduled| !scheduled.has_failed)
}

/// Recorded convictions that may be paid out now.
fn to_settle(
    state: &State,
    convicted: Vec<(Pubkey, Pubkey)>,
    busy: &HashSet<Pubkey>,
    is_due: impl Fn(Option<Instant>) -> bool,
) -> Vec<Scheduled> {
    let is_convicted = |address: &Pubkey| convicted.iter().any(|(known, _)| known == address);
    lock(&state.unsettled).retain(|address, _| is_convicted(address));
    let due = convicted
        .into_iter()
        .filter(|(address, _)| !busy.contains(address) && is_due(state.settles_again(address)));
    due.map(|(address, client)| Scheduled {
        task: Task::Settle(address),
        client,
        has_failed: false,
    })
    .collect()
}

/// Jobs without a result whose data are to be fetched now.
fn to_prepare(
    state: &State,
    waiting: Vec<(Pubkey, Pubkey)>,
    busy: &HashSet<Pubkey>,
    is_due: impl Fn(Option<Instant>) -> bool,
) -> Vec<Scheduled> {
    let mut prepared = lock(&state.prepared);
    prepared.retain(|address, _| {
        let is_kept = waiting.iter().any(|(known, _)| known == address);
        if !is_kept {
            // It has a result, or it ended without one.
            state.release(address);
        }
        is_kept
    });
    let mut found = Vec::new();
    for (address, client) in waiting {
        let known = prepared.get(&address).copied();
        let is_new = match known {
            None => true,
            Some(again) => again.is_some_and(|again| is_due(Some(again))),
        };
        if is_new && !busy.contains(&address) {
            found.push(Scheduled {
                task: Task::Prepare(address),
                client,
                has_failed: known.is_some(),
            });
        }
    }
    found
}

/// Jobs in the settings' scope.
async fn jobs(state: &State) -> Result<Vec<(Pubkey, Job)>> {
    let chain = &state.context.chain;
    let with_results = [JobState::Submitted, JobState::Convicted];
    let mut found = Vec::new();
    match &state.context.settings.scope {
        Scope::Jobs(jobs) => {
            for address in jobs {
                if let Some(job) = chain.job(address).await? {
                    found.push((*address, job));
                }
            }
            match found.is_empty() {
                true => state.looks_without_jobs.fetch_add(1, Ordering::Relaxed),
                false => state.looks_without_jobs.swap(0, Ordering::Relaxed),
            };
        }
        Scope::All => {
            for job_state in with_results {
                found.extend(chain.jobs(job_state, None).await?);
            }
        }
        Scope::Clients(clients) => {
            let without = [JobState::Open, JobState::Taken];
            for job_state in with_results.into_iter().chain(without) {
                for client in clients {
                    found.extend(chain.jobs(job_state, Some(*client)).await?);
                }
            }
        }
    }
    Ok(found)
}
