//! `quern job create --watch` of a reviewed job: until there is a result to decide about, or the job has ended without one.

use {
    crate::{
        commands::{
            job::result::{self, Target},
            provider::until_stopped,
            watch::{Network, Screen},
        },
        context::Context,
        error::{Error, Result},
        output::{Fields, Format, print_text},
        span::about,
    },
    quern_client::{
        Outcome, Pubkey, history,
        quern::{
            clock::Moment,
            state::{Job, JobState},
        },
        read,
    },
    quern_data::{Fetcher, runtime::SaidSeldom},
    std::time::Duration,
    tokio::time::Instant,
};

/// Time between two looks at the chain.
const POLL: Duration = Duration::from_secs(2);
/// Looks after which a job that is not there counts as ended: a node may be behind.
const LOOKS_FOR_JOB: u32 = 5;

/// What waiting ends with.
enum Waited {
    Submitted(Box<Job>, Moment),
    Ended(Outcome),
}

/// Waits for a result, shows it, and says what may be done about it.
///
/// # Errors
/// That the job ended without a paid result, or that its result is not at hand.
pub async fn follow(
    context: &Context,
    address: &Pubkey,
    target: &Target,
    fetcher: &Fetcher,
) -> Result<()> {
    let waited = {
        let screen = Screen::new(context);
        tokio::select! {
            waited = wait(context, address, &screen) => waited?,
            () = until_stopped() => return Err(Error::Other(format!(
                "stopped watching; the job goes on: see `quern job show {address}`"
            ))),
        }
    };
    match waited {
        Waited::Submitted(job, moment) => {
            let shown = result::run_watched(context, address, target, fetcher, "is submitted");
            let shown = shown.await;
            let mut next = Next::of(address, &job, &moment, &context.wallet_option());
            if shown.is_err() {
                next.was_not_seen();
            }
            next.print(context.format);
            shown
        }
        Waited::Ended(Outcome::Paid) => {
            result::run_watched(context, address, target, fetcher, "was paid").await
        }
        Waited::Ended(Outcome::Convicted { .. }) => Err(Error::Convicted(*address)),
        Waited::Ended(Outcome::Ended) => Err(Error::NotDone(*address)),
        Waited::Ended(Outcome::Unknown) => Err(Error::Other(format!(
            "the node keeps too few transactions to tell how the job {address} ended; ask an indexer"
        ))),
    }
}

/// Tells every step until there is a result, or the job is gone.
async fn wait(context: &Context, address: &Pubkey, screen: &Screen) -> Result<Waited> {
    let network = Network::of(context).await;
    let mut said = SaidSeldom::default();
    let mut told = None;
    let mut looks_without_job = 0;
    loop {
        match read::for_payment(context.rpc(), address).await {
            Ok(found) => match found.job {
                Some(job) => {
                    looks_without_job = 0;
                    if told != Some(job.state()) {
                        told = Some(job.state());
                        screen.step(address, &job, &found.moment);
                    }
                    if job.is_in(JobState::Submitted) {
                        return Ok(Waited::Submitted(Box::new(job), found.moment));
                    }
                }
                None => looks_without_job += 1,
            },
            Err(error) if said.is_due(Instant::now()) => screen.no_answer(&error.to_string()),
            Err(_) => {}
        }
        if looks_without_job > 0 {
            let outcome = history::outcome_of(context.rpc(), address).await;
            let outcome = outcome.unwrap_or(Outcome::Unknown);
            if outcome != Outcome::Unknown || looks_without_job >= LOOKS_FOR_JOB {
                if outcome == Outcome::Unknown {
                    network.check(context).await?;
                }
                screen.outcome(address, &outcome);
                return Ok(Waited::Ended(outcome));
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What a client may do about a submitted milestone.
struct Next {
    job: Pubkey,
    /// Nothing before the result was seen.
    accept: Option<String>,
    /// Nothing without an arbiter.
    reject: Option<String>,
    deadline: i64,
    left_secs: i64,
}

impl Next {
    fn of(address: &Pubkey, job: &Job, moment: &Moment, wallet: &str) -> Self {
        let commitment = hex::encode(job.trace_root);
        let typed = |what: &str| format!("quern{wallet} job {what} {address} --seen {commitment}");
        let deadline = job.effective_deadline(moment);
        Self {
            job: *address,
            accept: Some(typed("accept")),
            reject: job
                .has_arbiter()
                .then(|| format!("{} --reason WHY", typed("reject"))),
            deadline,
            left_secs: deadline.saturating_sub(moment.now).max(0),
        }
    }

    /// Nobody is told to pay for what could not be shown.
    fn was_not_seen(&mut self) {
        self.accept = None;
    }

    fn lines(&self) -> Vec<String> {
        let left = about(self.left_secs.unsigned_abs());
        let mut lines = vec![match &self.accept {
            Some(accept) => format!("pay it now: {accept}"),
            None => format!(
                "look at it again before you pay: quern job result {}",
                self.job
            ),
        }];
        lines.push(match &self.reject {
            Some(reject) => format!("have the arbiter decide, within {left}: {reject}"),
            None => "it cannot be rejected: the job has no arbiter".to_owned(),
        });
        lines.push(format!(
            "or do nothing: silence pays, in {left}, after which the provider collects it"
        ));
        lines
    }

    fn print(&self, format: Format) {
        match format {
            Format::Table => self.lines().iter().for_each(|line| print_text(line)),
            Format::Json => Fields::new()
                .text("job", self.job)
                .text("state", JobState::Submitted.name())
                .maybe("accept", self.accept.as_ref())
                .maybe("reject", self.reject.as_ref())
                .with("silence_pays_unix", self.deadline)
                .with("silence_pays_in_secs", self.left_secs)
                .print_line(format),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn a_client_reads_what_to_type_and_when_silence_pays() {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        job.trace_root = [0xab; 32];
        job.deadline = 7_300.into();
        let moment = Moment {
            now: 100,
            slot: 1,
            last_restart_slot: 0,
        };
        let address = Pubkey::from([1; 32]);
        let lines = |job: &Job| Next::of(&address, job, &moment, " -k me.json").lines();
        let seen = "ab".repeat(32);
        let accept = format!("quern -k me.json job accept {address} --seen {seen}");
        let [pay, reject, silence] = &lines(&job)[..] else {
            panic!("three lines");
        };
        assert!(pay.ends_with(&accept), "{pay}");
        assert!(reject.contains("no arbiter"), "{reject}");
        assert!(silence.contains("silence pays, in 2h"), "{silence}");
        let mut unseen = Next::of(&address, &job, &moment, "");
        unseen.was_not_seen();
        let all = unseen.lines().join("\n");
        assert!(!all.contains("job accept"), "{all}");
        assert!(all.contains("quern job result"), "{all}");
        job.arbiter = Pubkey::from([2; 32]);
        let [_, reject, _] = &lines(&job)[..] else {
            panic!("three lines");
        };
        assert!(
            reject.contains("job reject") && reject.contains("--reason"),
            "{reject}"
        );
    }
}
