//! What only one party of a job may do.

use {
    crate::{
        context::{Context, with_signatures},
        error::{Error, Result},
        output::Fields,
    },
    quern_client::{
        Errand, Instruction, Keypair, Pubkey, Signer, accounts, instructions::NOBODY,
        quern::state::Job,
    },
};

/// The wallet, if it is the party that may do this.
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
    if *expected != wallet.pubkey() {
        return Err(Error::Other(format!(
            "only the job's {role} {expected} may do this; pass its keypair with --keypair (this one is {})",
            wallet.pubkey()
        )));
    }
    Ok(wallet)
}

/// Refuses what is for reviewed jobs only.
pub fn require_reviewed(job: &Job) -> Result<()> {
    if job.is_reviewed() {
        return Ok(());
    }
    Err(Error::Other("this is a refereed job: nobody accepts or rejects it by hand; `quern job crank` pays it after its review unless it is proved wrong".to_owned()))
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
