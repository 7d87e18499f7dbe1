//! Jobs, their time lines and the demands about them.

use {
    super::{decimals, describe, words},
    crate::{
        project::{
            key,
            program::{Demand, Job, MintConfig, QuernEvent},
        },
        store::{Entity, JobRecord, TimelineStep},
    },
    quern_api::{
        DemandState, JobDemand, JobItem, JobPage, JobState, JobStep, JobSubmission, Outcome,
        jobs::JobConviction,
    },
};

/// A job as it was last.
pub fn job(entity: &Entity, mints: &[MintConfig]) -> Option<JobItem> {
    let row = &entity.row;
    let job = row.read::<Job>()?;
    let mint = key(&job.mint);
    Some(JobItem {
        address: entity.address,
        state: if row.closed {
            JobState::Closed
        } else {
            words::job_state(job.state)?
        },
        kind: words::job_kind(job.kind)?,
        assurance: words::assurance(job.assurance)?,
        client: key(&job.client),
        provider: key(&job.provider).some(),
        model: key(&job.model).some(),
        mint,
        decimals: decimals(mint, mints),
        price_atoms: job.price_atoms.get(),
        bond_atoms: job.bond_atoms.get(),
        milestones: job.milestones,
        work: job.work.get(),
        items: job.items.get(),
        created_at: job.created_at.get(),
        deadline: (!row.closed).then(|| job.deadline.get()),
        conviction: words::conviction_reason(job.conviction_reason).map(|reason| JobConviction {
            reason,
            prover: key(&job.prover),
        }),
        input_uri: row.text.as_ref().map(|(_, text)| text.clone()),
        seq: row.seq,
        changed_slot: row.slot,
    })
}

/// A job with a part of its time line; where it goes on is the caller's to say.
pub fn job_page(record: &JobRecord, mints: &[MintConfig]) -> Option<JobPage> {
    let last = record.last_step.as_ref();
    Some(JobPage {
        job: job(&record.account, mints)?,
        outcome: last
            .filter(|_| record.account.row.closed)
            .and_then(|step| outcome(&step.event.body)),
        milestones_settled: record.settled,
        complete: !record.account.row.has_gap(),
        submissions: record.submissions.iter().filter_map(submission).collect(),
        next_submissions_cursor: None,
        steps: record.steps.iter().map(step).collect(),
        next_steps_cursor: None,
        demands: record.demands.iter().filter_map(demand).collect(),
        next_demands_cursor: None,
    })
}

fn submission(step: &TimelineStep) -> Option<JobSubmission> {
    let event = &step.event;
    let QuernEvent::ResultSubmitted(submitted) = &event.body else {
        return None;
    };
    Some(JobSubmission {
        submission: submitted.submission,
        milestone: submitted.milestone,
        provider: key(&submitted.provider),
        trace_root: hex::encode(submitted.trace_root),
        tokens_root: (submitted.tokens_root != [0; 32]).then(|| hex::encode(submitted.tokens_root)),
        output_uri: submitted.output_uri.clone(),
        at: submitted.at,
        slot: event.slot,
        signature: event.id.signature,
    })
}

fn step(step: &TimelineStep) -> JobStep {
    let event = &step.event;
    JobStep {
        seq: step.seq,
        event: event.body.name().to_owned(),
        at: event.body.at(),
        slot: event.slot,
        signature: event.id.signature,
        instruction: event.id.instruction,
        inner: event.id.inner,
        fields: describe(&event.body),
    }
}

fn outcome(last: &QuernEvent) -> Option<Outcome> {
    Some(match last {
        QuernEvent::MilestoneSettled(_) => Outcome::Settled,
        QuernEvent::JobCancelled(_) => Outcome::Cancelled,
        QuernEvent::JobResolved(_) => Outcome::Resolved,
        QuernEvent::JobExpired(_) => Outcome::Expired,
        QuernEvent::ConvictionSettled(_) => Outcome::Convicted,
        _ => return None,
    })
}

fn demand(entity: &Entity) -> Option<JobDemand> {
    let row = &entity.row;
    let demand = row.read::<Demand>()?;
    let is_answered = demand.answered.get();
    Some(JobDemand {
        address: entity.address,
        state: match (row.closed, is_answered) {
            (true, _) => DemandState::Closed,
            (false, true) => DemandState::Answered,
            (false, false) => DemandState::Waiting,
        },
        opener: key(&demand.opener),
        submission: demand.submission.get(),
        tree: demand.tree.get(),
        level: demand.level,
        index: demand.index.get(),
        node: hex::encode(demand.node),
        fee_lamports: demand.fee_lamports.get(),
        due: demand.due.get(),
        answered_at: is_answered.then(|| demand.answered_at.get()),
        complete: !row.has_gap(),
    })
}
