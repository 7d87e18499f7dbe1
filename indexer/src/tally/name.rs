//! Which milestone is behind a change of which no event tells: from what the tables still know, from the dead letters, from the node,
//! or from the jobs that do not add up.

use {
    super::{
        chain::Chain,
        counted::{Counted, PAGE},
        difference::{Difference, Hole, place},
    },
    crate::{
        decode,
        error::Result,
        project::{
            Event, key,
            program::{EntityKind, Job, JobState, QuernEvent},
        },
        store::{MilestonesQuery, Recorded, Snapshot, StepEnd},
    },
    futures::{StreamExt, TryStreamExt, stream},
    quern_api::Key,
    std::collections::HashSet,
};

/// Accounts that miss changes which are looked at.
const GAPS_LOOKED_AT: u32 = 1_000;
/// Transactions fetched at a time.
const FETCHES: usize = 8;
/// Jobs that are told apart.
const MOST_CANDIDATES: usize = 20;

/// The difference with the milestone that is behind it, if that can be found out.
pub(super) async fn milestone(
    snapshot: &mut Snapshot,
    counted: &Counted,
    difference: Difference,
    chain: Option<&Chain>,
) -> Result<Difference> {
    if difference.place.is_some() {
        return Ok(difference);
    }
    if let Some(found) = unrecorded(snapshot, counted, &difference).await? {
        return Ok(found);
    }
    let Some(hole) = difference.hole else {
        return Ok(difference);
    };
    if let Some(chain) = chain
        && let Some(event) = untold(snapshot, counted, hole, chain).await?
    {
        let found = letter_of(snapshot, &event).await?;
        let found = found.unwrap_or_else(|| difference.found.clone());
        return Ok(Difference {
            found,
            ..difference
        }
        .about(&event));
    }
    let letters = snapshot.queries();
    let letters = letters.dead_letters_between(hole.first_slot, hole.last_slot, 1);
    if let Some(letter) = letters.await?.first() {
        return Ok(Difference {
            place: Some(place(&letter.id, letter.slot)),
            found: format!("a dead letter: {}", letter.reason),
            ..difference
        });
    }
    by_jobs(snapshot, counted, difference).await
}

/// A milestone of which the tables tell and the record has no event.
async fn unrecorded(
    snapshot: &mut Snapshot,
    counted: &Counted,
    difference: &Difference,
) -> Result<Option<Difference>> {
    let mut provider: Option<Key> = None;
    loop {
        let queries = snapshot.queries();
        let next = queries.next_provider_of(&counted.address, provider.as_ref());
        let Some(owner) = next.await? else {
            return Ok(None);
        };
        provider = Some(owner);
        let mut query = MilestonesQuery {
            campaign: counted.address,
            provider: owner,
            after: None,
            limit: PAGE,
        };
        loop {
            let page = snapshot.queries().milestones_of(&query).await?;
            let Some(last) = page.last() else { break };
            query.after = Some((last.settlement.slot, last.id));
            let lost = page
                .iter()
                .find(|one| !matches!(one.recorded, Recorded::Event(_)));
            if let Some(lost) = lost {
                let found = match lost.recorded {
                    Recorded::Undecodable => "bytes that are none",
                    _ => "none",
                };
                return Ok(Some(Difference {
                    job: Some(lost.settlement.job),
                    milestone: Some(lost.settlement.milestone),
                    provider: Some(owner),
                    place: Some(place(&lost.id, lost.settlement.slot)),
                    found: found.to_owned(),
                    ..difference.clone()
                }));
            }
        }
    }
}

