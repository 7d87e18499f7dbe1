//! `quern job list`: the live jobs that fit.

use {
    super::{show::is_convicted, words},
    crate::{
        commands::purse::decimals_of,
        context::Context,
        error::Result,
        output::{Fields, Format, print_list},
    },
    quern_client::{
        Pubkey, accounts,
        accounts::JobFilter,
        history,
        quern::state::{Job, JobState},
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

/// Lists live jobs.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    context.protocol().await?;
    let filter = JobFilter {
        state: args.state,
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
    let fields = Fields::new().text("job", address);
    let fields = match format {
        Format::Table => fields.text("state", words::state(job)),
        Format::Json => fields
            .text("state", job.state().name())
            .with("open_demands", job.open_demands.get())
            .maybe(
                "conviction_reason",
                is_convicted(job).then(|| history::reason_name(job.conviction_reason())),
            ),
    };
    fields
        .text("kind", job.kind().name())
        .text("assurance", job.assurance().name())
        .text(
            "milestone",
            format!("{}/{}", u16::from(job.milestone) + 1, job.milestones),
        )
        .tokens("price", job.price_atoms.get(), decimals)
        .tokens("bond", job.bond_atoms.get(), decimals)
        .text("mint", job.mint)
        .text("client", job.client)
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::list_text,
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
        let decimals = HashMap::from([(job.mint, 6)]);
        let list = [summary(
            Format::Table,
            &Pubkey::from([1; 32]),
            &job,
            &decimals,
        )];
        crate::snapshot::check("job-list", &list_text(&list, ""));
    }
}
