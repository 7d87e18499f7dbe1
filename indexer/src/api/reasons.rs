//! Why a milestone was paid as it was, why a provider got no work, and how long the rewards last.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Place},
        campaigns::scored_entries,
        params::{address, shown},
        providers::owner_of,
        reply::Answer,
        series::network_sum,
    },
    crate::{
        project::{
            Concern, Event, EventId, Subject, key,
            program::{Emission, EntityKind, MilestoneSettled, Purse, QuernEvent},
        },
        store::{Snapshot, StepEnd},
        view,
    },
    axum::extract::State,
    quern_api::{
        EmissionPage, ExplainPage, Key, MAX_PAGE_ROWS, Metric, NoParams, Reply, Window, WorkPage,
    },
};

/// Steps that an explanation names: the latest ones, with the payment.
const EVENTS_NAMED: u64 = 50;
/// Jobs that are looked at to say why a provider got no work.
const JOBS_LOOKED_AT: u32 = MAX_PAGE_ROWS;

/// What was paid for a milestone, why, and from which events it follows: every amount computed again by the program's rules.
///
/// It explains payments in full; what an arbiter decided stands in the job's step `JobResolved`.
#[utoipa::path(get, path = "/v1/explain/{milestone}", params(("milestone" = String, Path, description = "ADDRESS:NUMBER, the job's account and the milestone, from 0")), responses((status = 200, body = Reply<ExplainPage>)))]
pub(super) async fn explain(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<NoParams>,
) -> Answer {
    let (job, milestone) = named(place.text("milestone"))?;
    let mut snapshot = ask.snapshot(&api).await?;
    let unknown = || {
        ApiError::not_found(format!(
            "no finalized payment in full of milestone {milestone} of job {job}; /v1/jobs/{job} shows what happened to it"
        ))
    };
    let (settled, events) = payment(&mut snapshot, &job, milestone)
        .await?
        .ok_or_else(unknown)?;
    let page = view::explain(&settled, &events, snapshot.mints()).ok_or_else(unknown)?;
    Ok(api.reply(&snapshot, page))
}

/// The job and the number that name a milestone.
fn named(text: &str) -> Result<(Key, u8), ApiError> {
    let (job, number) = text.split_once(':').unwrap_or((text, "0"));
    let milestone = number.parse().map_err(|_| {
        let number = shown(number);
        ApiError::bad_request(format!(
            "milestone \"{number}\" must be a number from 0 to 255, behind the job's address and a colon"
        ))
    })?;
    Ok((address("milestone", job)?, milestone))
}

/// The payment of a milestone, and the job's events up to it: its creation and the latest ones say the most.
async fn payment(
    snapshot: &mut Snapshot,
    job: &Key,
    milestone: u8,
) -> Result<Option<(MilestoneSettled, Vec<Event>)>, ApiError> {
    let Some((paid, end)) = paid(snapshot, job, milestone).await? else {
        return Ok(None);
    };
    // Demands of strangers may lie between: only the steps right before it are read.
    let before = end.seq.saturating_sub(EVENTS_NAMED - 1);
    let first = snapshot.steps(job, None, 1).await?;
    let after = StepEnd {
        seq: before,
        event: EventId::FIRST,
    };
    let latest = snapshot.steps(job, Some(&after), MAX_PAGE_ROWS).await?;
    let mut events: Vec<Event> = Vec::new();
    for step in first.into_iter().filter(|step| step.seq < before) {
        events.push(step.event);
    }
    for step in latest {
        let is_payment = step.event.id == end.event;
        events.push(step.event);
        if is_payment {
            break;
        }
    }
    Ok(Some((paid, events)))
}

/// The payment alone, and which step it is.
async fn paid(
    snapshot: &mut Snapshot,
    job: &Key,
    milestone: u8,
) -> Result<Option<(MilestoneSettled, StepEnd)>, ApiError> {
    let mut after: Option<StepEnd> = None;
    loop {
        let steps = snapshot
            .payments(job, after.as_ref(), MAX_PAGE_ROWS)
            .await?;
        let is_last = steps.len() < MAX_PAGE_ROWS as usize;
        for step in steps {
            let end = StepEnd {
                seq: step.seq,
                event: step.event.id,
            };
            after = Some(end);
            if let QuernEvent::MilestoneSettled(paid) = step.event.body
                && paid.milestone == milestone
            {
                return Ok(Some((paid, end)));
            }
        }
        // A job has 255 milestones at most.
        if is_last {
            return Ok(None);
        }
    }
}

