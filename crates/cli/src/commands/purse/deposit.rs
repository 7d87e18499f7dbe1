//! `quern purse deposit`: from a token account into a purse.

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
    /// Into whose purse [default: the wallet's]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Pubkey>,
}

/// Deposits tokens.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let (payer, config) = (wallet.pubkey(), context.mint(&args.mint).await?);
    let atoms = args.amount.in_atoms(config.decimals)?;
    let owner = args.owner.unwrap_or(payer);
    context.check_tokens(&payer, &config, atoms).await?;
    let (mint, token_program) = (&config.mint, &config.token_program);
    let all = flows::deposit(context.rpc(), &payer, &owner, mint, token_program, atoms).await?;
    let done = Fields::new()
        .text("purse", addresses::purse(&owner, mint))
        .text("mint", mint)
        .tokens("deposited", atoms, config.decimals);
    context.send_and_show(&all, &[&wallet], done).await
}
