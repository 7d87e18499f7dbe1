//! `quern job crank`: do what is due.

use {
    super::{party, show, words},
    crate::{
        context::{Context, with_signatures},
        error::Result,
        output::{Fields, print_nothing},
    },
    quern_client::{
        Errand, Keypair, Pubkey, Signer, accounts, flows, instructions,
        quern::{
            clock::Moment,
            state::{Job, JobState},
        },
    },
};

/// What is due about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// A milestone is to be paid.
    Finalize,
    /// A wait is over.
    Expire,
    /// A conviction is to be paid out.
    SettleConviction,
}

/// What is due, or when something will be.
fn due(job: &Job, moment: &Moment) -> std::result::Result<Due, String> {
    let deadline = job.effective_deadline(moment);
    let left = deadline.saturating_sub(moment.now);
    match job.state() {
        JobState::Convicted => Ok(Due::SettleConviction),
        JobState::Open | JobState::Taken | JobState::Rejected if left < 0 => Ok(Due::Expire),
        JobState::Open | JobState::Taken | JobState::Rejected => Err(format!(
            "nothing is due: {}; try again {}",
            words::deadline(job, left).unwrap_or_default(),
            words::ahead(left.saturating_add(1))
        )),
        JobState::Submitted => {
            let last_answer_at = job.effective_last_answer_at(moment);
            let (at, when) = words::payable(job, moment.now, deadline, last_answer_at);
            match at < moment.now && job.open_demands.get() == 0 {
                true => Ok(Due::Finalize),
                false => Err(format!("it can't be paid yet, but {when}")),
            }
        }
    }
}

/// Does what is due.
pub async fn run(context: &Context, address: &Pubkey) -> Result<()> {
    let (job, known) = context.for_payment(address).await?;
    let due = match due(&job, &known.moment) {
        Ok(due) => due,
        Err(why) => {
            let fields = Fields::new()
                .text("job", address)
                .text("state", job.state().name());
            print_nothing(context.format, fields, &why);
            return Ok(());
        }
    };
    let wallet = context.wallet()?;
    let payer = wallet.pubkey();
    match due {
        Due::Finalize => {
            let finalize = instructions::finalize(&payer, &job, &known.emission);
            party::send(
                context,
                Errand::anytime(),
                address,
                &wallet,
                &[finalize],
                "finalized",
            )
            .await
        }
        Due::Expire => {
            let all = flows::expire(context.rpc(), &payer, &job).await?;
            party::send(
                context,
                Errand::anytime(),
                address,
                &wallet,
                &all,
                "expired",
            )
            .await
        }
        Due::SettleConviction => settle_conviction(context, address, &job, &wallet).await,
    }
}

/// Pays a conviction out, and closes what this wallet has demanded about the job.
async fn settle_conviction(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    wallet: &Keypair,
) -> Result<()> {
    let decimals = context.mint(&job.mint).await?.decimals;
    let mut all = flows::settle_conviction(context.rpc(), &wallet.pubkey(), job).await?;
    let own = accounts::demands_by(context.rpc(), &wallet.pubkey()).await?;
    let own = own.iter().filter(|known| known.demand.job == *address);
    all.extend(own.map(|known| instructions::close_demand(&known.address, &known.demand)));
    let receipts = context.send(&all, &[wallet]).await?;
    let fields = Fields::new()
        .text("job", address)
        .text("done", "paid out")
        .text("proved_by", job.prover);
    let fields = show::with_shares(fields, job, decimals);
    with_signatures(fields, &receipts).print(context.format);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_something_due_or_says_when() {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        let at = |now| Moment {
            now,
            slot: 1,
            last_restart_slot: 0,
        };
        job.deadline = 1_000.into();
        for state in [JobState::Open, JobState::Taken, JobState::Rejected] {
            job.state = state.code();
            let early = due(&job, &at(1_000)).expect_err("too early");
            assert!(early.contains("nothing is due"), "{early}");
            assert!(early.ends_with("try again in 1s"), "{early}");
            assert_eq!(due(&job, &at(1_001)), Ok(Due::Expire));
        }
        job.state = JobState::Convicted.code();
        assert_eq!(due(&job, &at(0)), Ok(Due::SettleConviction));
        job.state = JobState::Submitted.code();
        let early = due(&job, &at(1_000)).expect_err("in review");
        assert!(early.contains("can't be paid yet"), "{early}");
        assert_eq!(due(&job, &at(1_001)), Ok(Due::Finalize));
        job.open_demands = 1.into();
        let held = due(&job, &at(1_001)).expect_err("demanded");
        assert!(held.contains("as soon as no demand"), "{held}");
    }
}