/// Why a provider may get no work, from the jobs that changed last, and what waits to be claimed or finalized by it.
#[utoipa::path(get, path = "/v1/providers/{address}/work", params(("address" = Key, Path, description = "The provider's owner or its account")), responses((status = 200, body = Reply<WorkPage>)))]
pub(super) async fn work(State(api): State<ApiState>, place: Place, ask: Ask<NoParams>) -> Answer {
    let address = place.address()?;
    let mut snapshot = ask.snapshot(&api).await?;
    let (owner, account) = owner_of(&mut snapshot, &address).await?;
    let purses = snapshot
        .owned(EntityKind::Purse, &owner, None, MAX_PAGE_ROWS)
        .await?;
    let market = snapshot.latest_jobs(JOBS_LOOKED_AT).await?;
    let takes = snapshot
        .latest_of(owner, Concern::Job, JOBS_LOOKED_AT)
        .await?;
    let mut jobs: Vec<Key> = takes
        .iter()
        .filter_map(|event| match &event.body {
            QuernEvent::JobTaken(taken) => Some(key(&taken.job)),
            _ => None,
        })
        .collect();
    jobs.sort_unstable();
    jobs.dedup();
    let taken = snapshot.accounts_at(EntityKind::Job, &jobs).await?;
    let (entries, is_cut) = scored_entries(&mut snapshot, owner).await?;
    let emission = emission_of(&mut snapshot).await?;
    let record = view::WorkRecord {
        owner,
        account: &account,
        purses: &purses,
        market: &market,
        taken: &taken,
        entries: &entries,
        is_cut,
        now: snapshot.cursor().map_or(0, |cursor| cursor.chain_time),
        reward_mint: emission.and_then(|(_, emission)| key(&emission.reward_mint).some()),
    };
    let page = view::work(&record, snapshot.mints()).ok_or_else(|| {
        ApiError::not_found(format!("the values of provider {address} are not known"))
    })?;
    Ok(api.reply(&snapshot, page))
}

/// The rewards: what the current epoch grants, what is left, and when it runs dry if it goes on as in the last 7 days, or since the first
/// grant.
#[utoipa::path(get, path = EmissionPage::PATH, responses((status = 200, body = Reply<EmissionPage>)))]
pub(super) async fn emission(State(api): State<ApiState>, ask: Ask<NoParams>) -> Answer {
    let mut snapshot = ask.snapshot(&api).await?;
    let now = snapshot.cursor().map_or(0, |cursor| cursor.chain_time);
    let found = emission_of(&mut snapshot).await?;
    let mint = found.map_or(Key::NONE, |(_, emission)| key(&emission.reward_mint));
    let purse = match &found {
        Some((address, _)) => purse_of(&mut snapshot, address, mint).await?,
        None => None,
    };
    let granted = granted(&mut snapshot, mint, now).await?;
    let emission = found.map(|(_, emission)| emission);
    let page = view::emission(
        emission.as_ref(),
        purse.as_ref(),
        granted,
        now,
        snapshot.mints(),
    );
    Ok(api.reply(&snapshot, page))
}

/// What was granted lately, and since when if never before.
async fn granted(snapshot: &mut Snapshot, mint: Key, now: i64) -> Result<view::Granted, ApiError> {
    let rewards = (Metric::Rewards, mint);
    let (lately_atoms, since) = network_sum(snapshot, rewards, view::RATE_SECS, now).await?;
    let ever = snapshot
        .scores_of(Subject::Network, Key::NONE, Window::All)
        .await?;
    let ever = ever
        .iter()
        .filter(|score| (score.measure.metric, score.mint) == rewards);
    let ever_atoms = ever.fold(0, |sum: u128, score| sum.saturating_add(score.value));
    let first = since.filter(|_| ever_atoms == lately_atoms);
    Ok(view::Granted::new(lately_atoms, first, now))
}

/// The emission's address and values.
async fn emission_of(snapshot: &mut Snapshot) -> Result<Option<(Key, Emission)>, ApiError> {
    let found = snapshot.accounts(EntityKind::Emission, None, 1).await?;
    let found = found.into_iter().next();
    Ok(found.and_then(|entity| Some((entity.address, entity.row.read::<Emission>()?))))
}

async fn purse_of(
    snapshot: &mut Snapshot,
    owner: &Key,
    mint: Key,
) -> Result<Option<Purse>, ApiError> {
    let purses = snapshot
        .owned(EntityKind::Purse, owner, None, MAX_PAGE_ROWS)
        .await?;
    let mut purses = purses
        .iter()
        .filter_map(|entity| entity.row.read::<Purse>());
    Ok(purses.find(|purse| key(&purse.mint) == mint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_milestone_is_named_by_its_job_and_number() {
        let job = Key([3; 32]);
        assert_eq!(named(&format!("{job}:7")).ok(), Some((job, 7)));
        assert_eq!(named(&job.to_string()).ok(), Some((job, 0)));
        for wrong in [
            "",
            ":",
            ":1",
            &format!("{job}:"),
            &format!("{job}:256"),
            &format!("{job}:-1"),
        ] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
