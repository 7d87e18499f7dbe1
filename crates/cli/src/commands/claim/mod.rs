//! `quern claim`: take what a wallet has earned, all of it together: rewards, campaigns, and what is free in its purses.
//!
//! Rewards and campaigns are claimed into purses; earnings and royalties lie there already, together with what was deposited and
//! stands behind bonds. So nothing leaves a purse unless the owner says how much.

mod people;
mod plan;
mod show;

use {
    crate::{
        amount,
        context::Context,
        error::{Error, Result},
        progress,
    },
    people::People,
    plan::{Plan, Wanted},
    quern_client::{Pubkey, claims},
};

/// What to claim.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  quern claim --dry-run                        what there is, and the transactions for it
  quern claim                                  rewards and campaigns into your purses
  quern claim --withdraw 2.5 --mint MINT       the same, then 2.5 tokens to your token account
  quern claim --withdraw all --keep 1000       the same, then all free tokens but 1000
  quern claim --fee-payer payer.json           the same for a wallet without SOL
  quern claim --for OWNER                      pay for another one's campaigns, into its purses

Earnings and deposits lie in one purse, and new jobs take their bonds from what is free in it: a provider that
withdraws everything can take no job. --keep says what shall stay. What the program refuses is said and holds up
nothing else; then the exit code is 1.")]
pub struct Args {
    /// Show what would be done, and what the node says about it, without sending anything
    #[arg(long)]
    dry_run: bool,
    /// Only this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
    /// Also move free tokens out of your purse to your token account: an amount, or `all`, deposits included
    #[arg(long, value_name = "TOKENS|all")]
    withdraw: Option<String>,
    /// What stays free in every purse at least, in tokens or atoms (with --withdraw)
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, requires = "withdraw")]
    keep: Option<String>,
    /// Whose claims [default: the wallet's]. For another one only campaigns can be claimed: rewards and withdrawals need its
    /// signature
    #[arg(long = "for", value_name = "OWNER", conflicts_with = "withdraw")]
    owner: Option<Pubkey>,
    /// Who pays for the transactions and for accounts that are missing, if not the wallet: a keypair file
    #[arg(long, value_name = "KEYPAIR")]
    fee_payer: Option<String>,
}

/// Claims and withdraws, or shows what that would be.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let people = People::of(context, args.owner, args.fee_payer.as_deref(), args.dry_run)?;
    context.protocol().await?;
    let reading = claims::of(context.rpc(), &people.owner);
    let found = progress::during("reading what there is", reading).await?;
    let wanted = Wanted {
        mint: args.mint,
        withdraw: args.withdraw.as_deref(),
        keep: args.keep.as_deref(),
    };
    let plan = Plan::new(context, &people, found, &wanted).await?;
    if plan.parts() == 0 {
        show::nothing(context, &plan, args.withdraw.is_some());
        return Ok(());
    }
    if args.dry_run {
        return dry_run(context, &plan).await;
    }
    let signers = people.signers()?;
    let build = |part: usize, failed: &_| plan.instructions(part, failed);
    let sending = context.send_each(plan.parts(), build, &signers);
    let each = sending.await?;
    show::sent(context, &plan, &each);
    failure(&plan, each.failed, each.left.len())
}

/// Shows what would be sent, and what the node says about it.
async fn dry_run(context: &Context, plan: &Plan) -> Result<()> {
    let build = |part: usize, failed: &_| plan.instructions(part, failed);
    let simulating = context
        .sender
        .simulate_each(plan.parts(), build, &plan.payer);
    let each = progress::during("asking the node", simulating).await;
    show::simulated(context, plan, &each);
    let failed = each.failed;
    let failed = failed
        .into_iter()
        .filter(|(parts, _)| !plan.waits_for_others(parts));
    failure(plan, failed.collect(), each.left.len())
}

/// The end of a run in which something failed; it names the first.
fn failure(
    plan: &Plan,
    failed: Vec<(Vec<usize>, quern_client::ClientError)>,
    left: usize,
) -> Result<()> {
    let count = left + failed.iter().map(|(parts, _)| parts.len()).sum::<usize>();
    let Some((parts, first)) = failed.into_iter().next() else {
        return Ok(());
    };
    let which = parts
        .first()
        .map_or_else(String::new, |part| plan.name(*part));
    Err(Error::Claims {
        count,
        of: plan.parts(),
        which,
        first: Box::new(first),
    })
}
