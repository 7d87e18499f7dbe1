//! `quern purse withdraw`: from a purse into a token account.

use {
    super::done,
    crate::{context::Context, error::Result, named::AmountInMint},
    quern_client::{Pubkey, Signer, flows},
};

/// How much of what goes where.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    amount: AmountInMint,
    /// Token account that receives them [default: the wallet's usual one, created if needed]
    #[arg(long, value_name = "TOKEN_ACCOUNT")]
    to: Option<Pubkey>,
}

/// Withdraws free tokens.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let (config, atoms) = args.amount.read_some(context).await?;
    let (owner, to) = (wallet.pubkey(), args.to.as_ref());
    let todo = "withdraw at most what is free (`quern purse show`)";
    let wanted = ("the withdrawal", todo);
    context.check_free(&owner, &config, atoms, wanted).await?;
    let all = flows::withdraw(
        &owner,
        &owner,
        &config.mint,
        &config.token_program,
        to,
        atoms,
    );
    let done = done(&owner, &config, "withdrawn", atoms);
    context.send_and_show(&all, &[&wallet], done).await
}
