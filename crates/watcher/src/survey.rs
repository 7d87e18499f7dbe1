//! One look at the chain: which cases are new, and what there is to do now.

use {
    crate::{
        case::{Case, CaseId},
        error::Result,
        schedule::{Scheduled, Task, interleaved},
        settings::Scope,
        state::State,
    },
    quern_client::{
        Pubkey,
        quern::state::{Job, JobState},
    },
    quern_data::runtime::lock,
    std::{
        cmp::Reverse,
        collections::{BTreeMap, HashSet},
        sync::atomic::Ordering,
    },
    tokio::time::Instant,
};

/// What there is to do now: first what this watcher has demanded something about, where the time for the next demand may run,
/// then in turns the nearest deadline and the largest bond, and what failed after everything else. Jobs in `busy` are being worked on; `all` includes those
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
            JobState::Open | JobState::Taken => prepare.push(address),
            JobState::Rejected => {}
        }
        if job.is_in(JobState::Convicted) && state.context.settings.settle {
            settle.push(address);
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
    let open = lock(&state.cases.open);
    let due = open
        .iter()
        .filter(|(id, case)| !busy.contains(&id.job) && (all || case.retry.is_due()));
    let mut by_deadline: Vec<(CaseId, &Case)> = due.map(|(id, case)| (*id, case)).collect();
    by_deadline.sort_by_key(|(id, case)| (case.fees_lamports == 0, case.deadline, id.job));
    let asked = by_deadline.partition_point(|(_, case)| case.fees_lamports > 0);
    let others = by_deadline.split_off(asked);
    let ids: Vec<CaseId> = others.iter().map(|(id, _)| *id).collect();
    let ordered = interleaved(&ids, &by_bond(&others));
    let scheduled = |id: &CaseId, is_urgent| Scheduled {
        task: Task::Examine(*id),
        is_urgent,
        has_failed: open.get(id).is_some_and(|case| case.retry.failures() > 0),
    };
    let asked = by_deadline.iter().map(|(id, _)| scheduled(id, true));
    let others = ordered.iter().map(|id| scheduled(id, false));
    let all = asked.chain(others);
    all.partition(|scheduled| !scheduled.has_failed)
}

/// Cases by what their bonds are worth, the largest first. Atoms of two mints cannot be compared, so mints take turns.
fn by_bond(cases: &[(CaseId, &Case)]) -> Vec<CaseId> {
    let mut by_mint: BTreeMap<Pubkey, Vec<(Reverse<u64>, i64, CaseId)>> = BTreeMap::new();
    for (id, case) in cases {
        let of_mint = by_mint.entry(case.mint).or_default();
        of_mint.push((Reverse(case.bond_atoms), case.deadline, *id));
    }
    let mut lists: Vec<_> = by_mint
        .into_values()
        .map(|mut list| {
            list.sort_by_key(|(bond, deadline, id)| (*bond, *deadline, id.job));
            list.into_iter().map(|(_, _, id)| id)
        })
        .collect();
    let mut all = Vec::new();
    while !lists.is_empty() {
        lists.retain_mut(|list| list.next().map(|id| all.push(id)).is_some());
    }
    all
}

/// Recorded convictions that may be paid out now.
fn to_settle(
    state: &State,
    convicted: Vec<Pubkey>,
    busy: &HashSet<Pubkey>,
    is_due: impl Fn(Option<Instant>) -> bool,
) -> Vec<Scheduled> {
    let is_convicted = |address: &Pubkey| convicted.contains(address);
    lock(&state.unsettled).retain(|address, _| is_convicted(address));
    let due = convicted
        .into_iter()
        .filter(|address| !busy.contains(address) && is_due(state.settles_again(address)));
    due.map(|address| Scheduled {
        task: Task::Settle(address),
        is_urgent: true,
        has_failed: false,
    })
    .collect()
}

/// Jobs without a result whose data are to be fetched now.
fn to_prepare(
    state: &State,
    waiting: Vec<Pubkey>,
    busy: &HashSet<Pubkey>,
    is_due: impl Fn(Option<Instant>) -> bool,
) -> Vec<Scheduled> {
    let mut prepared = lock(&state.prepared);
    prepared.retain(|address, _| {
        let is_kept = waiting.contains(address);
        if !is_kept {
            // It has a result, or it ended without one.
            state.release(address);
        }
        is_kept
    });
    let mut found = Vec::new();
    for address in waiting {
        let known = prepared.get(&address).copied();
        let is_new = match known {
            None => true,
            Some(looked) => looked.again.is_some_and(|again| is_due(Some(again))),
        };
        if is_new && !busy.contains(&address) {
            found.push(Scheduled {
                task: Task::Prepare(address),
                is_urgent: false,
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
