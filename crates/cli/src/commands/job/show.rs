//! Live jobs, for people.

use {
    super::{Kind, Level, words},
    crate::{
        amount::{show, show_bps},
        commands::purse::decimals_of,
        context::Context,
        error::Result,
        output::{Fields, Format, print_list, print_text},
        span,
    },
    clap::ValueEnum,
    quern_client::{
        Pubkey, accounts,
        accounts::JobFilter,
        clock,
        history::{self, reason_name, reason_text},
        instructions::NOBODY,
        quern::{
            clock::Moment,
            state::{Assurance, ConvictionReason, Demand, Job, JobKind, JobState},
        },
    },
    quern_rules::{price, slash},
    serde_json::Value,
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
    Convicted,
}

/// A state in a word.
pub fn state_name(code: u8) -> &'static str {
    match JobState::from_code(code) {
        Some(JobState::Open) => "open",
        Some(JobState::Taken) => "taken",
        Some(JobState::Submitted) => "submitted",
        Some(JobState::Rejected) => "rejected",
        Some(JobState::Convicted) => "slashed",
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
        Some(Assurance::Reviewed) => Level::Reviewed,
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
        State::Convicted => JobState::Convicted,
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
        .map(|(address, job)| summary(context.format, address, job, &decimals))
        .collect();
    print_list(context.format, &list, "No live job fits.");
    Ok(())
}

fn summary(format: Format, address: &Pubkey, job: &Job, decimals: &HashMap<Pubkey, u8>) -> Fields {
    let decimals = decimals.get(&job.mint).copied().unwrap_or(0);
    let name = state_name(job.state);
    let fields = Fields::new().text("job", address);
    let fields = match format {
        Format::Table => fields.text("state", words::state(job, name)),
        Format::Json => fields
            .text("state", name)
            .with("open_demands", job.open_demands.get())
            .maybe("conviction_reason", slash_code(job)),
    };
    fields
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

fn is_convicted(job: &Job) -> bool {
    job.is_in(JobState::Convicted)
}

fn slash_code(job: &Job) -> Option<&'static str> {
    is_convicted(job).then(|| reason_name(ConvictionReason::from_code(job.conviction_reason)))
}

/// Shows one job.
pub async fn one(context: &Context, address: &Pubkey) -> Result<()> {
    let job = context.job(address).await?;
    let decimals = context.mint(&job.mint).await?.decimals;
    let moment = clock::moment(context.rpc()).await?;
    let tokens = |atoms: u64| show(atoms, decimals);
    let someone = |address: Pubkey| (address != NOBODY).then_some(address);
    let hash = |hash: [u8; 32]| (hash != [0; 32]).then(|| hex::encode(hash));
    // The texts behind the hashes are a convenience; a node without history still shows the rest.
    let input_uri = history::input_uri(context.rpc(), address, &job)
        .await
        .ok()
        .filter(|uri| !uri.is_empty());
    let has_result = !job.is_in(JobState::Open) && job.submissions.get() > 0;
    let output_uri = match has_result {
        true => history::output_uri(context.rpc(), address, &job)
            .await
            .ok()
            .filter(|uri| !uri.is_empty()),
        false => None,
    };
    let demands = demands_of(context, address, &job).await?;
    let fields = Fields::new()
        .text("job", address)
        .text("state", state_name(job.state));
    let fields = match is_convicted(&job) {
        true => slashed(context, fields, address, &job, &moment, decimals).await,
        false => timing(fields, &job, &moment),
    };
    let fields = fields
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
        .text("work_time", span::show(job.work_secs.get()))
        .text("review_time", span::show(job.review_secs.get()))
        .with("submissions", job.submissions.get())
        .maybe("input_uri", input_uri)
        .maybe("output_uri", output_uri)
        .maybe("trace_root", hash(job.trace_root))
        .maybe("checkpoint", hash(job.checkpoint));
    match context.format {
        Format::Json => {
            let all: Vec<_> = demands
                .iter()
                .map(|(address, demand)| demand_json(address, demand, &job, &moment))
                .collect();
            fields.with("demands", all).print(context.format);
        }
        Format::Table => {
            fields.print(context.format);
            print_demands(&demands, &job, &moment);
        }
    }
    Ok(())
}

/// When what happens next.
fn timing(fields: Fields, job: &Job, moment: &Moment) -> Fields {
    let deadline = job.effective_deadline(moment);
    let left = deadline.saturating_sub(moment.now);
    let fields = fields
        .maybe("deadline", words::deadline(job, left))
        .with("deadline_unix", deadline);
    if !job.is_in(JobState::Submitted) {
        return fields;
    }
    let last_answer_at = job.effective_last_answer_at(moment);
    let (payable_at, payable) = words::payable(job, moment.now, deadline, last_answer_at);
    let answered = (last_answer_at != 0)
        .then(|| words::ahead(last_answer_at.saturating_sub(moment.now).min(-1)));
    fields
        .text("may_be_paid", payable)
        .with("may_be_paid_unix", payable_at)
        .with("open_demands", job.open_demands.get())
        .maybe("last_answer", answered)
}

