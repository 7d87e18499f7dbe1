//! `quern job show`: one live job, in words.

use {
    super::words,
    crate::{
        context::Context,
        error::Result,
        output::{Fields, Format, Width, list_text, print_text},
    },
    quern_client::{
        Pubkey, accounts,
        history::{self, reason_text},
        instructions::NOBODY,
        quern::{
            clock::Moment,
            state::{Demand, Job, JobState},
        },
    },
    quern_rules::{price, slash},
    serde_json::Value,
};

/// A job and what explains it.
struct Shown {
    address: Pubkey,
    job: Job,
    decimals: u8,
    moment: Moment,
    input_uri: Option<String>,
    output_uri: Option<String>,
    /// What the provider was convicted of.
    place: Option<String>,
    demands: Vec<(Pubkey, Demand)>,
}

/// Shows one job.
pub async fn run(context: &Context, address: &Pubkey) -> Result<()> {
    let shown = read(context, address).await?;
    let fields = shown.fields();
    match context.format {
        Format::Json => {
            let all = shown.demands.iter();
            let all: Vec<_> = all
                .map(|(address, demand)| demand_json(address, demand, &shown.job, &shown.moment))
                .collect();
            fields.with("demands", all).print(context.format);
        }
        Format::Table => {
            fields.print(context.format);
            shown
                .demand_lines(context.width())
                .iter()
                .for_each(|line| print_text(line));
        }
    }
    Ok(())
}

async fn read(context: &Context, address: &Pubkey) -> Result<Shown> {
    let rpc = context.rpc();
    let (job, known) = context.for_payment(address).await?;
    let decimals = context.mint(&job.mint).await?.decimals;
    let has_result = job.submissions.get() > 0 && !job.is_in(JobState::Open);
    // The texts behind the hashes are a convenience, and so is the place; a node without history still shows the rest.
    let uri = |found: quern_client::Result<String>| found.ok().filter(|uri| !uri.is_empty());
    let input_uri = uri(history::input_uri(rpc, address, &job).await);
    let output_uri = match has_result {
        true => uri(history::output_uri(rpc, address, &job).await),
        false => None,
    };
    let place = match is_convicted(&job) {
        true => history::conviction_of(rpc, address, &job)
            .await
            .ok()
            .flatten()
            .map(|event| words::place(&event.conviction)),
        false => None,
    };
    Ok(Shown {
        address: *address,
        decimals,
        moment: known.moment,
        input_uri,
        output_uri,
        place,
        demands: demands_of(context, address, &job).await?,
        job,
    })
}

impl Shown {
    fn fields(&self) -> Fields {
        let job = &self.job;
        let someone = |address: Pubkey| (address != NOBODY).then_some(address);
        let hash = |hash: [u8; 32]| (hash != [0; 32]).then(|| hex::encode(hash));
        let fields = Fields::new()
            .text("job", self.address)
            .text("state", job.state().name());
        let fields = match is_convicted(job) {
            true => self.conviction(fields),
            false => timing(fields, job, &self.moment),
        };
        fields
            .text("kind", job.kind().name())
            .text("assurance", job.assurance().name())
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
            .tokens("price_per_milestone", job.price_atoms.get(), self.decimals)
            .tokens("bond", job.bond_atoms.get(), self.decimals)
            .share("fee", job.terms.fee_bps.get())
            .share("royalty", job.royalty_bps.get())
            .with("work", job.work.get())
            .with("items", job.items.get())
            .time("work_time", job.work_secs.get())
            .time("review_time", job.review_secs.get())
            .with("submissions", job.submissions.get())
            .maybe("input_uri", self.input_uri.as_ref())
            .maybe("output_uri", self.output_uri.as_ref())
            .maybe("trace_root", hash(job.trace_root))
            .maybe("checkpoint", hash(job.checkpoint))
    }

    /// What the provider was convicted of, and who gets what.
    fn conviction(&self, fields: Fields) -> Fields {
        let job = &self.job;
        let reason = job.conviction_reason();
        // In this state it is the time of the conviction.
        let convicted = job.deadline.get().saturating_sub(self.moment.now).min(-1);
        let fields = fields
            .text("conviction_reason", history::reason_name(reason))
            .text("convicted_of", reason_text(reason))
            .maybe("place", self.place.as_ref())
            .text("proved_by", job.prover)
            .text("convicted", words::ahead(convicted));
        with_shares(fields, job, self.decimals).text(
            "next",
            format!("anybody may pay it out: `quern job crank {}`", self.address),
        )
    }

    fn demand_rows(&self) -> Vec<Fields> {
        let row = |(_, demand): &(Pubkey, Demand)| {
            Fields::new()
                .text("demand", words::node_id(demand))
                .text("state", demand_state(demand, &self.job, &self.moment))
                .with("fee_lamports", demand.fee_lamports.get())
                .text("opener", demand.opener)
        };
        self.demands.iter().take(MOST_DEMANDS).map(row).collect()
    }

