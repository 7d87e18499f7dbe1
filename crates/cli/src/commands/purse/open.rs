//! `quern purse open`: a purse that others may need before they can pay into it.

use {
    crate::{
        context::Context,
        error::Result,
        named::InMint,
        output::{Fields, print_nothing},
    },
    quern_client::{Pubkey, Signer, accounts, addresses, instructions},
};

/// Whose purse in which mint.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    mint: InMint,
    /// For whom [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Pubkey>,
}

/// Opens a purse.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let mint = args.mint.config(context).await?.mint;
    let owner = args.owner.unwrap_or(wallet.pubkey());
    let address = addresses::purse(&owner, &mint);
    let done = Fields::new()
        .text("purse", address)
        .text("owner", owner)
        .text("mint", mint);
    if accounts::purse(context.rpc(), &owner, &mint)
        .await?
        .is_some()
    {
        print_nothing(
            context.format,
            done,
            &format!("the purse {address} is open already"),
        );
        return Ok(());
    }
    let open = instructions::open_purse(&wallet.pubkey(), &owner, &mint);
    context.send_and_show(&[open], &[&wallet], done).await
}
