//! `quern provider operator-limit`: what the hot key may put at stake and lose.

use {
    crate::{context::Context, error::Result, named::AmountInMint, output::Fields},
    quern_client::{Signer, flows, instructions},
};

/// How much in which mint.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    amount: AmountInMint,
}

/// Sets the limit.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let (config, atoms) = args.amount.read(context).await?;
    let (owner, mint, decimals) = (wallet.pubkey(), config.mint, config.decimals);
    let mut all = flows::open_missing(context.rpc(), &owner, &[owner], &mint).await?;
    all.push(instructions::set_operator_limit(&owner, &mint, atoms));
    let done = Fields::new()
        .text("mint", mint)
        .tokens("operator_limit", atoms, decimals);
    context.send_and_show(&all, &[&wallet], done).await
}
