//! Live jobs, for people.

use {
    super::{Kind, Level},
    crate::{
        amount::{show, show_bps},
        commands::purse::decimals_of,
        context::Context,
        error::Result,
        output::{Fields, print_list},
        span,
    },
    clap::ValueEnum,
    quern_client::{
        Pubkey, accounts,
        accounts::JobFilter,
        instructions::NOBODY,
        quern::state::{Assurance, Job, JobKind, JobState},
    },
    quern_node::{chain::moment, uris},
    std::collections::HashMap,
};

/// Which jobs.
#[derive(clap::Args)]
pub struct ListArgs {
    /// In this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Of this client
    #[arg(long, value_name = "ADDRESS")]
    client: Option<Pubkey>,
    /// At work with this provider (its owner)
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<Pubkey>,
    /// Of this model
    #[arg(long, value_name = "ADDRESS")]
    model: Option<Pubkey>,
    /// Paid in this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
}

/// States of a live job.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Open,
    Taken,
    Submitted,
    Rejected,
    Slashed,
}

/// A state in a word.
pub fn state_name(code: u8) -> &'static str {
    match JobState::from_code(code) {
        Some(JobState::Open) => "open",
        Some(JobState::Taken) => "taken",
        Some(JobState::Submitted) => "submitted",
        Some(JobState::Rejected) => "rejected",
        Some(JobState::Slashed) => "slashed",
        None => "unknown",
    }
}

fn kind_name(code: u8) -> String {
    let kind = match JobKind::from_code(code) {
        Some(JobKind::Inference) => Kind::Inference,
        Some(JobKind::FineTuning) => Kind::FineTuning,
        Some(JobKind::Training) => Kind::Training,
        None => return "unknown".to_owned(),
    };
    name_of(kind)
}

fn level_name(code: u8) -> String {
    let level = match Assurance::from_code(code) {
        Some(Assurance::Refereed) => Level::Refereed,
        Some(Assurance::Accepted) => Level::Accepted,
        None => return "unknown".to_owned(),
    };
    name_of(level)
}

fn name_of(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// Lists live jobs.
pub async fn list(context: &Context, args: ListArgs) -> Result<()> {
    context.protocol().await?;
    let state = args.state.map(|state| match state {
        State::Open => JobState::Open,
        State::Taken => JobState::Taken,
        State::Submitted => JobState::Submitted,
        State::Rejected => JobState::Rejected,
        State::Slashed => JobState::Slashed,
    });
    let filter = JobFilter {
        state,
        client: args.client,
        provider: args.provider,
        model: args.model,
        mint: args.mint,
    };
    let jobs = accounts::jobs(context.rpc(), filter).await?;
    let decimals = decimals_of(context).await?;
    let list: Vec<Fields> = jobs
        .iter()
        .map(|(address, job)| summary(address, job, &decimals))
        .collect();
    print_list(context.format, &list, "No live job fits.");
    Ok(())
}

fn summary(address: &Pubkey, job: &Job, decimals: &HashMap<Pubkey, u8>) -> Fields {
    let decimals = decimals.get(&job.mint).copied().unwrap_or(0);
    Fields::new()
        .text("job", address)
        .text("state", state_name(job.state))
        .text("kind", kind_name(job.kind))
        .text("assurance", level_name(job.assurance))
        .text(
            "milestone",
            format!("{}/{}", u16::from(job.milestone) + 1, job.milestones),
        )
        .text("price", show(job.price_atoms.get(), decimals))
        .text("bond", show(job.bond_atoms.get(), decimals))
        .text("mint", job.mint)
        .text("client", job.client)
}

/// Shows one job.
pub async fn one(context: &Context, address: &Pubkey) -> Result<()> {
    let job = context.job(address).await?;
    let decimals = context.mint(&job.mint).await?.decimals;
    let moment = moment(context.rpc()).await?;
    let deadline = job.effective_deadline(&moment);
    let left = deadline.saturating_sub(moment.now);
    let tokens = |atoms: u64| show(atoms, decimals);
    let someone = |address: Pubkey| (address != NOBODY).then_some(address);
    let hash = |hash: [u8; 32]| (hash != [0; 32]).then(|| hex::encode(hash));
    // The texts behind the hashes are a convenience; a node without history still shows the rest.
    let input_uri = uris::input_uri(context.rpc(), address, &job)
        .await
        .ok()
        .filter(|uri| !uri.is_empty());
    let has_result = job.state != JobState::Open as u8 && job.submissions.get() > 0;
    let output_uri = match has_result {
        true => uris::output_uri(context.rpc(), address, &job)
            .await
            .ok()
            .filter(|uri| !uri.is_empty()),
        false => None,
    };
    let deadline_text = match u32::try_from(left) {
        Ok(left) => format!("in {}", span::show(left)),
        Err(_) if left < 0 => format!(
            "passed {} ago",
            span::show(u32::try_from(left.unsigned_abs()).unwrap_or(u32::MAX))
        ),
        Err(_) => "far ahead".to_owned(),
    };
    Fields::new()
        .text("job", address)
        .text("state", state_name(job.state))
        .text("kind", kind_name(job.kind))
        .text("assurance", level_name(job.assurance))
        .text(
            "milestone",
            format!("{}/{}", u16::from(job.milestone) + 1, job.milestones),
        )
        .text("client", job.client)
        .maybe("provider", someone(job.provider))
        .maybe("pinned_provider", someone(job.pinned_provider))
        .maybe("arbiter", someone(job.arbiter))
        .maybe("model", someone(job.model))
        .text("mint", job.mint)
        .text("price_per_milestone", tokens(job.price_atoms.get()))
        .text("bond", tokens(job.bond_atoms.get()))
        .text("fee", show_bps(u32::from(job.terms.fee_bps.get())))
        .text("royalty", show_bps(u32::from(job.royalty_bps.get())))
        .with("macs", job.macs.get())
        .with("batch_rows", job.batch_rows.get())
        .text("deadline", deadline_text)
        .with("deadline_unix", deadline)
        .text("work_time", span::show(job.work_secs.get()))
        .text("review_time", span::show(job.review_secs.get()))
        .with("submissions", job.submissions.get())
        .maybe("input_uri", input_uri)
        .maybe("output_uri", output_uri)
        .maybe("trace_root", hash(job.trace_root))
        .maybe("checkpoint", hash(job.checkpoint))
        .print(context.format);
    Ok(())
}
