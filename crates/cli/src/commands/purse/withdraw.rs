//! `quern purse withdraw`: from a purse into a token account.

use {
    crate::{amount::Amount, context::Context, error::Result, output::Fields},
    quern_client::{Pubkey, Signer, addresses, flows},
};

/// How much of what goes where.
#[derive(clap::Args)]
pub struct Args {
    /// In which mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Pubkey,
    #[command(flatten)]
    amount: Amount,
    /// Token account that receives them [default: the wallet's usual one, created if needed]
    #[arg(long, value_name = "TOKEN_ACCOUNT")]
    to: Option<Pubkey>,
}

/// Withdraws free tokens.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let (owner, config) = (wallet.pubkey(), context.mint(&args.mint).await?);
    let atoms = args.amount.in_atoms(config.decimals)?;
    let (mint, token_program) = (&config.mint, &config.token_program);
    let all = flows::withdraw(&owner, mint, token_program, args.to.as_ref(), atoms);
    let done = Fields::new()
        .text("purse", addresses::purse(&owner, mint))
        .text("mint", mint)
        .tokens("withdrawn", atoms, config.decimals);
    context.send_and_show(&all, &[&wallet], done).await
}
