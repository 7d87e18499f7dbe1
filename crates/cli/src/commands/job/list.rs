//! `quern job list`: the live jobs that fit.

use {
    super::{show::is_convicted, words},
    crate::{
        commands::purse::decimals_of,
        context::Context,
        error::Result,
        named,
        output::{Fields, Format},
        span,
    },
    quern_client::{
        Pubkey, accounts,
        accounts::JobFilter,
        clock, history,
        instructions::NOBODY,
        quern::{
            clock::Moment,
            state::{Job, JobState},
        },
    },
    std::collections::HashMap,
};

/// Which jobs.
#[derive(clap::Args)]
pub struct Args {
    /// In this state
    #[arg(long, value_enum)]
    state: Option<JobState>,
    /// Of this client
    #[arg(long, value_name = "ADDRESS")]
    client: Option<Pubkey>,
    /// At work with this provider: its owner or its name
    #[arg(long, value_name = "ADDRESS_OR_NAME")]
    provider: Option<String>,
    /// Of this model
    #[arg(long, value_name = "ADDRESS_OR_NAME")]
    model: Option<String>,
    /// Paid in this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
}

/// Lists live jobs.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    context.protocol().await?;
    let provider = match &args.provider {
        Some(text) => Some(named::provider(context, text).await?),
        None => None,
    };
    let model = match &args.model {
        Some(text) => Some(named::model(context, text).await?),
        None => None,
    };
    let filter = JobFilter {
        state: args.state,
        client: args.client,
        provider,
        model,
        mint: args.mint,
    };
    let jobs = accounts::jobs(context.rpc(), filter).await?;
    let known = Known::read(context).await?;
    let list: Vec<Fields> = jobs
        .iter()
        .map(|(address, job)| known.summary(context.format, address, job))
        .collect();
    context.print_list(&list, "No live job matches.");
    Ok(())
}

/// What explains the numbers and addresses in jobs.
struct Known {
    decimals: HashMap<Pubkey, u8>,
    /// Names of models and, by their owners, of providers.
    names: HashMap<Pubkey, String>,
    moment: Moment,
}

impl Known {
    async fn read(context: &Context) -> Result<Self> {
        let rpc = context.rpc();
        let models = accounts::models(rpc, None).await?.into_iter();
        let models = models.map(|(address, model)| (address, accounts::name(&model.name)));
        let providers = accounts::providers(rpc).await?.into_iter();
        let providers =
            providers.map(|(_, provider)| (provider.owner, accounts::name(&provider.name)));
        Ok(Self {
            decimals: decimals_of(context).await?,
            names: models.chain(providers).collect(),
            moment: clock::moment(rpc).await?,
        })
    }

    /// A name for people, the address where there is none.
    fn called(&self, address: &Pubkey) -> Option<String> {
        let name = self.names.get(address).filter(|name| !name.is_empty());
        let is_named = *address != NOBODY;
        is_named.then(|| name.cloned().unwrap_or_else(|| address.to_string()))
    }

    fn summary(&self, format: Format, address: &Pubkey, job: &Job) -> Fields {
        let decimals = self.decimals.get(&job.mint).copied().unwrap_or(0);
        let milestone = format!("{}/{}", u16::from(job.milestone) + 1, job.milestones);
        let left_secs = job
            .effective_deadline(&self.moment)
            .saturating_sub(self.moment.now);
        let fields = Fields::new().text("job", address);
        if format == Format::Table {
            let time_left = match u64::try_from(left_secs) {
                _ if is_convicted(job) => "-".to_owned(),
                Ok(left) => span::about(left),
                Err(_) => "over".to_owned(),
            };
            let named = |address| self.called(address).unwrap_or_else(|| "-".to_owned());
            return fields
                .text("state", words::state(job))
                .text("time_left", time_left)
                .text("model", named(&job.model))
                .text("provider", named(&job.provider))
                .text(
                    "work",
                    format!("{}, {}", job.kind().name(), job.assurance().name()),
                )
                .text("milestone", milestone)
                .tokens("price", job.price_atoms.get(), decimals);
        }
        fields
            .text("state", job.state().name())
            .with("time_left_secs", left_secs)
            .with("open_demands", job.open_demands.get())
            .maybe(
                "conviction_reason",
                is_convicted(job).then(|| history::reason_name(job.conviction_reason())),
            )
            .text("kind", job.kind().name())
            .text("assurance", job.assurance().name())
            .text("milestone", milestone)
            .tokens("price", job.price_atoms.get(), decimals)
            .tokens("bond", job.bond_atoms.get(), decimals)
            .text("mint", job.mint)
            .text("client", job.client)
            .maybe("provider", (job.provider != NOBODY).then_some(job.provider))
            .maybe("model", (job.model != NOBODY).then_some(job.model))
    }
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::{Width, assert_fits, list_text},
        quern_client::quern::state::{Assurance, JobKind},
    };

    #[test]
    fn a_list_says_what_is_special() {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        (job.mint, job.client) = (Pubkey::from([2; 32]), Pubkey::from([3; 32]));
        job.kind = JobKind::FineTuning.code();
        job.assurance = Assurance::Reviewed.code();
        job.state = JobState::Submitted.code();
        (job.milestone, job.milestones, job.open_demands) = (1, 3, 2.into());
        (job.price_atoms, job.bond_atoms) = (10_000_000.into(), 5_000_000.into());
        (job.model, job.provider) = (Pubkey::from([4; 32]), Pubkey::from([5; 32]));
        job.deadline = 90_061.into();
        let known = Known {
            decimals: HashMap::from([(job.mint, 6)]),
            names: HashMap::from([(job.model, "Digits".to_owned())]),
            moment: Moment {
                now: 0,
                slot: 1,
                last_restart_slot: 0,
            },
        };
        let summary = |job: &Job| known.summary(Format::Table, &Pubkey::from([1; 32]), job);
        let mut open = job;
        (open.state, open.provider) = (JobState::Open.code(), NOBODY);
        open.deadline = (-1).into();
        let mut widest = job;
        (widest.price_atoms, widest.deadline) = (u64::MAX.into(), i64::MAX.into());
        (widest.milestone, widest.milestones) = (254, 255);
        widest.open_demands = u32::MAX.into();
        widest.model = Pubkey::from([6; 32]);
        assert_fits(&[summary(&widest)]);
        let list = [summary(&job), summary(&open)];
        crate::snapshot::check("job-list", &list_text(&list, Width::Screen, ""));
        let json = known
            .summary(Format::Json, &Pubkey::from([1; 32]), &job)
            .json();
        assert_eq!(json["time_left_secs"], 90_061);
        assert_eq!(json["provider"], job.provider.to_string());
    }
}
