//! `quern purse deposit`: from a token account into a purse.

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
    /// Into whose purse [default: the wallet's]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Pubkey>,
}

/// Deposits tokens.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let (config, atoms) = args.amount.read_some(context).await?;
    let payer = wallet.pubkey();
    let owner = args.owner.unwrap_or(payer);
    context.check_tokens(&payer, &config, atoms).await?;
    let (mint, token_program) = (&config.mint, &config.token_program);
    let all = flows::deposit(context.rpc(), &payer, &owner, mint, token_program, atoms).await?;
    let done = done(&owner, &config, "deposited", atoms);
    context.send_and_show(&all, &[&wallet], done).await
}