    /// The demands about the current submission, for people.
    fn demand_lines(&self, width: Width) -> Vec<String> {
        if self.demands.is_empty() {
            return Vec::new();
        }
        let table = list_text(&self.demand_rows(), width, "");
        let mut lines = vec![String::new()];
        lines.extend(table.lines().map(str::to_owned));
        let more = self.demands.len().saturating_sub(MOST_DEMANDS);
        if more > 0 {
            lines.push(format!("and {more} more; --output json shows all"));
        }
        lines
    }
}

/// Whether its provider was convicted and the bond not yet divided.
pub fn is_convicted(job: &Job) -> bool {
    job.is_in(JobState::Convicted)
}

/// When the next step is possible, and which.
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

/// Who gets what when a conviction is paid out.
pub fn with_shares(fields: Fields, job: &Job, decimals: u8) -> Fields {
    let parts = slash::split_bond(job.bond_left_atoms.get());
    let escrow = price::escrow(job.price_atoms.get(), job.milestones_left()).unwrap_or(u64::MAX);
    fields
        .tokens("prover_gets", parts.prover_atoms, decimals)
        .tokens("client_gets", parts.client_atoms, decimals)
        .tokens("client_gets_back", escrow, decimals)
        .tokens("treasury_gets", parts.treasury_atoms, decimals)
}

/// Demands about the current submission: open ones first, earliest due first, then answered ones.
async fn demands_of(
    context: &Context,
    address: &Pubkey,
    job: &Job,
) -> Result<Vec<(Pubkey, Demand)>> {
    let may_be_demanded = job.open_demands.get() > 0 || job.last_answer_at.get() != 0;
    if !may_be_demanded {
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

/// When a demand is due, or was answered.
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
        .text("node", words::node_id(demand))
        .with("tree", demand.tree.get())
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

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::assert_fits,
        quern_client::quern::state::{Assurance, ConvictionReason, JobKind},
    };

    /// A refereed job at its review, one second into it.
    fn shown() -> Shown {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        job.client = Pubkey::from([2; 32]);
        job.provider = Pubkey::from([3; 32]);
        job.model = Pubkey::from([4; 32]);
        job.mint = Pubkey::from([5; 32]);
        job.kind = JobKind::Inference.code();
        job.assurance = Assurance::Refereed.code();
        job.state = JobState::Submitted.code();
        (job.milestones, job.submissions) = (1, 1.into());
        (job.price_atoms, job.bond_atoms) = (500_000.into(), 1_000_000.into());
        job.bond_left_atoms = job.bond_atoms;
        (job.work, job.items) = (123_456.into(), 64.into());
        (job.work_secs, job.review_secs) = (3_600.into(), 86_400.into());
        job.deadline = 1_086_399.into();
        job.trace_root = [7; 32];
        job.open_demands = 1.into();
        job.terms.fee_bps = 250.into();
        job.terms.react_secs = 3_600.into();
        job.terms.grace_secs = 3_600.into();
        let mut demand: Demand = bytemuck::Zeroable::zeroed();
        (demand.opener, demand.tree) = (Pubkey::from([6; 32]), u16::MAX.into());
        (demand.due, demand.fee_lamports) = (1_021_600.into(), 10_000.into());
        Shown {
            address: Pubkey::from([1; 32]),
            job,
            decimals: 6,
            moment: Moment {
                now: 1_000_000,
                slot: 1,
                last_restart_slot: 0,
            },
            input_uri: Some("https://example.com/in.qbundle".to_owned()),
            output_uri: None,
            place: None,
            demands: vec![(Pubkey::from([8; 32]), demand)],
        }
    }

    #[test]
    fn a_job_in_review_is_shown_with_its_demands() {
        let mut shown = shown();
        let lines = shown.demand_lines(Width::Screen);
        let text = [vec![shown.fields().table()], lines].concat();
        let (_, widest) = &mut shown.demands[0];
        (widest.tree, widest.level, widest.index) = (3_071.into(), u8::MAX, u64::MAX.into());
        (widest.fee_lamports, widest.due) = (u64::MAX.into(), i64::MIN.into());
        assert_fits(&shown.demand_rows());
        crate::snapshot::check("job-show-submitted", &text.join("\n"));
    }

    #[test]
    fn a_convicted_job_is_shown_with_its_shares() {
        let mut shown = shown();
        shown.job.state = JobState::Convicted.code();
        shown.job.conviction_reason = ConvictionReason::WrongCell.code();
        shown.job.prover = Pubkey::from([9; 32]);
        shown.job.deadline = 999_940.into();
        shown.place = Some("op 0, row 7, column 5".to_owned());
        crate::snapshot::check("job-show-convicted", &shown.fields().table());
    }
}