/// What the provider was convicted of, and who gets what.
async fn slashed(
    context: &Context,
    fields: Fields,
    address: &Pubkey,
    job: &Job,
    moment: &Moment,
    decimals: u8,
) -> Fields {
    let reason = ConvictionReason::from_code(job.conviction_reason);
    // In this state it is the time of the conviction.
    let convicted = job.deadline.get().saturating_sub(moment.now).min(-1);
    // As for texts: a node without history still shows the rest.
    let event = history::conviction_of(context.rpc(), address, job)
        .await
        .ok()
        .flatten();
    let place = event.map(|event| words::place(&event.conviction));
    let fields = fields
        .text("conviction_reason", reason_name(reason))
        .text("slashed_for", reason_text(reason))
        .maybe("place", place)
        .text("proved_by", job.prover)
        .text("convicted", words::ahead(convicted));
    with_shares(fields, job, decimals).text(
        "next",
        format!("anybody may have it paid out: `quern job settle {address}`"),
    )
}

/// Who gets what when a conviction is paid out.
pub fn with_shares(fields: Fields, job: &Job, decimals: u8) -> Fields {
    let tokens = |atoms: u64| show(atoms, decimals);
    let parts = slash::split_bond(job.bond_left_atoms.get());
    let escrow = price::escrow(job.price_atoms.get(), job.milestones_left()).unwrap_or(u64::MAX);
    fields
        .text("prover_gets", tokens(parts.prover_atoms))
        .text("client_gets", tokens(parts.client_atoms))
        .text("client_gets_back", tokens(escrow))
        .text("treasury_gets", tokens(parts.treasury_atoms))
}

/// Demands about the current submission: open ones first, earliest due first, then answered ones.
async fn demands_of(
    context: &Context,
    address: &Pubkey,
    job: &Job,
) -> Result<Vec<(Pubkey, Demand)>> {
    let may_be_asked = job.open_demands.get() > 0 || job.last_answer_at.get() != 0;
    if !may_be_asked {
        return Ok(Vec::new());
    }
    let mut demands: Vec<_> = accounts::demands_of(context.rpc(), address)
        .await?
        .into_iter()
        .map(|known| (known.address, known.demand))
        .filter(|(_, demand)| demand.submission == job.submissions)
        .collect();
    demands.sort_by_key(|(address, demand)| {
        let at = match demand.answered.get() {
            true => demand.answered_at.get(),
            false => demand.due.get(),
        };
        (demand.answered.get(), at, *address)
    });
    Ok(demands)
}

/// What has become of a demand: when it is due or was answered.
fn demand_state(demand: &Demand, job: &Job, moment: &Moment) -> String {
    let left = demand.effective_due(job, moment).saturating_sub(moment.now);
    match demand.answered.get() {
        true => {
            let ago = demand.answered_at.get().saturating_sub(moment.now);
            format!("answered {}", words::ahead(ago.min(-1)))
        }
        false if left < 0 => format!("not answered, due {}", words::ahead(left)),
        false => format!("due {}", words::ahead(left)),
    }
}

fn demand_json(address: &Pubkey, demand: &Demand, job: &Job, moment: &Moment) -> Value {
    Fields::new()
        .text("demand", address)
        .text("demand", words::node_id(demand))
        .with("tree", demand.tree)
        .with("level", demand.level)
        .with("index", demand.index.get())
        .text("opener", demand.opener)
        .with("answered", demand.answered.get())
        .with("due_unix", demand.effective_due(job, moment))
        .with("answered_unix", demand.answered_at.get())
        .with("fee_lamports", demand.fee_lamports.get())
        .json()
}

/// Rows of a table that a person reads.
const MOST_DEMANDS: usize = 20;

fn print_demands(demands: &[(Pubkey, Demand)], job: &Job, moment: &Moment) {
    if demands.is_empty() {
        return;
    }
    let rows: Vec<Fields> = demands
        .iter()
        .take(MOST_DEMANDS)
        .map(|(_, demand)| {
            Fields::new()
                .text("demand", words::node_id(demand))
                .text("state", demand_state(demand, job, moment))
                .with("fee_lamports", demand.fee_lamports.get())
                .text("opener", demand.opener)
        })
        .collect();
    print_text("");
    print_list(Format::Table, &rows, "");
    let more = demands.len().saturating_sub(MOST_DEMANDS);
    if more > 0 {
        print_text(&format!("and {more} more; --output json shows all"));
    }
}
