//! What a client should know before a price is locked: nobody may take the job, or silence may pay for it.

use {
    super::{args::Args, plan::Plan},
    crate::{
        context::Context,
        error::{Error, Result},
        span,
    },
    quern_client::{
        Pubkey, accounts, addresses,
        quern::state::{Assurance, Provider},
    },
    quern_provider::Policy,
    quern_rules::gwork::GWORK,
};

/// Refuses a job for a provider that could not take it.
///
/// # Errors
/// Why it could not.
pub async fn check_provider(context: &Context, args: &Args, client: &Pubkey) -> Result<()> {
    let Some(owner) = &args.terms.provider else {
        return Ok(());
    };
    context.protocol().await?;
    let address = addresses::provider(owner);
    let found = accounts::fetch_optional::<Provider>(context.rpc(), &address).await?;
    let why = match found {
        _ if owner == client => "is the client of this job, and nobody works for oneself",
        None => "is not registered as a provider, so nobody could take the job",
        Some(provider) if !provider.active.get() => "takes no jobs now (its entry says so)",
        Some(_) => return Ok(()),
    };
    Err(Error::Other(format!(
        "{owner} {why}; name another one with --provider, or leave it out (`quern provider show {owner}`)"
    )))
}

/// Why agents with usual settings may leave the job alone, and what silence does.
pub fn of(args: &Args, plan: &Plan) -> Vec<String> {
    let (usual, job) = (Policy::default(), &plan.args);
    let mut all = Vec::new();
    let mut left_alone = |is_so: bool, why: String| {
        if is_so {
            all.push(format!("agents with usual settings leave it alone: {why}"));
        }
    };
    let most_bond = job.price_atoms.saturating_mul(usual.max_bond_prices);
    left_alone(
        job.bond_atoms > most_bond,
        format!(
            "the bond is more than {} times the price (their --max-bond-prices)",
            usual.max_bond_prices
        ),
    );
    left_alone(
        job.price_atoms < usual.min_price_atoms,
        "the price is nothing (their --min-price)".to_owned(),
    );
    left_alone(
        plan.work > usual.max_work,
        format!(
            "it is more than {} Gwork (their --max-gwork)",
            usual.max_work / GWORK
        ),
    );
    left_alone(
        job.work_secs < usual.min_work_secs,
        format!(
            "the time to work is shorter than {} (their --min-work)",
            span::show(usual.min_work_secs)
        ),
    );
    left_alone(
        job.review_secs > usual.max_review_secs,
        format!(
            "the review is longer than {} (their --max-review)",
            span::show(usual.max_review_secs)
        ),
    );
    if args.arbiter.is_some() {
        all.push(
            "only providers that have named this arbiter (their --arbiter) take it".to_owned(),
        );
    }
    if plan.assurance == Assurance::Reviewed {
        if args.assurance.is_none() {
            all.push(
                "this is a reviewed job, because no sealed model is named: nobody but you checks its result"
                    .to_owned(),
            );
        }
        all.push(silence(job.review_secs, args.arbiter.is_some()));
    }
    all
}

/// What happens to a submitted milestone of a reviewed job.
fn silence(review_secs: u32, has_arbiter: bool) -> String {
    let review = span::show(review_secs);
    match has_arbiter {
        true => format!(
            "silence pays: {review} after a milestone was submitted it is paid, unless you reject it before (`quern job reject`)"
        ),
        false => format!(
            "silence pays, and you cannot reject: without --arbiter a milestone is paid {review} after it was submitted, whatever it is"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_said_with_its_time() {
        let said = silence(86_400, true);
        assert!(
            said.contains("1d after") && said.contains("job reject"),
            "{said}"
        );
        let said = silence(7_200, false);
        assert!(
            said.contains("2h after") && said.contains("--arbiter"),
            "{said}"
        );
    }
}
