//! What only one party of a job may do.

use {
    crate::{
        context::{Context, with_signatures},
        error::{Error, Result},
        output::Fields,
        signer,
    },
    quern_client::{
        Errand, Instruction, Keypair, Pubkey, Signer, accounts,
        instructions::NOBODY,
        quern::state::{Job, JobState},
    },
};

/// The wallet, if it is the party that may decide about a job.
pub fn wallet_of(
    context: &Context,
    job: &Pubkey,
    expected: &Pubkey,
    role: &str,
) -> Result<Keypair> {
    let wallet = context.wallet()?;
    if *expected == NOBODY {
        return Err(Error::Other(format!("the job {job} has no {role}")));
    }
    let action = format!("do this with the job {job}");
    signer::require(&wallet.pubkey(), &[(role, *expected)], &action)?;
    Ok(wallet)
}

/// The result that a decision is about, as the person who decides has seen it.
#[derive(clap::Args, Clone, Debug)]
pub struct Seen {
    /// Commitment of the result that you have seen, whole or its first 32 digits at least: `quern job result` prints it. Needed
    /// where the job may hold another result by now
    #[arg(long, value_name = "HEX", value_parser = commitment)]
    seen: Option<String>,
}

/// Digits of a commitment that name it. The provider writes all results of a job, so it must not find two that begin alike:
/// for 32 digits that takes 2^64 hashes.
const COMMITMENT_DIGITS: std::ops::RangeInclusive<usize> = 32..=64;

fn commitment(text: &str) -> std::result::Result<String, String> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && COMMITMENT_DIGITS.contains(&text.len()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("write 32 to 64 hexadecimal digits, as `quern job result` prints them".to_owned())
}

impl Seen {
    /// Refuses a decision about a result that may not be the one that was seen: a job of several milestones, or one whose
    /// milestone was done again, moves on while somebody reads.
    pub fn check(&self, address: &Pubkey, job: &Job) -> Result<()> {
        let now = hex::encode(job.trace_root);
        match &self.seen {
            Some(seen) if now.starts_with(seen.as_str()) => Ok(()),
            Some(_) => Err(Error::Other(format!(
                "the job {address} holds another result now, committed to as {now}; look at it with `quern job result {address}`"
            ))),
            None if job.milestones > 1 || job.submissions.get() > 1 => Err(Error::Other(format!(
                "the job {address} may have several results; look at the present one with `quern job result {address}` and name its commitment with --seen"
            ))),
            None => Ok(()),
        }
    }
}

/// Refuses what is for reviewed jobs only.
pub fn require_reviewed(job: &Job) -> Result<()> {
    if job.is_reviewed() {
        return Ok(());
    }
    Err(Error::Other("this is a refereed job: nobody accepts or rejects it by hand; `quern job crank` pays it after its review unless it is proved wrong".to_owned()))
}

/// Refuses a decision about a job in another state, before anything is signed.
pub fn require_state(address: &Pubkey, job: &Job, state: JobState) -> Result<()> {
    if job.is_in(state) {
        return Ok(());
    }
    Err(Error::Other(format!(
        "the job {address} is {}, and this is for one that is {}; see `quern job show {address}`",
        job.state().name(),
        state.name()
    )))
}

/// Sends for an errand, and says what became of the job.
pub async fn send(
    context: &Context,
    errand: Errand,
    address: &Pubkey,
    wallet: &Keypair,
    all: &[Instruction],
    done: &str,
) -> Result<()> {
    let context = &context.on(errand);
    let receipts = context.send(all, &[wallet]).await?;
    // The transaction stands whatever this says.
    let now = accounts::fetch_optional::<Job>(context.rpc(), address).await;
    let state = now.ok().flatten().map_or("ended", |job| job.state().name());
    let fields = Fields::new()
        .text("job", address)
        .text("done", done)
        .text("state", state);
    with_signatures(fields, &receipts).print(context.format);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A decision names what it is about wherever another result may stand there by now (A9).
    #[test]
    fn a_decision_is_about_the_result_that_was_seen() {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        let address = Pubkey::default();
        (job.milestones, job.trace_root) = (1, [0xab; 32]);
        job.submissions = 1.into();
        let check = |job: &Job, seen: Option<&str>| {
            let seen = seen.map(|seen| commitment(seen).unwrap());
            Seen { seen }.check(&address, job).is_ok()
        };
        assert!(check(&job, None));
        let seen = "ab".repeat(16);
        assert!(check(&job, Some(&"AB".repeat(16))) && check(&job, Some(&"ab".repeat(32))));
        assert!(!check(&job, Some(&"ac".repeat(16))));
        job.submissions = 2.into();
        assert!(!check(&job, None) && check(&job, Some(&seen)));
        (job.milestones, job.submissions) = (2, 1.into());
        assert!(!check(&job, None));
        // The provider has gone on: the decision about the first result meets the second.
        job.trace_root = [0xcd; 32];
        assert!(!check(&job, Some(&seen)));
        for bad in [
            "",
            "abcdefg",
            &"h".repeat(32),
            &"a".repeat(31),
            &"a".repeat(65),
        ] {
            assert!(commitment(bad).is_err(), "{bad}");
        }
    }
}
