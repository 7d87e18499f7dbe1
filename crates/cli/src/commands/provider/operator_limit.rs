//! `quern provider operator-limit`: what the hot key may put at stake and lose.

use {
    crate::{
        amount::{Amount, show},
        context::Context,
        error::Result,
        output::Fields,
    },
    quern_client::{Pubkey, Signer, flows, instructions},
};

/// How much in which mint.
#[derive(clap::Args)]
pub struct Args {
    /// In which mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Pubkey,
    #[command(flatten)]
    amount: Amount,
}

/// Sets the limit.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let (owner, mint) = (wallet.pubkey(), args.mint);
    let decimals = context.mint(&mint).await?.decimals;
    let atoms = args.amount.in_atoms(decimals)?;
    let mut all = flows::open_missing(context.rpc(), &owner, &[owner], &mint).await?;
    all.push(instructions::set_operator_limit(&owner, &mint, atoms));
    let done = Fields::new()
        .text("mint", mint)
        .text("operator_limit", show(atoms, decimals));
    context.send_and_show(&all, &[&wallet], done).await
}