/// The first event of the campaign on the chain, in the hole, that the record does not have.
async fn untold(
    snapshot: &mut Snapshot,
    counted: &Counted,
    hole: Hole,
    chain: &Chain,
) -> Result<Option<Event>> {
    let tip = chain.source.tip().await?;
    let items = chain.source.walk_of(&counted.address, tip).await?;
    let slots = hole.first_slot..=hole.last_slot;
    let items = items
        .into_iter()
        .filter(|item| !item.failed && slots.contains(&item.slot));
    // Some at a time, and each in its place: the first one that the record does not have is named.
    let mut transactions = stream::iter(items)
        .map(|item| async move { chain.source.transaction(&item).await })
        .buffered(FETCHES);
    while let Some(transaction) = transactions.try_next().await? {
        let decoded = decode::transaction(&counted.program, &transaction)?;
        let ids: Vec<_> = decoded.events.iter().map(|event| event.id).collect();
        let recorded = snapshot.queries().recorded(&ids).await?;
        let mut events = decoded.events.into_iter();
        let untold = events.find(|event| {
            !recorded.contains(&event.id) && changes(event, EntityKind::Campaign, &counted.address)
        });
        if untold.is_some() {
            return Ok(untold);
        }
    }
    Ok(None)
}

fn changes(event: &Event, kind: EntityKind, address: &Key) -> bool {
    let mut changes = event.body.changes().iter();
    changes.any(|change| change.kind == kind as u8 && key(&change.address) == *address)
}

/// Why an event is among the dead letters, if it is.
async fn letter_of(snapshot: &mut Snapshot, event: &Event) -> Result<Option<String>> {
    let (slot, queries) = (event.slot, snapshot.queries());
    let letters = queries.dead_letters_between(slot, slot, PAGE).await?;
    let letter = letters.into_iter().find(|letter| letter.id == event.id);
    Ok(letter.map(|letter| format!("a dead letter: {}", letter.reason)))
}

/// Jobs that name the campaign and miss changes, or else those whose result waits: one of them settled unseen.
async fn by_jobs(
    snapshot: &mut Snapshot,
    counted: &Counted,
    difference: Difference,
) -> Result<Difference> {
    let mut candidates = Vec::new();
    let (_, gaps) = snapshot.queries().gaps(GAPS_LOOKED_AT).await?;
    for gap in gaps.iter().filter(|gap| gap.kind == EntityKind::Job as u8) {
        let entity = snapshot.account(EntityKind::Job, &gap.address).await?;
        let job = entity.and_then(|entity| entity.row.read::<Job>());
        if job.is_some_and(|job| key(&job.campaign) == counted.address) {
            candidates.push(gap.address);
        }
    }
    if candidates.is_empty() {
        let mut jobs = snapshot.queries().live(EntityKind::Job as u8);
        while let Some(entity) = jobs.try_next().await? {
            let waits = entity.row.read::<Job>().is_some_and(|job| {
                key(&job.campaign) == counted.address && job.is_in(JobState::Submitted)
            });
            if waits && candidates.len() < MOST_CANDIDATES {
                candidates.push(entity.address);
            }
        }
    }
    match candidates.as_slice() {
        [] => Ok(difference),
        [job] => {
            let milestone = first_untold(snapshot, job).await?;
            Ok(Difference {
                job: Some(*job),
                milestone: Some(milestone),
                ..difference
            })
        }
        jobs => {
            let jobs: Vec<String> = jobs.iter().map(Key::to_string).collect();
            let among = format!(" (a milestone of one of the jobs {})", jobs.join(", "));
            Ok(Difference {
                figure: difference.figure.clone() + &among,
                ..difference
            })
        }
    }
}

/// The first milestone of a job of which no event says that it was paid.
async fn first_untold(snapshot: &mut Snapshot, job: &Key) -> Result<u8> {
    let mut told = HashSet::new();
    let mut after: Option<StepEnd> = None;
    loop {
        let steps = snapshot.steps(job, after.as_ref(), PAGE).await?;
        let Some(last) = steps.last() else {
            return Ok((0..u8::MAX)
                .find(|one| !told.contains(one))
                .unwrap_or(u8::MAX));
        };
        after = Some(StepEnd {
            seq: last.seq,
            event: last.event.id,
        });
        told.extend(steps.iter().filter_map(|step| match &step.event.body {
            QuernEvent::MilestoneSettled(settled) => Some(settled.milestone),
            _ => None,
        }));
    }
}
